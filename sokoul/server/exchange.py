"""One request on a thread and its response on the event loop: what the two sides tell each other."""

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from sokoul.server.body import Gone
from sokoul.server.environ import Environ

Headers = list[tuple[bytes, bytes]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
# Responses to these carry no body (RFC 9110, sections 15.2, 15.3.5 and 15.4.5).
BODILESS = frozenset({*range(100, 200), 204, 304})


class Waited(Exception):
    """No thread became free in time."""


@dataclass(slots=True)
class Part:
    """A piece of the response. The first has a status; `error` ends it all."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    more: bool = False
    error: BaseException | None = None


class Exchange:
    """The methods of the event loop's side: next, sent, withdraw, leave, ended; of the thread's side: run.

    `on_end` is called on the loop when no thread has, or will have, anything to do with it any more.
    """

    def __init__(self, app: WsgiApp, environ: Environ, on_end: Callable[[], None]) -> None:
        self._app, self._environ, self._on_end = app, environ, on_end
        self._head = environ["REQUEST_METHOD"] == "HEAD"
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._parts: deque[Part] = deque()
        self._wake: asyncio.Future[None] | None = None
        # Whoever takes it first decides: the thread that begins, or the loop that withdraws.
        self._claim = threading.Lock()
        self._room: threading.Semaphore | None = None
        self._gone = False
        self._over = False
        self._status: int | None = None
        self._headers: Headers = []
        self._announced = False
        self._whole: bytes | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the application answered, and not that it could not (5xx)."""
        return self._status is not None and self._status < 500

    @property
    def begun(self) -> bool:
        """Whether a thread has taken it, or none ever will."""
        return self._claim.locked()

    # On the event loop

    async def next(self) -> Part:
        """The next part of the response, whenever it comes."""
        while not self._parts:
            await self._woken()
        return self._parts.popleft()

    async def ended(self) -> None:
        """Until no thread works on it any more."""
        while not self._over:
            await self._woken()

    def sent(self) -> None:
        """The last part is on its way to the client: the thread may hand over another."""
        if self._room is not None:
            self._room.release()

    def withdraw(self) -> None:
        """Unless a thread has begun, none will, and `next` tells Waited."""
        if self._claim.acquire(blocking=False):
            self._end(Part(error=Waited()))

    def leave(self) -> None:
        """Nobody wants the response any more: the thread stops at its next part, `next` tells Gone."""
        if self._over:
            return
        self._gone = True
        self._parts.clear()
        self.sent()
        gone = Part(error=Gone())
        if self._claim.acquire(blocking=False):
            self._end(gone)
        else:
            self._arrive(gone)

    async def _woken(self) -> None:
        self._wake = self._loop.create_future()
        await self._wake

    def _arrive(self, part: Part) -> None:
        self._parts.append(part)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _end(self, part: Part) -> None:
        self._over = True
        self._environ = {}
        self._on_end()
        self._arrive(part)

    # On a thread of the pool

    def run(self) -> None:
        """Work through the request, unless it was withdrawn. Raises nothing."""
        if not self._claim.acquire(blocking=False):
            return
        try:
            last = self._context.run(self._work)
        except BaseException as error:
            last = Part(error=error)
        self._tell(self._end, last)

    def _work(self) -> Part:
        iterable = self._app(self._environ, self._start_response)
        try:
            self._iterate(iterable)
        finally:
            close = getattr(iterable, "close", None)
            if close is not None:
                close()
        if self._announced:
            return Part()
        return Part(self._required_status(), self._headers, self._whole or b"")

    def _iterate(self, iterable: Iterable[bytes]) -> None:
        for chunk in iterable:
            # Without a body to send, one step is enough to know the headers.
            if self._required_status() in BODILESS or self._head:
                return
            if chunk and not self._give(chunk):
                return

    def _give(self, chunk: bytes) -> bool:
        """Hand a chunk over, waiting until the one before was sent. False: nobody wants it any more."""
        if not self._announced:
            if self._whole is not None:
                raise ValueError("The response is longer than its Content-Length.")
            if len(chunk) == self._declared_length():
                self._whole = chunk
                return True
            self._room = threading.Semaphore()
        assert self._room is not None
        self._room.acquire()
        if self._gone:
            return False
        part = Part(body=chunk, more=True)
        if not self._announced:
            self._announced = True
            part.status, part.headers = self._required_status(), self._headers
        self._tell(self._arrive, part)
        return True

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """PEP 3333: a second call replaces the first where it comes with exc_info and nothing was sent yet."""
        if exc_info is not None and self._announced and exc_info[1] is not None:
            raise exc_info[1]
        if exc_info is None and self._status is not None:
            raise AssertionError("start_response was called twice.")
        self._status = int(status[:3])
        self._headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return self._give

    def _required_status(self) -> int:
        if self._status is None:
            raise AssertionError("The application did not call start_response.")
        return self._status

    def _declared_length(self) -> int:
        return next((int(value) for name, value in self._headers if name == b"content-length"), -1)

    def _tell(self, method: Callable[[Part], None], part: Part) -> None:
        try:
            self._loop.call_soon_threadsafe(method, part)
        except RuntimeError:
            return  # the loop is closed: the process is leaving, nobody waits for this any more
