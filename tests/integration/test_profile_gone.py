"""A quality profile that an admin deletes in the moment in which somebody begins to use it, or it decides: whoever comes second
is told so. A title that goes while it is searched for is nobody's failure either."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.downloads import search, services
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
from tests.demo import Demo
from tests.providers import providers
from tests.waiting import until
from tests.wishes import make_media

__all__ = ["providers"]
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


@contextmanager
def at(moment: str, delete: Callable[[], object]) -> Iterator[None]:
    """Have it deleted elsewhere in the moment before the first statement that has these words."""
    deletions: list[object] = []

    def elsewhere() -> None:
        try:
            delete()
        finally:
            connections.close_all()

    def execute(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if moment in sql and not deletions:
            with ThreadPoolExecutor(1) as threads:
                deletions.append(threads.submit(elsewhere).result(60))
        return run(sql, *rest)

    with connection.execute_wrapper(execute):
        yield
    assert deletions


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
    payload = again.AgainPayload(media_id=media.pk)
    with at(moment, lambda: profiles.delete(profile.pk, admin)), pytest.raises(TransientError):
        again.run(payload)
    assert again.run(payload) == {"titles": 1, "releases": 1}
    assert Candidate.objects.get().profile is None


@pytest.mark.parametrize("moment", ['INSERT INTO "schedules"', 'INSERT INTO "torrents"', 'INSERT INTO "candidates"'])
def test_a_title_that_goes_while_it_is_searched_for_is_known_to_be_gone_by_the_next_try(
    providers: Demo, moment: str
) -> None:
    payload = search.SearchPayload(media_id=search.title_of("harbour cats"), season=1)
    with at(moment, lambda: Media.objects.all().delete()), pytest.raises(TransientError):
        search.run(payload)
    with pytest.raises(PermanentError) as error:
        search.run(payload)
    assert error.value.status == 404
    assert not Candidate.objects.exists()


def test_a_profile_that_goes_while_it_is_searched_by_decides_no_more(providers: Demo, admin: User, alice: User) -> None:
    media_id = search.title_of("last night tram")
    profile = QualityProfile.objects.create(name="Small", settings={})
    follows.follow(alice, media_id, "film", profile_id=profile.pk)
    payload = search.SearchPayload(media_id=media_id)
    with at('INSERT INTO "candidates"', lambda: profiles.delete(profile.pk, admin)), pytest.raises(TransientError):
        search.run(payload)
    assert search.run(payload)["accepted"]
    assert not Candidate.objects.exclude(profile=None).exists()
