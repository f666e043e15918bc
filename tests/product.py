"""The product as processes, for tests that need all of it: `serve`, scout, hunter, bot and relay on the session's real servers.

The fixture is `product`, known to every test; nothing runs until `product.start()`. Its providers are the demo's, its rows
the test's own database, its files a folder of the test. Whatever is left when the test ends, or is killed, ends with it.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx
import pytest
import redis

from sokoul.stack.processes import free_port, spawn
from tests.demo import Demo
from tests.leaks import assert_tight

ROOT = Path(__file__).parents[1]
COMMANDS = {"web": "serve", "scout": "scout", "hunter": "hunter", "bot": "bot", "relay": "relay"}


def _command_of(component: str) -> list[str]:
    return [sys.executable, "manage.py", COMMANDS[component]]


class Product:
    """`start`, `stop`, `kill` and `signal` work on components by name; `url` stays the same over restarts."""

    def __init__(self, environment: dict[str, str], folder: Path, demo: Demo) -> None:
        self.demo = demo
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **environment,
            **demo.env(),
            "DATA_DIR": str(folder),
            "PORT": str(self.port),
            "TORRENT_LISTEN_INTERFACES": f"127.0.0.1:{free_port()}",
            "PYTHONUNBUFFERED": "1",
        }
        self.root = ROOT
        self.command_of = _command_of
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.http = httpx.Client(base_url=self.url, timeout=30)
        (folder / "static").mkdir(parents=True)  # WhiteNoise warns when it is not there

    @property
    def library(self) -> Path:
        return self.folder / "library"

    def start(self, *names: str, **environment: str) -> None:
        """Start components (all, unless named) and wait until the web answers /health/ready.

        `environment` is added to theirs. `hunter-2` is a second hunter, with a torrent port of its own.
        """
        for name in names or COMMANDS:
            self._spawn(name, environment)
        if "web" in (names or COMMANDS):
            self.wait_ready()

    def _spawn(self, name: str, environment: dict[str, str]) -> None:
        kind, _, number = name.partition("-")
        own = {"TORRENT_LISTEN_INTERFACES": f"127.0.0.1:{free_port()}"} if number else {}
        with self.log_of(name).open("ab") as output:
            own_environment = {**self.environment, **own, **environment}
            self.processes[name] = spawn(
                self.command_of(kind), own_environment, signal.SIGKILL, output.fileno(), self.root
            )

    def wait_ready(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not self._ready():
            if self.processes["web"].poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the web does not get ready; its last words:\n{self.log('web')[-2000:]}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return self.http.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def log_of(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log(self, name: str) -> str:
        """What the component wrote so far, over all its lives."""
        return self.log_of(name).read_text()

    def pid(self, name: str) -> int:
        return self.processes[name].pid

    def signal(self, name: str, number: int) -> None:
        """For instance SIGSTOP and SIGCONT."""
        self.processes[name].send_signal(number)

    def stop(self, name: str, seconds: float = 65) -> int:
        """End it as an operator does, by SIGTERM; gives the exit status."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(seconds)

    def kill(self, name: str) -> None:
        """kill −9."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        self.http.close()
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the processes of a test that failed said last."""
    report = yield
    product = getattr(item, "funcargs", {}).get("product")
    if report.failed and isinstance(product, Product):
        for log in sorted(product.folder.glob("*.log")):
            report.sections.append((f"last words of {log.name}", log.read_text(errors="replace")[-3000:]))
    return report


@pytest.fixture
def product(child_environment: dict[str, str], demo: Demo, tmp_path: Path) -> Iterator[Product]:
    """The whole product, ready to be started, with empty streams and an empty cache."""
    from apps.jobs import broker, streams

    broker.call(broker.declare())
    for stream in streams.STREAMS:
        broker.call(broker.purge(stream.name))
    with redis.Redis.from_url(child_environment["REDIS_URL"]) as cache:
        cache.flushdb()  # it knows ids of another test's rows
    running = Product(child_environment, tmp_path / "sokoul", demo)
    yield running
    running.close()
    assert_tight(running.folder.glob("*.log"), running.environment)
