"""Which part of a series a name speaks of: season and episode, air date, absolute number."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

_S = r"[ ._-]"
_LONGEST_RANGE = 200
_SEASON_WORD = (
    r"(?:season|saison|stagione|temporada|temp|staffel|sezon|seizoen|säsong|sæson|сезон|series(?![ ._]\d{3}))s?"
)
_EPISODE_WORD = (
    r"(?:episodes?|episodio|épisode|eps?|folge|capitulo|capítulo|odcinek|aflevering|afl|bölüm|серия|серії|серии|серія)"
)
# What follows an episode's number to name more of them: E02, -02, x02, & E02, up to the last.
_AND = r"(?:[ ._-]{0,3}|\s?[&+]\s?)"
_NUMBER_WORDS = {
    w: n for n, w in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], 1)
}
# A release of a numbered part from these is a miniseries; from a disc or a cinema it is a film of a series of films.
_TELEVISION = re.compile(r"\b(?:[HPS]DTV|DSR|TVRip|WS)\b", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True, slots=True)
class Numbering:
    """What was found, and where in the text it starts and ends."""

    start: int
    end: int
    seasons: tuple[int, ...] = ()
    episodes: tuple[int, ...] = ()
    absolute: int | None = None
    air_date: date | None = None
    assumed: tuple[str, ...] = ()


# Season and episode in one: S01E02, s1.e2, S01 - E02, S01EP02E03, S01E02-04, S01E01.S01E02.
_STANDARD = re.compile(
    rf"""
    S(?P<season>\d{{1,4}}) \s?[.,/_-]?\s? (?:E|EP)[. ]? (?P<first>\d{{1,5}})(?!\d|[pi]\b)
    (?P<more>(?:
        (?: {_AND} (?:S\d{{1,4}}{_S}?)? EP?\.? | [-_+&~](?=\d{{1,5}}(?:v\d)?(?![^\W_])) )
        \d{{1,5}}(?!\d|[pi]\b)
    )*)
    """,
    re.IGNORECASE | re.VERBOSE,
)
# 1x02, 1x02x03, 1x02-03, 1x02.1x03, 2016x231; neither 1920x800 nor x264.
_CROSS = re.compile(
    rf"""
    (?<![^\W_]) (?P<season>0\d|\d{{1,2}}|19[3-9]\d|20\d\d) x(?!26[456])
    (?P<first>\d{{1,3}})(?!x?\d{{3}})(?!\w*[pi]\b)(?!\d)
    (?P<more>(?: (?:{_AND}\d{{1,4}}x|[-_]x?|x) \d{{1,3}}(?![\dpi]) )*)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SPELLED = re.compile(
    rf"""
    (?<![^\W_]){_SEASON_WORD}[ ._:-]*(?P<season>\d{{1,4}})[, ._/-]*(?:{_EPISODE_WORD}|e|\#)[ ._:-]*
    (?P<first>\d{{1,4}})(?P<more>(?:-\d{{1,4}})?)(?!\d)
    | (?<![^\W_])Se\.(?P<season2>\d{{1,3}})\ afl\.(?P<first2>\d{{1,3}})(?P<more2>(?:\ en\ \d{{1,3}})?)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CAP = re.compile(
    r"\bCap\.?\s?(?P<season>\d{1,2})(?P<first>\d\d)(?:_(?P<season2>\d{1,2})(?P<last>\d\d))?(?!\d)", re.IGNORECASE
)
_OF = re.compile(r"(?<!\d)(?P<first>\d{1,2})of\d{1,2}(?!\d)", re.IGNORECASE)
_PART = re.compile(
    r"(?<![^\W_])Part[ ._-]?(?P<part>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten)(?![^\W_])", re.IGNORECASE
)
_OPENING = re.compile(r"^\s*(?P<season>\d{1,2})-(?P<first>\d\d)\s+(?=[^\W\d])")

_DATES = (
    (re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)[ ._/-](?P<m>\d\d)[ ._/-](?P<d>\d\d)(?!\d)"), "ymd"),
    (re.compile(r"(?<!\d)(?P<m>\d\d)[ ._/-](?P<d>\d\d)[ ._/-](?P<y>(?:19|20)\d\d)(?!\d)"), "mdy"),
    (re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)(?P<m>[01]\d)(?P<d>[0-3]\d)(?!\d)"), "ymd"),
    (re.compile(r"(?<=[ ._])(?P<y>[0-2]\d)(?P<m>[01]\d)(?P<d>[0-3]\d)(?=[ ._])"), "ymd"),
)

_COUNTED = re.compile(
    rf"(?<![^\W_])(?:{_EPISODE_WORD}[ ._]?|e)(?P<first>\d{{2,5}}|(?<=[ .])\d)(?:v\d)?(?P<more>(?:-E?P?\d{{2,5}})?)(?![^\W_])"
    rf"|(?<!\w)#(?P<hash>\d{{1,4}})(?!\d)|(?<!\d)(?P<before>\d{{1,4}})\.?\s?(?:Bölüm|BLM)\b",
    re.IGNORECASE,
)
# Anime: “ - 07 ”, “_-_07v2_”, “ - 01-12 (”.
_DASHED = re.compile(
    r"""
    (?:(?<=\s)|(?<=_)|(?<=\.)) -[ ._]+ (?P<first>\d{1,4})(?:v\d)? (?P<more>-\d{2,4})?
    (?= \s*$ | [ ._]*[\[({] | [ ._]+-[ ._] | [ ._](?!\d) | [ ._](?=\d{3,4}[xp]) )
    """,
    re.VERBOSE,
)
_BOXED = re.compile(r"(?<=[\w!? \])._])[\[{](?P<first>\d{2,4})(?:v\d)?(?P<more>-\d{2,4})?(?:[ ._]?END)?[\]}]")
_LAST = re.compile(r"(?<=[ ._!:])(?P<first>\d{2,4})(?:v\d)?(?P<more>[-~]\d{2,4})?(?=[ ._]*(?:$|[\[({])|[ ._]+[^\W\d])")
_CHINESE = re.compile(r"第\s?(?P<first>\d{1,4})(?P<more>(?:-\d{1,4})?)\s?[话話集回]")
# “.103.” before tags: season 1, episode 3; “.10304.” season 1, episodes 3 and 4.
_COMPACT = re.compile(
    r"""
    (?<=[\w)][ ._])(?P<code>\d{3,5})
    (?= $ | [ ._-]+(?:\d{3,4}[pi]|[hps]dtv|web|dvd|xvid|x26|h[. ]?26|ws|vostfr|proper|repack|internal|dsr)\b )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_TO = r"[ ._]?(?:-|\+|&|~|to|à|a|al)?[ ._]?"
_PACK = re.compile(
    rf"""
    (?<![^\W_])(?:
        S[ ._]?(?P<s1>\d{{1,4}}) (?:{_TO}S?(?P<s2>\d\d))?
        | {_SEASON_WORD}[ ._:-]*(?P<w1>\d{{1,4}}) (?:{_S}?(?:[-+&~]|to|à|al?){_S}?(?:{_SEASON_WORD}[ ._]?|S)?(?P<w2>\d{{1,2}}))?
        | (?!series){_SEASON_WORD}{_S}(?P<word>one|two|three|four|five|six|seven|eight|nine|ten)
        | (?P<o1>\d{{1,2}})(?:st|nd|rd|th|ª|º|e|de|\.)?[ ._](?:season|saison|staffel|stagione|temporada|sezon|сезон)
    )(?![^\W_])
    | 第\s?(?P<c1>\d{{1,2}})\s?季
    """,
    re.IGNORECASE | re.VERBOSE,
)


def find_numbering(text: str, *, anime: bool) -> Numbering | None:
    """The first reading that applies, most certain first. anime: the name starts with its group in brackets."""
    for read in _READERS:
        if (found := read(text)) is not None:
            return found
    if anime and (found := _last(text)) is not None:
        pack = _pack(text)
        return pack if pack is not None and pack.start >= found.end else found
    return _boxed(text) or _pack(text) or _compact(text) or _part(text)


def _span(numbers: list[int]) -> tuple[int, ...]:
    """The episodes that a list names: everything from the first to the last."""
    first, last = numbers[0], numbers[-1]
    if first < last <= first + _LONGEST_RANGE:
        return tuple(range(first, last + 1))
    return tuple(sorted(set(numbers))) if last > first else (first,)


def _more(text: str | None) -> list[int]:
    text = re.sub(r"S\d+(?=[ ._-]?E)|\d+x(?=\d)", "", text or "", flags=re.IGNORECASE)
    return [int(number) for number in re.findall(r"\d+", text)]


def _standard(text: str) -> Numbering | None:
    found = _STANDARD.search(text)
    if found is None:
        return None
    first = int(found["first"])
    absolute = first if " - EP" in found.group().upper() else None
    return Numbering(
        _outer_start(text, found.start()),
        found.end(),
        (int(found["season"]),),
        _span([first, *_more(found["more"])]),
        absolute,
    )


def _cross(text: str) -> Numbering | None:
    found = _CROSS.search(text)
    if found is None:
        return None
    episodes = _span([int(found["first"]), *_more(found["more"])])
    near = re.match(r"\s(\d{2,4})(?=\s*$|\s*[\[(])", text[found.end() :]) or re.search(
        r"(?<=\s)(\d{3,4})\s$", text[: found.start()]
    )
    start = found.start() if near is None or near.string == text[found.end() :] else near.start(1)
    return Numbering(start, found.end(), (int(found["season"]),), episodes, int(near[1]) if near else None)


def _spelled(text: str) -> Numbering | None:
    found = _SPELLED.search(text)
    if found is None:
        return None
    season, first = int(found["season"] or found["season2"]), int(found["first"] or found["first2"])
    episodes = _span([first, *_more(found["more"] or found["more2"])])
    return Numbering(_outer_start(text, found.start()), found.end(), (season,), episodes)


def _outer_start(text: str, start: int) -> int:
    """Where numbering begins when a season stands before it on its own: “s03 e - Season 3 Episode 10”."""
    earlier = re.search(
        rf"(?<![^\W_])(?:S\d{{1,4}}(?![\dE])|{_SEASON_WORD}[ ._]\d{{1,4}})", text[:start], re.IGNORECASE
    )
    return earlier.start() if earlier and earlier.start() > 0 else start


def _cap(text: str) -> Numbering | None:
    found = _CAP.search(text)
    if found is None:
        return None
    numbers = [int(found["first"]), *([int(found["last"])] if found["last"] else [])]
    return Numbering(found.start(), found.end(), (int(found["season"]),), _span(numbers))


def _of(text: str) -> Numbering | None:
    found = _OF.search(text)
    return found and Numbering(found.start(), found.end(), (1,), (int(found["first"]),), assumed=("season",))


def _opening(text: str) -> Numbering | None:
    found = _OPENING.match(text)
    return found and Numbering(0, found.end(), (int(found["season"]),), (int(found["first"]),))


def _dated(text: str) -> Numbering | None:
    for pattern, _kind in _DATES:
        for found in pattern.finditer(text):
            day = _day(int(found["y"]), int(found["m"]), int(found["d"]))
            if day is not None:
                return _with_count(text, Numbering(found.start(), found.end(), air_date=day))
    return None


def _with_count(text: str, dated: Numbering) -> Numbering:
    """A date beside an episode's count, as in “Some Show 12. Bölüm (01.02.2023)”."""
    counted = _counted(text)
    if counted is None:
        return dated
    return Numbering(
        min(dated.start, counted.start), max(dated.end, counted.end), counted.seasons, counted.episodes, counted.absolute,
        dated.air_date, counted.assumed,
    )  # fmt: skip


def _day(year: int, month: int, day: int) -> date | None:
    """The date; day and month change places where only that gives one. Two-digit years are of this century."""
    year += 2000 if year < 100 else 0
    if month > 12 >= day:
        month, day = day, month
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _counted(text: str) -> Numbering | None:
    for found in _COUNTED.finditer(text):
        if found.start() == 0 and found["first"] is None:
            continue
        number = int(found["first"] or found["hash"] or found["before"])
        pack = _PACK.search(text[: found.start()])
        episodes = _span([number, *_more(found["more"])])
        absolute = number if len(episodes) == 1 else None
        if pack is not None and pack.start() > 0:
            return Numbering(pack.start(), found.end(), _pack_seasons(pack), episodes, absolute)
        return Numbering(found.start(), found.end(), (1,), episodes, absolute, assumed=("season",))
    return None


def _absolute(text: str, found: re.Match[str]) -> Numbering:
    number = int(found["first"])
    more = _more(found.groupdict().get("more"))
    pack = _PACK.search(text[: found.start()])
    episodes = _span([number, *more])
    absolute = number if len(episodes) == 1 else None
    if pack is not None and pack.start() > 0:
        return Numbering(pack.start(), found.end(), _pack_seasons(pack), episodes, absolute)
    return Numbering(found.start(), found.end(), (), episodes if more else (), absolute)


def _dash(text: str) -> Numbering | None:
    for found in _DASHED.finditer(text):
        if found.start() > 0 and not _YEAR.fullmatch(found["first"]):
            return _absolute(text, found)
    return None


def _boxed(text: str) -> Numbering | None:
    for found in _BOXED.finditer(text):
        if found.start() > 0 and not _YEAR.fullmatch(found["first"]):
            return _absolute(text, found)
    return None


def _chinese(text: str) -> Numbering | None:
    found = _CHINESE.search(text)
    return _absolute(text, found) if found else None


def _last(text: str) -> Numbering | None:
    """Anime: a number on its own behind the title, before the tags."""
    for found in _LAST.finditer(text.split("[")[0].split("(")[0] if "[" in text[1:] or "(" in text[1:] else text):
        if not _YEAR.fullmatch(found["first"]) and found.start() > 0:
            return _absolute(text, found)
    return None


def _compact(text: str) -> Numbering | None:
    """“Some.Show.103.hdtv” is season 1, episode 3; five digits are two episodes. Never where a year says film."""
    found = _COMPACT.search(text)
    if found is None or _YEAR.fullmatch(found["code"]) or _YEAR.search(text, found.end()):
        return None
    code = found["code"]
    if len(code) == 5:
        season, episodes = int(code[0]), (int(code[1:3]), int(code[3:]))
        valid = episodes[1] == episodes[0] + 1
    else:
        season, episodes = int(code[:-2]), (int(code[-2:]),)
        valid = True
    if not valid or season == 0 or episodes[0] == 0 or re.search(r"blu-?ray|bdrip|brrip|remux", text, re.IGNORECASE):
        return None
    return Numbering(found.start(), found.end(), (season,), episodes, assumed=("season", "episodes"))


def _part(text: str) -> Numbering | None:
    found = _PART.search(text)
    if found is None or _YEAR.search(text) or not _TELEVISION.search(text):
        return None
    part = _NUMBER_WORDS.get(found["part"].lower()) or int(found["part"])
    return Numbering(found.start(), found.end(), (1,), (part,), assumed=("season", "episodes"))


def _year_count(text: str) -> Numbering | None:
    found = re.search(r"(?<=[ ._](?:19|20)\d\d[ ._])(\d\d)(?=[ ._]\d{3,4}p)", text)
    return found and Numbering(found.start(), found.end(), (), (), int(found[1]))


def _pack(text: str) -> Numbering | None:
    """A whole season: the first sign of one, “S2” before “Series 2”, which may be title."""
    packs = [found for found in _PACK.finditer(text) if _is_pack(found)]
    packs.sort(key=lambda found: found.group().lower().startswith("series"))
    return Numbering(packs[0].start(), packs[0].end(), _pack_seasons(packs[0])) if packs else None


def _is_pack(found: re.Match[str]) -> bool:
    seasons = _pack_seasons(found)
    return seasons[0] < 200 or _YEAR.fullmatch(str(seasons[0])) is not None


def _pack_seasons(found: re.Match[str]) -> tuple[int, ...]:
    if found["word"]:
        return (_NUMBER_WORDS[found["word"].lower()],)
    first = int(found["s1"] or found["w1"] or found["o1"] or found["c1"])
    last = int(found["s2"] or found["w2"] or first)
    return tuple(range(first, last + 1)) if first < last <= first + 60 else (first,)


_READERS: tuple[Callable[[str], Numbering | None], ...] = (
    _standard, _cross, _spelled, _cap, _opening, _dated, _of, _dash, _counted, _chinese, _year_count,
)  # fmt: skip
