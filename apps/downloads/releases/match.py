"""Whether a release is the film or the episode that is wanted."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

from apps.downloads.releases.name import ReleaseName
from apps.downloads.releases.verdict import Verdict

_ARTICLES = {"the", "a", "an"}
_ROMAN = {
    "ii": "2",
    "iii": "3",
    "iv": "4",
    "v": "5",
    "vi": "6",
    "vii": "7",
    "viii": "8",
    "ix": "9",
    "xi": "11",
    "xii": "12",
}
_WORDS = {
    w: str(n)
    for n, w in enumerate(
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], 2
    )
}
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_APOSTROPHES = re.compile(r"['’‘`´]")
_WORD = re.compile(r"\w+")
_COUNTRIES = {"us": "US", "usa": "US", "uk": "GB", "gb": "GB", "au": "AU", "nz": "NZ", "ca": "CA"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. titles: alternative and original ones; runtime: minutes, of one episode for a series.

    countries: ISO 3166 codes of origin, to tell "Some Series US" from "Some Series UK".
    absolute_episode, air_date: other ways by which the same episode is named.
    """

    kind: Literal["movie", "tv"]
    title: str
    titles: tuple[str, ...] = ()
    year: int | None = None
    season: int | None = None
    episode: int | None = None
    runtime: int | None = None
    countries: tuple[str, ...] = ()
    absolute_episode: int | None = None
    air_date: date | None = None


def mismatches(wanted: Wanted, release: ReleaseName) -> list[Verdict]:
    """Why the release is not the wanted thing; empty when it is."""
    checks = (_kind, _title, _year, _number) if wanted.kind == "tv" else (_kind, _title, _year)
    return [verdict for check in checks if (verdict := check(wanted, release)) is not None]


def year_distance(wanted: Wanted, release: ReleaseName) -> int | None:
    """Years between the two where both are known and the release's belongs to the title."""
    found = stated_year(wanted, release)
    return None if found is None or wanted.year is None else abs(found - wanted.year)


def stated_year(wanted: Wanted, release: ReleaseName) -> int | None:
    """The year that names the work: of a series only one within its title (others are of a season or an episode)."""
    if release.year is None or wanted.kind == "movie":
        return release.year
    return release.year if _split_year(release.title, release.year) else None


@lru_cache(maxsize=4096)
def title_keys(title: str) -> frozenset[str]:
    """The forms under which two spellings of one title meet: no case, accents, punctuation, “and”; 2 = II = two."""
    lowered = _APOSTROPHES.sub("", title.casefold().replace("&", " and "))
    keys = set()
    for text in (lowered, lowered.translate(_UMLAUTS)):
        plain = unicodedata.normalize("NFKD", text.translate(_LETTERS))
        plain = "".join(c for c in plain if not unicodedata.combining(c))
        words = [word for word in _WORD.findall(plain.replace("_", " ")) if word != "and"]
        keys.update(_forms(words))
    keys.discard("")
    return frozenset(keys) or frozenset({title.strip().casefold()})


def same_title(one: str, other: str) -> bool:
    """Whether two titles are spellings of one."""
    return bool(one and other and title_keys(one) & title_keys(other))


def _forms(words: list[str]) -> Iterable[str]:
    numbered = words[:1] + [_ROMAN.get(word, _WORDS.get(word, word)) for word in words[1:]]
    yield "".join(numbered)
    # “Thing” is not “The Thing”, but no two works differ by the article before several words.
    if len(numbered) > 2 and numbered[0] in _ARTICLES:
        yield "".join(numbered[1:])


def _split_year(title: str, year: int) -> str | None:
    """The title without the year at its end, None where it does not end with it."""
    bare = title.rstrip(" )]")
    return bare[: -len(str(year))].rstrip(" ([-.") or None if bare.endswith(str(year)) else None


def _readings(wanted: Wanted, release: ReleaseName) -> list[str]:
    readings = [release.title, *release.alternative_titles]
    if wanted.kind == "tv" and release.year is not None:
        readings += [bare for reading in readings if (bare := _split_year(reading, release.year))]
    for reading in tuple(readings):
        head, _, last = reading.rpartition(" ")
        if head and _COUNTRIES.get(last.strip("()").lower()) in wanted.countries:
            readings.append(head)
    return readings


def _title(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    names = (wanted.title, *wanted.titles)
    if any(same_title(reading, name) for reading in _readings(wanted, release) for name in names):
        return None
    return Verdict("wrong_title", {"found": release.title, "wanted": wanted.title})


def _year(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    distance = year_distance(wanted, release)
    if distance is None or distance <= 1:
        return None
    return Verdict("wrong_year", {"found": release.year, "wanted": wanted.year})


def _kind(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    if wanted.kind == "movie" and release.is_series and "episodes" not in release.assumed:
        return Verdict("wrong_kind", {"found": "a series", "wanted": "a film"})
    if wanted.kind == "tv" and not release.is_series and not release.complete:
        return Verdict("wrong_kind", {"found": "no episode or season", "wanted": "a series"})
    return None


def _number(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    if wanted.season is None or not release.is_series:
        return None
    if _same_absolute(wanted, release) or (release.air_date and release.air_date == wanted.air_date):
        return None
    if wanted.season not in release.seasons:
        found = _listed(release.seasons) or "unknown"
        return Verdict("wrong_season", {"found": found, "wanted": wanted.season})
    if wanted.episode is not None and release.episodes and wanted.episode not in release.episodes:
        return Verdict("wrong_episode", {"found": _listed(release.episodes), "wanted": wanted.episode})
    return None


def _same_absolute(wanted: Wanted, release: ReleaseName) -> bool:
    """Whether the episode is the same counted over the series; a season in the name makes the count its own."""
    counted = not release.seasons or "season" in release.assumed
    return counted and release.absolute_episode is not None and release.absolute_episode == wanted.absolute_episode


def _listed(numbers: tuple[int, ...]) -> str:
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
