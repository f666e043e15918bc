"""The books of the indexers: who is left alone and for how long, what they may be asked, what is told of them."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import AuditEntry, User
from apps.downloads import offered
from apps.downloads.indexers import Wish, books, fetch_torrent, latest, limits, search_all, trial
from apps.downloads.indexers.books import Kind
from apps.downloads.indexers.offer import Batch, Offer
from apps.downloads.indexers.refusals import SpentError
from apps.downloads.indexers.turn import Source
from apps.downloads.models import Indexer, IndexerUse, Torrent
from apps.feed.models import Event
from apps.media.models import Kind as MediaKind
from sokoul.demo import keys
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError
from tests.cast import Api
from tests.demo import Demo
from tests.providers import providers
from tests.waiting import until

__all__ = ["providers"]

NAME = "Quiet.Quay.2026.1080p.WEB-DL.H.264-QUAI"
WISH = Wish(MediaKind.MOVIE, "Quiet Quay", year=2026)


@pytest.fixture
def feed(providers: Demo, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """Only feeds: "Good", and those that a test adds to it; all of them have one release."""
    providers.add_content(NAME, [{"path": f"{NAME}.mkv", "size": 1000}], listed=True)
    monkeypatch.setattr(ENV, "prowlarr_url", None)
    monkeypatch.setattr(ENV, "torznab_feeds", {})
    configure(providers, "Good")
    return providers


def configure(demo: Demo, *names: str, key: str = keys.TORZNAB) -> None:
    ENV.torznab_feeds.update({name: (f"{demo.url}/torznab/feeds/{name}/api", key) for name in names})


def fault(demo: Demo, name: str, kind: str, **options: Any) -> None:
    demo.misbehave("torznab", kind, path_prefix=f"feeds/{name}", **options)


def asked(demo: Demo, name: str = "Good", question: str = "t=") -> int:
    return sum(
        row["path"].strip("/").startswith(f"feeds/{name}/") and question in row["query"]
        for row in demo.requests("torznab")
    )


def row(name: str = "Good") -> Indexer:
    return Indexer.objects.get(name=name)


def let_pass(name: str = "Good") -> None:
    """As if its back-off were over."""
    Indexer.objects.filter(name=name).update(backoff_until=timezone.now())


def left(name: str = "Good") -> float:
    """Minutes that it is left alone for, to the half."""
    until = row(name).backoff_until
    return round((until - timezone.now()).total_seconds() / 30) / 2 if until else 0.0


# --- one that misbehaves costs the others nothing -------------------------------------------------------------------------

BAD = {
    "Hanging": {"kind": "hang"}, "Endless": {"kind": "endless_pages"}, "Html": {"kind": "html"}, "Cut": {"kind": "cut"},
    "Busy": {"kind": "status", "code": 429, "retry_after": 60}, "Document": {"kind": "refusal", "code": 900},
    "Limited": {"kind": "refusal", "code": 500}, "Refused": {"kind": "refusal", "code": 100}, "Empty": {"kind": "empty"},
}  # fmt: skip


def test_indexers_that_hang_page_for_ever_or_answer_nonsense_neither_delay_nor_break_the_others(
    feed: Demo, admin: User
) -> None:
    configure(feed, *BAD)
    for name, options in BAD.items():
        fault(feed, name, **options)  # type: ignore[arg-type]
    started = time.monotonic()
    offers, warnings = search_all(WISH, seconds=3.0)
    assert time.monotonic() - started < 3.0 + 8.0
    found = {offer.indexer for offer in offers}
    assert {"Good", "Endless"} == found
    assert NAME in {offer.title for offer in offers if offer.indexer == "Good"}
    told = " ".join(warnings)
    assert all(name in told for name in BAD), warnings
    states = {one.name: one for one in Indexer.objects.all()}
    assert states["Good"].failures == 0
    assert states["Good"].releases == 1
    assert states["Refused"].refused
    assert {name for name, one in states.items() if one.failures} == set(BAD) - {"Endless", "Refused"}
    assert {name for name in BAD if left(name)} == {"Busy", "Limited"}  # for the others a first failure is none yet


def test_who_hangs_twice_delays_nobody_a_third_time(feed: Demo) -> None:
    configure(feed, "Hanging")
    fault(feed, "Hanging", "hang")
    for _ in range(2):
        search_all(WISH, seconds=1.5)
    before, started = asked(feed, "Hanging"), time.monotonic()
    offers, warnings = search_all(WISH, seconds=20.0)
    assert time.monotonic() - started < 10
    assert [offer.title for offer in offers] == [NAME]
    assert "Hanging is left alone until" in warnings[0]
    assert asked(feed, "Hanging") == before


# --- back-off -------------------------------------------------------------------------------------------------------------


def test_the_pause_grows_with_each_failure_and_an_answer_ends_it(feed: Demo) -> None:
    fault(feed, "Good", "html")
    pauses = []
    for _ in range(5):
        let_pass()
        with pytest.raises((TransientError, PermanentError)):
            latest()
        pauses.append(left())
    assert pauses == [0, 1, 5, 15, 30]
    feed.behave()
    let_pass()
    assert latest()[0]
    assert (row().failures, row().backoff_until, row().last_error) == (0, None, "")


def test_searches_that_fail_together_count_as_one_failure(feed: Demo) -> None:
    sources = [Source("Good", lambda turn: Batch())]
    entries = [books.begin(Kind.TORZNAB, sources, 0)[0][0] for _ in range(8)]
    for entry in entries:
        books.finish([books.Outcome(entry, None, TransientError("no"))])
    assert row().failures == 1


def test_an_admins_test_asks_who_is_left_alone_and_ends_that(feed: Demo, admin: User) -> None:
    search_all(WISH)
    Indexer.objects.update(
        failures=9, backoff_until=timezone.now() + timedelta(days=1), queries_day=0, last_error="It hung."
    )
    with pytest.raises(PermanentError, match="It hung"):
        search_all(WISH)
    [outcome] = trial.test("Good")
    assert outcome.well
    Indexer.objects.update(queries_day=None)
    assert search_all(WISH)[0]


def test_when_everybody_is_left_alone_for_long_a_search_does_not_wait(feed: Demo) -> None:
    latest()
    Indexer.objects.update(backoff_until=timezone.now() + timedelta(seconds=30))
    with pytest.raises(TransientError) as soon:
        latest()
    assert soon.value.retry_after is not None
    assert 0 < soon.value.retry_after <= 30
    Indexer.objects.update(backoff_until=timezone.now() + timedelta(hours=3))
    with pytest.raises(PermanentError):
        latest()


def test_retry_after_is_obeyed_to_the_second(feed: Demo) -> None:
    fault(feed, "Good", "status", code=429, retry_after=600)
    with pytest.raises(PermanentError):
        latest()
    assert left() == 10
    feed.behave()
    with pytest.raises(PermanentError, match="left alone"):
        latest()


# --- keys -----------------------------------------------------------------------------------------------------------------


def test_a_refused_key_switches_off_until_there_is_another(feed: Demo, admin: User) -> None:
    configure(feed, "Good", key="wrong-key")
    for _ in range(2):
        with pytest.raises(PermanentError, match=r"key|credentials"):
            latest()
    assert asked(feed, question="t=search") == 1  # the second time nobody asked
    [alarm] = Event.objects.filter(user=admin, type="notification")
    assert (alarm.data["code"], alarm.data["provider"], alarm.data["variable"]) == (
        "key_refused",
        "Good",
        "TORZNAB_FEEDS",
    )
    configure(feed, "Good")
    assert latest()[0]
    assert row().refused == ""


def test_a_key_never_leaves(
    feed: Demo, admin: User, api: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not in rows, logs, warnings or what REST and the dashboard say, not even where the indexer says it itself."""
    configure(feed, "Refused", "Broken")
    fault(feed, "Refused", "refusal", code=100)  # says the key in its description
    fault(feed, "Broken", "status", code=404)
    offers, warnings = search_all(WISH)
    torrents = offered.keep(offers)
    assert "{apikey}" in torrents[0].download_url
    fetch_torrent(torrents[0])
    client = Client(headers={"Accept": "text/html"})
    client.force_login(admin)
    told = [repr(offers), repr(warnings), caplog.text, *capsys.readouterr()]
    told += [
        client.get(f"/dashboard/{path}").content.decode()
        for path in ("downloads/indexer/", "downloads/torrent/", "indexers/")
    ]
    told += [client.post("/dashboard/indexers/test", {"name": "Refused"}).content.decode()]
    told += [api(admin).request("get", path).content.decode() for path in ("/admin/indexers", "/notifications")]
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(table)} t")
            told += [text for (text,) in cursor.fetchall()]
    assert any("Refused" in text for text in told)
    assert [text[:200] for text in told if keys.TORZNAB in text] == []
    assert keys.TORZNAB not in repr(books.begin(Kind.TORZNAB, [Source("Good", lambda turn: Batch(), keys.TORZNAB)], 0))


# --- limits ---------------------------------------------------------------------------------------------------------------


def test_a_limit_of_queries_is_kept_and_ends(feed: Demo) -> None:
    latest()
    Indexer.objects.update(queries_hour=3)
    latest()
    latest()
    before = asked(feed, question="t=search")
    with pytest.raises(PermanentError, match="as often as its limits allow"):
        latest()
    assert asked(feed, question="t=search") == before == 3
    IndexerUse.objects.update(at=timezone.now() - timedelta(minutes=61))
    assert latest()[0]


def test_reading_pages_ends_where_the_limit_does(feed: Demo) -> None:
    latest()
    Indexer.objects.update(queries_minute=4)
    fault(feed, "Good", "endless_pages")
    offers, warnings = search_all(WISH)
    assert asked(feed, question="q=") == 3  # one of four was the listing before
    assert offers
    assert "as often as its limits allow" in warnings[0]


_WAITING = """
SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN
  (SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database())
"""


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_of_two_processes_only_one_has_the_last_call(valkey: str) -> None:
    Indexer.objects.create(name="Good", kind="torznab", queries_minute=1)
    sources = [Source("Good", lambda turn: Batch())]
    begun: list[int] = []

    def begin() -> None:
        try:
            begun.append(len(books.begin(Kind.TORZNAB, sources, 0)[0]))
        finally:
            connection.close()

    other = threading.Thread(target=begin)
    with transaction.atomic():
        assert len(books.begin(Kind.TORZNAB, sources, 0)[0]) == 1
        other.start()
        until(lambda: not other.is_alive() or somebody_waits(), 30, "the other one")
    other.join(60)
    assert begun == [0]


def test_a_limit_of_grabs_is_kept_and_says_when_to_come_back(feed: Demo) -> None:
    [torrent] = offered.keep(search_all(WISH)[0])
    Indexer.objects.update(grabs_day=1)
    assert isinstance(fetch_torrent(torrent), bytes)
    with pytest.raises(SpentError) as error:
        fetch_torrent(torrent)
    assert error.value.retry_after == pytest.approx(86400, abs=60)
    assert row().grabs == 1


def test_what_no_limit_counts_any_more_is_removed(feed: Demo) -> None:
    latest()
    latest()
    IndexerUse.objects.filter(pk=IndexerUse.objects.earliest("pk").pk).update(at=timezone.now() - timedelta(hours=25))
    assert limits.forget() == 1
    assert IndexerUse.objects.count() == 1


def test_a_limit_that_is_met_between_pages_is_obeyed_though_there_is_an_answer(feed: Demo) -> None:
    fault(feed, "Good", "endless_pages", times=3)  # what it can do, and two pages
    fault(feed, "Good", "status", code=429, retry_after=600)
    offers, warnings = search_all(WISH)
    assert offers
    assert "limit reached" in warnings[0]
    assert left() == 10


# --- what they can do, and which is preferred -----------------------------------------------------------------------------


def test_what_an_indexer_can_do_is_asked_once_a_day(feed: Demo) -> None:
    for _ in range(2):
        search_all(WISH)
    assert asked(feed, question="t=caps") == 1
    Indexer.objects.update(caps_at=timezone.now() - timedelta(days=2))
    search_all(WISH)
    assert asked(feed, question="t=caps") == 2


def test_a_release_is_fetched_from_the_indexer_that_an_admin_prefers(feed: Demo) -> None:
    configure(feed, "Better")
    search_all(WISH)
    Indexer.objects.filter(name="Better").update(priority=1)
    [torrent] = offered.keep(search_all(WISH)[0])
    assert (torrent.indexer, torrent.indexers) == ("Better", ["Better", "Good"])
    Indexer.objects.update(priority=25)
    Indexer.objects.filter(name="Good").update(priority=24)
    [torrent] = offered.keep(search_all(WISH)[0])
    assert torrent.indexer == "Good"


def test_an_offer_that_leads_somewhere_is_taken_before_a_preferred_hash() -> None:
    bare = Offer("t", "Better", "1", info_hash_v1="a" * 40, priority=1)
    whole = Offer("t", "Good", "2", info_hash_v1="a" * 40, download_url="http://good/1", seeders=1)
    [release] = offered.merged([bare, whole])
    assert release.source is whole


def test_one_that_is_switched_off_is_not_asked_and_not_told_of(feed: Demo) -> None:
    configure(feed, "Other")
    latest()
    Indexer.objects.filter(name="Other").update(enabled=False)
    before = asked(feed, "Other")
    assert latest()[1] == []
    assert asked(feed, "Other") == before


# --- what admins see and do -----------------------------------------------------------------------------------------------


def test_an_admin_sees_how_each_stands(feed: Demo, admin: User, api: Any) -> None:
    configure(feed, "Bad")
    fault(feed, "Bad", "html")
    search_all(WISH)
    shown = {one["name"]: one for one in api(admin).request("get", "/admin/indexers").json()["results"]}
    assert (shown["Good"]["state"], shown["Bad"]["state"]) == ("well", "failing")
    assert (shown["Good"]["queries"], shown["Good"]["releases"], shown["Good"]["used"]["queries_day"]) == (1, 1, 1)
    assert shown["Good"]["mean_seconds"] > 0
    assert "not XML" in shown["Bad"]["last_error"]
    del ENV.torznab_feeds["Bad"]
    search_all(WISH)
    shown = {one["name"]: one for one in api(admin).request("get", "/admin/indexers").json()["results"]}
    assert shown["Bad"]["state"] == "removed"


def test_limits_and_priority_are_changed_and_noted(admin: User, api: Any) -> None:
    indexer = Indexer.objects.create(name="Good", kind="torznab", grabs_day=5)
    client: Api = api(admin)
    answer = client.request(
        "patch", f"/admin/indexers/{indexer.pk}", {"priority": 3, "queries_hour": 100, "grabs_day": None}
    )
    assert (answer.status_code, answer.json()["priority"], answer.json()["limits"]["queries_hour"]) == (200, 3, 100)
    noted = AuditEntry.objects.latest("pk")
    assert (noted.action, noted.target) == ("indexer.changed", "Good")
    assert noted.details["before"] == {"priority": 25, "queries_hour": None, "grabs_day": 5}
    assert client.request("patch", f"/admin/indexers/{indexer.pk}", {"priority": 51}).status_code == 400
    assert client.request("patch", "/admin/indexers/999999", {"priority": 5}).status_code == 404


def test_the_dashboard_changes_and_forgives(admin: User) -> None:
    later = timezone.now() + timedelta(hours=1)
    indexer = Indexer.objects.create(
        name="Good", kind="torznab", failures=4, backoff_until=later, last_error="It hung."
    )
    client = Client(headers={"Accept": "text/html"})
    client.force_login(admin)
    page = client.get("/dashboard/downloads/indexer/").content.decode()
    assert "It hung." in page
    assert "left alone" in page
    client.post("/dashboard/downloads/indexer/", {"action": "forget", "_selected_action": [indexer.pk]})
    indexer.refresh_from_db()
    assert (indexer.failures, indexer.backoff_until) == (0, None)
    address = f"/dashboard/downloads/indexer/{indexer.pk}/change/"
    assert client.post(address, {"enabled": "on", "priority": "7", "queries_day": "200"}).status_code == 302
    indexer.refresh_from_db()
    assert (indexer.priority, indexer.queries_day, indexer.enabled) == (7, 200, True)
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == [
        "indexer.forgiven",
        "indexer.changed",
    ]


def test_the_list_costs_the_same_at_1_and_at_50_rows(admin: User, api: Any) -> None:
    client: Api = api(admin)

    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            assert client.request("get", "/admin/indexers", limit=100).status_code == 200
        return len(counted)

    Indexer.objects.create(name="One", kind="torznab")
    few = queries()
    for number in range(49):
        Indexer.objects.create(name=f"Indexer {number}", kind="torznab")
    assert queries() == few <= 5


def test_a_magnet_is_a_grab_too(db: None) -> None:
    from apps.downloads.indexers import count_grab

    Indexer.objects.create(name="Good", kind="torznab")
    count_grab("Good")
    assert row().grabs == 1
    assert not Torrent.objects.exists()
