"""Looking titles up: by id, by name as people type it, by outside id."""

import re
import unicodedata
from dataclasses import replace

from sokoul.demo.films import FILMS
from sokoul.demo.series import SERIES
from sokoul.demo.titles import Episode, Kind, Season, Series, Title

TITLES: tuple[Title, ...] = (*FILMS, *SERIES)

# TMDB's genre lists (genre/movie/list, genre/tv/list): id → (English, French).
MOVIE_GENRES: dict[int, tuple[str, str]] = {
    28: ("Action", "Action"), 12: ("Adventure", "Aventure"), 16: ("Animation", "Animation"), 35: ("Comedy", "Comédie"),
    80: ("Crime", "Crime"), 99: ("Documentary", "Documentaire"), 18: ("Drama", "Drame"), 10751: ("Family", "Familial"),
    14: ("Fantasy", "Fantastique"), 36: ("History", "Histoire"), 27: ("Horror", "Horreur"), 10402: ("Music", "Musique"),
    9648: ("Mystery", "Mystère"), 10749: ("Romance", "Romance"), 878: ("Science Fiction", "Science-Fiction"),
    10770: ("TV Movie", "Téléfilm"), 53: ("Thriller", "Thriller"), 10752: ("War", "Guerre"), 37: ("Western", "Western"),
}  # fmt: skip
TV_GENRES: dict[int, tuple[str, str]] = {
    10759: ("Action & Adventure", "Action & Adventure"), 16: ("Animation", "Animation"), 35: ("Comedy", "Comédie"),
    80: ("Crime", "Crime"), 99: ("Documentary", "Documentaire"), 18: ("Drama", "Drame"), 10751: ("Family", "Familial"),
    10762: ("Kids", "Kids"), 9648: ("Mystery", "Mystère"), 10763: ("News", "News"), 10764: ("Reality", "Reality"),
    10765: ("Sci-Fi & Fantasy", "Science-Fiction & Fantastique"), 10766: ("Soap", "Soap"), 10767: ("Talk", "Talk"),
    10768: ("War & Politics", "War & Politics"), 37: ("Western", "Western"),
}  # fmt: skip


def words(text: str) -> list[str]:
    """Lower-case words without accents or punctuation: "L'Été & 2" → l, ete, 2."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe"))
    return re.findall(r"[a-z0-9]+", "".join(c for c in plain if not unicodedata.combining(c)).replace("'", ""))


def matches(query: str, text: str) -> bool:
    """Whether each word of the query begins some word of the text, as search boxes do it; nothing matches an empty query.

    An apostrophe may join or part words: keepers and keeper both find "Keeper's", horloger finds "L'Horloger".
    """
    wanted, found = words(query), [*words(text), *words(text.replace("'", " "))]
    return bool(wanted) and all(any(word.startswith(start) for word in found) for start in wanted)


def search(query: str, kind: Kind | None = None, year: int | None = None) -> list[Title]:
    """Titles that the query finds, the exact name first, then by popularity."""
    found = [
        title
        for title in TITLES
        if (kind is None or title.kind == kind)
        and (year is None or title.year == year)
        and any(matches(query, name) for name in title.names())
    ]

    def order(title: Title) -> tuple[bool, float]:
        exact = any(words(name) == words(query) for name in title.names())
        return (not exact, -title.popularity)

    return sorted(found, key=order)


def by_tmdb_id(kind: Kind, tmdb_id: int) -> Title | None:
    found = next((title for title in TITLES if title.kind == kind and title.tmdb_id == tmdb_id), None)
    return _longer.get(found.key, found) if found else None


# Series with the episodes that were added since the start, by their keys.
_longer: dict[str, Series] = {}


def add_episode(key: str, number: int, episode: Episode) -> tuple[Series, Season]:
    """Give a series one more episode, in a new season where it has none of that number. Raises ValueError."""
    series = _longer.get(key) or by_key(key)
    if not isinstance(series, Series):
        raise ValueError("there is no such series")
    seasons = {season.number: season for season in series.seasons}
    old = seasons.get(number) or Season(number, (f"Season {number}", f"Saison {number}"), episode.air_date, ())
    if any(known.number == episode.number for known in old.episodes):
        raise ValueError("it has this episode already")
    season = replace(old, episodes=(*old.episodes, episode))
    longer = replace(series, seasons=tuple(season if s.number == number else s for s in series.seasons))
    if number not in seasons:
        longer = replace(series, seasons=(*series.seasons, season))
    _longer[key] = longer
    return longer, season


def forget_added() -> None:
    _longer.clear()


def by_key(key: str) -> Title | None:
    return next((title for title in TITLES if title.key == key), None)
