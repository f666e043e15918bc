"""Slow and fat clients in number against the real web: it stays there for everybody else, and lets nobody wait for ever (SPEC 16).

`make crowd` opens 10,000 connections and adds slowhttptest's slow reader; the suite opens 1000. Each single deadline, size and
refusal is tests/integration/test_server.py's.
"""

import asyncio
import os
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from apps.accounts.models import User
from sokoul.server.limits import Limits
from sokoul.server.listener import UNSENT
from tests.waiting import until
from tests.web import Web, token_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
CROWD = int(os.environ.get("CROWD", "0"))
LIMITS = Limits()
SLACK = 5.0  # seconds for a machine that has something else to do
HEALTH = 3.0
MEMORY = 1 << 30  # bytes
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SLOWLY = ("silent", "headers", "body", "request")  # what a connection does after it was opened


@dataclass
class Seen:
    """By what the connections did: statuses, and the longest that any of them had to wait. Seconds."""

    statuses: dict[str, Counter[str]] = field(default_factory=lambda: {kind: Counter() for kind in SLOWLY})
    longest: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SLOWLY, 0.0))
    health: list[float] = field(default_factory=list)
    unwell: int = 0  # answers that it is not (a database on a machine that is busy with us)
    memory: int = 0
    most: int = 0  # connections that were open at once
    again: int = 0  # connections that took too long to begin, and were opened anew


def resident(web: Web) -> int:
    pages = int(Path(f"/proc/{web.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def opened(web: Web) -> int:
    """Files that the web process has open, connections nearly all."""
    return len(list(Path(f"/proc/{web.process.pid}/fd").iterdir()))


class Together:
    """Makes connections wait for one another, so that all are open at once: but no longer than 20 s, as idle ones end at 30."""

    def __init__(self, size: int) -> None:
        self._missing, self._all = size, asyncio.Event()
        asyncio.get_running_loop().call_later(20, self._all.set)

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")  # refused by the server itself, and kept open
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length, head
        await reader.readexactly(int(length[1]))
        self._missing -= 1
        if not self._missing:
            self._all.set()

    async def wait(self) -> None:
        await self._all.wait()


async def one(
    web: Web, number: int, token: str, seen: Seen, gate: asyncio.Semaphore, together: Together | None
) -> None:
    """One connection, from one of 200 addresses, until the server ends it or has answered it."""
    kind = SLOWLY[number % len(SLOWLY)]
    async with gate:
        reader, writer = await _opened(web, number, seen, together)
    if together:
        await together.wait()
    head = f"GET /media/favorites HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    said = {
        "silent": "",
        "headers": head,
        "body": "POST /auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n\r\n{",
        "request": head + "Connection: close\r\n\r\n",
    }[kind]
    begun = time.monotonic()
    try:
        writer.write(said.encode())
        answer = await asyncio.wait_for(_drip(reader, writer, kind), 120)
    except ConnectionError:
        answer = b""
    finally:
        writer.transport.abort()
    seen.longest[kind] = max(seen.longest[kind], time.monotonic() - begun)
    status = answer[9:12].decode() or "cut"
    if status == "503" and not re.search(rb"\r\nretry-after: \d+\r\n", answer, re.IGNORECASE):
        status = "503 without Retry-After"
    seen.statuses[kind][status] += 1


async def _opened(web: Web, number: int, seen: Seen, together: Together | None) -> Streams:
    """A connection; where we are all waiting, one that has been answered once (the server ends those that were too slow for it)."""
    while True:
        source = (f"127.0.1.{1 + number % 200}", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port, local_addr=source)
        try:
            if together:
                await together.join(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            seen.again += 1
            writer.transport.abort()
        else:
            return reader, writer


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: str) -> bytes:
    """A byte now and then, as long as the server listens; what it answered."""
    answer = asyncio.ensure_future(reader.read())
    while kind in ("headers", "body") and not answer.done():
        writer.write(b"x" if kind == "body" else b"X-A: b\r\n")
        await asyncio.wait({answer}, timeout=2)
    return await answer


@contextmanager
def watched(web: Web, seen: Seen) -> Iterator[None]:
    """Somebody else asks for its health all the while, in a thread that the crowd does not keep waiting."""
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            begun = time.monotonic()
            seen.unwell += web.get("/health").status_code != 200
            seen.health.append(time.monotonic() - begun)
            seen.memory, seen.most = max(seen.memory, resident(web)), max(seen.most, opened(web))
            over.wait(0.25)

    with ThreadPoolExecutor(1) as threads:
        looking = threads.submit(look)
        until(lambda: seen.health, what="the first answer")
        try:
            yield
        finally:
            over.set()
    looking.result()


async def crowd(web: Web, size: int, token: str, seen: Seen) -> None:
    gate, together = asyncio.Semaphore(500), Together(size) if CROWD else None
    await asyncio.gather(*(one(web, number, token, seen, gate, together) for number in range(size)))


def test_a_crowd_is_answered_or_told_to_come_back_and_health_answers_all_the_while(
    another_web: Callable[..., Web], alice: User
) -> None:
    web = another_web(TRUSTED_IPS="127.0.0.0/8")
    size = CROWD or 1000
    begun = time.monotonic()
    seen = Seen()
    with watched(web, seen):
        asyncio.run(crowd(web, size, token_of(alice), seen))
    print(
        f"\n{size} connections, {seen.most} open at once, {time.monotonic() - begun:.1f} s: "
        f"{ {kind: dict(count) for kind, count in seen.statuses.items()} }, longest "
        f"{ {kind: round(seconds, 1) for kind, seconds in seen.longest.items()} }, "
        f"{seen.again} opened anew, /health {len(seen.health)} times, {seen.unwell} not well, at most "
        f"{max(seen.health):.2f} s, memory {seen.memory >> 20} MiB"
    )
    assert sum(count.total() for count in seen.statuses.values()) == size
    assert set(seen.statuses["request"]) <= {"200", "503"}
    assert seen.statuses["request"]["200"] > 0
    assert set(seen.statuses["silent"]) | set(seen.statuses["headers"]) == {"cut"}
    assert set(seen.statuses["body"]) <= {"408", "cut"}
    deadlines = {
        "silent": LIMITS.idle_seconds if CROWD else LIMITS.header_seconds,
        "headers": LIMITS.header_seconds,
        "body": LIMITS.body.seconds,
        "request": LIMITS.response_seconds,
    }
    for kind, seconds in deadlines.items():
        assert seen.longest[kind] < seconds + SLACK * (1 + size / 2000), kind
    assert max(seen.health) < HEALTH
    assert seen.memory < MEMORY
    until(lambda: web.get("/health").status_code == 200, what="being well again")
    assert web.get("/media/favorites", alice).status_code == 200


# Modes of slowhttptest, with a web address to be slow at, and how soon none of its connections may be left.
MODES = {
    "headers": (["-H", "-i", "2"], "/media/favorites", LIMITS.header_seconds),
    "body": (["-B", "-i", "2", "-s", "8192"], "/auth/login", LIMITS.body.seconds),
    "range": (["-R", "-a", "1", "-b", "3000"], "/static/unfold/js/chart/chart.js", LIMITS.header_seconds),
    "read": (
        ["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"],
        "/static/unfold/js/chart/chart.js",
        LIMITS.response_seconds,
    ),
}


def kept(web: Web) -> tuple[int, int]:
    """(connections of clients to this port, bytes of their answers) that the system of the server keeps, whoever closed them.

    proc_net_tcp(5). Not those of which the server's half has ended and been acknowledged: nothing is left to be sent there.
    """
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = [row for row in rows if row[1].endswith(f":{web.port:04X}") and row[3] not in ENDED]
    return len(mine), sum(int(row[4].partition(":")[0], 16) for row in mine)


ENDED = ("05", "06", "0A")  # FIN-WAIT-2, TIME-WAIT; and the socket that listens


@pytest.mark.parametrize("mode", [*MODES] if CROWD else ["headers", "body", "range"])
def test_slowhttptest_finds_nothing_to_hold_on_to(another_web: Callable[..., Web], tmp_path: Path, mode: str) -> None:
    """The service was there throughout, and of every slow connection nothing was left on the server's side in time: no file, no
    socket, no byte of its answer.

    By the server's side, as what slowhttptest counts as connected is misleading where it reads slowly: of a connection that was
    reset it goes on reading what had arrived before, 32 bytes in 5 s, and learns only then that it has ended.
    """
    program = shutil.which("slowhttptest")
    if program is None:
        pytest.skip("slowhttptest is not installed: sudo apt-get install slowhttptest (test_a_crowd… is our own)")
    web = another_web()
    options, path, seconds = MODES[mode]
    size = 1000 if CROWD else 200
    files = opened(web)
    often = ["-u", f"{web.url}{path}", "-c", str(size), "-r", "200", "-l", "60", "-p", "3", "-g", "-o", "slow"]
    begun, most = time.monotonic(), (0, 0)

    def is_over() -> bool:
        nonlocal most
        now = kept(web)
        most = max(most, now)
        return time.monotonic() > begun + size / 200 + 2 and now[0] < 5

    with subprocess.Popen([program, *options, *often], cwd=tmp_path, stdout=subprocess.DEVNULL) as running:
        try:
            until(is_over, seconds + size / 200 + 2 * SLACK, what="the end of every connection")
            took = time.monotonic() - begun
            until(lambda: opened(web) < files + 30, what="its files closed")
        finally:
            running.terminate()
    rows = [[int(cell) for cell in line.split(",")] for line in (tmp_path / "slow.csv").read_text().splitlines()[1:]]
    print(f"\n{mode}: {took:.1f} s, {most[0]} connections, {most[1] >> 10} KiB at once, in the end {rows[-1]}")
    assert sum(rows[-1][1:4]) > size // 2, "nearly all, where it is stopped before it has counted"
    assert all(available for *_, available in rows), rows
    assert most[1] <= most[0] * (UNSENT + 64 * 1024)
    assert web.get("/health").status_code == 200
