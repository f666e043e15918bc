"""HTTP load over keep-alive connections, cheap enough to share two cores with the server that it measures.

Closed loop: so many connections, each asking again once it was answered. Open loop: so many requests a second whether they
are answered or not, each one's time counted from when it was due.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop


@dataclass
class Load:
    """Milliseconds of each request that was answered as expected; every other one is an error."""

    milliseconds: list[float] = field(default_factory=list)
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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
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


async def _one(connection: Connection, request: bytes, status: bytes, began: float, load: Load) -> None:
    answer = await connection.ask(request)
    if answer[9:12] == status:
        load.milliseconds.append((time.perf_counter() - began) * 1000)
    else:
        load.errors += 1
        load.last_error = answer[:300]


async def _closed(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    load, crew = Load(), await connect(port, connections)
    began = time.perf_counter()

    async def keep_asking(number: int, connection: Connection) -> None:
        while time.perf_counter() < began + seconds:
            number += 1
            await _one(connection, requests[number % len(requests)], b"200", time.perf_counter(), load)

    await asyncio.gather(*(keep_asking(number, connection) for number, connection in enumerate(crew)))
    load.seconds = time.perf_counter() - began
    for connection in crew:
        connection.close()
    return load


async def _open(port: int, requests: Sequence[bytes], rate: float, connections: int, status: bytes) -> Load:
    load, free = Load(), asyncio.Queue[Connection]()
    for connection in await connect(port, connections):
        free.put_nowait(connection)
    began = time.perf_counter()

    async def ask(request: bytes, due: float) -> None:
        connection = await free.get()
        await _one(connection, request, status, due, load)
        free.put_nowait(connection)

    tasks = []
    for number, request in enumerate(requests):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(ask(request, due)))
    await asyncio.gather(*tasks)
    load.seconds = time.perf_counter() - began
    return load


def closed_loop(port: int, requests: Sequence[bytes], *, connections: int = 32, seconds: float = 4.0) -> Load:
    """Every answer has to be a 200."""
    return uvloop.run(_closed(port, requests, connections, seconds))


def open_loop(port: int, requests: Sequence[bytes], rate: float, *, connections: int = 64, status: int = 200) -> Load:
    """Each of the requests once, `rate` a second."""
    return uvloop.run(_open(port, requests, rate, connections, str(status).encode()))


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body
