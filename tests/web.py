"""The web as a process, for tests of what only a real server shows: sockets, streams, health.

`web` is one for the whole session, on the session's database and servers; `another_web` starts more. `feed_of(web, user)` is
a WebSocket of that person.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from websockets.sync.client import ClientConnection, connect

from apps.accounts import families
from apps.accounts.models import User
from sokoul.stack.processes import free_port, spawn
from tests.leaks import leaks, secrets_of

ROOT = Path(__file__).parents[1]


class Web:
    """`manage.py serve` on a port of its own, answering when the constructor returns, unless several are to start at once."""

    def __init__(
        self, environment: dict[str, str], server: str = "uvicorn", port: int = 0, *, wait: bool = True
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._secrets = secrets_of(environment)
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        command = [sys.executable, str(ROOT / "manage.py"), "serve", "--port", str(self.port), "--server", server]
        self.process: subprocess.Popen[bytes] = spawn(
            command, {**environment, "PYTHONUNBUFFERED": "1"}, signal.SIGKILL, self.output.fileno(), ROOT
        )
        self.http = httpx.Client(base_url=self.url, timeout=30)
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 60
        while not self._is_ready():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return self.http.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def log(self) -> str:
        return os.pread(self.output.fileno(), 10_000_000, 0).decode(errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [orjson.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def get(self, path: str, user: User | None = None, **rest: Any) -> httpx.Response:
        return self.request("GET", path, user, **rest)

    def request(self, method: str, path: str, user: User | None = None, **rest: Any) -> httpx.Response:
        headers = {**({"Authorization": f"Bearer {token_of(user)}"} if user else {}), **rest.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **rest)

    def ws(self, query: str, **options: Any) -> ClientConnection:
        """Raises websockets' InvalidStatus where it is refused."""
        address = f"ws://127.0.0.1:{self.port}/ws{query}"
        return connect(address, proxy=None, max_size=None, legacy=True, **options)

    def stop(self) -> None:
        self.http.close()
        self.process.kill()
        self.process.wait()
        found = leaks([self.log()], self._secrets)
        self.output.close()
        assert not found, f"secrets in the log: {found[:3]}"


def token_of(user: User) -> str:
    return families.start(User.objects.get(pk=user.pk)).access


class Feed:
    """One person's socket: `next()` message, `until(type)`, `events` that were seen so far."""

    def __init__(self, web: Web, user: User, last_event_id: int | None = None, **options: Any) -> None:
        position = "" if last_event_id is None else f"&last_event_id={last_event_id}"
        self.socket = web.ws(f"?token={token_of(user)}{position}", **options)
        self.events: list[dict[str, Any]] = []

    def next(self, timeout: float = 30) -> dict[str, Any]:
        message: dict[str, Any] = orjson.loads(self.socket.recv(timeout))
        if "id" in message:
            self.events.append(message)
        return message

    def until(self, kind: str, timeout: float = 30) -> dict[str, Any]:
        """The next message of this type; whatever comes before it is skipped."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.next(max(0.01, deadline - time.monotonic()))
            if message["type"] == kind:
                return message

    def silent(self) -> bool:
        """Whether nothing was on its way: the answer to a ping comes next."""
        self.send({"type": "ping"})
        return self.next()["type"] == "pong"

    def send(self, message: object) -> None:
        self.socket.send(orjson.dumps(message).decode())

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def environment() -> dict[str, str]:
    """Of a process that works on the session's test database."""
    from django.conf import settings

    url = os.environ["DATABASE_URL"].rpartition("/")[0]
    return {**os.environ, "DATABASE_URL": f"{url}/{settings.DATABASES['default']['NAME']}"}


@pytest.fixture(scope="session")
def web(django_db_setup: None, valkey: str, nats: str) -> Iterator[Web]:
    running = Web(environment())
    yield running
    running.stop()


@pytest.fixture
def another_web(transactional_db: None, valkey: str, nats: str) -> Iterator[Callable[..., Web]]:
    """Starts further webs: `another_web(server="daphne", PING_SECONDS="1")`."""
    running: list[Web] = []

    def start(server: str = "uvicorn", port: int = 0, **more: str) -> Web:
        running.append(Web({**environment(), **more}, server, port))
        return running[-1]

    yield start
    for one in running:
        one.stop()
