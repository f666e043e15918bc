"""One hub a web process: it hears every hint and hands it to the sockets that it concerns."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import orjson
import redis
from django.db import DatabaseError, InterfaceError, close_old_connections

from apps.feed import replay
from apps.feed.presence import REFRESH, Presence, client
from apps.feed.push import CHANNEL
from sokoul import logs

log = logs.logger(__name__)
HEAL_EVERY = 5.0  # seconds between looks at the rows for hints that were lost
HEAL_WITHOUT_REDIS = 1.0
_threads = ThreadPoolExecutor(4, thread_name_prefix="feed")
T = TypeVar("T")


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Run database work on this app's own few threads: a slow query stalls no other socket."""

    def call() -> T:
        try:
            return function(*arguments)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_threads, call)


class Socket(Protocol):
    user_id: int
    last_id: int

    def tell(self, text: str, event_id: int = 0) -> None: ...
    def heal(self) -> None: ...


class Hub:
    """`join` and `leave` from the event loop; it listens as long as it has sockets."""

    def __init__(self) -> None:
        self._sockets: dict[int, set[Socket]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []
        self._redis = client()
        self.presence = Presence(self._redis)
        self._hearing = asyncio.Event()

    async def join(self, socket: Socket) -> None:
        """From here on the socket is told; returns when hints are being heard, or cannot be for now."""
        self._sockets[socket.user_id].add(socket)
        if not self._tasks:
            self._tasks = [asyncio.create_task(task()) for task in (self._listen, self._heal, self._refresh)]
        try:
            async with asyncio.timeout(1.0):
                await self._hearing.wait()
        except TimeoutError:
            return

    def leave(self, socket: Socket) -> None:
        self._sockets[socket.user_id].discard(socket)
        if not self._sockets[socket.user_id]:
            del self._sockets[socket.user_id]

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=False) as subscription:
                    await subscription.subscribe(CHANNEL)
                    while True:
                        message = await subscription.get_message(timeout=30.0)
                        if message and message["type"] == "subscribe":
                            self._hearing.set()
                        elif message and message["type"] == "message":
                            self._hand_out(message["data"])
            except (redis.RedisError, OSError) as error:
                self._hearing.clear()
                log.warning("no hints, sockets are served from the rows", error=type(error).__name__)
                await asyncio.sleep(1.0)

    def _hand_out(self, data: bytes) -> None:
        hint = orjson.loads(data)
        message, user_id, after = hint["message"], hint["user_id"], hint.get("after")
        event_id = int(message.get("id", 0))
        text = replay.text_of(message)
        if user_id is None:
            self._broadcasting = asyncio.ensure_future(self._broadcast(text, event_id))
            return
        for socket in list(self._sockets.get(user_id, ())):
            if event_id and after is not None and socket.last_id < after:
                socket.heal()  # a hint was lost; the rows have it, and this one too
            else:
                socket.tell(text, event_id)

    async def _broadcast(self, text: str, event_id: int) -> None:
        """To everybody, but to those who missed an earlier event that one first."""
        try:
            own, _ = await in_thread(replay.newest, list(self._sockets))
        except (DatabaseError, InterfaceError):
            own = {}
        for user_id, sockets in list(self._sockets.items()):
            for socket in list(sockets):
                if socket.last_id < own.get(user_id, 0):
                    socket.heal()
                else:
                    socket.tell(text, event_id)

    async def _heal(self) -> None:
        """Find readers who missed the last hint, which no later one has shown yet."""
        while True:
            await asyncio.sleep(HEAL_EVERY if self._hearing.is_set() else HEAL_WITHOUT_REDIS)
            users = list(self._sockets)
            if not users:
                continue
            try:
                own, everybody = await in_thread(replay.newest, users)
            except (DatabaseError, InterfaceError):
                continue
            for user_id in users:
                newest = max(own.get(user_id, 0), everybody)
                for socket in list(self._sockets.get(user_id, ())):
                    if socket.last_id < newest:
                        socket.heal()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH)
            await self.presence.refresh()


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs.clear()  # a loop that is gone takes its hub along
        _hubs[loop] = Hub()
    return _hubs[loop]
