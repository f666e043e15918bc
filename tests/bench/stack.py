"""Real servers for one benchmark, as durable as in production, and programs beside them that end with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

from sokoul.stack.embedded import Postgres
from sokoul.stack.processes import free_port, spawn
from tests import servers  # sets the environment that everything below reads

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("ROUNDS") or 3)
SIZE = int(os.environ.get("SIZE") or 1024)  # MiB
T = TypeVar("T")
Process: TypeAlias = "subprocess.Popen[bytes]"


@contextmanager
def running() -> Iterator[None]:
    """PostgreSQL with its fsync, Valkey and NATS; Django set up, tables and streams there."""
    database = servers.SERVERS["DATABASE_URL"]
    assert isinstance(database, Postgres)
    database.durable = True
    os.environ["TRUSTED_IPS"] = "127.0.0.1"  # one client is to ask a thousand times a second
    try:
        for name in servers.SERVERS:
            servers.start(name)
        _prepare()
        yield
    finally:
        for server in servers.SERVERS.values():
            server.stop()


def _prepare() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from apps.jobs import broker

    call_command("migrate", verbosity=0)
    broker.call(broker.declare())


@contextmanager
def program(*command: str, **environment: str) -> Iterator[Process]:
    """A program that is stopped by SIGTERM at the end, by force after 30 s."""
    path = servers.FOLDER / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
    with path.open("wb") as output:
        own = {**os.environ, "PART_OF_BENCHMARK": "1", **environment}
        process = spawn(command, own, signal.SIGKILL, output.fileno(), ROOT)
    try:
        yield process
    except TimeoutError:
        sys.stderr.write(f"the last words of {command}:\n{path.read_text()[-2000:]}\n")
        raise
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def python(*arguments: str, **environment: str) -> "AbstractContextManager[Process]":
    """`program` for our own interpreter."""
    return program(sys.executable, *arguments, **environment)


def manage(command: str, *arguments: str, **environment: str) -> "AbstractContextManager[Process]":
    """`manage.py COMMAND` as in production."""
    return python(str(ROOT / "manage.py"), command, *arguments, **environment)


@contextmanager
def listening(start: Callable[[int], "AbstractContextManager[Process]"]) -> Iterator[tuple[int, int]]:
    """(port, pid) of an HTTP server that `start(port)` runs, once it takes connections."""
    port = free_port()
    with start(port) as process:
        until(lambda: _connects(port), "the server listening", 60, process)
        yield port, process.pid


def _connects(port: int) -> bool:
    import socket

    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def until(
    condition: Callable[[], T], what: str, seconds: float = 120, process: "subprocess.Popen[bytes] | None" = None
) -> T:
    """The first true answer of `condition`, asked 50 times a second."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise TimeoutError(f"{what} did not come about")
        time.sleep(0.02)
    return found


def memory(pid: int, field: str = "VmRSS") -> float:
    """MB of VmRSS (now) or VmHWM (the peak)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def cpu(pid: int) -> float:
    """Seconds of processor time that a process, and those of its children that have ended, have used (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
