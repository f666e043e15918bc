"""What a release is worth to a profile, and why."""

import random
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from apps.downloads.releases.formats import CustomFormat, ScoredFormat
from apps.downloads.releases.match import Wanted
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile, Tier
from apps.downloads.releases.rank import Decision, Offer, decide, is_sample, order

GB = 1_000_000_000
LAMP = Wanted("movie", "Lamp", year=2019, runtime=100)
EPISODE = Wanted("tv", "Lamp", season=1, episode=1, runtime=50)
GOOD = "Lamp.2019.1080p.BluRay.x264-GRP"


def judge(name: str, size: int = 6 * GB, seeders: int | None = 50, wanted: Wanted = LAMP, **profile: Any) -> Decision:
    return decide(wanted, parse(name), size, seeders, Profile(**profile))


def refused(decision: Decision) -> list[str]:
    assert (decision.score is None) == bool(decision.rejections)
    return [verdict.code for verdict in decision.rejections]


def score(decision: Decision) -> int:
    assert decision.score is not None
    return decision.score


def test_a_good_release_is_accepted_by_default() -> None:
    assert refused(judge(GOOD)) == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Lamp.2019.HDCAM.x264-GRP", "cam"),
        ("Lamp.2019.1080p.HDTS.x264-GRP", "telesync"),
        ("Lamp.2019.TELECINE.x264-GRP", "telecine"),
        ("Lamp.2019.DVDScr.XviD-GRP", "screener"),
        ("Lamp.2019.WORKPRINT.XviD-GRP", "workprint"),
        ("Lamp.2019.1080p.BluRay.x264-GRP.sample.mkv", "sample"),
        ("Other.2019.1080p.BluRay.x264-GRP", "wrong_title"),
        ("Lamp.1999.1080p.BluRay.x264-GRP", "wrong_year"),
    ],
)
def test_what_nobody_wants_is_refused(name: str, code: str) -> None:
    assert refused(judge(name)) == [code]


def test_camelot_is_no_cam() -> None:
    assert refused(judge("Camelot.S01E01.720p.HDTV-GRP", GB, wanted=Wanted("tv", "Camelot", season=1, episode=1))) == []


def test_size_is_judged_by_the_minute() -> None:
    limits: dict[str, Any] = {"min_mb_per_minute": 10, "max_mb_per_minute": 100}
    assert refused(judge(GOOD, 1 * GB, **limits)) == []
    assert refused(judge(GOOD, 1 * GB - 1, **limits)) == ["too_small"]
    assert refused(judge(GOOD, 10 * GB, **limits)) == []
    assert refused(judge(GOOD, 10 * GB + 10_000_000, **limits)) == ["too_large"]


def test_the_default_profile_asks_for_no_minimum_size() -> None:
    assert refused(judge(GOOD, 1)) == []


def test_the_size_of_two_episodes_is_shared_and_that_of_a_season_not_judged() -> None:
    limits: dict[str, Any] = {"wanted": EPISODE, "max_mb_per_minute": 30}
    assert refused(judge("Lamp.S01E01.1080p.WEB-DL-GRP", 2 * GB, **limits)) == ["too_large"]
    assert refused(judge("Lamp.S01E01E02.1080p.WEB-DL-GRP", 2 * GB, **limits)) == []
    assert refused(judge("Lamp.S01.1080p.WEB-DL-GRP", 40 * GB, **limits)) == []


def test_seeders() -> None:
    assert refused(judge(GOOD, seeders=1)) == []
    assert refused(judge(GOOD, seeders=0)) == ["too_few_seeders"]
    assert refused(judge(GOOD, seeders=None)) == []
    assert score(judge(GOOD, seeders=100)) > score(judge(GOOD, seeders=10)) > score(judge(GOOD, seeders=1))


def test_words() -> None:
    assert refused(judge(GOOD, blocked_words=("x264",))) == ["blocked_word"]
    assert refused(judge(GOOD, blocked_words=("x26", "amp", "blu ray"))) == []
    assert refused(judge("Lamp.2019.1080p.Blu-ray.x264-GRP", blocked_words=("blu ray",))) == ["blocked_word"]
    assert refused(judge(GOOD, required_words=("remux", "grp"))) == []
    assert refused(judge(GOOD, required_words=("remux",))) == ["missing_word"]
    assert score(judge(GOOD, preferred_words={"grp": 70})) - score(judge(GOOD)) == 70


def test_languages() -> None:
    french, german = "Lamp.2019.FRENCH.1080p.BluRay.x264-GRP", "Lamp.2019.GERMAN.1080p.BluRay.x264-GRP"
    assert (
        score(judge(french, languages=("fr", "de"))) > score(judge(german, languages=("fr", "de"))) > score(judge(GOOD))
    )
    assert refused(judge(german, languages=("fr",), language_required=True)) == ["wrong_language"]
    assert refused(judge(french, languages=("fr",), language_required=True)) == []
    assert refused(judge("Lamp.2019.GERMAN.DL.1080p.BluRay-G", languages=("fr",), language_required=True)) == []


def test_what_the_profile_leaves_out_is_refused() -> None:
    assert refused(judge(GOOD, resolutions=("720p",))) == ["resolution_unwanted"]
    assert refused(judge(GOOD, sources=("WEB-DL",))) == ["source_unwanted"]
    assert refused(judge("Lamp.2019.1080p.BluRay.REMUX.AVC-G", sources=("BluRay",))) == ["source_unwanted"]
    assert refused(judge("Lamp.2019.HDCAM.x264-GRP", sources=("CAM",))) == []


def test_better_is_ranked_higher() -> None:
    names = [
        "Lamp.2019.1080p.BluRay.PROPER.x264-GRP",
        "Lamp.2019.1080p.BluRay.x264-GRP",
        "Lamp.2019.1080p.WEB-DL.x264-GRP",
        "Lamp.2019.1080p.HDTV.x264-GRP",
        "Lamp.1080p.HDTV.x264-GRP",
        "Lamp.2019.2160p.BluRay.x264-GRP",
        "Lamp.2019.720p.BluRay.x264-GRP",
    ]
    ranked = sorted(names, key=lambda name: -score(judge(name)))
    assert ranked == names


def test_the_order_of_the_profile_decides() -> None:
    high, low = "Lamp.2019.2160p.WEB-DL-G", "Lamp.2019.720p.WEB-DL-G"
    assert score(judge(high, resolutions=("2160p", "720p"))) > score(judge(low, resolutions=("2160p", "720p")))
    assert score(judge(low, resolutions=("720p", "2160p"))) > score(judge(high, resolutions=("720p", "2160p")))


def test_a_missing_or_neighbouring_year_costs_a_little() -> None:
    assert score(judge("Lamp.1080p.BluRay.x264-GRP")) == score(judge(GOOD)) - 50
    assert score(judge("Lamp.2018.1080p.BluRay.x264-GRP")) == score(judge(GOOD)) - 25


@pytest.mark.parametrize(
    "name", [GOOD, "Lamp.1080p.KORSUB.HDRip.x265.DTS-GRP", "Lamp.2019.FRENCH.REPACK.2160p.WEB-DL.DV-G"]
)
def test_the_points_of_the_reasons_are_the_score(name: str) -> None:
    decision = judge(name, languages=("fr",), hdr_preferred=True, preferred_words={"grp": -5})
    assert decision.score == sum(reason.points for reason in decision.reasons)
    assert all(reason.sentence() for reason in decision.reasons)


def test_an_assumed_quality_says_so() -> None:
    assert "source_assumed" in [reason.code for reason in judge("Lamp.2019.1080p.x264-GRP").reasons]


def test_ties_are_broken_by_seeders_then_size_then_title() -> None:
    refusal, equal = judge(GOOD, seeders=0), Decision(score=10)
    ranked = [
        (Decision(score=11), Offer("z", 9, 1)),
        (equal, Offer("z", 9, 5)),
        (equal, Offer("a", 3, 4)),
        (equal, Offer("b", 3, 4)),
        (equal, Offer("a", 4, 4)),
        (refusal, Offer("a", 1, 99)),
    ]
    shuffled = random.Random(7).sample(ranked, len(ranked))
    assert sorted(shuffled, key=lambda pair: order(*pair)) == ranked


def test_samples() -> None:
    assert is_sample(parse(GOOD), seconds=599, runtime=100)
    assert not is_sample(parse(GOOD), seconds=600, runtime=100)
    assert not is_sample(parse(GOOD))


def test_the_decision_as_it_is_stored() -> None:
    stored = judge("Lamp.2019.HDCAM.x264-GRP").to_json()
    assert stored["score"] is None
    assert stored["rejections"] == [{"code": "cam", "params": {}, "points": 0}]
    assert {"code": "seeders", "params": {"found": 50}, "points": 57} in stored["reasons"]


def test_whole_discs_and_archives_are_refused_without_tiers_too() -> None:
    assert refused(judge("Lamp.2019.COMPLETE.BLURAY-GRP", 40 * GB)) == ["disc"]
    assert refused(judge("Lamp.2019.1080p.BluRay.x264-GRP.mkv")) == []
    archive = replace(parse(GOOD), container="rar")
    assert refused(decide(LAMP, archive, 6 * GB, 50, Profile())) == ["archived"]


def test_a_tier_that_is_not_wanted_has_its_sentence() -> None:
    tiers = (Tier(name="Web", qualities=("WEBDL-1080p",)),)
    assert refused(judge("Lamp.2019.COMPLETE.BLURAY-GRP", 9 * GB, tiers=tiers)) == ["disc"]
    assert refused(judge("Lamp.2019.1080p.HDTV.MPEG2-GRP", tiers=tiers)) == ["raw"]
    assert refused(judge(GOOD, tiers=tiers)) == ["quality_unwanted"]


def test_what_a_profile_may_insist_on() -> None:
    assert refused(judge(GOOD, 0)) == []
    assert refused(judge(GOOD, 0, size_required=True)) == ["size_unknown"]
    burnt = "Lamp.2019.1080p.BluRay.HC.x264-GRP"
    assert refused(judge(burnt)) == []
    assert refused(judge(burnt, refuse_hardcoded=True)) == ["hardcoded_unwanted"]


def test_a_profile_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        Profile(min_seeders=-1)
    with pytest.raises(ValidationError):
        Profile.model_validate({"resolution": "1080p"})


TIERS = (
    Tier(name="2160p", qualities=("Bluray-2160p", "WEBDL-2160p")),
    Tier(name="1080p", qualities=("Bluray-1080p", "WEBDL-1080p")),
    Tier(name="720p", qualities=("Bluray-720p",), allowed=False),
)


def scored(word: str, points: int, **more: Any) -> ScoredFormat:
    condition = {"kind": "release_title", "pattern": word, **more}
    return ScoredFormat(format=CustomFormat.model_validate({"name": word, "conditions": [condition]}), score=points)


def test_a_profile_with_nothing_of_tiers_and_formats_is_as_it_was() -> None:
    plain, empty = judge(GOOD), judge(GOOD, tiers=(), formats=(), minimum_format_score=99)
    assert plain == empty
    assert [(reason.code, reason.points) for reason in plain.reasons] == [
        ("resolution", 7000),
        ("source", 320),
        ("codec", 60),
        ("seeders", 57),
        ("size", 50),
    ]


def test_tiers_decide_instead_of_resolutions_and_sources() -> None:
    assert refused(judge("Lamp.2019.1080p.WEB-DL-G", tiers=TIERS, resolutions=(), sources=())) == []
    assert refused(judge("Lamp.2019.720p.BluRay-G", tiers=TIERS)) == ["quality_unwanted"]
    assert refused(judge("Lamp.2019.480p.WEB-DL-G", tiers=TIERS)) == ["quality_unwanted"]
    assert refused(judge("Lamp.2019.HDCAM.x264-G", tiers=TIERS)) == ["cam"]
    kinds = ("2160p.WEB-DL", "1080p.BluRay", "1080p.WEB-DL")
    best, disc, web = (score(judge(f"Lamp.2019.{kind}-G", tiers=TIERS)) for kind in kinds)
    assert best > disc == web
    codes = [reason.code for reason in judge(GOOD, tiers=TIERS).reasons]
    assert "quality" in codes
    assert not {"resolution", "source"} & set(codes)


def test_formats_give_their_points_and_no_number_of_them_outweighs_a_tier() -> None:
    formats = (scored("x264", 40_000), scored("grp", 5), scored("av1", 7))
    found = judge(GOOD, formats=formats, tiers=TIERS)
    told = [(reason.params["name"], reason.points) for reason in found.reasons if reason.code == "format"]
    assert told == [("x264", 40_000), ("grp", 5)]
    assert found.score == sum(reason.points for reason in found.reasons)
    assert score(judge("Lamp.2019.2160p.WEB-DL.H265-G", formats=formats, tiers=TIERS)) > score(found)


def test_with_formats_seeders_size_and_sound_are_worth_nothing_in_themselves() -> None:
    formats = (scored("atmos", 1), scored("grp", 0))
    plain, busy = judge(GOOD, formats=formats, seeders=1), judge(GOOD, GB, formats=formats, seeders=5000)
    assert score(plain) == score(busy)
    assert {reason.code: reason.points for reason in busy.reasons} == {
        "resolution": 7000, "source": 320, "format": 0, "seeders": 0, "size": 0
    }  # fmt: skip
    assert score(judge("Lamp.2019.1080p.BluRay.Atmos.x264-GRP", formats=formats)) == score(plain) + 1


def test_a_format_score_below_the_minimum_is_refused() -> None:
    formats = (scored("x264", -10), scored("grp", 4))
    assert refused(judge(GOOD, formats=formats)) == ["format_score_too_low"]
    assert refused(judge(GOOD, formats=formats, minimum_format_score=-6)) == []
    assert "-6" in judge(GOOD, formats=formats).rejections[0].sentence()


def test_formats_see_the_size_the_flags_and_the_original_language() -> None:
    conditions: list[dict[str, Any]] = [
        {"kind": "size", "minimum": 5, "maximum": 6},
        {"kind": "indexer_flag", "flag": "internal"},
        {"kind": "language", "language": "original"},
    ]
    made = ScoredFormat(format=CustomFormat.model_validate({"name": "All", "conditions": conditions}), score=9)
    wanted = Wanted("movie", "Lamp", year=2019, runtime=100, original_language="fr")
    profile = Profile(formats=(made,))
    name = parse("Lamp.2019.FRENCH.1080p.BluRay-G")
    found = decide(wanted, name, 6 * GB, 5, profile, frozenset({"internal"}))
    assert [reason.code for reason in found.reasons].count("format") == 1
    assert "format" not in [reason.code for reason in decide(wanted, name, 6 * GB, 5, profile).reasons]


def test_a_format_that_takes_too_long_is_told_and_worth_nothing() -> None:
    name = "Lamp.2019.1080p.BluRay." + "x" * 200
    found = judge(name, formats=(scored("(?:x+x+)+y?z", 50), scored("lamp|bluray", 3)))
    assert [reason.code for reason in found.reasons if reason.code.startswith("format")] == ["format", "format_failed"]


def test_the_original_language_can_be_wanted() -> None:
    def judged(name: str, original: str | None) -> list[str]:
        wanted = Wanted("movie", "Lamp", year=2019, runtime=100, original_language=original)
        return refused(judge(name, wanted=wanted, languages=("original",), language_required=True))

    french = "Lamp.2019.FRENCH.1080p.BluRay-G"
    assert judged(french, "fr") == []
    assert judged(french, "ja") == ["wrong_language"]
    assert judged(french, None) == []


def test_corrections_can_be_left_to_formats() -> None:
    proper = "Lamp.2019.1080p.BluRay.PROPER.x264-GRP"
    assert score(judge(proper)) == score(judge(GOOD)) + 15
    assert score(judge(proper, prefer_propers=False)) == score(judge(GOOD))


@pytest.mark.parametrize(
    "settings",
    [
        {"tiers": [{"name": "a", "qualities": ["Hologram"]}]},
        {"tiers": [{"name": "a", "qualities": []}]},
        {"tiers": [{"name": "a", "qualities": ["DVD"]}, {"name": "b", "qualities": ["DVD"]}]},
        {"tiers": [{"name": "a", "qualities": ["DVD"], "allowed": False}]},
        {"tiers": [{"name": "a", "qualities": ["DVD"]}], "cutoff": "b"},
    ],
)
def test_tiers_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Profile.model_validate(settings)


def test_a_word_of_separators_is_searched_for_in_no_time() -> None:
    name = f"Lamp.2019.1080p.{'-' * 500}.x264"
    assert refused(judge(name, blocked_words=("- " * 30 + "+",))) == []
    assert refused(judge("Lamp.2019.1080p.BluRay.DTS-HD.x264", blocked_words=("- DTS-HD -",))) == ["blocked_word"]
