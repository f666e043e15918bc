"""Is it well? `/health` for probes, `/health/deep` by component, `/health/ready` for balancers, `/health/live` for supervisors."""

import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import psycopg
import redis
from django.db import close_old_connections
from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.authentication import BearerAuthentication
from apps.accounts.models import Role, User
from apps.accounts.permissions import Anyone
from apps.accounts.tokens import Claims
from apps.jobs import broker
from sokoul import logs
from sokoul.env import ENV
from sokoul.postgres import login
from sokoul.server.drain import DRAIN

log = logs.logger(__name__)
View = TypeVar("View", bound=Callable[..., Response])
PATIENCE = 1.8  # seconds for all components together: every health route answers within 3 s whatever is frozen
ASKING_WHO = 0.7  # seconds to find out whether it is staff that asks


def _postgres() -> None:
    """A connection of its own: the pool may be busy, which is not the same as a database that is gone."""
    connect = functools.partial(
        psycopg.connect, ENV.database_url, connect_timeout=2, tcp_user_timeout=2000, autocommit=True
    )
    with login.connected(connect) as connection:
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
    broker.call(broker.check(timeout=1.0), timeout=PATIENCE)


class Component:
    """One question at a time, whoever asks: a frozen server holds one thread and not one a probe."""

    def __init__(self, name: str, question: Callable[[], None]) -> None:
        self.name, self._question = name, question
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"health-{name}")
        self._lock = threading.Lock()
        self._asked: Future[float | None] | None = None
        self._asked_at = 0.0

    def ask(self) -> "tuple[Future[float | None], float]":
        """The answer to come, and until when (monotonic seconds) it is waited for; the question may be under way already."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked_at = time.monotonic()
                self._asked = self._thread.submit(self._time)
            return self._asked, self._asked_at + PATIENCE

    def _time(self) -> float | None:
        began = time.perf_counter()
        try:
            self._question()
        except Exception as error:
            log.warning("component down", component=self.name, error=type(error).__name__)
            return None
        return time.perf_counter() - began


COMPONENTS = [Component("postgres", _postgres), Component("redis", _redis), Component("nats", _nats)]
_who = ThreadPoolExecutor(4, thread_name_prefix="health-who")


def look(names: tuple[str, ...] = ("postgres", "redis", "nats")) -> dict[str, dict[str, Any]]:
    """{name: {status: ok or down, latency_ms}}; what has not answered in time is down, its latency what it was waited for."""
    asked = {component.name: component.ask() for component in COMPONENTS if component.name in names}
    found = {}
    for name, (answer, until) in asked.items():
        wait([answer], timeout=max(0.0, until - time.monotonic()))
        latency = answer.result() if answer.done() else None
        spent = PATIENCE if latency is None else latency
        found[name] = {"status": "down" if latency is None else "ok", "latency_ms": round(spent * 1000, 1)}
    return found


def _is_staff(request: Request) -> bool:
    """Whether an admin or moderator asks; not while the database cannot say so."""
    asked = _who.submit(_authenticated, request)
    try:
        found = asked.result(timeout=ASKING_WHO)
    except Exception:
        asked.cancel()
        return False
    return found is not None and _keeps_order(found[0])


def _authenticated(request: Request) -> tuple[User, Claims] | None:
    try:
        return BearerAuthentication().authenticate(request)
    finally:
        close_old_connections()  # what a thread kept would be missing from the pool


def _keeps_order(user: User) -> bool:
    return user.role in {Role.MODERATOR, Role.ADMIN}


STATES = ["ok", "degraded", "down", "draining"]
COMPONENT_STATES = ["ok", "down"]


class StateShape(serializers.Serializer[Any]):
    status = serializers.ChoiceField(STATES)


class ComponentShape(serializers.Serializer[Any]):
    status = serializers.ChoiceField(COMPONENT_STATES)
    latency_ms = serializers.FloatField(required=False, help_text="For moderators and admins.")


class DeepShape(serializers.Serializer[Any]):
    status = serializers.ChoiceField(COMPONENT_STATES)
    components = serializers.DictField(child=ComponentShape())


class HealthView(APIView):
    """Open to everybody, and nothing is asked of the database to find out who it is."""

    authentication_classes = []
    permission_classes = [Anyone]

    def answer(self, content: dict[str, Any], *, well: bool) -> Response:
        headers = {"Cache-Control": "no-store"} | ({} if well else {"Retry-After": "5"})
        return Response(content, status=200 if well else 503, headers=headers)


def _described(summary: str, shape: type[serializers.Serializer[Any]] = StateShape) -> Callable[[View], View]:
    return extend_schema(summary=summary, responses={200: shape, 503: shape}, tags=["health"], auth=[])


class Health(HealthView):
    @_described("Well as long as PostgreSQL answers; `degraded` when something else is down")
    def get(self, request: Request) -> Response:
        found = look()
        well = found["postgres"]["status"] == "ok" and not DRAIN.draining
        all_well = well and all(component["status"] == "ok" for component in found.values())
        return self.answer({"status": "ok" if all_well else "degraded" if well else "down"}, well=well)


class Deep(HealthView):
    @_described("Every component; strangers see ok or down only", DeepShape)
    def get(self, request: Request) -> Response:
        found = look()
        well = all(component["status"] == "ok" for component in found.values())
        if not _is_staff(request):
            found = {name: {"status": component["status"]} for name, component in found.items()}
        return self.answer({"status": "ok" if well else "down", "components": found}, well=well)


class Ready(HealthView):
    @_described("Whether to send requests here: not while draining, nor until PostgreSQL answers")
    def get(self, request: Request) -> Response:
        well = not DRAIN.draining and look(("postgres",))["postgres"]["status"] == "ok"
        return self.answer({"status": "ok" if well else "draining" if DRAIN.draining else "down"}, well=well)


class Live(HealthView):
    @_described("The process answers; nothing else is asked")
    def get(self, request: Request) -> Response:
        return self.answer({"status": "ok"}, well=True)


urls: list[URLPattern] = [
    path("health", Health.as_view()),
    path("health/deep", Deep.as_view()),
    path("health/ready", Ready.as_view()),
    path("health/live", Live.as_view()),
]
