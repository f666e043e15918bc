"""Texts: parts that fit into a message, names, and a French word for every English one."""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation import override

from apps.bot import messages
from apps.bot.handlers.titles import wanted
from apps.bot.talking import Pace

BOT = Path(messages.__file__).parent
CATALOGUE = BOT / "locale" / "fr" / "LC_MESSAGES"


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


def marked() -> Iterator[str | tuple[str, str]]:
    """Every text of the bot that is meant to be translated."""
    for file in BOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                if node.func.id in {"_", "gettext_lazy"}:
                    yield str(texts[0])
                elif node.func.id == "ngettext":
                    yield str(texts[0]), str(texts[1])


def french() -> gettext.GNUTranslations:
    with (CATALOGUE / "django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def test_every_text_is_there_in_french_with_the_same_gaps() -> None:
    known, gaps = french(), re.compile(r"%\(\w+\)[sd]|%%|/\w+")
    texts = list(marked())
    assert len(texts) > 60
    for text in texts:
        one, many = (text, text) if isinstance(text, str) else text
        for count, english in ((1, one), (2, many)):
            found = known.ngettext(one, many, count) if one != many else known.gettext(one)
            same = found == english and english not in {"Pause", "film"} and "point" not in english
            assert not same, f"no French for {english!r}: edit django.po, then msgfmt -o django.mo django.po"
            assert sorted(gaps.findall(found)) == sorted(gaps.findall(english)), english


def test_the_compiled_catalogue_is_that_of_the_source() -> None:
    source = (CATALOGUE / "django.po").read_text()
    written = {text.replace('\\"', '"') for text in re.findall(r'^msgstr(?:\[\d\])? "(.+)"$', source, re.MULTILINE)}
    compiled = {text for key, text in french()._catalog.items() if key}  # type: ignore[attr-defined]
    assert written == compiled, "run: msgfmt -o django.mo django.po"
    assert "fuzzy" not in source


def test_numbers_and_plurals_are_french_in_french() -> None:
    row = {"title": "A", "size": 0, "seeders": 2, "score": 1, "reasons": []}
    with override("fr"):
        assert "2 sources · 1 point\n" in messages.release(1, row)
