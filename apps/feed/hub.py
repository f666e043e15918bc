"""One hub a web process: it hears every hint and hands it to the sockets that it concerns."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar
from uuid import UUID

import orjson
import redis
from django.db import DatabaseError, InterfaceError, close_old_connections

from apps.feed import replay
from apps.feed.presence import Presence, client
from apps.feed.push import CHANNEL, LOOK_AGAIN, TOGETHER
from sokoul import logs

log = logs.logger(__name__)
HEAL_EVERY = 2.0  # seconds between looks at the rows for hints that were lost
HEAL_WITHOUT_HINTS = 0.5  # the same while hints are being lost
REFRESH = 20.0  # seconds between two signs of life of the sockets, and looks whether their people may still be here
_threads = ThreadPoolExecutor(4, thread_name_prefix="feed")
T = TypeVar("T")
SignIn = tuple[int, int, UUID | None]  # (person, their epoch, family of tokens): what ends together
Living = Callable[[set[SignIn]], set[SignIn]]


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
    sign_in: SignIn
    last_id: int

    def tell(self, text: str, event_id: int = 0) -> None: ...
    def heal(self) -> None: ...
    def expire(self) -> None: ...


class Hub:
    """`join` and `leave` from the event loop; from the first socket on it listens for good."""

    def __init__(self) -> None:
        self._sockets: dict[int, set[Socket]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []
        self._redis = client()
        self.presence = Presence(self._redis)
        self._hearing = asyncio.Event()
        self._losing = False
        self._living: Living = set

    async def join(self, socket: Socket, living: Living) -> None:
        """From here on the socket is told; returns when hints are being heard, or cannot be for now.

        `living` tells which of some sign-ins may still have sockets.
        """
        self._living = living
        self._sockets[socket.user_id].add(socket)
        if not self._tasks:
            self._tasks = [asyncio.create_task(_forever(part)) for part in (self._listen, self._heal, self._refresh)]
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
        try:
            async with self._redis.pubsub() as subscription:
                await subscription.subscribe(CHANNEL)
                while True:
                    message = await subscription.get_message(timeout=30.0)
                    if message and message["type"] == "subscribe":
                        self._hearing.set()
                        await self.presence.refresh()  # a Redis that was restarted knows of nobody
                    elif message and message["type"] == "message":
                        await self._hand_out(message["data"])
        except (redis.RedisError, OSError) as error:
            log.warning("no hints, sockets are served from the rows", error=type(error).__name__)
        finally:
            self._hearing.clear()

    async def _hand_out(self, data: bytes) -> None:
        """In the order in which they came: the next hint waits until this one is told."""
        hint = orjson.loads(data)
        message, user_id, after = hint["message"], hint["user_id"], hint.get("after")
        if message["type"] == LOOK_AGAIN:
            theirs = self._sockets.get(user_id, ())
            await self._shut([socket for socket in theirs if str(socket.sign_in[2]) != message.get("but")])
            return
        if message["type"] == TOGETHER:
            self._pass_on(message["progress"])
            return
        event_id = int(message.get("id", 0))
        text = replay.text_of(message)
        if user_id is None:
            await self._broadcast(text, event_id)
            return
        for socket in list(self._sockets.get(user_id, ())):
            _tell(socket, text, event_id, after)

    def _pass_on(self, news: list[tuple[int, dict[str, Any]]]) -> None:
        """What passes, to those of its people who have a socket here."""
        for user_id, data in news:
            if sockets := self._sockets.get(user_id):
                text = replay.text_of({"type": "download.progress", "data": data})
                for socket in list(sockets):
                    socket.tell(text)

    async def _broadcast(self, text: str, event_id: int) -> None:
        """To everybody, but to those who missed an earlier event that one first."""
        try:
            newest = await in_thread(replay.newest, list(self._sockets), event_id)
        except (DatabaseError, InterfaceError):
            return  # found by the next look at the rows
        for user_id, sockets in list(self._sockets.items()):
            for socket in list(sockets):
                _tell(socket, text, event_id, newest.get(user_id, event_id))

    async def _heal(self) -> None:
        """Find readers who missed the last hint, which no later one has shown yet."""
        lossy = self._losing or not self._hearing.is_set()
        await asyncio.sleep(HEAL_WITHOUT_HINTS if lossy else HEAL_EVERY)
        try:
            newest = await in_thread(replay.newest, list(self._sockets))
        except (DatabaseError, InterfaceError):
            return
        behind = [
            socket
            for user_id, event_id in newest.items()
            for socket in self._sockets.get(user_id, ())
            if socket.last_id < event_id
        ]
        self._losing = bool(behind)
        for socket in behind:
            socket.heal()

    async def _refresh(self) -> None:
        await asyncio.sleep(REFRESH)
        await self.presence.refresh()
        await self._shut([socket for those in self._sockets.values() for socket in those])

    async def _shut(self, sockets: list[Socket]) -> None:
        """Those of them whose people may not have them open any more."""
        opened = {socket.sign_in for socket in sockets}
        try:
            living = await in_thread(self._living, opened)
        except (DatabaseError, InterfaceError):
            return
        for socket in sockets:
            if socket.sign_in not in living:
                socket.expire()


def _tell(socket: Socket, text: str, event_id: int, after: int | None) -> None:
    """`after`: the event before, which a socket that was not told it reads from the rows, together with this one."""
    if event_id and after is not None and socket.last_id < after:
        socket.heal()
    else:
        socket.tell(text, event_id)


async def _forever(part: Callable[[], Awaitable[None]]) -> None:
    """One fault, whatever it is, must not leave every socket of the process without news."""
    while True:
        try:
            await part()
        except Exception:
            log.exception("a part of the feed failed, it goes on")
        if part.__name__ == "_listen":
            await asyncio.sleep(1.0)


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs.clear()  # a loop that is gone takes its hub along
        _hubs[loop] = Hub()
    return _hubs[loop]
