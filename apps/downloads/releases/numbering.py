"""What part of a series a name speaks of, and the words and numerals that the readers of it share."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

# A separator; and the words for season and episode, as regular expressions.
SEPARATOR = r"[ ._-]"
SEASON_WORD = r"(?:season|saison|stagione|temporada|temp?|staffel|sezon|seizoen|säsong|sæson|сезон|シーズン|series(?![ ._]\d{3}))s?"
EPISODE_WORD = (
    r"(?:episodes?|episod[iu]o?l?|épisode|eps?|folge|capitulo|capítulo|odcinek|aflevering|afl|avsnitt|bölüm|bolum|эпизод"
    r"|сер(?:ия|ії|ии|ія))"
)
NUMBER_WORDS = {
    word: number
    for number, word in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1)
}
ORDINAL_WORDS = {
    word: number
    for number, word in enumerate(
        ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"), 1
    )
}
YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")

_LONGEST_RANGE = 200
_CHINESE_DIGITS = {digit: number for number, digit in enumerate("一二三四五六七八九", 1)}


@dataclass(frozen=True, slots=True)
class Numbering:
    """What was found, and where in the text it starts and ends. assumed: fields concluded by custom."""

    start: int
    end: int
    seasons: tuple[int, ...] = ()
    episodes: tuple[int, ...] = ()
    absolute: int | None = None
    air_date: date | None = None
    assumed: tuple[str, ...] = ()
    special: bool = False
    partial: bool = False


def span(numbers: list[int]) -> tuple[int, ...]:
    """The numbers that a list names: everything from the first to the last."""
    first, last = numbers[0], numbers[-1]
    if first < last <= first + _LONGEST_RANGE:
        return tuple(range(first, last + 1))
    return tuple(sorted(set(numbers))) if last > first else (first,)


def numbers_in(text: str | None) -> list[int]:
    """The episode numbers of a continuation such as “-E03” or “.1x03”, without its seasons."""
    bare = re.sub(r"[ST]\d+(?=[ ._-]?X?E)|\d+x(?=\d)", "", text or "", flags=re.IGNORECASE)
    return [int(number) for number in re.findall(r"\d+", bare)]


def chinese_number(text: str) -> int:
    """The number written in digits or in Chinese numerals up to 99."""
    if text.isdecimal():
        return int(text)
    tens, ten, ones = text.rpartition("十")
    return (_CHINESE_DIGITS.get(tens, 1) * 10 if ten else 0) + _CHINESE_DIGITS.get(ones, 0)


def first_of(found: Iterable[str | None]) -> int:
    """The first group of a match that took part, as a number."""
    return next(int(group) for group in found if group)
