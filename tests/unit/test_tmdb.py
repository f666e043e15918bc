"""What arrives from TMDB becomes typed facts, whatever is missing or odd in it."""

import pytest

from apps.media import tmdb
from apps.media.models import Kind, Media
from apps.media.slug import slug_of
from apps.media.titles import MAX_TITLES, genres_of, titles_of


def row(**fields: object) -> dict[str, object]:
    return {"id": 1, "media_type": "movie", "title": "T", **fields}


def test_a_film_and_a_series_read_alike() -> None:
    film = tmdb._row(row(title="Riddick", release_date="2013-09-06", popularity="93.49"), None)
    series = tmdb._row(
        {"id": 2, "name": "Breaking Bad", "original_name": "BB", "first_air_date": "2008-01-19"}, Kind.TV
    )
    assert film is not None
    assert (film.label, film.year, film.popularity) == ("Riddick", 2013, 93.49)
    assert series is not None
    assert (series.label, series.original, series.year, series.media_type) == ("Breaking Bad", "BB", 2008, "tv")


@pytest.mark.parametrize("date", ["", None, "soon", "0001-01-01", "٢٠١٠-01-01", 2010])
def test_no_date_is_no_year(date: object) -> None:
    found = tmdb._row(row(release_date=date), None)
    assert found is not None
    assert found.year is None


@pytest.mark.parametrize(
    "bad", [{"id": -1}, {"id": "x"}, {"id": 2**63}, {"title": ""}, {"title": 7}, {"media_type": "person"}]
)
def test_rows_that_are_no_title_are_left_out(bad: dict[str, object]) -> None:
    assert tmdb._row(row(**bad), None) is None


def test_nothing_that_postgresql_cannot_keep_comes_in() -> None:
    found = tmdb._row(row(title="a\x00b" * 500, overview="x\x00", poster_path=None), None)
    assert found is not None
    assert "\x00" not in found.label + found.overview
    assert len(found.label) == tmdb.TITLE_CHARS
    assert found.poster_path == ""


def test_details() -> None:
    found = tmdb.Details.model_validate(
        {
            "id": 1396, "name": "Breaking Bad", "episode_run_time": [0, 45, 47], "runtime": None, "imdb_id": None,
            "external_ids": {"imdb_id": "tt0903747"},
            "alternative_titles": {"results": [{"title": "BB"}, {"title": "BB"}, {"title": ""}]},
        }
    )  # fmt: skip
    assert (found.minutes, found.imdb, found.alternatives) == (45, "tt0903747", ["BB"])


def test_titles_in_other_languages_are_alternatives_too() -> None:
    translations = [
        {"iso_639_1": "de", "data": {"title": "Das Licht"}},
        {"iso_639_1": "fr", "data": {"title": "Light"}},
        {"iso_639_1": "it", "data": {"title": ""}},
        {"iso_639_1": "nl"},
    ]
    film = tmdb.Details.model_validate(
        {
            "id": 1, "title": "Light", "alternative_titles": {"titles": [{"title": "Hikari"}]},
            "translations": {"translations": translations},
        }
    )  # fmt: skip
    assert film.alternatives == ["Hikari", "Das Licht", "Light"]
    series = tmdb.Details.model_validate(
        {"id": 1, "name": "Light", "translations": {"translations": [{"data": {"name": "Licht", "title": None}}]}}
    )
    assert series.alternatives == ["Licht"]


def test_a_series_is_also_called_by_its_country_and_the_titles_have_a_bound() -> None:
    many = [{"title": f"Light {number}"} for number in range(500)]
    told = {"id": 1, "origin_country": ["GB", "ZW"], "alternative_titles": {"results": [{"title": "Light"}, *many]}}
    series = Media(kind=Kind.TV, title="Light", original_title="Light 1")
    titles = titles_of(series, tmdb.Details.model_validate(told))
    assert titles[:3] == ["Light UK", "Light 0", "Light 2"]
    assert len(titles) == MAX_TITLES
    longest = Media(kind=Kind.TV, title="L" * tmdb.TITLE_CHARS)
    assert all(len(title) <= tmdb.TITLE_CHARS for title in titles_of(longest, tmdb.Details.model_validate(told)))
    assert titles_of(Media(kind=Kind.MOVIE, title="Light"), tmdb.Details.model_validate(told))[0] == "Light 0"


def test_a_v4_token_goes_into_the_header_and_a_v3_key_into_the_query() -> None:
    assert tmdb._credentials("abc") == ({"api_key": "abc"}, {})
    assert tmdb._credentials("ey.x.y") == ({}, {"Authorization": "Bearer ey.x.y"})


def test_slugs() -> None:
    assert slug_of("Inception", 2010, "movie", 1) == "inception-2010"
    assert slug_of("Amélie & Cie.", None, "movie", 1) == "amélie-cie"
    assert slug_of("???", None, "tv", 7) == "tv-7"
    assert len(slug_of("x" * 500, 2000, "movie", 1)) == 200


def test_genres_are_never_empty() -> None:
    assert genres_of([28, 28, 99], {28: "Action"}) == ["Action"]
    assert genres_of([99], {28: "Action"}) == ["Unknown"]
    assert genres_of([], {}) == ["Unknown"]


@pytest.mark.parametrize(
    ("told", "language"), [("ja", "ja"), ("cn", "zh"), ("xx", ""), (None, ""), ("", ""), ("<b", ""), ("english", "")]
)
def test_the_language_of_a_work_is_iso_639_1_or_unknown(told: object, language: str) -> None:
    assert tmdb.Details.model_validate({"id": 1, "title": "x", "original_language": told}).language == language
