"""Whole seasons: S02, Season 1-3, Staffel 2, 2. Sezon, 第二季."""

import re

from apps.downloads.releases.numbering import (
    NUMBER_WORDS,
    ORDINAL_WORDS,
    SEASON_WORD,
    SEPARATOR,
    YEAR,
    Numbering,
    chinese_number,
)

_TO = r"[ ._]?(?:-|\+|&|~|to|à|a|al)?[ ._]?"
_PACK = re.compile(
    rf"""
    (?<![^\W_])(?<!['’])(?:
        S[ ._]?(?P<s>\d{{1,4}}) (?:{_TO}S?(?P<s_last>\d\d))? (?P<disc>[ ._]?D(?:is[ck][ ._]?)?\d{{1,2}}(?:[-&]\d)*)?
        | {SEASON_WORD}[ ._:-]*(?P<w>\d{{1,4}})
          (?: {SEPARATOR}?(?:[-+&~]|to|à|al?){SEPARATOR}? (?:{SEASON_WORD}[ ._]?|S)? (?P<w_last>\d{{1,2}}) )?
        | (?!series){SEASON_WORD}{SEPARATOR}(?P<word>{"|".join(NUMBER_WORDS)})
        | (?P<nth>{"|".join(ORDINAL_WORDS)})[ ._]season
        | (?P<ordinal>\d{{1,2}})(?:st|nd|rd|th|ª|º|a|e|de|-?й|-?го)?\.?[ ._]
          (?:season|saison|staffel|stagione|temporada|sezon|сезон)(?![ ._:]*\d{{1,2}}(?!\d))
    )(?![^\W_])
    | 第\s?(?P<chinese>[\d一二三四五六七八九十]{{1,3}})\s?季
    | (?<=シーズン)(?P<kana>\d{{1,2}})
    """,
    re.IGNORECASE | re.VERBOSE,
)
_PART = re.compile(
    rf"[ ._,-]*(?:part|pt|vol(?:ume)?|teil|partie|parte|cour)[ ._]?(?:\d{{1,2}}|{'|'.join(NUMBER_WORDS)}|I{{1,3}}V?)(?![^\W_])",
    re.IGNORECASE,
)
_COMPLETE = re.compile(
    r"(?<=[ ._])(?:the[ ._])?complete[ ._](?:tv[ ._]|mini[ ._-]?)?(?:series|collection)(?![^\W_])", re.IGNORECASE
)
# More seasons than any series has; above it only years are seasons.
_MOST = 200
_ONLY_ARTICLES = re.compile(r"(?:[\W_]|the|an?|complete)*", re.IGNORECASE)


def read_pack(text: str) -> Numbering | None:
    """The first sign of whole seasons; “S2” goes before “Series 2”, which may be title."""
    packs = [found for found in _PACK.finditer(text) if _is_pack(found)]
    packs.sort(key=lambda found: found.group().lower().startswith("series"))
    if not packs:
        return None
    partial = packs[0]["disc"] is not None or _PART.match(text, packs[0].end()) is not None
    return Numbering(packs[0].start(), packs[0].end(), _seasons(packs[0]), partial=partial)


def read_complete(text: str) -> Numbering | None:
    """“The Complete Series” without a number."""
    found = _COMPLETE.search(text)
    return Numbering(found.start(), found.end()) if found else None


def season_before(text: str, end: int) -> Numbering | None:
    """The season that stands on its own before an episode's number at end, not at the very start."""
    for found in _PACK.finditer(text, 0, end):
        if found.start() > 0 and _is_pack(found):
            return Numbering(found.start(), found.end(), _seasons(found))
    return None


def _is_pack(found: re.Match[str]) -> bool:
    """Not “Series 7” or “S21” in front of everything, nor “Seasons 2019” or “The First Season”: those are titles.

    S2019 is a season of its own.
    """
    first = _seasons(found)[0]
    if found["w"] or found["s"]:
        return found.start() > 0 and (first < _MOST or bool(found["s"] and YEAR.fullmatch(found["s"])))
    if found["nth"]:
        return _ONLY_ARTICLES.fullmatch(found.string[: found.start()]) is None
    return first < _MOST or YEAR.fullmatch(str(first)) is not None


def _seasons(found: re.Match[str]) -> tuple[int, ...]:
    if found["word"]:
        return (NUMBER_WORDS[found["word"].lower()],)
    if found["nth"]:
        return (ORDINAL_WORDS[found["nth"].lower()],)
    if found["chinese"]:
        return (chinese_number(found["chinese"]),)
    first = int(found["s"] or found["w"] or found["ordinal"] or found["kana"])
    last = int(found["s_last"] or found["w_last"] or first)
    return tuple(range(first, last + 1)) if first < last <= first + _MOST else (first,)
