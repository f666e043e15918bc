"""TMDB's API v3 (developer.themoviedb.org/reference), read into typed models on arrival."""

import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import islice
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from apps.accounts import refused_keys
from apps.media.models import Kind
from sokoul import http, logs
from sokoul.env import ENV, secrets_of
from sokoul.errors import PermanentError, TransientError

log = logs.logger(__name__)

SERVICE = "TMDB"
LANGUAGES = {"en": "en-US", "fr": "fr-FR"}
MAX_PAGE = 500  # TMDB answers 400 beyond
PAGE_SIZE = 20
GENRES_SECONDS = 86_400.0
REFUSALS = (401, 403)
TITLE_CHARS = 500
_CODES = {"xx": "", "cn": "zh"}
APPENDED = 20  # parts of one answer (developer.themoviedb.org/docs/append-to-response)
MAX_SEASONS = 200
MAX_EPISODES = 30_000  # of one series: the longest there are have 20,000, and rows count them in 15 bits


def _text(value: object) -> object:
    return "" if value is None else value.replace("\x00", "").strip() if isinstance(value, str) else value


def _year(value: object) -> int | None:
    """The year of TMDB's "2010-07-15"; None for what is no date or nothing that a film can be of."""
    year = value[:4] if isinstance(value, str) else ""
    return int(year) if year.isascii() and year.isdigit() and 1870 <= int(year) <= 2200 else None


def _day(value: object) -> date | None:
    """The day of "2010-07-15" or "2010-07-15T00:00:00.000Z"; None for what is no day."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) and _year(value) else None
    except ValueError:
        return None


Text = Annotated[str, BeforeValidator(_text)]
Name = Annotated[Text, AfterValidator(lambda text: text[:TITLE_CHARS])]
Year = Annotated[int | None, BeforeValidator(_year)]
Day = Annotated[date | None, BeforeValidator(_day)]
Number = Annotated[float, BeforeValidator(lambda value: value or 0)]


M = TypeVar("M", bound=BaseModel)


class Found(BaseModel):
    """What a film and a series have alike in lists and details; a series says `name` where a film says `title`."""

    id: int = Field(ge=0, lt=2**63)
    media_type: str = ""
    title: Name = ""
    name: Name = ""
    original_title: Name = ""
    original_name: Name = ""
    release_date: Year = None
    first_air_date: Year = None
    overview: Text = ""
    genre_ids: list[int] = []
    poster_path: Text = ""
    popularity: Number = 0

    @property
    def label(self) -> str:
        return self.title or self.name or self.original_title or self.original_name

    @property
    def original(self) -> str:
        return self.original_title or self.original_name

    @property
    def year(self) -> int | None:
        return self.release_date or self.first_air_date


class Genre(BaseModel):
    id: int
    name: Text


class _Title(BaseModel):
    title: Name = ""


class _Titles(BaseModel):
    titles: list[_Title] = []  # of a film
    results: list[_Title] = []  # of a series


class _Translated(BaseModel):
    title: Name = ""  # of a film
    name: Name = ""  # of a series


class _Translation(BaseModel):
    data: _Translated = _Translated()


class _Translations(BaseModel):
    translations: list[_Translation] = []


class _ExternalIds(BaseModel):
    imdb_id: Text = ""


class Details(Found):
    """movie/{id} or tv/{id} with alternative_titles, translations and external_ids appended. Runtimes in minutes."""

    genres: list[Genre] = []
    original_language: Text = ""
    runtime: int | None = None
    episode_run_time: list[int] = []
    imdb_id: Text = ""
    external_ids: _ExternalIds = _ExternalIds()
    alternative_titles: _Titles = _Titles()
    translations: _Translations = _Translations()
    origin_country: list[Text] = []

    @property
    def minutes(self) -> int | None:
        """A film's length, or the usual one of an episode; TMDB's 0 means unknown."""
        return self.runtime or next((length for length in self.episode_run_time if length > 0), None)

    @property
    def language(self) -> str:
        """ISO 639-1, "" where it has no words: TMDB says "xx" for that, and "cn" for Cantonese."""
        code = _CODES.get(self.original_language, self.original_language)
        return code if len(code) == 2 and code.isascii() and code.isalpha() else ""

    @property
    def imdb(self) -> str:
        found = self.imdb_id or self.external_ids.imdb_id
        return found if found.startswith("tt") and len(found) <= 16 else ""

    @property
    def alternatives(self) -> list[str]:
        """Other titles, and those in other languages, each once; TMDB leaves a translation without a title empty."""
        both = [*self.alternative_titles.titles, *self.alternative_titles.results]
        translated = [entry.data.title or entry.data.name for entry in self.translations.translations]
        return list(dict.fromkeys(title for title in (*(entry.title for entry in both), *translated) if title))


class Episode(BaseModel):
    id: int = Field(ge=0, lt=2**63)
    season_number: int = Field(ge=0, le=9999)
    episode_number: int = Field(ge=0, le=9999)
    name: Name = ""
    overview: Text = ""
    air_date: Day = None


class _Season(BaseModel):
    episodes: list[dict[str, Any]] = []


class _SeasonNumber(BaseModel):
    season_number: int = Field(ge=0, le=9999)


class Series(BaseModel):
    """tv/{id}: which seasons it has, and whether more will come."""

    status: Text = ""
    seasons: list[_SeasonNumber] = []

    @property
    def over(self) -> bool:
        return self.status in {"Ended", "Canceled"}


class _Release(BaseModel):
    type: int
    release_date: Day = None


class _Country(BaseModel):
    release_dates: list[_Release] = []


class Releases(BaseModel):
    """movie/{id}/release_dates: the first day of each way in any country, for a release goes round the world."""

    results: list[_Country] = []

    def first(self, *types: int) -> date | None:
        """Types: 1 premiere, 2 and 3 cinema, 4 digital, 5 physical, 6 television."""
        every = (release for country in self.results for release in country.release_dates if release.type in types)
        return min((day for release in every if (day := release.release_date)), default=None)


class SearchPage(BaseModel):
    results: list[Found]
    total: int


class _RawPage(BaseModel):
    results: list[dict[str, Any]]
    total_results: int = 0


class _Genres(BaseModel):
    genres: list[Genre]


_known_genres: dict[tuple[str, str], tuple[float, dict[int, str]]] = {}


def forget() -> None:
    """Forget the genre lists."""
    _known_genres.clear()


def _deadline(seconds: float) -> Callable[[], float]:
    """Seconds left of a deadline that several calls share; never zero, so that the door tells of the delay."""
    end = time.monotonic() + seconds
    return lambda: max(0.001, end - time.monotonic())


def language() -> str:
    return LANGUAGES[ENV.default_language]


def _credentials(key: str) -> tuple[dict[str, str], dict[str, str]]:
    """(query, headers): a v4 token, which is a JWT and has dots, goes into the header; a v3 key into the query."""
    return ({}, {"Authorization": f"Bearer {key}"}) if "." in key else ({"api_key": key}, {})


def _get(path: str, seconds: float, **params: str | int) -> http.Response:
    """The answer, 404 included. A refused key falls to the next; PermanentError when none is accepted."""
    left = _deadline(seconds)
    for position, key in enumerate(secrets_of("TMDB_API_KEY"), 1):
        query, headers = _credentials(key)
        response = http.get(
            f"{ENV.tmdb_url.rstrip('/')}/{path}",
            service=SERVICE,
            params={"language": language(), **params, **query},
            headers={"Accept": "application/json", **headers},
            seconds=left(),
            answers=(404, *REFUSALS),
        )
        if response.status not in REFUSALS:
            return response
        refused_keys.report(SERVICE, "TMDB_API_KEY", position, response.status)
    raise PermanentError("TMDB refused every API key. Check TMDB_API_KEY.", code="tmdb_key", status=502)


def _parsed(model: type[M], answer: http.Response | object) -> M:
    """The answer, or a part of its JSON, as its model; TransientError when TMDB sends JSON of another shape."""
    try:
        return model.model_validate(answer.json() if isinstance(answer, http.Response) else answer)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        log.error("TMDB sent an unknown shape", model=model.__name__, at=where)
        raise TransientError(f"TMDB answered with something unexpected ({where}).") from None


def search(query: str, kind: Kind | None, page: int, seconds: float) -> SearchPage:
    """One page of titles, films and series unless `kind` says which; rows that cannot be read are left out and logged."""
    path = f"search/{kind.value if kind else 'multi'}"
    response = _get(path, seconds, query=query, page=page, include_adult="false")
    if response.status == 404:
        return SearchPage(results=[], total=0)
    raw = _parsed(_RawPage, response)
    rows = [row for entry in raw.results if (row := _row(entry, kind))]
    return SearchPage(results=rows, total=max(raw.total_results, len(rows)))


def _row(entry: dict[str, Any], kind: Kind | None) -> Found | None:
    media_type = kind.value if kind else entry.get("media_type")
    if media_type not in Kind.values:
        return None  # a person
    try:
        found = Found.model_validate({**entry, "media_type": media_type})
    except ValidationError as error:
        log.warning("TMDB row skipped", tmdb_id=str(entry.get("id"))[:20], at=str(error.errors()[0]["loc"]))
        return None
    return found if found.label else None


def details(kind: Kind, tmdb_id: int, seconds: float = http.TOTAL_SECONDS) -> Details | None:
    """Everything about one title; None when TMDB has no such title (any more)."""
    response = _get(
        f"{kind.value}/{tmdb_id}", seconds, append_to_response="alternative_titles,translations,external_ids"
    )
    return None if response.status == 404 else _parsed(Details, response)


def releases(tmdb_id: int) -> Releases | None:
    """When a film comes out; None when TMDB has no such film (any more)."""
    response = _get(f"movie/{tmdb_id}/release_dates", http.TOTAL_SECONDS)
    return None if response.status == 404 else _parsed(Releases, response)


def series(tmdb_id: int) -> tuple[Series, list[Episode]] | None:
    """A series with all its episodes; None when TMDB has no such series (any more).

    Its seasons are read APPENDED at a time. Episodes that cannot be read are left out and logged.
    """
    response = _get(f"tv/{tmdb_id}", http.TOTAL_SECONDS)
    if response.status == 404:
        return None
    found = _parsed(Series, response)
    numbers = sorted({season.season_number for season in found.seasons})
    return found, list(islice(_episodes(tmdb_id, numbers[:MAX_SEASONS]), MAX_EPISODES))


def _episodes(tmdb_id: int, seasons: list[int]) -> Iterator[Episode]:
    """Raises TransientError where TMDB leaves out one of its own seasons: half of a series is no answer."""
    for start in range(0, len(seasons), APPENDED):
        parts = [f"season/{number}" for number in seasons[start : start + APPENDED]]
        answer = _get(f"tv/{tmdb_id}", http.TOTAL_SECONDS, append_to_response=",".join(parts)).json()
        for part in parts:
            if not isinstance(answer, dict) or part not in answer:
                raise TransientError(f"TMDB did not tell {part} of series {tmdb_id}.")
            for entry in _parsed(_Season, answer[part]).episodes:
                if episode := _episode(entry):
                    yield episode


def _episode(entry: dict[str, Any]) -> Episode | None:
    try:
        return Episode.model_validate(entry)
    except ValidationError as error:
        log.warning("TMDB episode skipped", tmdb_id=str(entry.get("id"))[:20], at=str(error.errors()[0]["loc"]))
        return None


def genre_names(kind: Kind, seconds: float) -> dict[int, str]:
    """TMDB's genre list, asked for once a day; the old one while TMDB does not answer, else empty."""
    key = (kind.value, language())
    until, names = _known_genres.get(key, (0.0, {}))
    if until > time.monotonic():
        return names
    try:
        listed = _parsed(_Genres, _get(f"genre/{kind.value}/list", seconds))
    except (TransientError, PermanentError):
        return names
    names = {genre.id: genre.name for genre in listed.genres if genre.name}
    _known_genres[key] = (time.monotonic() + GENRES_SECONDS, names)
    return names
