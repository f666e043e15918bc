"""Episodes by season: S01E02, 1x02, Season 1 Episode 2, Cap.102, 2of6, 102."""

import re

from apps.downloads.releases.numbering import (
    EPISODE_WORD,
    NUMBER_WORDS,
    SEASON_WORD,
    SEPARATOR,
    YEAR,
    Numbering,
    numbers_in,
    span,
)
from apps.downloads.releases.seasons import season_before
from apps.downloads.releases.vocabulary import SURE

# What stands before another episode's number: E02, - E02, & E02, and E02.
_AND = r"(?:[ ._-]{0,3}|\s?[&+]\s?|[ .]and[ .])"
# S01E02, s1.e2, S01 - E02, S01EP02E03, S01E02-04, S01E01.S01E02; in Spanish also T01E02 and T01XE02.
_STANDARD = re.compile(
    rf"""
    (?:S(?P<season>\d{{1,4}}) \s?[.,/_-]?\s? (?:E|EP)[. ]? | (?<![^\W_])T(?P<temporada>\d{{1,2}})X?E)
    (?P<first>\d{{1,5}})(?!\d|[pi]\b)
    (?P<more>(?:
        (?: {_AND} (?:S\d{{1,4}}{SEPARATOR}?)? EP?\.? | [-_+&~](?=\d{{1,5}}(?:v\d)?(?![^\W_])) )
        \d{{1,5}}(?!\d|[pi]\b)
    )*)
    """,
    re.IGNORECASE | re.VERBOSE,
)
# 1x02, S01x02, 1x02x03, 1x02-03, 1x02.1x03, 2016x231; neither 1920x800 nor x264.
_CROSS = re.compile(
    rf"""
    (?<![^\W_])S? (?P<season>0\d|\d{{1,2}}|19[3-9]\d|20\d\d) (?:x(?!26[456])(?P<first>\d{{1,3}})|\ x\ (?P<spaced>\d\d))
    (?!x?\d{{3}})(?!\w*[pi]\b)(?!\d)
    (?P<more>(?: (?:{_AND}\d{{1,4}}x|[-_]x?|x) \d{{1,3}}(?![\dpi]) )*)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SPELLED = re.compile(
    rf"""
    (?<![^\W_])(?:{SEASON_WORD}[ ._:-]*(?P<season>\d{{1,4}})|(?P<ordinal>\d{{1,2}})(?:\.|-?й|-?го)?[ .](?:sezon|сезон))
    [, ._/-]*(?:
        (?:{EPISODE_WORD}|e|\#)[ ._:-]*(?P<first>\d{{1,4}})(?P<more>(?:-\d{{1,4}})?)(?!\d)
        | (?P<before>\d{{1,4}})(?:\.|-?я)?[ .]?(?:bölüm|bolum|сери[яи])
    )
    | (?<![^\W_])Se\.(?P<season2>\d{{1,3}})\ afl\.(?P<first2>\d{{1,3}})(?P<more2>(?:\ en\ \d{{1,3}})?)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CAP = re.compile(
    r"\bCap\.?\s?(?P<season>\d{1,2})(?P<first>\d\d)(?:_(?P<season2>\d{1,2})(?P<last>\d\d))?(?!\d)", re.IGNORECASE
)
_OF = re.compile(
    r"(?:(?<![^\W_])Part[ ._])?(?<!\d)(?P<first>\d{1,2})(?:of|[ .]of[ .]|[ .]din[ .])\d{1,2}(?!\d)", re.IGNORECASE
)
_PART = re.compile(rf"(?<![^\W_])Part[ ._-]?(?P<part>\d{{1,2}}|{'|'.join(NUMBER_WORDS)})(?![^\W_])", re.IGNORECASE)
_OPENING = re.compile(r"^\s*(?P<season>\d{1,2})-(?P<first>\d\d)\s+(?=[^\W\d])")
_CODE = re.compile(r"(?<=[\w)][ ._])(?P<code>\d{3,5})[ ._-]*$")
_TAGS = re.compile(rf"(?<![^\W_])(?:{SURE}|WS|WEB|PROPER|REPACK|INTERNAL)(?![^\W_])", re.IGNORECASE)
_DISC = re.compile(r"blu-?ray|bdrip|brrip|remux", re.IGNORECASE)
# A numbered part is an episode on television; on a disc or in a cinema it is a film of a series of films.
_TELEVISION = re.compile(r"\b(?:[HPS]DTV|DSR|TVRip|WS)\b", re.IGNORECASE)
# An anime's running number beside the season's: “10x14 214”, “214 10x14”.
_COUNT_BEHIND = re.compile(r"\s(\d{2,4})(?=\s*$|\s*[\[(])")
_COUNT_BEFORE = re.compile(r"(?<=\s)(\d{3,4})\s$")


def read_standard(text: str) -> Numbering | None:
    found = _STANDARD.search(text)
    if found is None:
        return None
    first = int(found["first"])
    absolute = first if " - EP" in found.group().upper() else None
    episodes = span([first, *numbers_in(found["more"])])
    return Numbering(
        _start(text, found.start()), found.end(), (int(found["season"] or found["temporada"]),), episodes, absolute
    )


def read_cross(text: str) -> Numbering | None:
    found = _CROSS.search(text)
    if found is None:
        return None
    episodes = span([int(found["first"] or found["spaced"]), *numbers_in(found["more"])])
    before, behind = _COUNT_BEFORE.search(text[: found.start()]), _COUNT_BEHIND.match(text[found.end() :])
    count = before or behind
    start = before.start(1) if before else found.start()
    return Numbering(start, found.end(), (int(found["season"]),), episodes, int(count[1]) if count else None)


def read_spelled(text: str) -> Numbering | None:
    found = _SPELLED.search(text)
    if found is None:
        return None
    season = int(found["season"] or found["ordinal"] or found["season2"])
    first = int(found["first"] or found["before"] or found["first2"])
    episodes = span([first, *numbers_in(found["more"] or found["more2"])])
    return Numbering(_start(text, found.start()), found.end(), (season,), episodes)


def read_cap(text: str) -> Numbering | None:
    found = _CAP.search(text)
    if found is None:
        return None
    numbers = [int(found["first"]), *([int(found["last"])] if found["last"] else [])]
    return Numbering(_start(text, found.start()), found.end(), (int(found["season"]),), span(numbers))


def read_of(text: str) -> Numbering | None:
    found = _OF.search(text)
    if found is None:
        return None
    season = season_before(text, found.start())
    first = (int(found["first"]),)
    if season is not None:
        return Numbering(season.start, found.end(), season.seasons, first)
    return Numbering(found.start(), found.end(), (1,), first, assumed=("season",))


def read_opening(text: str) -> Numbering | None:
    """“11-02 Name of the episode”."""
    found = _OPENING.match(text)
    return Numbering(0, found.end(), (int(found["season"]),), (int(found["first"]),)) if found else None


def read_compact(text: str) -> Numbering | None:
    """“.103.” before the tags is season 1, episode 3, “.10304.” episodes 3 and 4. Where a year follows it is a film."""
    tags = _TAGS.search(text)
    found = _CODE.search(text[: tags.start()] if tags else text)
    if found is None or YEAR.fullmatch(found["code"]) or YEAR.search(text, found.end()) or _DISC.search(text):
        return None
    code = found["code"]
    long = len(code) == 5
    season = int(code[0] if long else code[:-2])
    episodes = [int(code[1:3]), int(code[3:])] if long else [int(code[-2:])]
    if not season or not episodes[0] or (long and episodes[1] != episodes[0] + 1):
        return None
    return Numbering(found.start(), found.end(), (season,), tuple(episodes), assumed=("season", "episodes"))


def read_part(text: str) -> Numbering | None:
    """“Part 2” of something broadcast, and not of a year."""
    found = _PART.search(text)
    if found is None or YEAR.search(text) or not _TELEVISION.search(text):
        return None
    part = NUMBER_WORDS.get(found["part"].lower()) or int(found["part"])
    return Numbering(found.start(), found.end(), (1,), (part,), assumed=("season", "episodes"))


def _start(text: str, start: int) -> int:
    """Where the numbering begins when a season stands before it on its own: “s03 e - Season 3 Episode 10”."""
    season = season_before(text, start)
    return season.start if season else start
