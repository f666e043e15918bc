"""Titles, favourites, watch history and posters over REST."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.jobs import registry
from apps.jobs.models import Job
from apps.media import posters, services
from apps.media.models import Favorite, Media, Watch
from sokoul import http
from sokoul.env import ENV
from tests.cast import Api
from tests.demo import Demo
from tests.providers import providers

Clients = Callable[[User | None], Api]
__all__ = ["providers"]
NOWHERE = 2**40


def make_media(number: int = 1, **fields: Any) -> Media:
    facts = {"tmdb_id": number, "kind": "movie", "title": f"Title {number}", "year": 2001, "slug": f"title-{number}"}
    return Media.objects.create(**{**facts, "genres": ["Drama"], **fields})


def test_a_title_by_its_id(api: Clients, alice: User) -> None:
    media = make_media(poster_path="/p.jpg", runtime=97)
    found = api(alice).get(f"/media/{media.pk}").json()
    assert (found["id"], found["title"], found["runtime"]) == (media.pk, "Title 1", 97)
    assert found["poster_url"] == "/posters/w342/p.jpg"
    for missing in (0, NOWHERE, 2**64):
        assert api(alice).get(f"/media/{missing}").status_code == 404
    assert api(None).get(f"/media/{media.pk}").status_code == 401


def test_looking_at_a_title_asks_for_its_details_once(
    api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    media, moment = make_media(), timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)  # once an hour: none ends meanwhile
    for _ in range(3):
        api(alice).get(f"/media/{media.pk}")
    job = Job.objects.get()
    assert (job.worker, job.kind, job.payload) == ("scout", "details", {"media_id": media.pk})


def test_the_details_job_fills_in_the_title(providers: Demo) -> None:
    registry.load()
    media = make_media(9000101)
    found = registry.find("scout", "details")
    assert found is not None
    job = registry.Running(uuid.uuid4(), "details", None, "", 1)
    found.handle(found.payload.model_validate({"media_id": media.pk, "unknown": 1}), job)
    media.refresh_from_db()
    assert (media.title, media.imdb_id) == ("The Lighthouse Keeper's Umbrella", "tt99000101")


def test_liking_a_title_twice_is_one_favourite(api: Clients, alice: User) -> None:
    media = make_media()
    first = api(alice).post("/media/favorite", {"media_id": media.pk})
    again = api(alice).post("/media/favorite", {"media_id": media.pk})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert Favorite.objects.count() == 1


def test_favourites_are_each_persons_own(api: Clients, alice: User, mallory: User) -> None:
    medias = [make_media(number) for number in (1, 2)]
    for media in medias:
        api(alice).post("/media/favorite", {"media_id": media.pk})
    found = api(alice).get("/media/favorites").json()
    assert [media["id"] for media in found["results"]] == [medias[1].pk, medias[0].pk]
    assert (found["total"], found["page"], found["limit"]) == (2, 1, 20)
    assert api(mallory).get("/media/favorites").json()["results"] == []
    assert api(mallory).delete(f"/media/favorite/{medias[0].pk}").status_code == 204
    assert Favorite.objects.count() == 2


def test_a_favourite_is_taken_back_as_often_as_one_likes(api: Clients, alice: User) -> None:
    media = make_media()
    api(alice).post("/media/favorite", {"media_id": media.pk})
    for _ in range(2):
        assert api(alice).delete(f"/media/favorite/{media.pk}").status_code == 204
    assert Favorite.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"media_id": "x"}, 400), ({"media_id": -1}, 400), ({"media_id": 2**63}, 400), ({"media_id": NOWHERE}, 404),
     ({"media_id": 1, "other": 1}, 400), ([], 400)],
)  # fmt: skip
def test_bad_favourites(api: Clients, alice: User, body: Any, status: int) -> None:
    assert api(alice).post("/media/favorite", body).status_code == status


def test_what_was_watched_comes_newest_first(api: Clients, alice: User, mallory: User) -> None:
    one, two = make_media(1), make_media(2)
    for media, position in ((one, 10.5), (two, 20), (one, 30)):
        answer = api(alice).put("/watch-history", {"media_id": media.pk, "position": position, "duration": 60})
        assert answer.status_code == 200
    assert answer.json()["progress"] == 50.0
    found = api(alice).get("/watch-history").json()
    told = [(row["media_id"], row["position"], row["duration"], row["media"]["title"]) for row in found["results"]]
    assert told == [(one.pk, 30, 60, "Title 1"), (two.pk, 20, 60, "Title 2")]
    assert [row["progress"] for row in found["results"]] == [50, 33.33]
    favourite = {**found["results"][0]["media"], "favorited_at": None}
    api(alice).post("/media/favorite", {"media_id": one.pk})
    assert {**api(alice).get("/media/favorites").json()["results"][0], "favorited_at": None} == favourite
    assert api(mallory).get("/watch-history").json()["total"] == 0
    assert services.position_of(alice.pk, one.pk) == 30
    assert services.position_of(mallory.pk, one.pk) == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"position": 61.5, "duration": 60}, 400), ({"position": 60.5, "duration": 60}, 200),
        ({"position": -1, "duration": 60}, 400), ({"position": 0, "duration": 0}, 400), ({"position": 1}, 400),
        ({"position": "NaN", "duration": 60}, 400), ({"position": 1, "duration": "Infinity"}, 400),
        ({"position": 1, "duration": 60, "media_id": NOWHERE}, 404),
    ],
)  # fmt: skip
def test_positions_lie_within_the_title(api: Clients, alice: User, body: dict[str, Any], status: int) -> None:
    media = make_media()
    assert api(alice).put("/watch-history", {"media_id": media.pk, **body}).status_code == status
    assert Watch.objects.count() == (status == 200)


def test_how_far_a_moment_of_a_title_is_told_too(api: Clients, alice: User) -> None:
    """Of numbers that no clock gives, but a client may send: PostgreSQL divides no such floats."""
    body = {"media_id": make_media().pk, "position": 5e-324, "duration": 86_400}
    assert api(alice).put("/watch-history", body).status_code == 200
    assert [row["progress"] for row in api(alice).get("/watch-history").json()["results"]] == [0]


@pytest.mark.parametrize(("path", "statements"), [("/media/favorites", 1), ("/watch-history", 1)])
def test_lists_take_as_many_statements_however_long(
    api: Clients, alice: User, path: str, statements: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = api(alice)
    for number in range(50):
        media = make_media(number)
        Favorite.objects.create(user=alice, media=media)
        Watch.objects.create(user=alice, media=media, position=1, duration=2, watched_at=media.created_at)
        if number in (0, 49):
            with django_assert_num_queries(statements + 1):  # one asks who is signed in
                assert len(client.get(path, limit=100).json()["results"]) == number + 1
    assert len(client.get(path, limit=20, page=3).json()["results"]) == 10
    for bad in ({"limit": 0}, {"limit": 101}, {"page": 0}, {"page": "x"}):
        assert client.get(path, **bad).status_code == 400


@pytest.fixture
def poster(providers: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the demo film's poster, which is not cached yet."""
    monkeypatch.setattr(ENV, "data_dir", tmp_path)
    [found] = services.search_titles("umbrella")["results"]
    return str(found["poster_url"])


def test_a_poster_is_fetched_once_and_then_ours(providers: Demo, poster: str, api: Clients, tmp_path: Path) -> None:
    answer = api(None).get(poster)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert "immutable" in answer["Cache-Control"]
    assert answer.content == (tmp_path / "posters/w342/umbrella-poster.jpg").read_bytes()
    providers.misbehave("images", "status", code=500)
    assert api(None).get(poster).content == answer.content


@pytest.mark.parametrize(
    "path",
    ["/posters/w999/umbrella-poster.jpg", "/posters/w342/..%2f..%2fsecret.jpg", "/posters/w342/.jpg", "/posters/w342/x.svg",
     "/posters/..%2f/x.jpg", "/posters/original/umbrella-poster.jpg"],
)  # fmt: skip
def test_only_names_of_pictures_are_taken(poster: str, api: Clients, path: str) -> None:
    assert api(None).get(path).status_code == 404


def test_pictures_of_no_title_here_are_not_fetched(providers: Demo, poster: str, api: Clients) -> None:
    assert api(None).get("/posters/w342/ox-poster.jpg").status_code == 404
    assert providers.requests("images") == []


def test_what_is_no_picture_is_not_kept_and_not_asked_for_again(
    providers: Demo, poster: str, api: Clients, tmp_path: Path
) -> None:
    providers.misbehave("images", "html")
    for _ in range(2):
        assert api(None).get(poster).status_code == 404
    assert len(providers.requests("images")) == 1
    assert list(tmp_path.rglob("*.jpg")) == []


def test_too_large_a_picture_is_refused(
    providers: Demo, poster: str, api: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posters, "MAX_BYTES", 100)
    assert api(None).get(poster).status_code == 404


def test_a_source_that_is_away_is_left_alone_for_a_while(providers: Demo, poster: str, api: Clients) -> None:
    providers.misbehave("images", "status", code=503)
    for _ in range(2):
        answer = api(None).get(poster)
        assert (answer.status_code, answer["Retry-After"]) == (503, str(posters.AWAY_SECONDS))
    assert len(providers.requests("images")) == 1
    providers.behave()
    cache.clear()
    http.forget()
    assert api(None).get(poster).status_code == 200


def test_a_full_disk_costs_the_cache_and_not_the_picture(poster: str, api: Clients, tmp_path: Path) -> None:
    (tmp_path / "posters").write_text("not a folder")
    assert api(None).get(poster).status_code == 200
