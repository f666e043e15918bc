"""GET /search over TMDB: found, persisted, cached, and answered all the same while TMDB is away."""

import time
from collections.abc import Callable

import pytest
from django.db import OperationalError
from pytest_django.fixtures import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.media import cache, services, tmdb
from apps.media.models import Media
from sokoul import http
from sokoul.env import ENV
from tests.cast import Api
from tests.demo import Demo
from tests.providers import providers

Clients = Callable[[User | None], Api]
__all__ = ["providers"]


def test_a_title_is_found_and_kept(providers: Demo, api: Clients) -> None:
    answer = api(None).get("/search", query="umbrella")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["page"], found["limit"], found["total"], found["degraded"]) == (1, 20, 1, False)
    media = Media.objects.get()
    assert found["results"] == [
        {
            "id": media.pk,
            "tmdb_id": 9000101,
            "kind": "movie",
            "title": "The Lighthouse Keeper's Umbrella",
            "original_title": "The Lighthouse Keeper's Umbrella",
            "year": 2021,
            "overview": found["results"][0]["overview"],
            "genres": ["Comedy", "Family"],
            "runtime": None,
            "poster_url": "/posters/w342/umbrella-poster.jpg",
            "slug": "the-lighthouse-keepers-umbrella-2021",
        }
    ]


def test_films_and_series_share_ids_and_stay_apart(providers: Demo, api: Clients) -> None:
    """The demo's umbrella (film) and club (series) have the same TMDB id."""
    film = api(None).get("/search", query="umbrella", kind="movie").json()["results"][0]
    series = api(None).get("/search", query="tiny planet", kind="tv").json()["results"][0]
    assert film["tmdb_id"] == series["tmdb_id"]
    assert film["id"] != series["id"]
    assert (film["kind"], series["kind"]) == ("movie", "tv")
    assert api(None).get("/search", query="umbrella", kind="tv").json()["results"] == []


def test_a_title_without_a_known_genre_is_unknown_and_without_a_poster_has_none(providers: Demo, api: Clients) -> None:
    [media] = api(None).get("/search", query="Untitled Seagull").json()["results"]
    assert (media["genres"], media["poster_url"], media["year"]) == (["Unknown"], None, None)


def test_a_year_behind_the_title_chooses_among_those_of_that_name(providers: Demo) -> None:
    for query, year in (("Tin Comets 1987", 1987), ("tin comets (2022)", 2022)):
        found = services.search_titles(query)
        assert [(media["title"], media["year"]) for media in found["results"]] == [("Tin Comets", year)]
        assert found["total"] == 1
    assert services.search_titles("2049 Postcards")["results"][0]["year"] == 2016


def test_searching_again_asks_neither_tmdb_nor_the_database(
    providers: Demo, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first = services.search_titles("umbrella")
    asked = len(providers.requests("tmdb"))
    with django_assert_num_queries(0):
        assert services.search_titles("  UMBRELLA ") == first
    assert len(providers.requests("tmdb")) == asked


def test_the_same_title_found_twice_is_one_row_with_new_facts(providers: Demo) -> None:
    [found] = services.search_titles("umbrella")["results"]
    Media.objects.update(title="An old name", runtime=93)
    [again] = services.search_titles("umbrella", "movie")["results"]
    assert again["id"] == found["id"]
    assert (again["title"], again["runtime"]) == (found["title"], 93)


@pytest.mark.parametrize("query", ["", "   ", "x" * 201, "nul\x00"])
def test_a_query_that_no_title_has_is_400(api: Clients, query: str) -> None:
    answer = api(None).get("/search", query=query)
    assert answer.status_code == 400
    assert "query" in answer.json()["errors"]


def test_a_missing_query_and_bad_parameters_are_400(api: Clients) -> None:
    assert api(None).get("/search").status_code == 400
    for bad in ({"kind": "book"}, {"page": "0"}, {"page": "501"}, {"page": "two"}, {"page": "-1"}):
        assert api(None).get("/search", query="x", **bad).status_code == 400, bad


def test_markup_in_a_query_is_just_text(providers: Demo, api: Clients) -> None:
    answer = api(None).get("/search", query="InvalidChar<script>alert(1)</script> ' \" % _ \\ \U0001f600")
    assert (answer.status_code, answer.json()["results"]) == (200, [])


def test_strangers_search_only_while_they_may(
    providers: Demo, api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ENV, "anonymous_search", False)
    assert api(None).get("/search", query="ox").status_code == 401
    assert api(alice).get("/search", query="ox").status_code == 200
    assert api(None).get("/search", query="ox", headers={"Authorization": "Bearer nonsense"}).status_code == 401


@pytest.mark.parametrize("fault", ["status", "html", "broken_json", "cut", "empty"])
def test_a_broken_tmdb_gives_titles_known_here_marked_degraded(providers: Demo, api: Clients, fault: str) -> None:
    known = services.search_titles("tin comets")["results"]
    providers.misbehave("tmdb", fault, path_prefix="search")
    answer = api(None).get("/search", query="Comets")
    assert answer.status_code == 200
    found = answer.json()
    assert found["degraded"] is True
    assert {media["id"] for media in found["results"]} == {media["id"] for media in known}
    assert found["total"] == len(known)


def test_an_old_answer_stands_in_while_tmdb_is_away_and_is_renewed_after(
    providers: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = services.search_titles("umbrella")
    monkeypatch.setattr(cache, "FRESH_SECONDS", 0.0)
    providers.misbehave("tmdb", "status", code=503)
    assert services.search_titles("umbrella") == {**first, "degraded": True}
    providers.behave()
    http.forget()
    assert services.search_titles("umbrella") == first


def test_a_slow_tmdb_is_not_waited_for(providers: Demo) -> None:
    providers.misbehave("tmdb", "hang")
    started = time.monotonic()
    found = services.search_titles("umbrella", deadline=0.4)
    assert time.monotonic() - started < 4, "the rest of SEARCH_SECONDS"
    assert (found["degraded"], found["results"]) == (True, [])
    assert services.SEARCH_SECONDS == 5.0


def test_a_broken_genre_list_costs_only_the_genres(providers: Demo) -> None:
    providers.misbehave("tmdb", "html", path_prefix="genre", times=1)
    [media] = services.search_titles("umbrella")["results"]
    assert media["genres"] == ["Unknown"]
    [again] = services.search_titles("umbrella")["results"]
    assert again["genres"] == ["Comedy", "Family"]
    tmdb.forget()
    providers.misbehave("tmdb", "html", path_prefix="genre")
    [kept] = services.search_titles("keeper's umbrella", "movie")["results"]
    assert kept["genres"] == ["Comedy", "Family"]


def test_a_database_that_is_away_is_503(providers: Demo, api: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(Media.objects, "bulk_create", away)
    answer = api(None).get("/search", query="umbrella")
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert int(answer["Retry-After"]) > 0


def test_the_same_calls_stand_under_api_v1(providers: Demo, api: Clients) -> None:
    assert api(None).get("/api/v1/search", query="ox").json()["results"][0]["title"] == "Ox"
