"""Health routes: what they tell to whom, and that they answer whatever is stopped or frozen."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.test import Client, override_settings

from apps.accounts.models import User
from sokoul import health
from tests.cast import Api
from tests.integration.test_database_outages import locked, waiting_for_locks
from tests.outages import NAMES, broken
from tests.waiting import until
from tests.web import Web, token_of

pytestmark = pytest.mark.django_db(transaction=True)
STALLED = 2.0  # seconds in which a busy machine may do something else
ROUTES = ("/health", "/health/deep", "/health/ready", "/health/live", "/api/v1/health")


def timed(web: Web, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, object], float]:
    began = time.monotonic()
    answer = web.get(path, headers=headers or {})
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Cache-Control"] == "no-store"
    if answer.status_code == 503:
        assert answer.headers["Retry-After"]
    return answer.status_code, answer.json(), time.monotonic() - began


def test_all_well(web: Web, admin: User, moderator: User, alice: User) -> None:
    def is_well() -> bool:
        return timed(web, "/health")[:2] == (200, {"status": "ok"})

    until(is_well, what="everything up")
    assert timed(web, "/health/ready")[:2] == (200, {"status": "ok"})
    assert timed(web, "/health/live")[:2] == (200, {"status": "ok"})
    short = {name: {"status": "ok"} for name in NAMES}
    for headers in ({}, {"Authorization": f"Bearer {token_of(alice)}"}, {"Authorization": "Bearer x"}):
        assert timed(web, "/health/deep", headers)[:2] == (200, {"status": "ok", "components": short})
    for keeper in (admin, moderator):
        _, told, _ = timed(web, "/health/deep", {"Authorization": f"Bearer {token_of(keeper)}"})
        components = told["components"]
        assert isinstance(components, dict)
        assert set(components) == set(NAMES)
        for component in components.values():
            assert component["status"] == "ok"
            assert 0 < component["latency_ms"] < 2000


@pytest.mark.parametrize("how", ["stopped", "frozen"])
@pytest.mark.parametrize("component", list(NAMES))
def test_a_broken_part_is_told_within_three_seconds(web: Web, admin: User, component: str, how: str) -> None:
    """Also to many probes at once, and again and again."""
    keeper = {"Authorization": f"Bearer {token_of(admin)}"}
    web.get("/health/deep", headers=keeper)
    gone = component == "postgres"
    assert health.PATIENCE + health.ASKING_WHO < 3
    with broken(component, how):
        for _ in range(2):
            with ThreadPoolExecutor(20) as threads:
                results = list(threads.map(lambda number: timed(web, ROUTES[number % len(ROUTES)]), range(20)))
            assert max(seconds for *_, seconds in results) < 3 + STALLED
        status, told, seconds = timed(web, "/health/deep", keeper)
        assert seconds < 3 + STALLED
        assert (status, told["status"]) == (503, "down")
        assert told["components"][component]["status"] == "down"  # type: ignore[index]
        others = [name for name in NAMES if name != component]
        assert [told["components"][name]["status"] for name in others] == ["ok", "ok"]  # type: ignore[index]
        assert timed(web, "/health")[:2] == ((503, {"status": "down"}) if gone else (200, {"status": "degraded"}))
        assert timed(web, "/health/ready")[0] == (503 if gone else 200)
        assert timed(web, "/health/live")[0] == 200
    until(lambda: timed(web, "/health/deep")[0] == 200, 30, "being well again")
    until(lambda: web.get("/user/profile", admin).status_code == 200, 30, "serving again")


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_while_draining_it_is_not_ready(another_web: Callable[..., Web], alice: User, server: str) -> None:
    """Somebody's request is in flight all the while: without one it listens for a second only."""
    web, token = another_web(server), token_of(alice)

    def refused() -> bool:
        return web.get("/health/ready").status_code == 503

    with ThreadPoolExecutor(1) as threads:
        with locked("favorites"):
            held = threads.submit(httpx.get, f"{web.url}/media/favorites", headers=bearer(token), timeout=30)
            until(lambda: waiting_for_locks() == 1, what="the request in flight")
            web.process.send_signal(signal.SIGTERM)
            until(refused, what="503 for new requests")
            assert web.get("/health").status_code == 503
            assert web.get("/health/live").status_code == 200
        assert held.result().status_code == 200
    assert web.process.wait(60) == 0


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_only_reading_is_possible(api: Callable[[User | None], Api]) -> None:
    for path in ROUTES:
        assert api(None).post(path).status_code == 405


@override_settings(SECURE_SSL_REDIRECT=True)
def test_probes_and_scrapes_from_within_speak_plain_http_where_people_must_not(valkey: str, nats: str) -> None:
    client = Client()
    for path in (*ROUTES, "/metrics", "/api/v1/metrics"):
        assert client.get(path).status_code == 200, path
    for path in ("/", "/app/login", "/dashboard/", "/docs", "/static/logo.svg"):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (301, f"https://testserver{path}")
    for path in ("/healthy", "/metrics/x", "/x/health"):
        assert client.get(path).status_code == 403


@override_settings(SECURE_SSL_REDIRECT=True)
def test_a_program_is_not_led_to_https_but_told(db: None) -> None:
    """Led on, it would go on sending its token in the clear with every call."""
    for path in ("/user/profile", "/api/v1/auth/login", "/schema", "/apple"):
        for answer in (Client().get(path), Client().post(path)):
            assert (answer.status_code, answer.json()["type"]) == (403, "about:blank#https"), path
            assert "Location" not in answer
            assert answer["Content-Security-Policy"]
    assert Client().get("/user/profile", secure=True).status_code == 401
