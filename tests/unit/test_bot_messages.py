"""Texts: parts that fit into a message, names, numbers."""

import pytest
from django.utils.translation import override

from apps.bot import messages
from apps.bot.handlers.titles import wanted
from apps.bot.talking import Pace


@pytest.mark.parametrize(
    "text", ["short", "a line\n" * 2000, "x" * 10_000, "🎬" * 5000, "one\n" + "y" * 9000, "é\n\n" * 3000]
)
def test_every_part_fits_and_nothing_is_lost(text: str) -> None:
    parts = messages.split(text)
    assert all(0 < messages.width(part) <= 4096 for part in parts)
    assert "".join(parts).replace("\n", "") == text.replace("\n", "")


def test_lines_stay_whole() -> None:
    lines = [f"line {number} of the list" for number in range(500)]
    assert [line for part in messages.split("\n".join(lines)) for line in part.split("\n")] == lines


def test_telegram_takes_no_empty_message() -> None:
    assert messages.split("") == messages.split(" \n ") == ["…"]


def test_a_title_tells_its_year_and_what_of_it() -> None:
    assert messages.label("Dark", 2017, 1, 2) == "Dark (2017) S01E02"
    assert messages.label("Dark", 2017, 1) == "Dark (2017) S01"
    assert messages.label("Up", None) == "Up"
    assert len(messages.label("x" * 500, 2000)) < 140


@pytest.mark.parametrize(
    ("typed", "query", "season", "episode"),
    [
        ("Dark S01E02", "Dark", 1, 2),
        ("dark  s3", "dark", 3, None),
        ("Dark", "Dark", None, None),
        ("S01E02", "S01E02", None, None),
        ("Inception 2010", "Inception 2010", None, None),
        ("Apollos 13", "Apollos 13", None, None),
    ],
)
def test_a_search_may_name_an_episode(typed: str, query: str, season: int | None, episode: int | None) -> None:
    assert wanted(typed) == (query, season, episode)


def test_who_says_too_much_is_told_once_and_then_ignored() -> None:
    pace = Pace(most=3)
    assert [pace.over(7, 100.0 + second) for second in range(6)] == [0, 0, 0, 1, 2, 2]
    assert pace.over(8, 105.0) == 0, "others are not affected"
    assert pace.over(7, 170.0) == 0, "a minute later it begins anew"


def test_numbers_and_plurals_are_french_in_french() -> None:
    row = {"title": "A", "size": 0, "seeders": 2, "score": 1, "reasons": []}
    with override("fr"):
        assert "2 sources · 1 point\n" in messages.release(1, row)
