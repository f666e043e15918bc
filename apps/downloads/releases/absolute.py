"""Episodes counted over the whole series, or written without a season: “ - 07 ”, Episode 12, #957, [05], 第05話."""

import re

from apps.downloads.releases.numbering import EPISODE_WORD, YEAR, Numbering, chinese_number, first_of, numbers_in, span
from apps.downloads.releases.seasons import read_pack, season_before

_COUNTED = re.compile(
    rf"""
    (?<![^\W_])(?:{EPISODE_WORD}[ ._]?|e)(?P<first>\d{{2,5}}|(?<=[ .])\d)(?:v\d)?(?P<more>(?:-E?P?\d{{2,5}})?)(?![^\W_])
    | (?<!\w)\#(?P<hash>\d{{1,4}})(?!\d)
    | (?<!\d)(?P<before>\d{{1,4}})(?:\.|-?я)?[ .]?(?:Bölüm|Bolum|BLM|сери[яи])(?![^\W_])
    """,
    re.IGNORECASE | re.VERBOSE,
)
# “ - 07 ”, “_-_07v2_”, “ - 01-12 (”, “ - 12.5 [”.
_DASHED = re.compile(
    r"""
    (?<=[\s_.]) -[ ._]+ (?P<first>\d{1,4})(?P<half>\.5)?(?:v\d)? (?P<more>-\d{2,4}|[ ]?[-~][ ]?\d{2,4}(?=\s*(?:[\[(]|$)))?
    (?= \s*$ | [ ._]*[\[({] | [ ._]+-[ ._] | [ ._](?!\d) | [ ._](?=\d{3,4}[xp]) )
    """,
    re.VERBOSE,
)
_BOXED = re.compile(r"(?<=[\w!? \])._])[\[{](?P<first>\d{2,4})(?:v\d)?(?P<more>\s?[-~]\s?\d{2,4})?(?:[ ._]?END)?[\]}]")
_LAST = re.compile(r"(?<=[ ._!:])(?P<first>\d{2,4})(?:v\d)?(?P<more>[-~]\d{2,4})?(?=[ ._]*(?:$|[\[({])|[ ._]+[^\W\d])")
_LEADING = re.compile(r"^(?P<first>\d{2,3}) - (?=[^\W\d])")
_CHINESE = re.compile(r"第\s?(?P<first>[\d一二三四五六七八九十]{1,4})(?P<more>(?:-\d{1,4})?)\s?[话話集回]")
# “Some Anime 07 VOSTFR”
_SUBBED = re.compile(
    r"(?<=[\w!)][ ._])(?P<first>\d{2,4})(?:v\d)?(?P<more>(?:-\d{2,4})?)(?=[ ._]+(?:VOST(?:FR|A)?|VF)(?![^\W_]))"
)
_AFTER_YEAR = re.compile(r"(?<=[ ._](?:19|20)\d\d[ ._])(\d\d)(?=[ ._]\d{3,4}p)")


def read_counted(text: str) -> Numbering | None:
    """A number with the word for episode; the season before it, else the first is assumed."""
    for found in _COUNTED.finditer(text):
        if found.start() == 0 and YEAR.search(text, found.end()):
            continue
        number = first_of((found["first"], found["hash"], found["before"]))
        episodes = span([number, *numbers_in(found["more"])])
        absolute = number if len(episodes) == 1 else None
        season = season_before(text, found.start())
        if season is not None:
            return Numbering(season.start, found.end(), season.seasons, episodes, absolute)
        return Numbering(found.start(), found.end(), (1,), episodes, absolute, assumed=("season",))
    return None


def read_dashed(text: str) -> Numbering | None:
    return _first(_DASHED, text)


def read_subbed(text: str) -> Numbering | None:
    """A number before the tag of French subtitles, where no year says that it is a film."""
    return None if YEAR.search(text) else _first(_SUBBED, text)


def read_boxed(text: str) -> Numbering | None:
    return _first(_BOXED, text)


def read_chinese(text: str) -> Numbering | None:
    found = _CHINESE.search(text)
    return _absolute(text, found, chinese_number(found["first"])) if found else None


def read_after_year(text: str) -> Numbering | None:
    """“Some Show 2018 06 720p”."""
    found = _AFTER_YEAR.search(text)
    return Numbering(found.start(), found.end(), absolute=int(found[1])) if found else None


def read_anime(text: str) -> Numbering | None:
    """Behind a group's bracket: a number on its own behind the title, before the tags, unless a season follows it."""
    found = _first(_LAST, re.split(r"[\[(]", text, maxsplit=1)[0]) or _opening(text)
    if found is None:
        return None
    pack = read_pack(text)
    return pack if pack is not None and pack.start >= found.end else found


def _opening(text: str) -> Numbering | None:
    found = _LEADING.match(text)
    return Numbering(0, found.end(), absolute=int(found["first"])) if found else None


def _first(pattern: re.Pattern[str], text: str) -> Numbering | None:
    for found in pattern.finditer(text):
        if found.start() > 0 and not YEAR.fullmatch(found["first"]):
            return _absolute(text, found, int(found["first"]))
    return None


def _absolute(text: str, found: re.Match[str], number: int) -> Numbering:
    """The count; with a season before it, the number within that season too."""
    more = numbers_in(found["more"])
    episodes = span([number, *more])
    absolute = number if len(episodes) == 1 else None
    special = bool(found.groupdict().get("half"))
    season = season_before(text, found.start())
    if season is not None:
        return Numbering(season.start, found.end(), season.seasons, episodes, absolute, special=special)
    return Numbering(found.start(), found.end(), (), episodes if more else (), absolute, special=special)
