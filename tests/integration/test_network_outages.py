"""A slow network, and names that nobody resolves."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache

from apps.accounts.models import User
from apps.downloads.models import Download, Phase
from apps.media import tmdb
from apps.media.models import Kind
from sokoul.env import ENV
from sokoul.errors import TransientError
from tests.demo import Demo
from tests.web import Web, token_of
from tests.wishes import hunting, make_media, until, wish

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def cold(valkey: str) -> None:
    cache.clear()


def test_half_a_second_more_for_each_call_of_a_provider_costs_time_and_nothing_else(
    another_web: Callable[..., Web], demo: Demo, alice: User
) -> None:
    """Ten people search at once; the slow calls do not add up."""
    demo.misbehave("tmdb", "delay", seconds=0.5)
    web = another_web(**demo.env())
    headers = {"Authorization": f"Bearer {token_of(alice)}"}

    def search(query: str) -> tuple[int, bool, float]:
        began = time.monotonic()
        answer = web.get("/search", headers=headers, params={"query": query})
        return answer.status_code, answer.json()["degraded"], time.monotonic() - began

    queries = ["umbrella", "tram", "tin comets", "ox", "postcards", "robot", "snail", "planet", "lighthouse", "club"]
    with ThreadPoolExecutor(len(queries)) as threads:
        answers = list(threads.map(search, queries))
    assert [answer[:2] for answer in answers] == [(200, False)] * len(queries)
    assert max(seconds for *_, seconds in answers) < 10


def test_a_name_that_nobody_resolves_is_a_passing_fault_of_the_provider(
    another_web: Callable[..., Web], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job layer tries it again after 2, 4 and 8 s; who searches meanwhile gets what is known here."""
    monkeypatch.setattr(ENV, "tmdb_url", "http://tmdb.invalid/3")
    with pytest.raises(TransientError):
        tmdb.details(Kind(make_media().kind), 1)
    answer = another_web(TMDB_URL="http://tmdb.invalid/3").get("/search?query=tram", alice)
    assert (answer.status_code, answer.json()["degraded"]) == (200, True)
    assert [media["title"] for media in answer.json()["results"]] == ["The Last Night Tram"]


def test_a_tracker_whose_name_nobody_resolves_is_told_to_whoever_waits_and_tried_again(
    valkey: str, nats: str, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.downloads.hunter.ROWS_EVERY", 0.2)
    magnet = "magnet:?xt=urn:btih:" + "ab" * 20 + "&tr=http%3A%2F%2Ftracker.invalid%2Fannounce"
    with hunting():
        download = wish(alice, make_media(), magnet)
        said = "Tracker unreachable, retrying…"
        until(lambda: Download.objects.get(pk=download.pk).reason == said, "the reason in the row")
    assert Download.objects.get(pk=download.pk).phase == Phase.METADATA, "it waits, until METADATA_TIMEOUT"
