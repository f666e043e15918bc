"""Valkey stopped or frozen: everything is as right as before, and a little slower."""

import time
from collections.abc import Callable

import pytest
from django.core.cache import cache

from apps.accounts.models import User
from tests.demo import Demo
from tests.outages import broken
from tests.waiting import until
from tests.web import Feed, Web

pytestmark = pytest.mark.django_db(transaction=True)
BOUND = 3.0  # seconds (SPEC 17)


def timed(web: Web, path: str, user: User) -> tuple[int, dict[str, object]]:
    began = time.monotonic()
    answer = web.get(path, user)
    assert time.monotonic() - began < BOUND, f"{path}: the contract's bound"
    return answer.status_code, answer.json()


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_without_the_cache_answers_are_the_same_and_it_warms_again(
    another_web: Callable[..., Web], demo: Demo, alice: User, bob: User, how: str
) -> None:
    cache.clear()  # it knows ids of another test's rows
    web = another_web(**demo.env())
    path = "/search?query=umbrella"

    def asked() -> int:
        return len(demo.requests("tmdb"))

    before = timed(web, path, alice)
    assert before[0] == 200
    known = asked()
    assert timed(web, path, alice) == before
    assert asked() == known, "the second answer came from the cache"
    with broken("redis", how):
        for _ in range(3):
            assert timed(web, path, alice) == before
        assert asked() > known, "asked TMDB instead"
        for other in ("/media/favorites", "/downloads", "/user/profile"):
            assert timed(web, other, alice)[0] == 200
        with Feed(web, bob) as feed:
            assert feed.until("snapshot")["type"] == "snapshot"
        assert web.get("/health").json() == {"status": "degraded"}
    assert [line for line in web.lines() if line["level"] in ("WARN", "ERROR") and "redis" in str(line).lower()]
    until(lambda: web.get("/health").json() == {"status": "ok"}, 30, "Valkey being noticed")

    def warm() -> bool:
        count = asked()
        return timed(web, path, alice) == before and asked() == count

    until(warm, 30, "answers from the cache again")
