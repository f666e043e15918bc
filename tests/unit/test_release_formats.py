"""Custom formats: which releases they match, as in Radarr and Sonarr."""

from typing import Any

import pytest
from pydantic import ValidationError

from apps.downloads.releases.formats import GIB, CustomFormat, ScoredFormat, Subject, score
from apps.downloads.releases.parse import parse
from apps.downloads.releases.qualities import App

NAME = "Lamp.2019.1080p.BluRay.x264-GRP"
ASTRAY = "(?:x+x+)+y"


def custom(*conditions: dict[str, Any], app: App = "radarr") -> CustomFormat:
    return CustomFormat.model_validate({"name": "F", "app": app, "conditions": conditions})


def title(pattern: str, **more: Any) -> dict[str, Any]:
    return {"kind": "release_title", "pattern": pattern, **more}


def matches(release: str, *conditions: dict[str, Any], app: App = "radarr", **facts: Any) -> bool | None:
    return custom(*conditions, app=app).matches(Subject(parse(release), **facts))


BLURAY = {"kind": "source", "source": "bluray"}
WEB = {"kind": "source", "source": "web"}


@pytest.mark.parametrize(
    ("conditions", "matched"),
    [
        # Any of one kind,
        ([title("x264"), title("x265")], True),
        ([title("x265"), title("av1")], False),
        # and every kind.
        ([title("x264"), BLURAY], True),
        ([title("x265"), BLURAY], False),
        ([title("x264"), WEB], False),
        # Of those that are required all, and then no other is needed.
        ([title("x264", required=True), title("1080p", required=True)], True),
        ([title("x264", required=True), title("720p", required=True)], False),
        ([title("x264", required=True), title("720p")], True),
        ([title("x265", required=True), title("1080p")], False),
        # Negated ones hold where they would not.
        ([title("x265", negate=True)], True),
        ([title("x264", negate=True)], False),
        ([title("x264", negate=True), title("1080p")], True),
        ([title("x264", negate=True, required=True), title("1080p")], False),
        ([title("x264"), {**WEB, "negate": True, "required": True}], True),
        ([title("x264"), {**BLURAY, "negate": True, "required": True}], False),
        # The group and the edition are kinds of their own.
        ([title("x265"), {"kind": "release_group", "pattern": "^grp$"}], False),
    ],
)
def test_how_conditions_come_together(conditions: list[dict[str, Any]], matched: bool) -> None:
    assert matches(NAME, *conditions) is matched


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        ({"kind": "release_group", "pattern": "^(grp)$"}, NAME, "Lamp.2019.GRP.1080p.BluRay.x264-XGRP"),
        ({"kind": "edition", "pattern": "director"}, "Lamp.2019.Directors.Cut.1080p.BluRay-G", NAME),
        (BLURAY, NAME, "Lamp.2019.1080p.WEB-DL-G"),
        ({"kind": "resolution", "resolution": 1080}, NAME, "Lamp.2019.2160p.BluRay-G"),
        ({"kind": "resolution", "resolution": 480}, "Lamp.S01E01.HDTV.x264-G", NAME),
        ({"kind": "quality_modifier", "modifier": "remux"}, "Lamp.2019.1080p.BluRay.REMUX-G", NAME),
        ({"kind": "language", "language": "fr"}, "Lamp.2019.FRENCH.1080p.BluRay-G", NAME),
        ({"kind": "language", "language": "unknown"}, NAME, "Lamp.2019.FRENCH.1080p.BluRay-G"),
        ({"kind": "language", "language": "fr", "except_language": True}, "Lamp.2019.GERMAN.BluRay-G", "Lamp.2019.FRENCH.BluRay-G"),
        ({"kind": "language", "language": "fr", "except_language": True}, "Lamp.2019.GERMAN.FRENCH.BluRay-G", "Lamp.2019.FRENCH.BluRay-G"),
        ({"kind": "release_type", "release_type": "season_pack"}, "Lamp.S01.1080p.WEB-DL-G", "Lamp.S01E01.1080p.WEB-DL-G"),
        ({"kind": "release_type", "release_type": "multi_episode"}, "Lamp.S01E01E02.1080p.WEB-DL-G", "Lamp.S01E01.1080p.WEB-DL-G"),
        ({"kind": "release_type", "release_type": "single_episode"}, "Lamp.2019.11.05.1080p.WEB-DL-G", "Lamp.S01.1080p.WEB-DL-G"),
        ({"kind": "year", "minimum": 2010, "maximum": 2019}, NAME, "Lamp.2020.1080p.BluRay-G"),
    ],
)  # fmt: skip
def test_each_kind_of_condition(condition: dict[str, Any], yes: str, no: str) -> None:
    assert matches(yes, condition) is True
    assert matches(no, condition) is False
    assert matches(no, {**condition, "negate": True}) is True


def test_size_is_more_than_the_minimum_and_at_most_the_maximum() -> None:
    condition = {"kind": "size", "minimum": 1, "maximum": 2}
    sizes = [0, GIB, GIB + 1, 2 * GIB, 2 * GIB + 1]
    assert [matches(NAME, condition, size=size) for size in sizes] == [False, False, True, True, False]


def test_flags_are_the_indexers() -> None:
    condition = {"kind": "indexer_flag", "flag": "internal"}
    assert matches(NAME, condition, flags=frozenset({"internal", "freeleech"})) is True
    assert matches(NAME, condition, flags=frozenset({"freeleech"})) is False


def test_the_original_language_is_the_works_own() -> None:
    original = {"kind": "language", "language": "original"}
    french = "Lamp.2019.FRENCH.1080p.BluRay-G"
    assert matches(NAME, original, original_language="ja") is True
    assert matches(french, original, original_language="ja") is False
    assert matches(french, original, original_language="fr") is True
    assert matches("Lamp.2019.MULTi.FRENCH.1080p.BluRay-G", original, original_language="ja") is True
    assert matches(NAME, original) is False


def test_radarr_hides_the_title_and_sonarr_does_not() -> None:
    film = "The.Remux.Maker.2019.1080p.WEB-DL.H264-G"
    assert matches(film, title("remux")) is False
    assert matches(film, title("remux"), app="sonarr") is True
    assert matches("The Remux Maker (2019) Remux-G", title("remux")) is True


def test_the_name_of_the_file_is_searched_too() -> None:
    assert matches(NAME, title("dv"), file_name="Lamp 2019 DV.mkv") is True
    assert matches(NAME, title("dv"), file_name="Lamp 2019.mkv") is False


def test_each_application_names_the_source_of_a_remux_differently() -> None:
    remux = "Lamp.2019.1080p.BluRay.REMUX.AVC-G"
    assert matches(remux, BLURAY) is True
    assert matches(remux, BLURAY, app="sonarr") is False
    assert matches(remux, {"kind": "source", "source": "bluray_raw"}, app="sonarr") is True


def test_what_cannot_be_told_is_no_match_even_where_it_is_negated() -> None:
    long = "x" * 200
    assert matches(long, title(ASTRAY + "1"), app="sonarr") is None
    assert matches(long, title(ASTRAY + "2", negate=True), app="sonarr") is None


def test_the_score_is_the_sum_of_the_formats_that_match() -> None:
    formats = [
        ScoredFormat(format=custom(title("x264")), score=70),
        ScoredFormat(format=custom(title("x265")), score=500),
        ScoredFormat(format=custom(BLURAY), score=-30),
    ]
    found = score(Subject(parse(NAME)), formats)
    assert (found.total, [one.score for one in found.formats], found.failed) == (40, [70, -30], ())


@pytest.mark.parametrize(
    "condition",
    [
        title(""),
        title("(a"),
        title(r"(?<a-b>x)"),
        {"kind": "size", "minimum": 2, "maximum": 1},
        {"kind": "year", "minimum": 2020, "maximum": 2019},
        {"kind": "colour", "colour": "red"},
        {**BLURAY, "extra": 1},
    ],
)
def test_a_condition_that_means_nothing_is_refused(condition: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        custom(condition)


def test_a_format_without_conditions_is_refused() -> None:
    with pytest.raises(ValidationError):
        custom()


def test_a_format_is_the_same_after_it_was_stored() -> None:
    made = custom(title("x264", required=True), BLURAY, {"kind": "size", "minimum": 0, "maximum": 5})
    made.matches(Subject(parse(NAME)))
    assert CustomFormat.model_validate_json(made.model_dump_json()) == made
