"""HTTP load over keep-alive connections, cheap enough to share two cores with the server that it measures.

Closed loop: so many connections, each asking again once it was answered. Open loop: so many requests a second whether they
are answered or not, each one's time counted from when it was due.

An answer counts where its status is the one that is expected, and it holds what every right answer does.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import cast

import uvloop


@dataclass
class Load:
    """Milliseconds of each request that was answered as expected, and in how many seconds from the beginning it was asked or due;
    every other one is an error."""

    milliseconds: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    errors: int = 0
    seconds: float = 0.0
    last_error: bytes = b""

    @property
    def rate(self) -> float:
        """Requests a second. Raises RuntimeError where one failed: such a rate means nothing."""
        if self.errors:
            raise RuntimeError(f"{self.errors} of {self.errors + len(self.milliseconds)} failed: {self.last_error!r}")
        return len(self.milliseconds) / self.seconds


class Connection(asyncio.Protocol):
    """One request at a time; a response has a Content-Length."""

    def __init__(self) -> None:
        self._answer = bytearray()
        self._waiting: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self.is_open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("closed before the answer"))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if found and len(body) >= _length(bytes(head)) and self._waiting is not None:
            self._waiting.set_result(bytes(self._answer))

    async def ask(self, request: bytes) -> bytes:
        """The whole response. Raises ConnectionError."""
        assert self._transport is not None
        self._answer.clear()
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _length(head: bytes) -> int:
    found = head.lower().partition(b"content-length:")[2]
    return int(found.partition(b"\r\n")[0]) if found else 0


async def connect(port: int, count: int) -> list[Connection]:
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(Connection, "127.0.0.1", port) for _ in range(count)]
    return [connection for _, connection in pairs]


@dataclass(frozen=True)
class Right:
    status: bytes = b"200"
    holds: bytes = b""

    def is_met(self, answer: bytes) -> bool:
        return answer[9:12] == self.status and self.holds in answer


async def _one(connection: Connection, request: bytes, right: Right, at: float, began: float, load: Load) -> None:
    """`at` counts from `began`. Raises ConnectionError, once it is counted as an error."""
    try:
        answer = await connection.ask(request)
    except ConnectionError as error:
        load.errors += 1
        load.last_error = repr(error).encode()
        raise
    if right.is_met(answer):
        load.milliseconds.append((time.perf_counter() - began - at) * 1000)
        load.asked.append(at)
    else:
        load.errors += 1
        load.last_error = answer[:300]


async def _closed(port: int, requests: Iterator[bytes], connections: int, seconds: float, right: Right) -> Load:
    load, crew = Load(), await connect(port, connections)
    began = time.perf_counter()

    async def keep_asking(connection: Connection) -> None:
        for request in requests:  # which all of them share
            await _one(connection, request, right, time.perf_counter() - began, began, load)
            if time.perf_counter() > began + seconds:
                return

    await asyncio.gather(*map(keep_asking, crew))
    load.seconds = time.perf_counter() - began
    for connection in crew:
        connection.close()
    return load


async def _open(port: int, requests: Sequence[bytes], due: Sequence[float], connections: int, right: Right) -> Load:
    """Connections are opened when they are needed: the server ends those that say nothing."""
    load, free = Load(), asyncio.Queue[Connection | None]()
    for _ in range(connections):
        free.put_nowait(None)
    began = time.perf_counter()

    async def ask(request: bytes, at: float) -> None:
        connection = await free.get()
        if connection is None or not connection.is_open:
            [connection] = await connect(port, 1)
        with suppress(ConnectionError):  # which has been counted
            await _one(connection, request, right, at, began, load)
        free.put_nowait(connection)

    tasks = []
    for request, at in zip(requests, due, strict=True):
        await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
        tasks.append(asyncio.create_task(ask(request, at)))
    await asyncio.gather(*tasks)
    load.seconds = time.perf_counter() - began
    while not free.empty():
        if connection := free.get_nowait():
            connection.close()
    return load


def closed_loop(port: int, requests: Sequence[bytes], *, connections: int = 32, seconds: float = 4.0) -> Load:
    """Every answer has to be a 200."""
    return uvloop.run(_closed(port, itertools.cycle(requests), connections, seconds, Right()))


def each_once(
    port: int, requests: Sequence[bytes], *, connections: int = 32, status: int = 200, holds: bytes = b""
) -> Load:
    """A closed loop that ends once all of them were answered."""
    return uvloop.run(_closed(port, iter(requests), connections, inf, Right(str(status).encode(), holds)))


def open_loop(port: int, requests: Sequence[bytes], rate: float, *, connections: int = 64, status: int = 200) -> Load:
    """Each of the requests once, `rate` a second."""
    due = [number / rate for number in range(len(requests))]
    return uvloop.run(_open(port, requests, due, connections, Right(str(status).encode())))


def timetable(port: int, requests: Sequence[bytes], due: Sequence[float], *, connections: int) -> Load:
    """An open loop in which each request has its own moment, in seconds from the beginning."""
    return uvloop.run(_open(port, requests, due, connections, Right()))


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body
