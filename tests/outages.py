"""Servers that stop or freeze while a test looks on, and are as they were afterwards."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from tests.servers import SERVERS
from tests.waiting import until

NAMES = {"postgres": "DATABASE_URL", "redis": "REDIS_URL", "nats": "NATS_URL"}


def process_of(component: str) -> "subprocess.Popen[bytes]":
    process = SERVERS[NAMES[component]].process
    assert process
    return process


@contextmanager
def broken(component: str, how: str) -> Iterator[None]:
    """Stopped in order, or frozen; as it was afterwards. PostgreSQL's own children freeze with it."""
    server = SERVERS[NAMES[component]]
    if how == "stopped":
        server.stop()
        try:
            yield
        finally:
            server.start()
            connection.close()
            connection.close_pool()  # this process's own connections died as well
        return
    pids = _frozen(process_of(component).pid)
    try:
        yield
    finally:
        for pid in reversed(pids):
            _signal(pid, signal.SIGCONT)


def lose_stream(name: str) -> None:
    """NATS comes back without this stream: it was away, and the files are gone. (It never loses one while it runs: what it still deletes
    of a stream may be the files of a new one with that name.)"""
    from apps.jobs import broker

    server = SERVERS[NAMES["nats"]]
    with broken("nats", "stopped"):
        until(lambda: not broker.is_connected(), what="NATS being missed")
        shutil.rmtree(server.folder / "store" / "jetstream" / "$G" / "streams" / name)
    until(broker.is_connected, what="NATS being back")


def _frozen(pid: int) -> list[int]:
    """The process and its children, all stopped: first the parent, which could make another child meanwhile."""
    _signal(pid, signal.SIGSTOP)
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [pid, *(member for child in children for member in _frozen(int(child)))]


def _signal(pid: int, number: int) -> None:
    subprocess.run(["kill", f"-{number}", str(pid)], check=False)
