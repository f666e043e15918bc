"""A quality profile that an admin deletes in the moment in which somebody begins to use it: whoever comes second is told so."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from apps.accounts.models import User
from apps.downloads import services
from apps.downloads.following import follows
from apps.downloads.following.models import Follow
from apps.downloads.models import Download, QualityProfile
from apps.downloads.profiles import services as profiles
from apps.downloads.profiles.models import TitleProfile
from apps.media.models import Media
from sokoul.errors import PermanentError
from tests.waiting import until
from tests.wishes import make_media

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]
Use = Callable[[User, int, int], object]


def to_follow(user: User, media_id: int, profile_id: int) -> object:
    return follows.follow(user, media_id, "film", profile_id=profile_id)


def to_download(user: User, media_id: int, profile_id: int) -> object:
    return services.start(user.pk, media_id, profile_id=profile_id)


def for_a_title(user: User, media_id: int, profile_id: int) -> object:
    return profiles.use_for_title(media_id, profile_id, user)


@pytest.fixture
def media(db: None) -> Media:
    return make_media()


@pytest.mark.parametrize("use", [to_follow, to_download, for_a_title])
def test_who_begins_to_use_a_profile_that_is_being_deleted_is_told_that_it_is_gone(
    use: Use, admin: User, alice: User, media: Media
) -> None:
    profile = QualityProfile.objects.create(name="Small", settings={})

    def run() -> object:
        try:
            return use(alice, media.pk, profile.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic(), connection.cursor() as cursor:
            profiles.delete(profile.pk, admin)
            running = threads.submit(run)

            def waits() -> bool:
                assert not running.done(), "it had to wait"
                cursor.execute(
                    "SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
                )
                return cursor.fetchone() is not None

            until(waits, 30)
        with pytest.raises(PermanentError) as error:
            running.result(60)
    assert (error.value.status, error.value.code) == (404, "not_found")
    assert not [model for model in (Follow, Download, TitleProfile) if model.objects.exists()]
