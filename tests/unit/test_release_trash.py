"""Taking published custom formats and quality profiles: documents of the form that the guides and the *arrs write."""

from typing import Any

import pytest

from apps.downloads.releases.formats import Subject
from apps.downloads.releases.parse import parse
from apps.downloads.releases.qualities import App
from apps.downloads.releases.trash import PublishedFormat, Refused, read_format, read_profile


def specification(kind: str, fields: object, **more: Any) -> dict[str, Any]:
    return {"name": "one", "implementation": f"{kind}Specification", "negate": False, "required": False} | {
        "fields": fields, **more
    }  # fmt: skip


def document(*specifications: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"trash_id": "lamp-1", "name": "Lamps", "specifications": list(specifications), "unheard_of": 1} | more


def profile(**more: Any) -> dict[str, Any]:
    return {
        "trash_id": "p-1",
        "name": "Bright",
        "trash_score_set": "night",
        "upgradeAllowed": True,
        "cutoff": "WEB|Disc",
        "minFormatScore": 10,
        "cutoffFormatScore": 900,
        "minUpgradeFormatScore": 5,
        "language": "Original",
        "items": [
            {"name": "WEB|Disc", "allowed": True, "items": ["Bluray-1080p", "WEBDL-1080p"]},
            {"name": "HDTV-1080p", "allowed": True},
            {"name": "DVD", "allowed": False},
        ],
        "formatItems": {"Lamps": "lamp-1", "Candles": "candle-1", "Moon": "moon-1"},
    } | more


def published(identity: str, scores: dict[str, int]) -> PublishedFormat:
    return read_format(
        document(specification("ReleaseTitle", {"value": identity}), trash_id=identity, trash_scores=scores), "radarr"
    )


def refusal(document: object, app: App = "radarr") -> Refused:
    with pytest.raises(Refused) as refused:
        read_format(document, app)
    return refused.value


def test_a_format_is_taken_with_its_conditions_and_scores() -> None:
    taken = read_format(
        document(
            specification("ReleaseTitle", {"value": r"\bx264\b"}, required=True),
            specification("Source", {"value": 9}, negate=True),
            trash_scores={"default": 7, "night": 70},
        ),
        "radarr",
    )
    assert (taken.identity, taken.format.name, taken.format.app) == ("lamp-1", "Lamps", "radarr")
    assert [taken.score(name) for name in ("night", "noon")] == [70, 7]
    assert taken.format.matches(Subject(parse("Lamp.2019.1080p.WEB-DL.x264-G"))) is True
    assert taken.format.matches(Subject(parse("Lamp.2019.1080p.BluRay.x264-G"))) is False


def test_a_format_without_scores_is_worth_nothing() -> None:
    assert published("lamp-1", {}).score("default") == 0


def test_the_applications_own_form_of_fields_is_taken_too() -> None:
    fields = [{"order": 0, "name": "min", "value": 1}, {"order": 1, "name": "max", "value": 2}]
    taken = read_format(document(specification("Size", fields)), "sonarr").format
    assert taken.conditions[0].model_dump(include={"kind", "minimum", "maximum"}) == {
        "kind": "size", "minimum": 1, "maximum": 2
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fields", "radarr", "sonarr"),
    [
        ("Source", {"value": 5}, {"source": "dvd"}, {"source": "dvd"}),
        ("Source", {"value": 6}, {"source": "television"}, {"source": "bluray"}),
        ("Source", {"value": 7}, {"source": "web"}, {"source": "bluray_raw"}),
        ("Source", {"value": "1"}, {"source": "cam"}, {"source": "television"}),
        ("IndexerFlag", {"value": 8}, {"flag": "golden"}, {"flag": "internal"}),
        ("IndexerFlag", {"value": 128}, {"flag": "scene"}, {"flag": "nuked"}),
        ("Language", {"value": 4}, {"language": "de"}, {"language": "de"}),
        ("Language", {"value": 26}, {"language": "hi"}, {"language": "ar"}),
        ("Language", {"value": -2}, {"language": "original"}, {"language": "original"}),
        ("Language", {"value": 8, "exceptLanguage": True}, {"except_language": True}, {"except_language": True}),
        ("Resolution", {"value": 2160}, {"resolution": 2160}, {"resolution": 2160}),
        ("QualityModifier", {"value": 5}, {"modifier": "remux"}, {"modifier": "remux"}),
        ("ReleaseType", {"value": 3}, {"release_type": "season_pack"}, {"release_type": "season_pack"}),
        ("Year", {"min": 1990, "max": 1999}, {"minimum": 1990}, {"maximum": 1999}),
        ("Edition", {"value": "cut"}, {"pattern": "cut"}, {"kind": "edition"}),
        ("ReleaseGroup", {"value": "^G$"}, {"pattern": "^G$"}, {"kind": "release_group"}),
    ],
)
def test_each_application_has_numbers_of_its_own(
    kind: str, fields: dict[str, Any], radarr: dict[str, Any], sonarr: dict[str, Any]
) -> None:
    apps: tuple[tuple[App, dict[str, Any]], ...] = (("radarr", radarr), ("sonarr", sonarr))
    for app, wanted in apps:
        condition = read_format(document(specification(kind, fields)), app).format.conditions[0].model_dump()
        assert condition | wanted == condition


@pytest.mark.parametrize(
    ("specifications", "code", "told"),
    [
        ([specification("ReleaseTitle", {"value": r"a(?<b-c>d)"})], "balancing_group", "at character 2"),
        ([specification("ReleaseTitle", {"value": "(a"})], "unterminated_group", "at character 1"),
        ([specification("ReleaseTitle", {})], "malformed", "pattern"),
        ([specification("ReleaseTitle", {"value": 5})], "malformed", "pattern"),
        ([specification("Weather", {"value": 5})], "unknown_condition", "WeatherSpecification"),
        ([specification("Source", {"value": 99})], "unknown_value", "source with the number 99"),
        ([specification("Source", {"value": True})], "unknown_value", "True"),
        ([specification("Language", {"value": 999})], "unknown_value", "language"),
        ([specification("Size", {"min": 2, "max": 1})], "malformed", "maximum"),
        ([], "malformed", "conditions"),
    ],
)
def test_a_format_that_cannot_be_taken_is_refused_with_the_reason(
    specifications: list[dict[str, Any]], code: str, told: str
) -> None:
    refused = refusal(document(*specifications))
    assert refused.code == code
    assert told in str(refused)


@pytest.mark.parametrize("nonsense", [None, [], "x", 5, {}, {"name": "x"}, {"name": 1, "specifications": []}])
def test_what_is_no_format_is_refused(nonsense: object) -> None:
    assert refusal(nonsense).code == "malformed"


def test_a_profile_is_taken_with_its_tiers_limits_and_scores() -> None:
    known = {"lamp-1": published("lamp-1", {"default": 3, "night": 30}), "moon-1": published("moon-1", {"default": 4})}
    taken = read_profile(profile(), "radarr", known)
    ours = taken.profile
    assert [(tier.name, tier.qualities, tier.allowed) for tier in ours.tiers] == [
        ("WEB|Disc", ("Bluray-1080p", "WEBDL-1080p"), True),
        ("HDTV-1080p", ("HDTV-1080p",), True),
        ("DVD", ("DVD",), False),
    ]
    assert [(scored.format.name, scored.score) for scored in ours.formats] == [("Lamps", 30), ("Lamps", 4)]
    assert (taken.found, taken.missing) == (("lamp-1", "moon-1"), {"candle-1": "Candles"})
    assert (ours.cutoff, ours.upgrades, ours.prefer_propers) == ("WEB|Disc", True, False)
    assert (ours.minimum_format_score, ours.cutoff_format_score, ours.minimum_upgrade_score) == (10, 900, 5)
    assert (ours.languages, ours.language_required) == (("original",), True)


def test_a_profile_for_any_language_asks_for_none() -> None:
    taken = read_profile(profile(language="Any"), "radarr", {}).profile
    assert (taken.languages, taken.language_required) == ((), False)
    assert read_profile(profile(language="French"), "radarr", {}).profile.languages == ("fr",)


def test_sonarrs_names_of_qualities_become_ours() -> None:
    items = [
        {"name": "Bluray-1080p Remux", "allowed": True},
        {"name": "SD", "allowed": True, "items": ["DVD", "SDTV"]},
    ]
    taken = read_profile(profile(items=items, cutoff="SD"), "sonarr", {}).profile
    assert [tier.qualities for tier in taken.tiers] == [("Remux-1080p",), ("DVD", "DVD-R", "SDTV")]


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"items": [{"name": "Hologram-9p", "allowed": True}]}, "unknown_quality", "Hologram-9p"),
        ({"items": [{"name": "Bluray-1080p Remux", "allowed": True}]}, "unknown_quality", "Remux"),
        ({"items": []}, "malformed", "cutoff"),
        ({"cutoff": "DVD"}, "malformed", "cutoff"),
        ({"cutoff": "Nothing"}, "malformed", "cutoff"),
        ({"cutoff": 1003}, "numbered", "application's own"),
        ({"language": "Klingon"}, "unknown_value", "Klingon"),
        ({"minFormatScore": "many"}, "malformed", "minFormatScore"),
        ({"name": ""}, "malformed", "name"),
    ],
)
def test_a_profile_that_cannot_be_taken_is_refused_with_the_reason(
    changes: dict[str, Any], code: str, told: str
) -> None:
    with pytest.raises(Refused) as refused:
        read_profile(profile(**changes), "radarr", {})
    assert refused.value.code == code
    assert told in str(refused.value)


@pytest.mark.parametrize("value", ["9" * 5_000, "--5", "-", "٣", [1], {"x": 1}, None, True])
def test_what_is_no_number_of_the_applications_is_refused(value: object) -> None:
    assert refusal(document(specification("Source", {"value": value}))).code == "unknown_value"


def test_fields_without_a_name_are_none() -> None:
    assert refusal(document(specification("ReleaseTitle", [{"name": ["x"], "value": "y"}, 7]))).code == "malformed"
