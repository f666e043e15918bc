"""Clean streams, workers in this process and in others, and what they leave behind."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.jobs import kit

ROOT = Path(__file__).parents[3]


@pytest.fixture
def queue(transactional_db: None, valkey: str, nats: str) -> None:
    """The streams as declared, empty."""
    from apps.jobs import broker, streams

    broker.call(broker.declare())
    for stream in streams.STREAMS:
        broker.call(broker.purge(stream.name))


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> float:
    """A worker that falls silent is taken for dead after a second."""
    from sokoul.env import ENV

    monkeypatch.setattr(ENV, "job_lease", 1.0)
    return 1.0


@pytest.fixture
def steady_lease(monkeypatch: pytest.MonkeyPatch) -> float:
    """Short as well, and longer than a busy machine keeps a living worker from saying so."""
    from sokoul.env import ENV

    monkeypatch.setattr(ENV, "job_lease", 5.0)
    return 5.0


@pytest.fixture
def worker(queue: None) -> Iterator[Callable[..., Any]]:
    """Starts a worker in this process, which the end of the test stops."""
    from apps.jobs.worker import Worker

    running: list[Worker] = []

    def start(name: str = "scout", slots: int = 4, **options: Any) -> Worker:
        running.append(Worker(name, slots, **{"delays": kit.DELAYS, "drain": 5.0, **options}))
        running[-1].start()
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def worker_process(queue: None, child_environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a worker as a process of its own, killed at the end of the test. `lease` in seconds."""
    running: list[subprocess.Popen[bytes]] = []

    def start(name: str = "scout", slots: int = 2, drain: float = 5.0, lease: float = 1.0) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.integration.jobs.kit", name, str(slots), str(drain)]
        environment = {**child_environment, "JOB_LEASE": str(lease), "PYTHONUNBUFFERED": "1"}
        output = None if os.environ.get("SHOW_WORKERS") else subprocess.DEVNULL
        running.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output))
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.wait()


@pytest.fixture
def user(transactional_db: None) -> Any:
    from apps.accounts.models import User

    return User.objects.create_user("alice@example.org", "alice", None)
