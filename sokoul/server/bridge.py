"""ASGI http scopes answered by a WSGI application on a bounded pool of threads.

Three to eight times the requests of Django's own ASGI handler, and the room where body limits, deadlines and admission live: a
request costs a thread only once it is whole, waits for one only so long, and holds one only as long as its answer may take.
"""

import asyncio
import logging
import time

from sokoul import access
from sokoul.server import body, refusal
from sokoul.server.asgi_types import Receive, Scope, Send
from sokoul.server.environ import Environ, environ_of
from sokoul.server.exchange import Exchange, Part, Waited, WsgiApp
from sokoul.server.limits import Limits
from sokoul.server.pool import ThreadPool
from sokoul.server.refusal import Refusal

logger = logging.getLogger("sokoul.server")
# Most answers are faster than this: only for slower ones is it worth a task to notice that the client went away.
WATCH_AFTER = 1.0


class Bridge:
    """An ASGI application (http only). Each instance has threads and a queue of its own."""

    def __init__(self, app: WsgiApp, *, threads: int = 8, limits: Limits | None = None, name: str = "web") -> None:
        self._app = app
        self._limits = limits or Limits()
        self._pool = ThreadPool(threads, name)
        self._admitted = 0
        self._moved = 0.0

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def moved(self) -> float:
        """When a request last succeeded, by the clock of the event loop."""
        return self._moved

    @property
    def admitted(self) -> int:
        """Requests that wait for a thread or have one."""
        return self._admitted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        environ = environ_of(scope)
        try:
            await self._read_body(scope, environ, receive)
        except body.Gone:
            logger.debug("the client left before its request was whole")
        except body.TooLarge:
            _log(scope, refusal.TOO_LARGE)
            await refusal.answer_early(scope, receive, send, refusal.TOO_LARGE, self._limits)
        except body.TooSlow:
            _log(scope, refusal.TOO_SLOW)
            await refusal.answer(scope, send, refusal.TOO_SLOW)
        else:
            await self._work(scope, environ, receive, send)

    async def _work(self, scope: Scope, environ: Environ, receive: Receive, send: Send) -> None:
        if self._admitted >= self._pool.size + self._limits.queue:
            environ["wsgi.input"].close()
            _log(scope, refusal.BUSY)
            await refusal.answer(scope, send, refusal.BUSY)
        else:
            await _Answer(self._admit(environ), scope, receive, send, self).run()

    async def _read_body(self, scope: Scope, environ: Environ, receive: Receive) -> None:
        """Put the whole body, and its true size, into the environ."""
        chunked = environ.pop("HTTP_TRANSFER_ENCODING", None)
        declared = None if chunked else int(environ.get("CONTENT_LENGTH") or 0)
        stream, size = await body.read(receive, self._limits.body_of(scope["path"]), declared)
        environ["wsgi.input"] = stream
        if chunked:
            environ["CONTENT_LENGTH"] = str(size)

    def _admit(self, environ: Environ) -> Exchange:
        def release() -> None:
            self._admitted -= 1
            stream.close()
            if exchange.succeeded:
                self._moved = asyncio.get_running_loop().time()

        stream = environ["wsgi.input"]
        self._admitted += 1
        environ[access.ADMITTED] = time.perf_counter()
        exchange = Exchange(self._app, environ, release)
        self._pool.submit(exchange.run)
        return exchange


class _Answer:
    """Carries the parts of one response to the client, within its deadline."""

    def __init__(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send, bridge: Bridge) -> None:
        self._exchange, self._scope, self._receive, self._send = exchange, scope, receive, send
        self._bridge, self._limits = bridge, bridge.limits
        self._loop = asyncio.get_running_loop()
        self._arrived = self._loop.time()
        self._started = False
        self._watcher: asyncio.Task[None] | None = None

    async def run(self) -> None:
        watch = self._loop.call_later(WATCH_AFTER, self._watch)
        self._patience = self._loop.call_later(self._limits.queue_seconds, self._lose_patience)
        try:
            async with asyncio.timeout(self._limits.response_seconds):
                await self._relay()
        except TimeoutError:
            await self._expire()
        finally:
            watch.cancel()
            self._patience.cancel()
            if self._watcher is not None:
                self._watcher.cancel()
            self._exchange.leave()

    async def _relay(self) -> None:
        while True:
            part = await self._exchange.next()
            if part.error is not None:
                return await self._fail(part.error)
            await self._pass_on(part)
            if not part.more:
                return None
            self._watch()
            self._exchange.sent()

    async def _pass_on(self, part: Part) -> None:
        if not self._started:
            self._started = True
            await self._send({"type": "http.response.start", "status": part.status, "headers": part.headers})
        await self._send({"type": "http.response.body", "body": part.body, "more_body": part.more})

    async def _fail(self, error: BaseException) -> None:
        if isinstance(error, body.Gone):
            await self._exchange.ended()
        elif isinstance(error, Waited):
            await self._refuse(refusal.BUSY)
        else:
            logger.error("%s %s failed", self._scope["method"], self._scope["path"], exc_info=error)
            await self._refuse(refusal.FAILED)

    async def _expire(self) -> None:
        """Too late. The thread can't be stopped before its next part; its place is free again when it ends."""
        self._exchange.leave()
        if not self._started:
            await self._refuse(refusal.LATE)
            await self._exchange.ended()
        else:
            _log(self._scope, refusal.LATE)

    async def _refuse(self, why: Refusal) -> None:
        """Once the response has begun, leaving it unfinished is the only way to tell: the server cuts the connection."""
        if why is not refusal.FAILED:
            _log(self._scope, why)
        if not self._started:
            self._started = True
            await refusal.answer(self._scope, self._send, why)

    def _lose_patience(self) -> None:
        """Wait on only where the queue moves."""
        if self._exchange.begun:
            return
        left = max(self._arrived, self._bridge.moved) + self._limits.queue_seconds - self._loop.time()
        if left > 0:
            self._patience = self._loop.call_later(left, self._lose_patience)
        else:
            self._exchange.withdraw()

    def _watch(self) -> None:
        if self._watcher is None:
            self._watcher = self._loop.create_task(self._notice_disconnect())

    async def _notice_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._exchange.leave()


def _log(scope: Scope, why: Refusal) -> None:
    logger.warning("refused %s %s: %d %s", scope["method"], scope["path"], why.status, why.code)
