"""Is it well? `/health` for probes, `/health/deep` by component, `/health/ready` for balancers, `/health/live` for supervisors."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import psycopg
import redis
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.accounts.authentication import BearerAuthentication
from apps.jobs import broker
from sokoul import logs
from sokoul.env import ENV
from sokoul.server.drain import DRAIN

log = logs.logger(__name__)
PATIENCE = 2.0  # seconds for all components together: every health route answers within 3 s whatever is frozen
_threads = ThreadPoolExecutor(12, thread_name_prefix="health")


def _postgres() -> None:
    """A connection of its own: the pool may be busy, which is not the same as a database that is gone."""
    with psycopg.connect(ENV.database_url, connect_timeout=2, autocommit=True) as connection:
        connection.execute("SELECT 1")


def _redis() -> None:
    client = redis.Redis.from_url(
        ENV.redis_url, socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), 0)
    )
    try:
        client.ping()
    finally:
        client.close()


def _nats() -> None:
    broker.call(broker.check(1.0), timeout=1.5)


COMPONENTS: dict[str, Callable[[], None]] = {"postgres": _postgres, "redis": _redis, "nats": _nats}


def look(names: list[str]) -> dict[str, dict[str, Any]]:
    """{name: {status: ok or down, latency_ms}}; what has not answered in time is down."""
    begun = time.perf_counter()
    asked = {name: _threads.submit(_timed, COMPONENTS[name]) for name in names}
    wait(asked.values(), timeout=PATIENCE)
    found = {}
    for name, answer in asked.items():
        latency = answer.result() if answer.done() else None
        spent = latency if latency is not None else time.perf_counter() - begun
        found[name] = {"status": "down" if latency is None else "ok", "latency_ms": round(spent * 1000, 1)}
    return found


def _timed(check: Callable[[], None]) -> float | None:
    begun = time.perf_counter()
    try:
        check()
    except Exception as error:
        log.warning("component down", component=check.__name__.strip("_"), error=type(error).__name__)
        return None
    return time.perf_counter() - begun


def _is_staff(request: HttpRequest) -> bool:
    """Whether an admin or moderator asks; not while the database cannot say so."""
    if "Authorization" not in request.headers:
        return False
    asked = _threads.submit(BearerAuthentication().authenticate, request)
    try:
        found = asked.result(timeout=0.8)
    except Exception:
        return False
    return found is not None and found[0].is_staff


def _answer(content: dict[str, Any], *, well: bool) -> JsonResponse:
    response = JsonResponse(content, status=200 if well else 503)
    response["Cache-Control"] = "no-store"
    if not well:
        response["Retry-After"] = "5"
    return response


def health(request: HttpRequest) -> JsonResponse:
    """200 as long as PostgreSQL answers and we are not draining; `degraded` when something else is down."""
    found = look(list(COMPONENTS))
    well = found["postgres"]["status"] == "ok" and not DRAIN.draining
    all_well = well and all(component["status"] == "ok" for component in found.values())
    return _answer({"status": "ok" if all_well else "degraded" if well else "down"}, well=well)


def deep(request: HttpRequest) -> JsonResponse:
    """Every component; strangers see ok or down only."""
    found = look(list(COMPONENTS))
    well = all(component["status"] == "ok" for component in found.values())
    content: dict[str, Any] = {"status": "ok" if well else "down"}
    if _is_staff(request):
        content["components"] = found
    else:
        content["components"] = {name: {"status": component["status"]} for name, component in found.items()}
    return _answer(content, well=well)


def ready(request: HttpRequest) -> JsonResponse:
    """503 while draining, and until PostgreSQL answers."""
    well = not DRAIN.draining and look(["postgres"])["postgres"]["status"] == "ok"
    return _answer({"status": "ok" if well else "draining" if DRAIN.draining else "down"}, well=well)


def live(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return _answer({"status": "ok"}, well=True)


urls: list[URLPattern] = [
    path("health", health),
    path("health/deep", deep),
    path("health/ready", ready),
    path("health/live", live),
]
