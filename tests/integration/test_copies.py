"""Several qualities of one title side by side: each followed, found, bettered and filed by a profile of its own."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from apps.accounts.models import AuditEntry, User
from apps.downloads import library, services
from apps.downloads.following import bettering, cutoff, judging, retention, seeking, taking, wanted
from apps.downloads.following.models import Declined, Follow
from apps.downloads.following.wanted import Unit
from apps.downloads.models import Download, Phase, QualityProfile, Torrent
from apps.downloads.profiles import services as profiles
from apps.media.models import Media, Watch
from sokoul.api import Page
from sokoul.env import ENV
from sokoul.errors import PermanentError
from tests.cast import Api
from tests.clips import make_clip
from tests.integration.test_following import days_ago, film, follow, have, offer, series
from tests.integration.test_following_surface import browser
from tests.integration.test_upgrades import downloaded, folders, in_library, lay
from tests.wishes import make_media

__all__ = ["browser", "folders"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
Clients = Callable[[User | None], Api]
BEST_4K, GOOD_4K, BEST, GOOD, LOW = (
    f"Film.1.2021.{quality}-X"
    for quality in ("2160p.BluRay.x265", "2160p.WEB-DL.x265", "1080p.BluRay.x264", "1080p.WEB-DL.x264", "720p.HDTV.x264")
)  # fmt: skip


@pytest.fixture
def large(admin: User) -> QualityProfile:
    """Nothing but 2160p."""
    return profiles.create({"name": "Large", "settings": {"resolutions": ["2160p"]}}, admin)


def offers(media: Media, *names: str) -> dict[str, Torrent]:
    """What indexers have, decided by everybody's profiles."""
    made = {name: offer(media, name) for name in names}
    Torrent.objects.update(seeders=9)
    judging.decide(media, Unit(media.pk), list(Torrent.objects.all()))
    return made


def names(**fields: Any) -> list[tuple[str, str | None]]:
    """(release, profile) of the downloads that have not failed, in the order they began."""
    rows = Download.objects.exclude(status="Failed").filter(**fields).order_by("pk")
    return [(row.torrent.title if row.torrent else "", row.profile and row.profile.name) for row in rows]


def complete() -> None:
    Download.objects.filter(status__in=["Pending", "Running"]).update(
        phase="done", status="Completed", completed_at=timezone.now()
    )


# --- got ---------------------------------------------------------------------------------------------------------------


def test_each_copy_is_wanted_found_and_there_by_itself(alice: User, large: QualityProfile) -> None:
    media = film()
    usual, other = (
        follow(alice, media, "film"),
        Follow.objects.create(user=alice, media=media, what="film", profile=large),
    )
    offers(media, GOOD)
    rows = wanted.listed(alice.pk, Page(1, 9))["results"]
    assert [(row["profile_id"], row["profile"]) for row in rows] == [(None, None), (large.pk, "Large")]
    assert [taking.take(Unit(media.pk)).started for _ in range(2)] == [1, 0], "the other is not to be had yet"
    assert names() == [(GOOD, None)]
    complete()
    assert [row["profile"] for row in wanted.listed(alice.pk, Page(1, 9))["results"]] == ["Large"]
    seeking.end(timezone.now())
    assert Follow.objects.get(ended_at__isnull=False) == usual

    offers(media, GOOD_4K)
    assert [taking.take(Unit(media.pk)).started for _ in range(2)] == [1, 0]
    assert names() == [(GOOD, None), (GOOD_4K, "Large")]
    assert wanted.units_of([media.pk]) == {}
    complete()
    seeking.end(timezone.now())
    other.refresh_from_db()
    assert other.ended_at is not None


def test_an_episode_of_one_copy_is_none_of_the_other(alice: User, large: QualityProfile) -> None:
    media = series(*days_ago(5, 1))
    follow(alice, media, "all")
    Follow.objects.create(user=alice, media=media, what="all", profile=large)
    have(alice, media, Phase.DONE, season=1, episode=1, target="s01e01")
    have(alice, media, Phase.CANCELLED, season=1, episode=2, target="s01e02", profile=large, copy=large.pk)
    found = {unit.episode: wishes for unit, wishes in wanted.units_of([media.pk]).items()}
    assert found == {1: [(alice.pk, large.pk)], 2: [(alice.pk, None)]}


def test_what_a_copy_gave_up_comes_back_when_it_is_followed_anew(
    alice: User, large: QualityProfile, api: Clients
) -> None:
    media = series(*days_ago(5))
    follow(alice, media, "all")
    Follow.objects.create(user=alice, media=media, what="all", profile=large)
    for profile in (None, large):
        number = profile.pk if profile else 0
        row = have(alice, media, Phase.CANCELLED, season=1, episode=1, target="s01e01", profile=profile, copy=number)
        services.cancel(alice.pk, row.pk)
    assert (Declined.objects.count(), wanted.units_of([media.pk])) == (2, {})
    assert api(alice).delete(f"/follows/{Follow.objects.get(profile=large).pk}").status_code == 204
    Follow.objects.create(user=alice, media=media, what="all", profile=large)
    assert wanted.units_of([media.pk]) == {Unit(media.pk, 1, 1): [(alice.pk, large.pk)]}


def test_by_hand_a_download_is_of_the_copy_that_is_followed_by_its_profile(alice: User, large: QualityProfile) -> None:
    media = film()
    services.start(alice.pk, media.pk)
    with pytest.raises(PermanentError) as refused:  # nobody said that two are to be kept
        services.start(alice.pk, media.pk, profile_id=large.pk)
    assert refused.value.status == 409
    Follow.objects.create(user=alice, media=media, what="film", profile=large)
    second, _ = services.start(alice.pk, media.pk, profile_id=large.pk)
    assert second.copy == large.pk
    for profile_id in (None, large.pk):
        with pytest.raises(PermanentError):
            services.start(alice.pk, media.pk, profile_id=profile_id)


# --- bettered ----------------------------------------------------------------------------------------------------------


def test_a_better_release_takes_the_place_of_its_own_copy_only(alice: User, large: QualityProfile) -> None:
    media = film()
    found = offers(media, LOW, GOOD_4K)
    follow(alice, media, "film")
    Follow.objects.create(user=alice, media=media, what="film", profile=large)
    usual = have(alice, media, Phase.DONE, torrent=found[LOW])
    other = have(alice, media, Phase.DONE, torrent=found[GOOD_4K], profile=large, copy=large.pk)
    unmet = cutoff.unmet(alice.pk)
    assert {(row["download_id"], row["profile"]) for row in unmet} == {(usual.pk, "Default"), (other.pk, "Large")}

    def look() -> list[tuple[int | None, str]]:
        there = bettering.held_of([media.pk])
        bettering.take(Unit(media.pk), there[Unit(media.pk)])
        return [
            (row.replaces_id, row.torrent.title if row.torrent else "")
            for row in Download.objects.filter(is_upgrade=True).order_by("pk")
        ]

    offers(media, BEST)
    assert look() == [(usual.pk, BEST)], "a 1080p is no better 2160p"
    offers(media, BEST_4K)
    assert look() == [(usual.pk, BEST), (other.pk, BEST_4K)], "nor is a 2160p a better 1080p by the title's profile"
    better = Download.objects.get(replaces=other)
    assert (better.copy, better.profile) == (large.pk, large), "it is of the copy whose place it takes"
    assert Follow.objects.filter(profile=large).update(what="film") == 1
    Download.objects.filter(is_upgrade=True).delete()
    Follow.objects.filter(profile=large).delete()
    assert [row["download_id"] for row in cutoff.unmet(alice.pk)] == [usual.pk], "what nobody follows stays as it is"


# --- filed -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "second"),
    [
        ("Movies/{title}/{title}", "The Last Night Tram - 48p.mp4"),
        ("Movies/{title}/{title} - {quality}", "The Last Night Tram - 48p (2).mp4"),
    ],
)
@pytest.mark.usefixtures("folders")
def test_two_copies_never_lie_in_each_others_place(
    alice: User, large: QualityProfile, monkeypatch: pytest.MonkeyPatch, template: str, second: str,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    monkeypatch.setattr(ENV, "naming_movie", template)
    media = make_media(runtime=None)

    def come(seconds: int, **fields: Any) -> Download:
        swarm = f"{seconds:040x}"
        row = downloaded(alice, {"R/film.mp4": lambda file: make_clip(file, seconds)}, media=media, **fields)
        folder = library.folder_of(row.swarm)
        Download.objects.filter(pk=row.pk).update(swarm=swarm)
        folder.rename(folder.with_name(swarm))
        library.file_download(row.pk)
        Download.objects.filter(pk=row.pk).update(phase="done", status="Completed")
        return row

    def file_of(name: str) -> Path:
        return ENV.library / "Movies/The Last Night Tram" / name

    first = "The Last Night Tram.mp4" if "quality" not in template else "The Last Night Tram - 48p.mp4"
    usual = come(2)
    own = file_of(first).read_bytes()
    other = come(3, profile=large, copy=large.pk)
    assert {Path(name).name for name in in_library()} == {first, second}
    assert file_of(first).read_bytes() == own

    words = lay(f"Movies/The Last Night Tram/{Path(second).stem}.en.srt", b"of the second")
    better = come(4, replaces=usual, is_upgrade=True)
    assert {Path(name).name for name in in_library()} == {first, second, words.name}
    assert file_of(first).read_bytes() != own
    with django_capture_on_commit_callbacks(execute=True):
        services.cancel(alice.pk, better.pk, files=True)
    assert {Path(name).name for name in in_library()} == {second, words.name}
    assert Download.objects.get(pk=other.pk).phase == "done"


def test_a_rule_of_retention_concerns_its_own_copy(alice: User, large: QualityProfile) -> None:
    media, now = film(), timezone.now()
    follow(alice, media, "film", days=9)
    Follow.objects.create(user=alice, media=media, what="film", profile=large, keep_days=1)
    before = now - timedelta(days=3)
    have(alice, media, Phase.DONE, completed_at=before)
    have(alice, media, Phase.DONE, completed_at=before, profile=large, copy=large.pk)
    Watch.objects.create(user=alice, media=media, position=9, duration=9, watched_at=now - timedelta(days=2))
    assert retention.clear(now) == 1
    assert names(status="Completed") == [("", None)]


# --- REST and pages ----------------------------------------------------------------------------------------------------


def test_a_copy_of_its_own_is_followed_over_rest(api: Clients, alice: User, large: QualityProfile) -> None:
    media = film()
    body = {"media_id": media.pk, "what": "film"}
    answers = [
        api(alice).post("/follows", {**body, **more}) for more in ({}, {"profile_id": large.pk}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 201, 200]
    assert (answers[3].json()["profile_id"], answers[3].json()["profile"]) == (large.pk, "Large")
    rows = api(alice).get("/follows").json()["results"]
    assert [(row["profile_id"], row["profile"]) for row in rows] == [(large.pk, "Large"), (None, None)]
    assert api(alice).post("/follows", {**body, "profile_id": large.pk + 1}).status_code == 404
    assert api(alice).get("/wanted").json()["results"][1]["profile"] == "Large"
    assert api(alice).put(f"/follows/{rows[0]['id']}", {"keep_days": 3}).json()["profile"] == "Large"
    assert api(alice).delete(f"/follows/{rows[0]['id']}").status_code == 204
    details = AuditEntry.objects.filter(action__startswith="follow.").values_list("details", flat=True)
    assert [entry.get("profile") for entry in details.order_by("id")] == [None, "Large", None, "Large"]


def test_the_page_offers_qualities_and_ends_one_of_two(browser: Client, alice: User, large: QualityProfile) -> None:
    media = film()
    page = f"/app/follow/{media.pk}"
    for profile_id in ("", large.pk):
        browser.post(page, {"what": "film", "profile_id": profile_id})
    assert [row.profile for row in Follow.objects.order_by("pk")] == [None, large]
    text = browser.get(f"/app/titles/{media.pk}/{media.slug}").content.decode()
    assert f'<option value="{large.pk}">a copy of its own: Large</option>' in text
    assert "the film, as soon as it can be had, in the quality “Large”" in text
    assert "in the quality “Large”" in browser.get("/app/followed").content.decode()
    assert "in the quality “Large”" in browser.get("/app/wanted").content.decode()
    browser.post(f"{page}/end", {"follow_id": Follow.objects.get(profile=large).pk})
    assert Follow.objects.get().profile is None
    browser.post(f"{page}/end", {"follow_id": "x"})
    browser.post(page, {"what": "film", "profile_id": "x"})
    assert Follow.objects.get().profile is None, "what was not in the list is nothing"


# --- profiles that come and go -----------------------------------------------------------------------------------------


def test_what_was_got_by_the_profile_is_the_copy_from_now_on(
    api: Clients, alice: User, bob: User, large: QualityProfile
) -> None:
    media = film()
    hers = have(alice, media, Phase.DONE, profile=large)
    his = have(bob, media, Phase.DONE, profile=large)
    assert (
        api(alice).post("/follows", {"media_id": media.pk, "what": "film", "profile_id": large.pk}).status_code == 201
    )
    assert wanted.units_of([media.pk]) == {}
    assert [Download.objects.get(pk=row.pk).copy for row in (hers, his)] == [large.pk, 0]
    follow(alice, media, "film")
    assert wanted.units_of([media.pk]) == {Unit(media.pk): [(alice.pk, None)]}


def test_a_profile_that_goes_leaves_the_titles_own_copy(
    alice: User, bob: User, admin: User, large: QualityProfile
) -> None:
    both, one = film(number=1), film(number=2)
    follow(alice, both, "film")
    for user, media in ((alice, both), (bob, one)):
        Follow.objects.create(user=user, media=media, what="film", profile=large)
    kept = have(alice, both, Phase.DONE)
    stays = have(alice, both, Phase.DONE, profile=large, copy=large.pk)
    becomes = have(bob, one, Phase.DONE, profile=large, copy=large.pk)
    number = large.pk
    profiles.delete(number, admin)
    assert sorted(Follow.objects.values_list("user__username", "profile_id")) == [("alice", None), ("bob", None)]
    copies = [Download.objects.values_list("copy", "profile_id").get(pk=row.pk) for row in (kept, stays, becomes)]
    assert copies == [(0, None), (number, None), (0, None)], "nothing is lost, and nobody's is got again"
    assert wanted.units_of([both.pk, one.pk]) == {}


def test_a_schema_of_one_copy_keeps_what_is_there(alice: User, large: QualityProfile) -> None:
    media = film()
    follow(alice, media, "film")
    Follow.objects.create(user=alice, media=media, what="film", profile=large)
    have(alice, media, Phase.DONE)
    have(alice, media, Phase.DONE, profile=large, copy=large.pk)
    with connection.cursor() as cursor:
        cursor.execute(import_module("apps.downloads.migrations.0010_copies").ONE_COPY)
    rows = list(Download.objects.values_list("user", "media", "target"))
    assert (len(set(rows)), Follow.objects.count()) == (2, 1)
