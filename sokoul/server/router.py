"""One port, three ways in: WebSockets, streams, and everything else to the bridge. Pure ASGI, and the door that drain closes."""

import asyncio
import logging
import re
from collections.abc import Mapping

from sokoul.server import drain as draining
from sokoul.server import refusal
from sokoul.server.asgi_types import App, ClientGone, Message, Receive, Scope, Send
from sokoul.server.limits import Limits

logger = logging.getLogger("sokoul.server")
# Answered by the application to the end: the process lives, and its numbers may be read, until it is gone.
OPEN_WHILE_DRAINING = r"(/api/v1)?/(health/live|metrics)/?"


class Router:
    """`streams`: regular expression that the whole path matches → ASGI application of its own; the first match wins.

    `lifespan`, if given, gets the lifespan scope.
    """

    def __init__(
        self,
        *,
        http: App,
        websocket: App | None = None,
        streams: Mapping[str, App] | None = None,
        lifespan: App | None = None,
        drain: draining.Drain = draining.DRAIN,
        limits: Limits | None = None,
        open_while_draining: str = OPEN_WHILE_DRAINING,
    ) -> None:
        self._http, self._websocket, self._lifespan = http, websocket, lifespan
        self._streams = [(re.compile(pattern), app) for pattern, app in (streams or {}).items()]
        self._drain = drain
        self._limits = limits or Limits()
        self._open = re.compile(open_while_draining)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                await self._route(scope, receive, send)
            except ClientGone:
                logger.debug("a client left before its answer was complete")
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        elif scope["type"] == "lifespan":
            await (self._lifespan or no_lifespan)(scope, receive, send)
        else:
            raise ValueError(f"This server does not know the scope type {scope['type']!r}.")

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._drain.draining and not self._open.fullmatch(scope["path"]):
            await refusal.answer_early(scope, receive, send, refusal.DRAINING, self._limits)
            return
        if wrong := _wrong(scope):
            await refusal.answer_early(scope, receive, send, wrong, self._limits)
            return
        stream = next((app for pattern, app in self._streams if pattern.fullmatch(scope["path"])), None)
        request = draining.Request(send, asyncio.current_task(), stream is not None)
        self._drain.requests.add(request)
        try:
            await (stream or self._http)(scope, receive, request.send)
        except asyncio.CancelledError:
            if not request.cut:
                raise
            await self._tell(scope, request, refusal.DRAINING)
        except ClientGone:
            raise
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            await self._tell(scope, request, refusal.FAILED)
        finally:
            self._drain.requests.discard(request)

    async def _tell(self, scope: Scope, request: draining.Request, why: refusal.Refusal) -> None:
        """Once the response has begun, leaving it unfinished is the only way to tell: the server cuts the connection."""
        if not request.started:
            await refusal.answer(scope, request.send, why)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._drain.draining or self._websocket is None:
            await _deny(scope, send)
            return
        socket = draining.Socket(send)

        async def register(message: Message) -> None:
            if message["type"] != "websocket.accept":
                return await socket.send(message)
            if self._drain.draining:
                socket.closed = True
                return await _deny(scope, send)
            await socket.send(message)
            self._drain.sockets.add(socket)
            return None

        try:
            await self._websocket(scope, receive, register)
        finally:
            self._drain.sockets.discard(socket)


def _wrong(scope: Scope) -> refusal.Refusal | None:
    """What nobody may be asked in this way."""
    if not scope["path"].startswith("/"):
        return refusal.BAD_TARGET
    hosts = sum(name == b"host" for name, _ in scope["headers"])
    return refusal.BAD_HOST if hosts > 1 or (hosts == 0 and scope["http_version"] == "1.1") else None


async def _deny(scope: Scope, send: Send) -> None:
    """Refuse a handshake: 503 where the server can say so, else the 403 that ASGI makes of a close."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close"})
        return
    headers, body = refusal.DRAINING.render(refusal.offered_id(scope))
    await send({"type": "websocket.http.response.start", "status": refusal.DRAINING.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


async def no_lifespan(_scope: Scope, receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
