"""What a film, a series, a season and an episode of the demo catalogue are. Texts come as (English, French)."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["movie", "tv"]
Text = tuple[str, str]


@dataclass(frozen=True)
class Title:
    """A film or a series. `runtime` is in minutes; the films are miniatures that last about a minute."""

    key: str
    kind: Kind
    tmdb_id: int
    title: Text
    overview: Text
    released: str
    genres: tuple[int, ...]
    imdb_id: str
    original_title: str = ""
    original_language: str = "en"
    tagline: str = ""
    alternatives: tuple[tuple[str, str], ...] = ()
    popularity: float = 10.0
    vote: float = 7.0
    votes: int = 100
    runtime: int = 1
    poster: bool = True
    country: str = "FR"
    status: str = "Released"
    tvdb_id: int | None = None

    @property
    def year(self) -> int | None:
        return int(self.released[:4]) if self.released else None

    @property
    def original(self) -> str:
        return self.original_title or self.title[0]

    def names(self) -> list[str]:
        """Every name that a search may find it by."""
        return list(dict.fromkeys([*self.title, self.original, *(name for _, name in self.alternatives)]))

    def poster_file(self) -> str | None:
        return f"/{self.key}-poster.jpg" if self.poster else None

    def backdrop_file(self) -> str | None:
        return f"/{self.key}-backdrop.jpg" if self.poster else None


@dataclass(frozen=True)
class Episode:
    number: int
    name: Text
    air_date: str
    overview: Text


@dataclass(frozen=True)
class Season:
    number: int
    name: Text
    air_date: str
    episodes: tuple[Episode, ...]


@dataclass(frozen=True)
class Series(Title):
    seasons: tuple[Season, ...] = ()
