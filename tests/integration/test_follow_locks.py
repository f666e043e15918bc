"""Whoever changes several follows locks them in the order of their ids, so that two who do it at once wait one way round."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.downloads.following import seeking, taking
from apps.downloads.following.models import Follow
from apps.downloads.following.wanted import Unit
from apps.downloads.models import STATUS_OF, Download, Phase
from apps.media.models import Media, Schedule
from tests.waiting import until
from tests.wishes import make_media

pytestmark = pytest.mark.django_db(transaction=True)
LOW, HIGH = 1_000_001, 1_000_002


def two_follows(media: Media, people: tuple[User, User], what: str, **fields: object) -> None:
    """Two of one title; the later one lies before the other on the disk, where a plain UPDATE meets it first."""
    for pk, user in zip((HIGH, LOW), people, strict=True):
        Follow.objects.create(pk=pk, user=user, media=media, what=what, **fields)


def films_that_came(people: tuple[User, User]) -> Callable[[], object]:
    media = make_media()
    two_follows(media, people, "film")
    for user in people:
        Download.objects.create(user=user, media=media, phase=Phase.DONE, status=STATUS_OF[Phase.DONE])
    return lambda: seeking.end(timezone.now())


def series_that_go_on(people: tuple[User, User]) -> Callable[[], object]:
    media = make_media(kind="tv")
    Schedule.objects.create(media=media, over=False, read_at=timezone.now())
    two_follows(media, people, "all", ended_at=timezone.now())
    return lambda: seeking.end(timezone.now())


def a_title_that_was_searched_for(people: tuple[User, User]) -> Callable[[], object]:
    media = make_media()
    two_follows(media, people, "film")
    return lambda: seeking._searched(Unit(media.pk, None, None), 1)


def a_quota_that_holds_something_up(people: tuple[User, User]) -> Callable[[], object]:
    media = make_media(kind="tv")
    for pk, what in ((HIGH, "all"), (LOW, "missing")):
        Follow.objects.create(pk=pk, user=people[0], media=media, what=what)
    return lambda: taking._tell(people[0].pk, media.pk)


@pytest.mark.parametrize(
    "made", [films_that_came, series_that_go_on, a_title_that_was_searched_for, a_quota_that_holds_something_up]
)
@pytest.mark.usefixtures("valkey")
def test_the_second_is_not_held_while_the_first_is_waited_for(
    made: Callable[[tuple[User, User]], Callable[[], object]], alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.downloads.search.run", lambda payload: {})
    change = made((alice, bob))

    def run() -> None:
        try:
            change()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT FROM follows WHERE id = %s FOR UPDATE", [LOW])
            running = threads.submit(run)

            def waits() -> bool:
                assert not running.done(), "it had to wait"
                cursor.execute(
                    "SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
                )
                return cursor.fetchone() is not None

            until(waits, 30)
            cursor.execute("SELECT FROM follows WHERE id = %s FOR UPDATE NOWAIT", [HIGH])
        running.result(60)
