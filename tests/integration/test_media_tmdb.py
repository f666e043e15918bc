"""TMDB's client against the demo TMDB: keys, details, rate limits, and everything that can come instead of JSON."""

import pytest

from apps.media import services, tmdb
from apps.media.models import Kind, Media
from sokoul import env
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError
from tests.demo import Demo
from tests.providers import providers

__all__ = ["providers"]
V4 = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"


@pytest.fixture
def umbrella(db: None, providers: Demo) -> Media:
    services.search_titles("umbrella")
    return Media.objects.get()


def use_keys(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    monkeypatch.setenv("TMDB_API_KEY", keys)
    env.reread()


def test_details_of_a_film(umbrella: Media) -> None:
    media = services.refresh_details(umbrella.pk)
    assert (media.runtime, media.imdb_id) == (tmdb.details(Kind.MOVIE, 9000101).minutes, "tt99000101")  # type: ignore[union-attr]
    assert media.original_language == "en"
    assert media.runtime is not None
    assert media.titles == ["The Keeper's Umbrella", "Le Parapluie du gardien de phare"]
    assert (media.genres, media.slug) == (["Comedy", "Family"], "the-lighthouse-keepers-umbrella-2021")


def test_details_of_a_series(db: None, providers: Demo) -> None:
    [found] = services.search_titles("harbour cats", "tv")["results"]
    media = services.refresh_details(found["id"])
    assert (media.imdb_id, media.year) == ("tt99000201", 2022)


def test_details_are_read_once_a_week(umbrella: Media, providers: Demo) -> None:
    services.refresh_details(umbrella.pk)
    asked = len(providers.requests("tmdb"))
    services.refresh_details(umbrella.pk)
    assert len(providers.requests("tmdb")) == asked


def test_404_is_an_answer(providers: Demo, db: None) -> None:
    assert tmdb.details(Kind.MOVIE, 1) is None
    media = Media.objects.create(tmdb_id=1, kind="movie", title="Gone", genres=["Unknown"], slug="gone")
    assert services.refresh_details(media.pk).title == "Gone"
    assert Media.objects.get().details_at is not None


def test_429_carries_what_tmdb_asked_for(providers: Demo) -> None:
    providers.misbehave("tmdb", "status", code=429, retry_after=3)
    with pytest.raises(TransientError) as error:
        tmdb.details(Kind.MOVIE, 9000101)
    assert error.value.retry_after == 3.0


@pytest.mark.parametrize("fault", ["html", "broken_json", "cut", "empty", "huge"])
def test_what_is_no_answer_is_an_error(providers: Demo, fault: str) -> None:
    providers.misbehave("tmdb", fault)
    with pytest.raises((TransientError, PermanentError)) as error:
        tmdb.details(Kind.MOVIE, 9000101)
    assert "TMDB" in error.value.message


def test_a_refused_key_falls_to_the_next_and_is_reported(
    providers: Demo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use_keys(monkeypatch, f"refused-key,{V4},{ENV.tmdb_api_key}")
    assert tmdb.details(Kind.MOVIE, 9000101) is not None
    assert len(providers.requests("tmdb")) == 3
    assert "refused an API key" in caplog.text
    assert "refused-key" not in caplog.text


def test_no_accepted_key_is_permanent_and_names_the_variable(providers: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    use_keys(monkeypatch, "refused-key")
    with pytest.raises(PermanentError, match="TMDB_API_KEY"):
        tmdb.details(Kind.MOVIE, 9000101)


def test_genres_are_asked_for_once(providers: Demo) -> None:
    assert tmdb.genre_names(Kind.MOVIE, 5)[35] == "Comedy"
    assert tmdb.genre_names(Kind.MOVIE, 5)[35] == "Comedy"
    assert len(providers.requests("tmdb")) == 1
