"""A thousand sockets on one web process: what an idle one costs, and how long one message to all of them takes.

The peer is Channels with the pub/sub layer of channels_redis on the same server and nothing around it. Clients are bare
protocols in this process: reading a thousand messages costs them as little as it can.
"""

import asyncio
import base64
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import uvloop

from tests.bench import stack
from tests.bench.report import Bar, Figure, at_most, percentile, progress, tell

SOCKETS = int(os.environ.get("SOCKETS") or 1_000)
EACH = 50  # sockets of one person
MESSAGES = 20  # a round
MARK = b"bench-message-"
PONG = bytes([0x8A, 0x80, 0, 0, 0, 0])  # masked, empty (RFC 6455, 5.5.3)


class Reader(asyncio.Protocol):
    """A WebSocket that looks for marked messages only, and answers pings."""

    def __init__(self, request: bytes, opened: Callable[[], None], heard: Callable[[], None]) -> None:
        self._request, self._opened, self._heard = request, opened, heard
        self._seen = b""
        self._upgraded = False
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(self._request)  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def data_received(self, data: bytes) -> None:
        if not self._upgraded:
            self._upgraded = True
            if not data.startswith(b"HTTP/1.1 101"):
                raise RuntimeError(f"the socket was refused: {data[:200]!r}")
            self._opened()
        if data[:1] == b"\x89":
            self._transport.write(PONG)  # type: ignore[attr-defined]
        text = self._seen + data
        for _ in range(text.count(MARK)):
            self._heard()
        self._seen = text[-len(MARK) + 1 :].replace(MARK, b"") if MARK not in text else b""

    def say(self, text: bytes) -> None:
        """A message of at most 125 bytes, masked by nothing (RFC 6455, 5.3)."""
        self._transport.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)  # type: ignore[attr-defined]

    def close(self) -> None:
        self._transport.close()


def upgrade(path: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def itself(reader: Reader) -> Reader:
    return reader


class Crowd:
    """SOCKETS readers of one server."""

    def __init__(self) -> None:
        self._readers: list[Reader] = []
        self._open = self._count = 0
        self._times: list[float] = []
        self._all = asyncio.Event()

    async def enter(self, port: int, paths: list[str]) -> None:
        loop = asyncio.get_running_loop()
        for start in range(0, len(paths), 50):
            self._all = asyncio.Event()
            for path in paths[start : start + 50]:
                reader = Reader(upgrade(path), self._opened, self._heard)
                self._readers.append(reader)
                await loop.create_connection(partial(itself, reader), "127.0.0.1", port)
            if self._open < len(self._readers):
                await asyncio.wait_for(self._all.wait(), 60)

    def _opened(self) -> None:
        self._open += 1
        if self._open == len(self._readers):
            self._all.set()

    def _heard(self) -> None:
        self._times.append(time.perf_counter())
        if len(self._times) == len(self._readers):
            self._all.set()

    async def tell(self, send: Callable[[int], Awaitable[None]]) -> list[float]:
        """Milliseconds until each of them has each of MESSAGES messages, one after another."""
        waited: list[float] = []
        for number in range(MESSAGES):
            self._times, self._all = [], asyncio.Event()
            began = time.perf_counter()
            await send(number)
            await asyncio.wait_for(self._all.wait(), 30)
            waited += [(at - began) * 1000 for at in self._times]
        return waited

    @property
    def lost(self) -> int:
        return sum(reader.lost for reader in self._readers)

    def leave(self) -> None:
        for reader in self._readers:
            reader.close()


def ours(port: int) -> "AbstractContextManager[stack.Process]":
    return stack.manage("serve", "--port", str(port))


def bare(port: int) -> "AbstractContextManager[stack.Process]":
    options = ["--port", str(port), "--no-access-log", "--log-level", "warning", "--ws", "websockets-sansio"]
    options += ["--ws-per-message-deflate", "False", "--lifespan", "off"]
    return stack.python("-m", "uvicorn", "tests.bench.peers.channels_app:application", *options)


def feed_paths() -> list[str]:
    from apps.accounts import families
    from tests.factories import make_user

    tokens = [families.start(make_user()).access for _ in range(SOCKETS // EACH)]
    return [f"/ws?token={token}" for token in tokens for _ in range(EACH)]


async def broadcast(number: int) -> None:
    """As an admin's broadcast goes: a row, then a hint to every web process."""
    from asgiref.sync import sync_to_async

    from apps.feed import push

    await sync_to_async(push.record)(None, "broadcast", {"text": f"{MARK.decode()}{number}"})


def group_send() -> Callable[[int], Awaitable[None]]:
    from channels_redis.pubsub import RedisPubSubChannelLayer

    layer = RedisPubSubChannelLayer(hosts=[os.environ["REDIS_URL"]])

    async def send(number: int) -> None:
        await layer.group_send("everybody", {"type": "told", "text": f"{MARK.decode()}{number}"})

    return send


async def crowded(
    start: Callable[[int], "AbstractContextManager[stack.Process]"],
    paths: list[str],
    send: Callable[[int], Awaitable[None]],
) -> tuple[float, list[float]]:
    """(KiB of the server's memory a socket, milliseconds of each message)."""
    with stack.listening(start) as (port, pid):
        first = Crowd()
        await first.enter(port, paths[:1])  # what the first one loads is not the sockets'
        before = stack.memory(pid)
        crowd = Crowd()
        await crowd.enter(port, paths[1:])
        await asyncio.sleep(1)
        each = (stack.memory(pid) - before) * 1024 / (len(paths) - 1)
        waited = await crowd.tell(send)
        if lost := first.lost + crowd.lost:
            raise RuntimeError(f"{lost} of {len(paths)} sockets were lost")
        crowd.leave()
        first.leave()
    return each, waited


def measure() -> Iterator[Figure]:
    memory: list[list[float]] = [[], []]
    middle: list[list[float]] = [[], []]
    late: list[list[float]] = [[], []]
    for round_ in range(stack.ROUNDS):
        parts = ((ours, feed_paths(), broadcast), (bare, ["/"] * SOCKETS, group_send()))
        for number, (start, paths, send) in enumerate(parts):
            progress(f"  round {round_ + 1}: {start.__name__}")
            each, waited = uvloop.run(crowded(start, paths, send))
            memory[number].append(each)
            middle[number].append(percentile(waited, 50))
            late[number].append(percentile(waited, 99))
    peer = "Channels, pub/sub layer"
    yield Figure(f"an idle socket, of {SOCKETS:,} on one process", "KiB", memory[0], peer, memory[1], at_most(40))
    yield Figure(f"one message to {SOCKETS:,} sockets, p50", "ms", middle[0], peer, middle[1])
    yield Figure(f"one message to {SOCKETS:,} sockets, p99", "ms", late[0], peer, late[1], Bar(most=1.0))


def main() -> None:
    with stack.running():
        tell(measure())


if __name__ == "__main__":
    main()
