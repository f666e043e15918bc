"""Searching for something better than what is there: rarely by itself, never too much, and when its person asks."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.downloads.following import seeking, upgrades
from apps.downloads.following.models import BetterSeek, Follow
from apps.downloads.models import Candidate, Download, Phase, QualityProfile
from apps.downloads.profiles import services as profiles
from apps.jobs.models import Job
from apps.media.models import Media
from sokoul.env import ENV
from sokoul.errors import TransientError
from tests.cast import Api
from tests.demo import Demo
from tests.integration.test_following import days_ago, film, follow, found, have, limit, offer, run_jobs, series
from tests.integration.test_following_surface import browser
from tests.providers import providers

__all__ = ["browser", "providers"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
Clients = Callable[[User | None], Api]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def lesser(user: User, media: Media, *, days: float = 2, name: str = "720p.HDTV.x264-OLD", **fields: Any) -> Download:
    """A copy that is there since so many days, and that could be better."""
    torrent = offer(
        media, f"{media.title.replace(' ', '.')}.{media.year}.{name}", fields.get("season"), fields.get("episode")
    )
    came = timezone.now() - timedelta(days=days)
    return have(user, media, Phase.DONE, torrent=torrent, completed_at=came, **fields)


def asked() -> list[str]:
    """Titles that were searched for, in their order."""
    jobs = Job.objects.filter(kind="better").order_by("created_at")
    seeks = {seek.pk: seek for seek in BetterSeek.objects.select_related("media")}
    return [seeks[job.payload["seek_id"]].media.title for job in jobs]


# --- when --------------------------------------------------------------------------------------------------------------


def test_only_what_is_not_good_enough_and_may_be_bettered_is_searched_for(alice: User, admin: User) -> None:
    low, good, new, coming, left, settled = (film(number=number) for number in range(6))
    for media in (low, good, new, settled, coming):
        follow(alice, media, "film")
    lesser(alice, low)
    lesser(alice, good, name="1080p.BluRay.x264-X")
    lesser(alice, new, days=0.9)
    lesser(alice, left)  # nobody follows it
    show = series(*days_ago(9), tmdb_id=77)
    follow(alice, show, "missing")
    lesser(alice, show, season=1, episode=1, target="s01e01")
    profile = profiles.create({"name": "As it comes", "settings": {"upgrades": False}}, admin)
    profiles.use_for_title(settled.pk, profile.pk, admin)
    lesser(alice, settled)
    old = lesser(alice, coming)
    have(alice, coming, Phase.QUEUED, replaces=old, is_upgrade=True)  # a better one is on its way
    unreadable = QualityProfile.objects.create(name="Of a newer version", settings={"nobody": "knows"})
    profiles.use_for_title(good.pk, unreadable.pk, admin)
    assert upgrades.ask(timezone.now()) == 1
    assert asked() == [low.title]


def test_it_is_searched_for_less_and_less(alice: User) -> None:
    media = film()
    follow(alice, media, "film")
    lesser(alice, media)
    now, days = timezone.now(), []
    for day in range(100):
        if upgrades.ask(now + day * DAY + HOUR):
            days.append(day)
    assert days == [0, 2, 6, 14, 30, 62, 94]


def test_never_more_than_a_share_of_the_hour(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "follow_searches", 30)
    for number in range(7):
        follow(alice, media := film(number=number), "film")
        lesser(alice, media)
    now = timezone.now()
    assert [upgrades.ask(now + timedelta(minutes=minute)) for minute in (0, 10, 59, 61, 122)] == [3, 0, 0, 3, 1]
    assert len(set(asked())) == 7, "what was tried least goes first"
    # They count among the searches of an hour, and wait where that is full.
    BetterSeek.objects.update(next_at=now, asked_at=now)
    assert seeking.left(now + HOUR / 2) == 23
    monkeypatch.setattr(ENV, "follow_searches", 7)
    assert seeking.left(now + HOUR / 2) == 0
    BetterSeek.objects.filter(pk=BetterSeek.objects.first().pk).update(asked_at=None)  # type: ignore[union-attr]
    follow(alice, film(number=20), "film")
    assert [seeking.ask(now + HOUR / 2) for _ in range(2)] == [1, 0]


def test_what_is_good_enough_keeps_nothing_waiting(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrades, "LOOKED_AT", 3)
    for number in range(6):  # the newest titles are looked at first
        follow(alice, media := film(number=number), "film")
        lesser(alice, media, name="1080p.BluRay.x264-X" if number else "720p.HDTV.x264-X")
    now = timezone.now()
    assert [upgrades.ask(now + timedelta(minutes=minute)) for minute in (0, 10, 20)] == [0, 0, 1]
    assert asked() == ["Film 0"]
    assert upgrades.ask(now + timedelta(minutes=30)) == 0
    QualityProfile.objects.create(name="Remux", settings={"resolutions": ["2160p"]}, is_default=True)
    assert upgrades.ask(now + DAY + HOUR) > 0, "and is judged again once profiles have changed"


def test_a_relay_that_dies_asks_nothing_twice(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(alice, media := film(), "film")
    lesser(alice, media)
    with monkeypatch.context() as broken:
        broken.setattr(
            upgrades.jobs, "enqueue", lambda *a, **k: (_ for _ in ()).throw(ImproperlyConfigured("died here"))
        )
        with pytest.raises(ImproperlyConfigured):
            upgrades.ask(timezone.now())
    assert not BetterSeek.objects.exists()
    assert [upgrades.ask(timezone.now()) for _ in range(2)] == [1, 0]


# --- what becomes of it ------------------------------------------------------------------------------------------------


def robot(user: User, **fields: Any) -> Download:
    media = found("robot", "movie")
    follow(user, media, "film")
    low = lesser(user, media, name="480p.DVDRip.x264-OLD", **fields)
    Candidate.objects.all().delete()  # nobody offers it any more
    return low


def test_what_is_better_takes_the_place_of_what_is_there(providers: Demo, alice: User, bob: User) -> None:
    old = robot(alice)
    assert upgrades.ask(timezone.now()) == 1
    run_jobs("better")
    better = Download.objects.get(is_upgrade=True)
    assert (better.user, better.replaces, better.automatic) == (alice, old, True)
    Job.objects.filter(kind="better").update(status="Pending", finished_at=None)
    run_jobs("better")
    assert Download.objects.count() == 2, "twice is once"


def test_indexers_that_are_away_cost_a_try(providers: Demo, alice: User) -> None:
    robot(alice)
    upgrades.ask(timezone.now())
    providers.misbehave("prowlarr", "status", path_prefix="api/v1/search")
    providers.misbehave("torznab", "status")
    payload = upgrades.BetterPayload(seek_id=BetterSeek.objects.get().pk)
    with pytest.raises(TransientError):
        upgrades.run(payload, 1)
    assert "error" in upgrades.run(payload, seeking.ATTEMPTS)


# --- by hand -----------------------------------------------------------------------------------------------------------


def test_its_person_may_ask_for_it_now(providers: Demo, alice: User, mallory: User, api: Clients) -> None:
    old = robot(alice, days=0)
    Follow.objects.all().delete()  # whether it is followed or not
    path = f"/downloads/{old.pk}/better"
    assert api(mallory).post(path).status_code == 403
    assert api(alice).post(f"/downloads/{old.pk + 1}/better").status_code == 404
    answers = [api(alice).post(path) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    run_jobs("better")
    assert Job.objects.filter(kind="better").count() <= 2, "again within ten minutes is the same search"
    assert Download.objects.get(is_upgrade=True).replaces == old
    assert api(alice).post(path).status_code == 409, "one is at work"
    assert api(alice).post(f"/downloads/{Download.objects.get(is_upgrade=True).pk}/better").status_code == 409


def test_asking_again_is_the_same_search(alice: User, api: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    old = lesser(alice, film())
    start = datetime(2030, 1, 1, 12, tzinfo=timezone.get_default_timezone())
    numbers = []
    for minute in (0, 9, 11):
        monkeypatch.setattr(upgrades.timezone, "now", lambda minute=minute: start + timedelta(minutes=minute))
        numbers.append(upgrades.request(alice.pk, old.pk).pk)
    assert numbers[0] == numbers[1] != numbers[2]


def test_quotas_hold(providers: Demo, alice: User) -> None:
    old = robot(alice, days=0)
    limit(alice, active=0)
    upgrades.request(alice.pk, old.pk)
    run_jobs("better")
    assert Download.objects.count() == 1
    job = Job.objects.get(kind="better")
    assert job.status == "Completed"
    assert upgrades.run(upgrades.BetterPayload(**job.payload), 1) == {"started": 0, "refused": 1}


def test_the_pages_have_a_button(browser: Client, alice: User) -> None:
    media = film()
    follow(alice, media, "film")
    old = lesser(alice, media)
    url = f"/app/downloads/{old.pk}/better"
    for page in ("/app/wanted/cutoff", "/app/downloads"):
        assert url in browser.get(page).content.decode(), page
    answer = browser.post(url, headers={"Referer": "http://testserver/app/wanted/cutoff"}, follow=True)
    assert "The indexers are being asked." in answer.content.decode()
    assert answer.redirect_chain[-1][0].endswith("/app/wanted/cutoff")
    shown = browser.post(url, headers={"HX-Request": "true"}).content.decode()
    assert "The indexers are being asked." in shown
