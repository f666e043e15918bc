"""Every reason has a stable code, a sentence in each language, and its line in docs/reasons.md."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from apps.downloads.releases.verdict import POINTS, REFUSALS, SENTENCES, Verdict, told

PAGE = Path(__file__).parents[2] / "docs" / "reasons.md"
GAP = re.compile(r"\{(\w+)\}")


def sentence(code: str, language: str) -> str:
    with translation.override(language):
        return str(SENTENCES[code])


def lines(codes: Any) -> list[str]:
    return [f"| `{code}` | {sentence(code, 'en')} | {sentence(code, 'fr')} |" for code in codes]


def test_the_page_has_every_code_with_its_sentences_and_no_other() -> None:
    """To write it anew: put what is missing where it belongs."""
    found = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert found == lines(REFUSALS) + lines(POINTS)


def test_there_are_about_thirty_refusals_and_no_code_stands_for_two_things() -> None:
    assert len(REFUSALS) >= 30
    assert not set(REFUSALS) & set(POINTS)


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_is_filled_in_both_languages(code: str) -> None:
    gaps = GAP.findall(sentence(code, "en"))
    verdict = Verdict(code, dict.fromkeys(gaps, "X"))
    with translation.override("en"):
        english = verdict.sentence()
    with translation.override("fr"):
        french = verdict.sentence()
    assert english != french or code == "source"  # the same word
    assert english.count("X") >= len(gaps) <= french.count("X")
    assert "{" not in english + french


def test_words_among_the_parameters_are_translated_too() -> None:
    with translation.override("fr"):
        assert Verdict("wrong_kind", {"found": "a film", "wanted": "a series"}).sentence() == (
            "C’est un film, on cherche une série."
        )
        assert "a film" in Verdict("wrong_title", {"found": "“a film” it is", "wanted": "x"}).sentence()


def test_what_is_stored_is_told_in_the_readers_language() -> None:
    stored = Verdict("too_large", {"found": 9.5, "wanted": 4}).to_json()
    assert "sentence" not in stored
    with translation.override("fr"):
        assert told(stored)["sentence"] == "Elle a 9,5 Mo par minute, il en faut au plus 4."
    assert told(stored)["sentence"] == "It has 9.5 MB a minute, at most 4 are wanted."


def test_a_whole_number_has_no_decimals_whoever_stored_it() -> None:
    stored = Verdict("size", {"found": 8.0, "wanted": 60.0}).to_json()
    assert told(stored)["sentence"] == "8 MB a minute; about 60 are preferred."


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        ({"code": "cam", "sentence": "Old words."}, "Old words."),
        ({"code": "of_tomorrow", "params": {}}, "of_tomorrow"),
        ({"code": "too_large", "params": {}}, "too_large"),
        ({"code": "cam", "params": 7, "points": "x"}, "It was filmed in a cinema (CAM)."),
        ({}, ""),
        ("nonsense", ""),
    ],
)
def test_what_older_and_newer_versions_stored_is_readable(stored: object, sentence: str) -> None:
    found = told(stored)
    assert found["sentence"] == sentence
    assert (found["points"], isinstance(found["params"], dict)) == (0, True)
