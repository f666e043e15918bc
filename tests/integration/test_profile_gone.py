"""A quality profile that an admin deletes in the moment in which somebody begins to use it, or it decides again: whoever comes
second is told so."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.downloads import services
from apps.downloads.following import follows
from apps.downloads.following.models import Follow
from apps.downloads.models import Candidate, Download, QualityProfile, Torrent
from apps.downloads.profiles import again, deciding
from apps.downloads.profiles import services as profiles
from apps.downloads.profiles.deciding import Part
from apps.downloads.profiles.holding import BUILT_IN
from apps.downloads.profiles.models import TitleProfile
from apps.media.models import Media
from sokoul.errors import PermanentError, TransientError
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


@pytest.mark.parametrize(
    "moment", ['WHERE "quality_profiles"."id" = ', 'INSERT INTO "candidates"'], ids=["looked up", "decided"]
)
def test_what_is_decided_by_a_profile_that_is_deleted_meanwhile_is_decided_by_the_next_try(
    moment: str, admin: User, alice: User, media: Media
) -> None:
    """Whoever deletes one asks for another look anyway: this is no failure for anybody to mend."""
    facts = {"magnet": "magnet:?x", "indexer": "one", "seen_at": timezone.now()}
    found = Torrent.objects.create(key="k", title="Film.2021.1080p.WEB-DL.x264-A", **facts)
    deciding.write(Part(media, None, None), [found], BUILT_IN)
    profile = QualityProfile.objects.create(name="Small", settings={})
    follows.follow(alice, media.pk, "film", profile_id=profile.pk)
    deletions: list[object] = []

    def delete() -> None:
        try:
            profiles.delete(profile.pk, admin)
        finally:
            connections.close_all()

    def execute(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if moment in sql and not deletions:
            with ThreadPoolExecutor(1) as elsewhere:
                deletions.append(elsewhere.submit(delete).result(60))
        return run(sql, *rest)

    payload = again.AgainPayload(media_id=media.pk)
    with connection.execute_wrapper(execute), pytest.raises(TransientError):
        again.run(payload)
    assert deletions
    assert again.run(payload) == {"titles": 1, "releases": 1}
    assert Candidate.objects.get().profile is None
