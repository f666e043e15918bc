"""Whether a release is better than the file that is there."""

from typing import Any

import pytest

from apps.downloads.releases.formats import CustomFormat, ScoredFormat, Subject
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile, Tier
from apps.downloads.releases.upgrade import Goal, cutoff_met, goal, revision, upgrade

TIERS = (
    Tier(name="Remux", qualities=("Remux-1080p",)),
    Tier(name="Full", qualities=("Bluray-1080p", "WEBDL-1080p")),
    Tier(name="Disc", qualities=("BR-DISK",), allowed=False),
    Tier(name="Half", qualities=("Bluray-720p", "WEBDL-720p")),
    Tier(name="SDTV", qualities=("SDTV",)),
)
REMUX, FULL, WEB = "L.2019.1080p.BluRay.REMUX.AVC-A", "L.2019.1080p.BluRay.x264-A", "L.2019.1080p.WEB-DL.x264-A"
HALF = "L.2019.720p.BluRay.x264-A"


def scored(word: str, points: int) -> ScoredFormat:
    made = CustomFormat.model_validate({"name": word, "conditions": [{"kind": "release_title", "pattern": word}]})
    return ScoredFormat(format=made, score=points)


def code(current: str, candidate: str, **settings: Any) -> str | None:
    found = upgrade(Subject(parse(current)), Subject(parse(candidate)), Profile(**{"tiers": TIERS, **settings}))
    assert found is None or found.sentence()
    return found.code if found else None


def test_a_better_tier_is_an_upgrade_until_the_cutoff() -> None:
    assert code(HALF, FULL) is None
    assert code(HALF, FULL, cutoff="Full") is None
    assert code(FULL, REMUX) is None
    assert code(FULL, REMUX, cutoff="Full") == "cutoff_met"
    assert code(FULL, HALF) == "not_an_upgrade"
    assert code(REMUX, FULL, cutoff="Full") == "not_an_upgrade"


def test_qualities_of_one_tier_are_as_good_as_each_other() -> None:
    assert code(WEB, FULL) == code(FULL, WEB) == "not_an_upgrade"


def test_a_file_of_a_quality_that_is_not_allowed_keeps_its_place() -> None:
    assert code("L.2019.COMPLETE.BLURAY-A", HALF) == "not_an_upgrade"
    assert code("L.2019.COMPLETE.BLURAY-A", FULL) is None
    assert code("L.2019.HDCAM.x264-A", HALF) is None


def test_upgrades_can_be_forbidden() -> None:
    assert code(HALF, FULL, upgrades=False) == "upgrades_not_allowed"
    assert code(FULL, "L.2019.1080p.BluRay.x264.dv-A", upgrades=False, formats=(scored("dv", 5),)) == "upgrades_not_allowed"  # fmt: skip
    assert code(FULL, HALF, upgrades=False) == "not_an_upgrade"


def test_within_a_tier_a_correction_is_better() -> None:
    assert code(FULL, "L.2019.1080p.BluRay.PROPER.x264-B") is None
    assert code("L.2019.1080p.BluRay.PROPER.x264-B", FULL) == "not_an_upgrade"
    assert code(FULL, "L.2019.1080p.WEB-DL.PROPER.x264-A") == "not_an_upgrade"
    assert code(FULL, "L.2019.1080p.BluRay.PROPER.x264-B", upgrades=False) is None
    assert code(FULL, "L.2019.1080p.BluRay.PROPER.x264-B", prefer_propers=False) == "not_an_upgrade"


def test_a_repack_has_to_be_of_the_same_group() -> None:
    assert code(FULL, "L.2019.1080p.BluRay.REPACK.x264-a") is None
    assert code(FULL, "L.2019.1080p.BluRay.REPACK.x264-B") == "other_group"
    assert code("L.2019.1080p.BluRay.x264", "L.2019.1080p.BluRay.REPACK.x264-B") == "other_group"


@pytest.mark.parametrize(
    ("lesser", "greater"),
    [
        ("L.2019.1080p.BluRay-A", "L.2019.1080p.BluRay.PROPER-A"),
        ("L.2019.1080p.BluRay.REPACK-A", "L.2019.1080p.BluRay.REPACK2-A"),
        ("L.2019.1080p.BluRay.REPACK2-A", "L.2019.1080p.BluRay.REAL.PROPER-A"),
        ("[A] L - 05 [1080p]", "[A] L - 05v2 [1080p]"),
    ],
)
def test_revisions(lesser: str, greater: str) -> None:
    assert revision(parse(lesser)) < revision(parse(greater))


def test_within_a_tier_a_higher_format_score_is_better_until_its_cutoff() -> None:
    formats = {"formats": (scored("dv", 50), scored("atmos", 30))}
    dv, atmos = "L.2019.1080p.BluRay.DV.x264-A", "L.2019.1080p.BluRay.Atmos.x264-A"
    assert code(atmos, dv, **formats) is None
    assert code(FULL, dv, **formats, cutoff="Full") is None
    assert code(dv, atmos, **formats) == "not_an_upgrade"
    assert code(dv, dv, **formats) == "not_an_upgrade"
    assert code(atmos, dv, **formats, minimum_upgrade_score=20) is None
    assert code(atmos, dv, **formats, minimum_upgrade_score=21) == "upgrade_too_small"
    assert code(atmos, dv, **formats, cutoff_format_score=31) is None
    assert code(atmos, dv, **formats, cutoff_format_score=30) == "cutoff_met"
    assert code("L.2019.720p.BluRay.DV-A", FULL, **formats, cutoff_format_score=30) is None


def test_without_tiers_the_order_of_resolutions_then_of_sources_decides() -> None:
    assert code(HALF, WEB, tiers=()) is None
    assert code(WEB, FULL, tiers=()) is None
    assert code(FULL, "L.2019.2160p.BluRay-A", tiers=()) == "not_an_upgrade"


def test_when_nothing_better_is_looked_for() -> None:
    def met(name: str, **settings: Any) -> bool:
        return cutoff_met(Subject(parse(name)), Profile(**{"tiers": TIERS, **settings}))

    formats = (scored("dv", 50),)
    assert met(REMUX)
    assert not met(FULL)
    assert met(FULL, cutoff="Full")
    assert met(HALF, upgrades=False)
    assert not met(FULL, cutoff="Full", formats=formats, cutoff_format_score=50)
    assert met("L.2019.1080p.BluRay.DV-A", cutoff="Full", formats=formats, cutoff_format_score=50)
    assert met(FULL, tiers=())
    assert not met(WEB, tiers=())


def test_the_goal_is_what_the_cutoff_asks_for() -> None:
    formats = (scored("dv", 5),)
    refused = (Tier(name="Huge", qualities=("Raw-HD",), allowed=False), *TIERS)
    for settings, wanted in (
        ({"tiers": TIERS}, Goal(TIERS[0].name, None)),
        ({"tiers": refused}, Goal(TIERS[0].name, None)),
        ({"tiers": TIERS, "cutoff": "Full", "formats": formats, "cutoff_format_score": 7}, Goal("Full", 7)),
        ({"tiers": TIERS, "formats": formats, "upgrades": False}, Goal(TIERS[0].name, None)),
        ({}, Goal("Bluray-1080p", None)),
        ({"sources": ("Remux",), "resolutions": ("2160p",)}, Goal("Remux-2160p", None)),
    ):
        assert goal(Profile(**settings)) == wanted
