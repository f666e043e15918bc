"""Whether this is the moment to take a release: age, disk, queue, library, blocklist."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from apps.downloads.releases.formats import Subject
from apps.downloads.releases.moment import GB, Circumstances, obstacles
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile, Tier

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
TIERS = (
    Tier(name="Disc", qualities=("Bluray-1080p",)),
    Tier(name="Web", qualities=("WEBDL-1080p", "WEBRip-1080p")),
    Tier(name="TV", qualities=("HDTV-1080p",)),
)
WEB, DISC, TV = (
    Subject(parse(f"Lamp.2019.1080p.{source}.x264-GRP"), 6 * GB) for source in ("WEB-DL", "BluRay", "HDTV")
)


def codes(release: Subject = WEB, profile: dict[str, Any] | None = None, **at: Any) -> list[str]:
    rules = Profile(tiers=TIERS, **(profile or {}))
    return [verdict.code for verdict in obstacles(release, Circumstances(NOW, **at), rules)]


def old(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)


def test_nothing_speaks_against_it_by_itself() -> None:
    assert codes() == codes(published_at=old(0), free=6 * GB) == []


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


def test_room_protocol_blocklist_and_the_day_it_comes_out() -> None:
    assert codes(free=6 * GB - 1) == ["no_space"]
    assert codes(protocol="usenet") == ["wrong_protocol"]
    assert codes(blocklisted="stalled twice") == ["blocklisted"]
    assert codes(available_from=date(2026, 1, 3)) == ["not_available"]
    assert codes(available_from=date(2026, 1, 2)) == []


def test_what_is_there_and_what_is_on_its_way() -> None:
    assert codes(held=TV) == []
    assert codes(held=DISC) == codes(held=WEB) == ["not_an_upgrade"]
    assert codes(DISC, {"cutoff": "Web"}, held=WEB) == ["cutoff_met"]
    assert codes(held=WEB, same_held=True) == ["already_there"]
    assert codes(queued=DISC) == ["better_queued"]
    assert codes(queued=TV) == []
    assert codes(queued=WEB, same_queued=True) == ["queued"]


def test_the_sentence_has_the_figures() -> None:
    [verdict] = obstacles(WEB, Circumstances(NOW, free=GB), Profile())
    assert verdict.sentence() == "It needs 6 GB, 1 GB are free."
