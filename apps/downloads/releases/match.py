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
    original_language: ISO 639-1, of the work.
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
    original_language: str | None = None


def mismatches(wanted: Wanted, release: ReleaseName) -> list[Verdict]:
    """Why the release is not the wanted thing; empty when it is."""
    checks = (_kind, _title, _year, _number) if wanted.kind == "tv" else (_kind, _title, _year)
    return [verdict for check in checks if (verdict := check(wanted, release)) is not None]


def year_distance(wanted: Wanted, release: ReleaseName) -> int | None:
    """Years between the two where both are known and the release's names the work, not an episode or a season."""
    years = [year for title, year in _readings(wanted, release) if _is_wanted(title, wanted)]
    if not years or None in years or wanted.year is None:
        return None
    return min(abs(year - wanted.year) for year in years if year is not None)


@lru_cache(maxsize=4096)
def title_keys(title: str) -> frozenset[str]:
    """The forms under which two spellings of one title meet: no case, accents, punctuation, “and”; 2 = II = two."""
    lowered = _APOSTROPHES.sub("", title.casefold().replace("&", " and "))
    keys: set[str] = set()
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


def _readings(wanted: Wanted, release: ReleaseName) -> list[tuple[str, int | None]]:
    """The titles that the name can mean, each with the year that it then states."""
    as_film = wanted.kind == "movie" and _may_be_film(release)
    titles = release.alternative_titles if as_film else (release.title, *release.alternative_titles)
    readings: list[tuple[str, int | None]] = []
    for title in titles:
        readings += _of_film(title, release.year) if wanted.kind == "movie" else _of_series(title, release.year, wanted)
    return readings


def _of_film(title: str, year: int | None) -> list[tuple[str, int | None]]:
    """“Lamp Runner 2049” is of 2049, or has a number in its title and no year."""
    return [(title, year)] if year is None else [(title, year), (f"{title} {year}", None)]


def _of_series(title: str, year: int | None, wanted: Wanted) -> list[tuple[str, int | None]]:
    """“Some Series 2010 US”: with and without the year and the country that tell series of one title apart."""
    readings: list[tuple[str, int | None]] = [(title, None)]
    bare = title.rstrip(" )]")
    if year is not None and bare.endswith(str(year)):
        readings.append((bare[: -len(str(year))].rstrip(" ([-."), year))
    for known, stated in tuple(readings):
        head, _, last = known.rpartition(" ")
        if head and _COUNTRIES.get(last.strip("()").lower()) in wanted.countries:
            readings.append((head, stated))
    return readings


def _is_wanted(title: str, wanted: Wanted) -> bool:
    return any(same_title(title, name) for name in (wanted.title, *wanted.titles))


def _may_be_film(release: ReleaseName) -> bool:
    """Whether what was taken for a number may be of a film's title: “Room 415”, “Open Season 2”."""
    return "episodes" in release.assumed or bool(release.seasons and not release.episodes)


def _has_title(wanted: Wanted, release: ReleaseName) -> bool:
    return any(_is_wanted(title, wanted) for title, _ in _readings(wanted, release))


def _title(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    if _has_title(wanted, release):
        return None
    return Verdict("wrong_title", {"found": release.title, "wanted": wanted.title})


def _year(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    distance = year_distance(wanted, release)
    if distance is None or distance <= 1:
        return None
    return Verdict("wrong_year", {"found": release.year, "wanted": wanted.year})


def _kind(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    if wanted.kind == "movie" and release.is_series and not (_may_be_film(release) and _has_title(wanted, release)):
        return Verdict("wrong_kind", {"found": "a series", "wanted": "a film"})
    if wanted.kind == "tv" and not release.is_series and not release.complete:
        return Verdict("wrong_kind", {"found": "a film", "wanted": "a series"})
    return None


def _number(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    if wanted.season is None or not release.is_series or _same_otherwise(wanted, release):
        return None
    if not release.seasons:
        found = release.air_date or release.absolute_episode or _listed(release.episodes)
        return Verdict("wrong_episode", {"found": found, "wanted": _wanted_number(wanted)})
    if wanted.season not in release.seasons:
        return Verdict("wrong_season", {"found": _listed(release.seasons), "wanted": wanted.season})
    if wanted.episode is not None and release.episodes and wanted.episode not in release.episodes:
        return Verdict("wrong_episode", {"found": _listed(release.episodes), "wanted": wanted.episode})
    return None


def _same_otherwise(wanted: Wanted, release: ReleaseName) -> bool:
    """Whether it is the same episode by its air date or counted over the series, where the name gives no season."""
    if release.air_date is not None and release.air_date == wanted.air_date:
        return True
    if release.seasons and "season" not in release.assumed:
        return False
    # Within the first season both counts are one.
    count = wanted.absolute_episode or (wanted.episode if wanted.season == 1 else None)
    counts = release.episodes or (release.absolute_episode,)
    return count in counts if count is not None else wanted.episode is None and bool(release.episodes)


def _wanted_number(wanted: Wanted) -> str:
    return f"S{wanted.season:02}" + (f"E{wanted.episode:02}" if wanted.episode is not None else "")


def _listed(numbers: tuple[int, ...]) -> str:
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
