"""Whether this is the moment to take a release: its age."""

from datetime import UTC, datetime, timedelta
from typing import Any

from apps.downloads.releases import verdict
from apps.downloads.releases.formats import Subject
from apps.downloads.releases.moment import Circumstances, obstacles
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile, Tier

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
TIERS = (
    Tier(name="Disc", qualities=("Bluray-1080p",)),
    Tier(name="Web", qualities=("WEBDL-1080p", "WEBRip-1080p")),
    Tier(name="TV", qualities=("HDTV-1080p",)),
)
WEB, DISC, TV = (
    Subject(parse(f"Lamp.2019.1080p.{source}.x264-GRP"), 6 * 10**9) for source in ("WEB-DL", "BluRay", "HDTV")
)


def codes(release: Subject = WEB, profile: dict[str, Any] | None = None, **at: Any) -> list[str]:
    rules = Profile(tiers=TIERS, **(profile or {}))
    return [one.code for one in obstacles(release, Circumstances(NOW, **at), rules)]


def old(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)


def test_nothing_speaks_against_it_by_itself() -> None:
    assert codes() == codes(published_at=old(0)) == []


def test_it_waits_for_a_better_one_unless_it_is_good_enough() -> None:
    wait = {"delay_minutes": 60}
    assert codes(profile=wait, published_at=old(59)) == ["delayed"]
    assert codes(profile=wait, published_at=old(60)) == []
    assert codes(DISC, wait, published_at=old(1)) == []
    assert codes(profile={**wait, "cutoff": "Web"}, published_at=old(1)) == []


def test_it_has_to_have_its_age() -> None:
    young = {"minimum_age_minutes": 30}
    assert codes(DISC, young, published_at=old(29)) == ["too_young"]
    assert codes(DISC, young, published_at=old(30)) == []
    assert codes(DISC, young, published_at=None) == []
    assert codes(DISC, young, published_at=NOW + timedelta(hours=1)) == ["too_young"]


def test_the_sentence_has_the_figures() -> None:
    [young] = obstacles(WEB, Circumstances(NOW, old(12)), Profile(minimum_age_minutes=30))
    assert young.sentence() == "It is 12 minutes old; the profile wants releases of at least 30."


def test_every_reason_of_the_moment_can_come_to_pass() -> None:
    """What is asked of nobody has no sentence either; `blocklisted` is the blocklist's own."""
    said = {
        *codes(profile={"minimum_age_minutes": 9}, published_at=NOW),
        *codes(profile={"delay_minutes": 9}, published_at=NOW),
    }
    assert said | {"blocklisted"} == set(verdict._NOT_NOW)
