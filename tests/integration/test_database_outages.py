"""PostgreSQL stopped, frozen, busy or slow: who waits for it, for how long, and what they are told."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError, connection

from apps.accounts.models import User
from sokoul.env import ENV
from sokoul.postgres import base, watch
from sokoul.postgres.connection import Connection
from tests.outages import broken
from tests.waiting import until
from tests.web import Web, token_of

pytestmark = pytest.mark.django_db(transaction=True)
BOUND = 5.0  # seconds within which a caller is told (SPEC 17)
STALLED = 3.0  # seconds in which a busy machine may do something else
ASKED = [
    ("GET", "/search?query=tram"),
    ("GET", "/media/favorites"),
    ("GET", "/downloads"),
    ("POST", "/downloads/start"),
    ("POST", "/auth/login"),
    ("GET", "/app/"),
]
BODIES = {"/downloads/start": {"media_id": 1}, "/auth/login": {"username": "alice", "password": "a long password"}}


def wave(web: Web, token: str) -> list[tuple[str, httpx.Response, float]]:
    """Each call four times, all at once: what was asked, the answer, and the seconds it took."""

    def ask(call: tuple[str, str]) -> tuple[str, httpx.Response, float]:
        method, path = call
        headers = {"Authorization": f"Bearer {token}", "Cookie": f"sessionid={'x' * 32}"}
        began = time.monotonic()
        answer = httpx.request(method, web.url + path, json=BODIES.get(path), headers=headers, timeout=30)
        return path, answer, time.monotonic() - began

    with ThreadPoolExecutor(4 * len(ASKED)) as threads:
        return list(threads.map(ask, ASKED * 4))


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_everybody_is_told_503_within_five_seconds_and_served_again_soon(web: Web, alice: User, how: str) -> None:
    token = token_of(alice)
    assert watch.PATIENCE + watch.LOOK + watch.ANSWER < BOUND
    assert web.get("/media/favorites", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    with broken("postgres", how):
        for _ in range(2):
            for path, answer, seconds in wave(web, token):
                assert (path, answer.status_code) == (path, 503), answer.text
                assert seconds < BOUND + STALLED, f"{path}: the contract's bound"
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.headers["X-Request-ID"]
                assert "Traceback" not in answer.text
                assert "psycopg" not in answer.text
        assert web.get("/health").status_code == 503
    began = time.monotonic()
    until(
        lambda: web.get("/media/favorites", headers={"Authorization": f"Bearer {token}"}).status_code == 200,
        20,
        "being served again",
    )
    assert time.monotonic() - began < BOUND + STALLED, "the contract's bound"


# --- the watch --------------------------------------------------------------------------------------------------------


@pytest.fixture
def link() -> Iterator[Connection]:
    parameters = connection.get_connection_params()
    one = Connection.connect(**parameters, autocommit=True)
    yield one
    one.close()


def test_a_slow_statement_is_waited_for_while_the_server_answers(link: Connection) -> None:
    assert link.execute("SELECT pg_sleep(%s), 'done'", [watch.PATIENCE + 1]).fetchone() == ("", "done")


def test_a_server_process_that_froze_alone_is_waited_for_only_so_long(
    link: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LONGEST", 2.0)
    pid = link.info.backend_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(psycopg.OperationalError):
            link.execute("SELECT 1")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert link.closed
    assert not watch.WATCH.away, "the others go on"


def test_while_it_is_away_nobody_waits_and_nothing_is_left_waiting(link: Connection) -> None:
    with broken("postgres", "frozen"):
        with pytest.raises(psycopg.OperationalError):
            link.execute("SELECT 1")
        assert min(_refused_after() for _ in range(3)) < 0.5, "refused without asking"
    until(lambda: not watch.WATCH.away, 30, "PostgreSQL answering again")
    assert _another() == 1


def _refused_after() -> float:
    began = time.monotonic()
    with pytest.raises(OperationalError, match="does not answer"):
        _another()
    return time.monotonic() - began


def _another() -> int:
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return int(cursor.fetchone()[0])


# --- the pool ---------------------------------------------------------------------------------------------------------


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Whoever reads the table waits."""
    with psycopg.connect(**{**connection.get_connection_params(), "options": ""}) as holder:
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        holder.rollback()


def waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0])


def test_ten_slow_queries_and_ten_more_wait_their_turn(another_web: Callable[..., Web], alice: User) -> None:
    """Ten hold all connections of the pool, ten more wait for one; all are answered once it moves again."""
    web = another_web(WEB_THREADS="20", DATABASE_POOL="10")
    headers = {"Authorization": f"Bearer {token_of(alice)}"}
    assert web.get("/media/favorites", headers=headers).status_code == 200

    def ask(_: int) -> int:
        return httpx.get(f"{web.url}/media/favorites", headers=headers, timeout=30).status_code

    with ThreadPoolExecutor(20) as threads:
        with locked("favorites"):
            answers = [threads.submit(ask, number) for number in range(20)]
            until(lambda: waiting_for_locks() == 10, what="ten that hold the pool")
        assert [answer.result() for answer in answers] == [200] * 20
    assert web.get("/media/favorites", headers=headers).status_code == 200


def test_an_exhausted_pool_is_waited_for_thirty_seconds_and_then_an_error() -> None:
    pool_options = settings.DATABASES["default"]["OPTIONS"]["pool"]
    assert pool_options["timeout"] == 30
    parameters = {**connection.get_connection_params(), "autocommit": True}
    with base.ConnectionPool(kwargs=parameters, min_size=1, max_size=1, timeout=3 * base.SLICE) as pool:
        held = base.taken(pool)
        began = time.monotonic()
        with pytest.raises(base.PoolTimeout):
            base.taken(pool)
        assert time.monotonic() - began >= 3 * base.SLICE
        later = threading.Timer(base.SLICE / 2, pool.putconn, [held])
        later.start()
        pool.putconn(base.taken(pool))
        later.join()
    assert not watch.WATCH.away, "busy is not gone"
    assert ENV.database_pool == 10
