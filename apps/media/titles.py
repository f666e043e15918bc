"""Titles as rows and as JSON: what TMDB found becomes `media`, one statement a page."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone

from apps.media.models import Kind, Media
from apps.media.slug import slug_of
from apps.media.tmdb import Details, Found

UNKNOWN_GENRE = "Unknown"
POSTER_SIZE = "w342"
MAX_TITLES = 200
# How releases tell series of one title apart: “The Office US”.
COUNTRIES = {"US": "US", "GB": "UK", "AU": "AU", "NZ": "NZ", "CA": "CA"}
FIELDS = (
    "id", "tmdb_id", "kind", "title", "original_title", "year", "overview", "genres", "runtime", "poster_path", "slug",
)  # fmt: skip

# The same shape as columns of SQL, of a table `m`.
COLUMNS = f"""{", ".join(f"m.{name}" for name in FIELDS if name != "poster_path")},
    '/posters/{POSTER_SIZE}' || nullif(m.poster_path, '') AS poster_url"""


def media_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """The one JSON shape of a title, from a row of `.values(*FIELDS)`; runtime in minutes, null while unknown."""
    path = row["poster_path"]
    return {
        **{name: row[name] for name in FIELDS if name != "poster_path"},
        "poster_url": f"/posters/{POSTER_SIZE}{path}" if path else None,
    }


def genres_of(ids: Iterable[int], names: Mapping[int, str]) -> list[str]:
    """The names of the ids that the genre list knows; never empty."""
    return [names[number][:64] for number in dict.fromkeys(ids) if number in names] or [UNKNOWN_GENRE]


def _poster(path: str) -> str:
    """TMDB's file name, when it is one: /abc.jpg."""
    return path if path.startswith("/") and "/" not in path[1:] and len(path) <= 200 else ""


def _media(found: Found, genres: list[str]) -> Media:
    kind = Kind(found.media_type)
    return Media(
        tmdb_id=found.id,
        kind=kind.value,
        title=found.label,
        original_title=found.original,
        year=found.year,
        overview=found.overview,
        genres=genres,
        poster_path=_poster(found.poster_path),
        slug=slug_of(found.label, found.year, kind.value, found.id),
        popularity=found.popularity,
    )


REFRESHED = ["title", "original_title", "year", "overview", "poster_path", "slug", "popularity", "updated_at"]


def keep(found: list[Found], names: Mapping[Kind, Mapping[int, str]]) -> list[dict[str, Any]]:
    """Persist one page by one statement; gives its rows with our ids, in the order found.

    Genres that are there stay as they are while TMDB's genre list is not known.
    """
    unique = {(entry.id, entry.media_type): entry for entry in found}
    if not unique:
        return []
    # One order of locking for everybody: two searches at once cannot wait for each other's rows.
    medias = [
        _media(entry, genres_of(entry.genre_ids, names.get(Kind(entry.media_type), {})))
        for _, entry in sorted(unique.items())
    ]
    fields = [*REFRESHED, "genres"] if all(names.get(Kind(kind)) for _, kind in unique) else REFRESHED
    kept = Media.objects.bulk_create(
        medias, update_conflicts=True, unique_fields=["tmdb_id", "kind"], update_fields=fields
    )
    # Read back, because the table also knows what a search does not tell, such as the runtime.
    stored = Media.objects.filter(pk__in=[media.pk for media in kept]).values(*FIELDS)
    rows = {(row["tmdb_id"], row["kind"]): row for row in stored}
    return [rows[key] for key in unique if key in rows]


def titles_of(media: Media, details: Details) -> list[str]:
    """What else the title is called: by its country where it is a series, other titles, translations."""
    countries = details.origin_country if media.kind == Kind.TV else []
    of_country = [f"{media.title[:490]} {COUNTRIES[country]}" for country in countries if country in COUNTRIES]
    names = dict.fromkeys([*of_country, *details.alternatives])
    return [name for name in names if name not in {media.title, media.original_title}][:MAX_TITLES]


def learn(media: Media, details: Details) -> None:
    """Write TMDB's details into the row."""
    year = details.year or media.year
    label = details.label or media.title
    media.title, media.year = label, year
    media.original_title = details.original or media.original_title
    media.original_language = details.language
    media.titles = titles_of(media, details)
    media.overview = details.overview or media.overview
    media.genres = [genre.name[:64] for genre in details.genres if genre.name] or media.genres
    media.runtime = details.minutes
    media.poster_path = _poster(details.poster_path) or media.poster_path
    media.slug = slug_of(label, year, media.kind, media.tmdb_id)
    media.imdb_id = details.imdb
    media.popularity = details.popularity
    media.details_at = timezone.now()
    media.save()
