"""Following: what is wanted is found, started and filed without a hand; nothing twice, nothing lost, never too much."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import AuditEntry, User
from apps.downloads import services, tasks
from apps.downloads.following import retention, rss, seeking, taking, wanted
from apps.downloads.following.models import Declined, Follow, Seek
from apps.downloads.following.wanted import Unit
from apps.downloads.indexers import Offer
from apps.downloads.models import (
    STATUS_OF,
    Candidate,
    Download,
    Indexer,
    LibraryFile,
    Phase,
    QualityProfile,
    TitleProfile,
    Torrent,
)
from apps.downloads.profiles import services as profiles
from apps.feed.models import Event
from apps.jobs import registry
from apps.jobs.models import Job
from apps.media import services as media_services
from apps.media.models import Episode, Media, Schedule, Watch
from sokoul.api import Page
from sokoul.env import ENV
from sokoul.errors import TransientError
from tests.cast import Api
from tests.demo import Demo
from tests.integration.test_profiles import WEB_FIRST
from tests.integration.test_quotas import limit
from tests.providers import providers
from tests.wishes import hunting, make_media, reaches

__all__ = ["providers"]
pytestmark = pytest.mark.django_db
Clients = Callable[[User | None], Api]
DAY = timedelta(days=1)


def today() -> date:
    """The product's day. It has begun for all that comes after, also where midnight comes in between: what must not be out yet is
    two days away, and whatever else a test wants of a day holds for the next one, too."""
    return timezone.now().date()


def turn(*kinds: str) -> int:
    """The relay's chores, then what they asked the workers for; how many jobs ran."""
    tasks.read_followed_dates()
    tasks.seek_wanted()
    tasks.look_at_the_new()
    tasks.end_follows()
    return run_jobs(*(kinds or ("schedule", "seek", "rss", "details")))


def run_jobs(*kinds: str) -> int:
    """Run what is pending, as the workers do, until nothing is."""
    registry.load()
    count = 0
    while job := Job.objects.filter(status="Pending", kind__in=kinds).order_by("created_at").first():
        found = registry.find(job.worker, job.kind)
        assert found is not None
        running = registry.Running(job.pk, job.kind, job.user_id, job.request_id, seeking.ATTEMPTS)
        found.handle(found.payload.model_validate(job.payload), running)
        Job.objects.filter(pk=job.pk).update(status="Completed", finished_at=timezone.now())
        count += 1
    return count


def hours_pass(hours: float) -> None:
    """Everything that was noted happened so much earlier."""
    earlier = timedelta(hours=hours)
    Schedule.objects.update(read_at=F("read_at") - earlier)
    Seek.objects.update(
        asked_at=F("asked_at") - earlier, searched_at=F("searched_at") - earlier, next_at=F("next_at") - earlier
    )
    Indexer.objects.update(backoff_until=F("backoff_until") - earlier, failed_at=F("failed_at") - earlier)
    Job.objects.filter(kind__in=["schedule", "rss", "seek"], status="Completed").delete()


def found(query: str, kind: str = "tv") -> Media:
    return Media.objects.get(pk=media_services.search_titles(query, kind)["results"][0]["id"])


def series(*aired: date | None, over: bool = False, season: int = 1, **fields: Any) -> Media:
    """A series with these episodes of one season, read from TMDB just now."""
    media = make_media("Some Series", kind="tv", **fields)
    for number, day in enumerate(aired, 1):
        Episode.objects.create(media=media, season=season, number=number, air_date=day, tmdb_id=number)
    Schedule.objects.create(media=media, over=over, read_at=timezone.now())
    return media


def film(number: int = 1) -> Media:
    """One that can be had."""
    return film_of(today(), number)


def film_of(available_on: date | None, number: int) -> Media:
    media = make_media(f"Film {number}", 100 + number)
    Schedule.objects.create(media=media, available_on=available_on, read_at=timezone.now())
    return media


def offer(media: Media, title: str, season: int | None = None, episode: int | None = None) -> Torrent:
    """A release that was found and accepted for a part of a title."""
    number = Torrent.objects.count() + 1
    torrent = Torrent.objects.create(
        key=f"btih:{number}", title=title, info_hash_v1=f"{number:040x}", indexer="one", seen_at=timezone.now(),
        magnet=f"magnet:?xt=urn:btih:{number:040x}",
    )  # fmt: skip
    Candidate.objects.create(
        media=media, torrent=torrent, score=1, decided_at=timezone.now(), season=season, episode=episode
    )
    return torrent


def follow(user: User, media: Media, what: str, season: int | None = None, days: float = 0) -> Follow:
    """Since so many days."""
    row = Follow.objects.create(user=user, media=media, what=what, season=season)
    Follow.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=days))
    return row


def have(user: User, media: Media, phase: Phase, **fields: Any) -> Download:
    return Download.objects.create(user=user, media=media, phase=phase, status=STATUS_OF[phase], **fields)


def wants(user: User) -> list[tuple[int | None, int | None]]:
    rows = wanted.listed(user.pk, Page(1, 100))["results"]
    return sorted((row["season"] or 0, row["episode"] or 0) for row in rows)


def days_ago(*days: int) -> list[date]:
    day = today()
    return [day - timedelta(days=number) for number in days]


# --- the acceptance ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("nats")
def test_a_followed_series_downloads_its_new_episode_without_a_hand(providers: Demo, alice: User, api: Clients) -> None:
    """From the follow on nobody does anything; the relay's chores, the scout and the hunter do."""
    cats = found("harbour cats")
    assert api(alice).post("/follows", {"media_id": cats.pk, "what": "future"}).status_code == 201
    turn()
    turn()
    assert Episode.objects.filter(media=cats).count() == 7
    assert not Download.objects.exists(), "what aired before is not wanted"

    providers.add_episode("cats", 3, 1, today())
    hours_pass(7)
    turn()  # reads that there is an episode
    turn()  # looks for it
    download = Download.objects.get()
    assert (download.user, download.media, download.season, download.episode) == (alice, cats, 3, 1)
    with hunting():
        run_jobs("start")
        reaches(download, "seeding")
    assert LibraryFile.objects.get().path.startswith("Series/Harbour Cats (2022)/Season 03/Harbour Cats - S03E01")
    hours_pass(30)
    turn()
    assert Download.objects.count() == 1, "what is there is not wanted"
    entry = AuditEntry.objects.get(action="download.started")
    assert (entry.actor, entry.details["how"]) == ("alice", "followed")


# --- what is wanted ----------------------------------------------------------------------------------------------------


def test_what_a_follow_is_about(alice: User, bob: User, mallory: User, moderator: User) -> None:
    media = series(*days_ago(9, 3, 0, -2), None)
    Episode.objects.create(media=media, season=0, number=1, air_date=today(), tmdb_id=9)
    follow(alice, media, "all")
    follow(bob, media, "future", days=5)
    follow(mallory, media, "season", season=0)
    follow(moderator, media, "missing")
    follow(moderator, media, "season", season=1)  # the same again: each episode once
    assert wants(alice) == wants(moderator) == [(1, 1), (1, 2), (1, 3)]
    assert wants(bob) == [(1, 2), (1, 3)]
    assert wants(mallory) == [(0, 1)]


def test_what_is_there_or_on_its_way_is_not_wanted(alice: User, bob: User) -> None:
    media = series(*days_ago(20, 16, 12, 8, 4, 1))
    follow(alice, media, "all")
    have(alice, media, Phase.DONE, season=1, episode=1, target="s01e01")
    have(alice, media, Phase.SEARCHING, season=1, episode=2, target="s01e02")
    have(alice, media, Phase.FAILED, season=1, episode=3, target="s01e03")
    have(alice, media, Phase.CANCELLED, season=1, episode=4, target="s01e04")
    have(bob, media, Phase.DONE, season=1, episode=5, target="s01e05")
    assert wants(alice) == [(1, 3), (1, 5), (1, 6)]
    # By what the release says that it holds, whatever it was started for.
    two = offer(media, "x")
    Torrent.objects.filter(pk=two.pk).update(parsed={"season": 1, "episodes": [5, 6]})
    have(alice, media, Phase.DOWNLOADING, target=two.key, torrent=two)
    assert wants(alice) == [(1, 3)]


def test_a_season_holds_what_had_aired_when_it_was_taken(alice: User) -> None:
    media = series(*days_ago(20, 10, 1))
    follow(alice, media, "all")
    whole = have(alice, media, Phase.DONE, season=1, target="s01")
    assert wants(alice) == []
    Download.objects.filter(pk=whole.pk).update(created_at=timezone.now() - timedelta(days=5))
    assert wants(alice) == [(1, 3)]


def test_what_was_given_up_does_not_come_back_until_it_is_followed_anew(alice: User, api: Clients) -> None:
    media = series(*days_ago(5, 2))
    follow(alice, media, "all")
    download, _ = services.start(
        alice.pk or 0, media.pk, torrent_id=offer(media, "S01E01", 1, 1).pk, season=1, episode=1
    )
    for _ in range(2):  # cancelled, then out of the list
        assert api(alice).delete(f"/downloads/{download.pk}").status_code == 204
        assert wants(alice) == [(1, 2)]
    assert not Download.objects.exists()
    assert Declined.objects.count() == 1
    assert api(alice).delete(f"/follows/{Follow.objects.get().pk}").status_code == 204
    follow(alice, media, "all")
    assert wants(alice) == [(1, 1), (1, 2)]


def test_a_film_is_wanted_once_it_can_be_had(alice: User) -> None:
    for number, day in enumerate([*days_ago(0, -2), None], 1):
        follow(alice, film_of(day, number), "film")
    assert [row["media"]["title"] for row in wanted.listed(alice.pk or 0, Page(1, 9))["results"]] == ["Film 1"]
    have(alice, Media.objects.get(title="Film 1"), Phase.DOWNLOADING)
    assert wants(alice) == []


# --- searching ---------------------------------------------------------------------------------------------------------


def asked() -> list[tuple[int | None, int | None]]:
    """What searches were asked for, in their order."""
    rows = Job.objects.filter(kind="seek").order_by("created_at")
    seeks = {seek.pk: seek for seek in Seek.objects.all()}
    return [(seeks[job.payload["seek_id"]].season, seeks[job.payload["seek_id"]].episode) for job in rows]


def test_a_relay_that_dies_or_another_one_asks_nothing_twice(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = series(*days_ago(5, 1))
    follow(alice, media, "all")
    follow(bob, media, "all")
    with monkeypatch.context() as broken:
        broken.setattr(
            seeking.jobs, "enqueue", lambda *a, **k: (_ for _ in ()).throw(ImproperlyConfigured("died here"))
        )
        with pytest.raises(ImproperlyConfigured):
            seeking.ask(timezone.now())
    assert not Seek.objects.exists(), "what was not enqueued was not noted"
    for _ in range(3):
        seeking.ask(timezone.now())
    assert asked() == [(1, 2), (1, 1)], "the newest first, once for everybody"


def test_it_searches_again_after_hours_then_daily(alice: User) -> None:
    follow(alice, film(), "film")
    now, asked_at = timezone.now(), []
    for hour in range(50):
        if seeking.ask(now + timedelta(hours=hour, seconds=1)):
            asked_at.append(hour)
    assert asked_at == [0, 1, 3, 7, 13, 25, 49]


def test_never_more_searches_than_allowed_in_an_hour(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "follow_searches", 13)
    for number in range(20):
        follow(alice, film(number), "film")
    now = timezone.now()
    counts = [seeking.ask(now + timedelta(minutes=minute)) for minute in range(59)]
    assert (counts[:3], sum(counts)) == ([10, 3, 0], 13)
    assert seeking.ask(now + timedelta(minutes=61)) == 10


def test_a_season_that_is_over_is_got_whole_first_else_singly(providers: Demo, alice: User) -> None:
    club = found("tiny planet club")
    follow(alice, club, "all")
    turn("schedule", "details")
    turn("seek")
    assert (asked(), [download.target for download in Download.objects.all()]) == ([(1, None)], ["s01"])
    assert turn("seek") == 0

    # One that nobody has whole: its episodes, once that is known.
    Download.objects.all().delete()
    Job.objects.filter(kind="seek").delete()
    Seek.objects.all().delete()
    Candidate.objects.all().delete()
    providers.misbehave("prowlarr", "status", path_prefix="api/v1/search")
    providers.misbehave("torznab", "status")
    turn("seek")
    assert asked() == [(1, None)], "while the indexers are away nothing is known"
    assert Seek.objects.get().searched_at is None
    providers.behave()
    Seek.objects.update(searched_at=timezone.now())
    seeking.ask(timezone.now())
    assert asked()[1:] == [(1, 4), (1, 3), (1, 2), (1, 1)]


@pytest.mark.parametrize(
    ("days", "over", "whole"),
    [([40, 31], False, True), ([40, 28], False, False), ([40, 28], True, True), ([40], True, False)],
)
def test_when_a_season_is_over(alice: User, days: list[int], over: bool, whole: bool) -> None:
    media = series(*days_ago(*days), over=over)
    follow(alice, media, "all")
    assert (Unit(media.pk, 1) in wanted.units_of([media.pk])) == whole


def test_indexers_that_are_away_cost_a_try_and_no_dead_letter(providers: Demo, alice: User) -> None:
    follow(alice, found("robot", "movie"), "film")
    turn("schedule", "details")
    providers.misbehave("prowlarr", "status", path_prefix="api/v1/search")
    providers.misbehave("torznab", "status")
    assert turn("seek") == 1
    assert run_jobs("rss") in (1, 2), "two where the time for another look has just come"
    assert Seek.objects.get().searched_at is None
    with pytest.raises(TransientError):  # before that, it was tried again at once
        seeking.run(seeking.SeekPayload(seek_id=Seek.objects.get().pk), 1)
    providers.behave()
    hours_pass(1.1)
    turn("seek")
    assert Download.objects.get().torrent_id


# --- quotas ------------------------------------------------------------------------------------------------------------


def test_what_a_quota_refuses_waits_and_is_told_once(alice: User, bob: User) -> None:
    limit(alice, active=1)
    films = [film(number) for number in range(3)]
    for media in films:
        follow(alice, media, "film")
        offer(media, "R")
        taking.take(Unit(media.pk))
    assert (Download.objects.count(), Seek.objects.filter(waiting=True).count()) == (1, 2)
    told = Event.objects.filter(type="notification", data__code="follow_waits")
    assert [event.user_id for event in told] == [alice.pk]
    assert len(wants(alice)) == 2, "never lost"
    assert seeking.ask(timezone.now()) == 0, "not at once"
    later = timezone.now() + timedelta(minutes=11)
    limit(alice, active=2)
    assert seeking.ask(later) == 2
    run_jobs("seek")
    assert Download.objects.count() == 2
    assert Seek.objects.filter(asked_at__isnull=False).count() == 0, "no search was needed"
    assert told.count() == 1


def test_what_has_just_failed_is_not_started_at_each_look(alice: User) -> None:
    media = film()
    follow(alice, media, "film")
    release = offer(media, "R")
    unit = Unit(media.pk)
    assert taking.take(unit).started == 1
    Download.objects.update(phase="failed", status="Failed", finished_at=timezone.now())
    assert taking.take(unit).started == 0
    assert wants(alice) == [(0, 0)], "it is wanted all the same"
    Download.objects.update(finished_at=timezone.now() - timedelta(hours=7))
    assert (taking.take(unit).started, Download.objects.filter(torrent=release).count()) == (1, 2)


# --- what is new at the indexers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["minimum_age_minutes", "delay_minutes"])
def test_what_the_profile_waits_for_is_waited_for(alice: User, admin: User, setting: str) -> None:
    media = film()
    follow(alice, media, "film")
    offer(media, f"Film.1.{media.year}.1080p.BluRay.x264-X")  # below the cutoff
    profiles.create({"name": "Patient", "settings": {"tiers": WEB_FIRST, setting: 60}}, admin)
    QualityProfile.objects.update(is_default=True)
    found = []
    for minutes in (59, 61):
        Torrent.objects.update(published_at=timezone.now() - timedelta(minutes=minutes), seeders=9)
        found.append(taking.take(Unit(media.pk)).started)
    assert found == [0, 1]


def test_what_is_new_is_taken_at_once_and_once(providers: Demo, alice: User) -> None:
    cats = found("harbour cats")
    follow(alice, cats, "future")  # and not what came before, of which something is always among the new
    providers.add_episode("cats", 2, 4, today())
    turn("schedule", "details")
    assert rss.read()["started"] == 1
    download = Download.objects.get()
    assert (download.user, download.target) == (alice, "s02e04")
    assert "1080p" in download.name, "the better one of the two"
    Candidate.objects.all().delete()
    again = rss.read()
    assert not Candidate.objects.exists(), "what nobody wants is not judged"
    assert (again["started"], again["wanted"], Download.objects.count()) == (0, 0, 1)


def offers_of(*names: str) -> list[Offer]:
    """As an indexer has just told them."""
    hashes = [f"{number:040x}" for number in range(1, len(names) + 1)]
    return [
        Offer(
            title=name, indexer="one", guid=hash_, info_hash_v1=hash_, info_hash_v2=None, magnet=f"magnet:?xt=urn:btih:{hash_}",
            download_url="", size=10**8, seeders=9, peers=9, published_at=None, page_url="",
        )
        for name, hash_ in zip(names, hashes, strict=True)
    ]  # fmt: skip


def test_a_flood_of_releases_of_one_title_asks_about_it_once(alice: User) -> None:
    follow(alice, film(), "film")
    counts = []
    for number in (2, 100):
        names = [f"Film 1 2021 480p CAM-{index}" for index in range(number)]
        with CaptureQueriesContext(connection) as queries:
            rss._taken(offers_of(*names))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_title_whose_profile_cannot_be_read_keeps_no_other_title_waiting(alice: User) -> None:
    broken, well = film(1), film(2)
    for media in (broken, well):
        follow(alice, media, "film")
    unreadable = QualityProfile.objects.create(name="Of a newer version", settings={"nobody": "knows"})
    TitleProfile.objects.create(media=broken, profile=unreadable)
    taken = rss._taken(offers_of("Film.1.2021.1080p.BluRay.x264-A", "Film.2.2021.1080p.BluRay.x264-A"))
    assert taken["started"] == 1
    assert Download.objects.get().media == well


def test_what_is_new_is_looked_at_once_in_its_time_and_only_for_somebody(alice: User) -> None:
    now = timezone.now().replace(minute=0, second=0)
    assert rss.ask(now) == 0
    follow(alice, film(), "film")
    for minute in (0, 7, 14, 15, 29):
        rss.ask(now + timedelta(minutes=minute))
    assert Job.objects.filter(kind="rss").count() == 2


def test_what_is_new_and_better_takes_the_place_of_what_is_there(providers: Demo, alice: User, bob: User) -> None:
    cats = found("harbour cats")
    providers.add_episode("cats", 2, 4, today())
    turn("schedule", "details")
    rows = {}
    for user, what, name in ((alice, "future", "720p.HDTV.x264-OLD"), (bob, "future", "1080p.BluRay.x264-OLD")):
        follow(user, cats, what, days=1)
        torrent = offer(cats, f"Harbour.Cats.S02E04.{name}", 2, 4)
        rows[user] = have(user, cats, Phase.DONE, season=2, episode=4, target="s02e04", torrent=torrent)
    Candidate.objects.all().delete()  # nobody offers them any more
    registry.load()
    tasks.read_followed_dates()
    run_jobs("schedule")
    assert [rss.read()["upgrades"] for _ in range(2)] == [1, 0]
    better = Download.objects.get(replaces__isnull=False)
    assert (better.user, better.replaces, better.target) == (alice, rows[alice], "s02e04")
    assert "1080p.WEB-DL" in better.name
    assert AuditEntry.objects.get(action="download.started").details["how"] == "upgrade"


def test_nothing_better_is_looked_for_where_only_what_is_missing_is_followed(providers: Demo, alice: User) -> None:
    cats = found("harbour cats")
    providers.add_episode("cats", 2, 4, today())
    follow(alice, cats, "missing", days=1)
    tasks.read_followed_dates()
    run_jobs("schedule")
    torrent = offer(cats, "Harbour.Cats.S02E04.720p.HDTV.x264-OLD", 2, 4)
    have(alice, cats, Phase.DONE, season=2, episode=4, target="s02e04", torrent=torrent)
    assert rss.read()["upgrades"] == 0


# --- ends --------------------------------------------------------------------------------------------------------------


def test_a_follow_ends_when_nothing_is_left_to_come(alice: User) -> None:
    media, seen = series(*days_ago(5, 2), over=True), film()
    of_series, of_film = follow(alice, media, "all"), follow(alice, seen, "film")
    have(alice, media, Phase.DONE, season=1, episode=1, target="s01e01")
    have(alice, seen, Phase.DOWNLOADING)
    assert seeking.end(timezone.now()) == 0
    have(alice, media, Phase.DONE, season=1, episode=2, target="s01e02")
    Download.objects.filter(media=seen).update(phase="done", status="Completed")
    assert seeking.end(timezone.now()) == 2
    Schedule.objects.filter(media=media).update(over=False)
    assert seeking.end(timezone.now()) == 1
    of_series.refresh_from_db()
    of_film.refresh_from_db()
    assert (of_series.ended_at, of_film.ended_at is not None) == (None, True)


# --- what leaves again -------------------------------------------------------------------------------------------------


def there(user: User, media: Media, **fields: Any) -> Download:
    return have(user, media, Phase.DONE, completed_at=timezone.now() - timedelta(days=3), **fields)


def test_nothing_leaves_unless_somebody_said_so_and_then_only_the_older_ones(
    alice: User, bob: User, api: Clients
) -> None:
    media = series(*days_ago(5, 4, 3, 2))
    for user in (alice, bob):
        follow(user, media, "future", days=7)
        for number in range(1, 5):
            there(user, media, season=1, episode=number, target=f"s01e{number:02}")
    assert retention.clear(timezone.now()) == 0
    hers = Follow.objects.get(user=alice)
    before = Download.objects.get(user=alice, episode=1)  # from before she followed it
    Download.objects.filter(pk=before.pk).update(created_at=timezone.now() - timedelta(days=9))
    assert api(alice).put(f"/follows/{hers.pk}", {"keep_last": 2}).json()["keep_last"] == 2
    assert [retention.clear(timezone.now()) for _ in range(2)] == [1, 0]
    left = Download.objects.filter(status="Completed").order_by("user__username", "episode")
    assert [(row.user.username, row.episode) for row in left] == [
        ("alice", 1), ("alice", 3), ("alice", 4), ("bob", 1), ("bob", 2), ("bob", 3), ("bob", 4),
    ]  # fmt: skip
    assert wants(alice) == [], "and it does not come back"
    entry = AuditEntry.objects.get(action="download.cancelled")
    assert (entry.actor, entry.details["how"], entry.details["files"]) == ("alice", "retention", True)
    noted = AuditEntry.objects.get(action="follow.retention_changed")
    assert noted.details["before"] == {"keep_last": None, "keep_days": None}


def test_a_film_leaves_days_after_it_was_watched_to_its_end(alice: User) -> None:
    now, day = timezone.now(), timedelta(days=1)
    films = [film(number) for number in range(4)]
    watched = [
        (100, 2.5),
        (100, 1.5),
        (80, 2.5),
        (100, 4),
    ]  # of 100 seconds, days ago; the last before it was got again
    for media, (position, ago) in zip(films, watched, strict=True):
        follow(alice, media, "film", days=9)
        there(alice, media)
        Watch.objects.create(user=alice, media=media, position=position, duration=100, watched_at=now - ago * day)
    assert retention.clear(now) == 0
    Follow.objects.update(keep_days=2)
    assert retention.clear(now) == 1
    assert Download.objects.get(phase="cancelled").media == films[0]
    assert retention.clear(now + day) == 1


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        ("future", {"keep_last": 1}, 200), ("future", {"keep_last": 0}, 400), ("future", {"keep_days": 1}, 400),
        ("film", {"keep_days": 0}, 200), ("film", {"keep_last": 1}, 400), ("all", {"keep_last": 1}, 400), ("all", {}, 200),
    ],
)  # fmt: skip
def test_rules_that_make_sense(alice: User, api: Clients, what: str, body: dict[str, int], status: int) -> None:
    media = film() if what == "film" else series(today())
    assert api(alice).put(f"/follows/{follow(alice, media, what).pk}", body).status_code == status
