"""Leaving without losing anybody: what this process is in the middle of, and the order in which it stops (SPEC 17, SIGTERM).

`DRAIN` is the process's own. Health views read `DRAIN.draining`; the router registers requests and sockets; each server runs
`finish` on SIGTERM and closes its listener afterwards.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field

from sokoul.server.asgi_types import Message, Send

logger = logging.getLogger("sokoul.server")
# RFC 6455, section 7.4.1: the endpoint is going away.
GOING_AWAY = 1001
POLL_SECONDS = 0.05
CUT_SECONDS = 2.0
GOODBYE_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class Request:
    """A request in flight. `cut`: it was stopped because the time for draining is over."""

    _send: Send
    task: "asyncio.Task[object] | None"
    stream: bool
    started: bool = False
    cut: bool = False
    progress: float = field(default_factory=time.monotonic)

    async def send(self, message: Message) -> None:
        self.started = True
        await self._send(message)
        self.progress = time.monotonic()


@dataclass(eq=False, slots=True)
class Socket:
    """An accepted WebSocket. After `goodbye` whatever its application still sends is dropped."""

    _send: Send
    closed: bool = False

    async def send(self, message: Message) -> None:
        if self.closed:
            return
        self.closed = message["type"] == "websocket.close"
        await self._send(message)

    async def goodbye(self) -> None:
        if self.closed:
            return
        self.closed = True
        try:
            await self._send({"type": "websocket.close", "code": GOING_AWAY, "reason": "The server is going away."})
        except OSError:  # ASGI: the client was gone already
            logger.debug("a socket was gone before it could be closed")


@dataclass(eq=False)
class Drain:
    """All times in seconds, counted from the signal.

    `grace`: until requests still in flight are cut. `announce`: new requests are told 503 at least this long before the
    listener closes, so that a balancer notices. `stall`: a stream whose client takes nothing for this long (a paused player; it
    comes back with a Range) is cut early. Sockets are closed `batch` at a time, one batch each `pause`, so that those who come
    back at once do not all meet the sibling process in the same moment.
    """

    grace: float = 55.0
    announce: float = 1.0
    stall: float = 5.0
    batch: int = 500
    pause: float = 0.1
    draining: bool = False
    requests: set[Request] = field(default_factory=set)
    sockets: set[Socket] = field(default_factory=set)
    _deadline: float = 0.0

    @property
    def remaining(self) -> float:
        """Seconds of the grace that are left, once draining."""
        return max(0.0, self._deadline - time.monotonic())

    def begin(self) -> bool:
        """From now on new requests are refused. False if that was so already."""
        if self.draining:
            return False
        self.draining = True
        self._deadline = time.monotonic() + self.grace
        logger.info("draining: %d requests in flight, %d sockets open", len(self.requests), len(self.sockets))
        return True

    async def finish(self) -> None:
        """After `begin`: close the sockets, let the requests end, cut what has not; then the listener may close."""
        await asyncio.gather(self._close_sockets(), asyncio.sleep(min(self.announce, self.grace)))
        while self.requests and self.remaining:
            self._cut([request for request in self.requests if self._stalled(request)])
            await asyncio.sleep(POLL_SECONDS)
        tasks = self._cut(list(self.requests))
        if tasks:
            await asyncio.wait(tasks, timeout=CUT_SECONDS)

    async def _close_sockets(self) -> None:
        waiting, goodbyes = list(self.sockets), []
        while waiting:
            batch, waiting = waiting[: self.batch], waiting[self.batch :]
            goodbyes += [asyncio.ensure_future(socket.goodbye()) for socket in batch]
            await asyncio.sleep(self.pause)
        if goodbyes:  # a client that does not read could make this last for ever
            await asyncio.wait(goodbyes, timeout=GOODBYE_SECONDS)

    def _stalled(self, request: Request) -> bool:
        return request.stream and time.monotonic() - request.progress > self.stall

    def _cut(self, requests: list[Request]) -> list["asyncio.Task[object]"]:
        tasks = []
        for request in requests:
            if not request.cut and request.task is not None:
                request.cut = True
                request.task.cancel()
                tasks.append(request.task)
        if tasks:
            logger.warning("cut %d requests that were still in flight", len(tasks))
        return tasks


DRAIN = Drain()
