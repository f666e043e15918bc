"""A wish is accepted in two messages: a look that holds nobody, and one that writes all of it or nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DataError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from apps.accounts.models import AuditEntry, User
from apps.downloads import rows, services
from apps.downloads.models import Download, Phase, QualityProfile, Start
from apps.feed.models import Event
from apps.jobs.models import Job
from apps.media.models import Media
from sokoul.errors import PermanentError
from tests.cast import Api
from tests.wishes import make_media, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey", "nats")]
Clients = Callable[[User | None], Api]
WRITING = "SELECT downloads_agree("  # how the second message begins
MOST = 3  # statements: who it is, the look, the message
MAGNET = "magnet:?xt=urn:btih:" + "a" * 40


@pytest.fixture
def media(db: None) -> Media:
    return make_media()


@contextmanager
def before_writing(act: Callable[[], object]) -> Iterator[list[str]]:
    """Between the look and the message `act` happens elsewhere, once; gives each message of that kind that was sent."""
    sent = list[str]()

    def elsewhere() -> None:
        try:
            act()
        finally:
            connections.close_all()

    def look(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith(WRITING):
            sent.append(sql)
            if len(sent) == 1:
                thread = threading.Thread(target=elsewhere)
                thread.start()
                thread.join()
        return execute(sql, *rest)

    with connection.execute_wrapper(look):
        yield sent


def written() -> list[int]:
    """How many rows there are of all that a start writes."""
    return [model.objects.count() for model in (Download, Start, Job, Event)] + [  # type: ignore[attr-defined]
        AuditEntry.objects.filter(action="download.started").count()
    ]


def test_a_start_costs_the_same_whatever_its_person_has(api: Clients, alice: User) -> None:
    client, costs = api(alice), []
    User.objects.filter(pk=alice.pk).update(quota_active=100, quota_bytes=10**12, quota_weekly=100)
    for have in (1, 50):
        while Download.objects.count() < have:
            number = Download.objects.count() + 1
            fields = {"phase": Phase.DONE, "status": "Completed", "bytes_total": 1}
            Download.objects.create(user=alice, media=make_media(f"Film {number}", number), **fields)
            Event.objects.create(user=alice, type="note")
        wanted = make_media("Wanted", 1000 + have)
        with CaptureQueriesContext(connection) as asked:
            assert client.post("/downloads/start", {"media_id": wanted.pk}).status_code == 202
        costs.append([" ".join(query["sql"].split())[:60] for query in asked.captured_queries])
    assert len(costs[0]) == len(costs[1]) <= MOST, costs


def test_all_of_it_is_written_or_nothing(alice: User, media: Media) -> None:
    """The message fails after its last part."""

    def spoil(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        return execute(f"{sql};SELECT 1/0" if sql.startswith(WRITING) else sql, *rest)

    with connection.execute_wrapper(spoil), pytest.raises(DataError):
        services.start(alice.pk, media.pk, magnet=MAGNET)
    assert written() == [0, 0, 0, 0, 0]
    services.start(alice.pk, media.pk, magnet=MAGNET)
    assert written() == [1, 1, 1, 1, 1]


def test_who_was_faster_with_the_same_thing_has_it(alice: User, media: Media) -> None:
    with before_writing(lambda: services.start(alice.pk, media.pk)), pytest.raises(PermanentError) as refused:
        services.start(alice.pk, media.pk)
    download = Download.objects.get()
    assert (refused.value.status, str(refused.value)) == (
        409,
        f"Download {download.pk} of this title is already being downloaded.",
    )
    assert written() == [1, 1, 1, 1, 1]


def test_who_has_it_already_is_told_so_in_their_language(alice: User, media: Media) -> None:
    services.start(alice.pk, media.pk)
    with override("fr"), pytest.raises(PermanentError, match="est déjà en cours"):
        services.start(alice.pk, media.pk)


def test_who_was_faster_with_the_last_place_has_it(alice: User, media: Media) -> None:
    User.objects.filter(pk=alice.pk).update(quota_active=1)
    other = make_media("Other", 2)
    with before_writing(lambda: services.start(alice.pk, other.pk)), pytest.raises(PermanentError) as refused:
        services.start(alice.pk, media.pk)
    assert (refused.value.status, refused.value.code) == (429, "quota")
    assert list(Download.objects.values_list("media_id", flat=True)) == [other.pk]
    assert written() == [1, 1, 1, 1, 1]


def test_who_is_not_committed_yet_is_waited_for(alice: User, media: Media) -> None:
    User.objects.filter(pk=alice.pk).update(quota_active=1)
    other, mine, theirs = make_media("Other", 2), backend(), threading.Event()

    def last_place() -> None:
        try:
            with transaction.atomic():
                services.start(alice.pk, other.pk)
                theirs.set()
                until(lambda: waits(mine), "the second wish waiting for the first")
        finally:
            connections.close_all()

    thread = threading.Thread(target=last_place)

    def act() -> None:
        thread.start()
        assert theirs.wait(40)

    with before_writing(act), pytest.raises(PermanentError) as refused:
        services.start(alice.pk, media.pk)
    thread.join()
    assert (refused.value.status, written()) == (429, [1, 1, 1, 1, 1])


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def waits(process: int) -> bool:
    """Whether that connection waits for another one's lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT cardinality(pg_blocking_pids(%s))", [process])
        return bool(cursor.fetchone()[0])


def test_who_was_overtaken_and_is_in_nobody_s_way_starts_all_the_same(alice: User, media: Media) -> None:
    other = make_media("Other", 2)
    with before_writing(lambda: services.start(alice.pk, other.pk)) as sent:
        download, job_id = services.start(alice.pk, media.pk)
    assert len(sent) == 1, "that one failed, then the person was held first"
    assert written() == [2, 2, 2, 2, 2]
    assert Job.objects.get(pk=job_id).payload["download_id"] == download.pk
    assert list(Event.objects.order_by("pk").values_list("data__id", flat=True))[-1] == download.pk


@pytest.mark.parametrize("gone", ["title", "profile"])
def test_what_is_gone_when_it_is_to_be_named_is_404(alice: User, media: Media, gone: str) -> None:
    profile = QualityProfile.objects.create(name="Small", settings={})
    what = media if gone == "title" else profile
    with before_writing(what.__class__.objects.filter(pk=what.pk).delete), pytest.raises(PermanentError) as refused:
        services.start(alice.pk, media.pk, profile_id=profile.pk)
    assert refused.value.status == 404
    assert written() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("number", [-1, 2**63, 10**20])
@pytest.mark.parametrize("name", ["media_id", "torrent_id", "profile_id", "replaces"])
def test_what_no_row_can_have_is_404(alice: User, media: Media, name: str, number: int) -> None:
    with pytest.raises(PermanentError) as refused:
        services.start(alice.pk, **{"media_id": media.pk, name: number})
    assert refused.value.status == 404
    assert written() == [0, 0, 0, 0, 0]


def test_within_a_transaction_a_wish_is_that_one_s(alice: User, media: Media) -> None:
    with transaction.atomic():
        services.start(alice.pk, media.pk)
        assert written() == [1, 1, 1, 1, 1]
        transaction.set_rollback(True)
    assert written() == [0, 0, 0, 0, 0]


def test_its_row_and_event_are_those_that_django_would_have_written(alice: User, media: Media) -> None:
    profile = QualityProfile.objects.create(name="Small", settings={})
    wish: dict[str, Any] = {"magnet": f"{MAGNET}&dn=A.Name", "profile_id": profile.pk, "automatic": True}
    download, _ = services.start(alice.pk, media.pk, **wish)
    row = Download.objects.filter(pk=download.pk).values().get()
    plain = Download(user=alice, media=media, profile=profile, magnet=download.magnet, name="A.Name", automatic=True)
    plain.phase, plain.created_at = Phase.QUEUED, row["created_at"]
    assert row == {field.attname: getattr(plain, field.attname) for field in Download._meta.concrete_fields} | {
        "id": download.pk
    }
    told = Event.objects.get().data
    rows.announce(download.pk)
    assert Event.objects.order_by("pk").last().data == told  # type: ignore[union-attr]


def test_what_may_be_there_once_is_looked_for_in_its_index(alice: User, bob: User, media: Media) -> None:
    """However much its person and the title have, and also once PostgreSQL keeps the plan."""
    others = Media.objects.bulk_create(
        Media(tmdb_id=n, kind="tv", title="T", genres=["Drama"], slug="t") for n in range(2, 500)
    )
    fields = {"phase": Phase.DONE, "status": "Completed"}
    Download.objects.bulk_create(Download(user=alice, media=other, **fields) for other in others)
    Download.objects.bulk_create(Download(user=bob, media=media, target=f"s{n}", **fields) for n in range(500))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE downloads")
    with transaction.atomic(), connection.cursor() as cursor:

        def scans() -> int:
            """What PostgreSQL has not added to its statistics yet; of earlier transactions, too, for up to a second."""
            cursor.execute("SELECT pg_stat_get_xact_numscans('downloads_once'::regclass)")
            return int(cursor.fetchone()[0])

        before = scans()
        for _ in range(10):
            cursor.execute("SELECT downloads_look(%s, %s, NULL, '', NULL, NULL, now())", [alice.pk, media.pk])
        assert scans() == before + 10
