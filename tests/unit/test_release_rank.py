"""What a release is worth to a profile, and why."""

import random
from typing import Any

import pytest
from pydantic import ValidationError

from apps.downloads.releases.match import Wanted
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.rank import Decision, Offer, decide, is_sample, order
from apps.downloads.releases.verdict import SENTENCES, Verdict

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
    assert stored["rejections"] == [{"code": "cam", "sentence": "It was filmed in a cinema (CAM)."}]


def test_every_sentence_can_be_filled() -> None:
    params = {"found": 1, "wanted": 2, "word": "x", "words": "y", "name": "z"}
    for code in SENTENCES:
        assert "{" not in Verdict(code, params).sentence()


def test_a_profile_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        Profile(min_seeders=-1)
    with pytest.raises(ValidationError):
        Profile.model_validate({"resolution": "1080p"})
