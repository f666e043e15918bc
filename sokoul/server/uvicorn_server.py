"""uvicorn (httptools, uvloop, websockets) with our deadlines and our way of leaving."""

import asyncio
import fcntl
import logging
import socket
import struct
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from sokoul.server import listener, signals
from sokoul.server.asgi_types import App, ClientGone, Message, Receive, Scope, Send
from sokoul.server.drain import DRAIN, Drain
from sokoul.server.limits import Limits
from sokoul.server.refusal import HEADERS_TOO_LARGE

logger = logging.getLogger("sokoul.server")
# Beyond the grace: cutting, lifespan shutdown, closing.
LAST_RESORT = 4.0


def cut(transport: asyncio.Transport) -> None:
    """End the connection at once, with a reset: what a client would not read, the system must not go on keeping for it either."""
    with suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class HttpProtocol(HttpToolsProtocol):
    """Absolute deadlines for the headers, for a body that nobody reads, and for a client that does not read its answer."""

    limits = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._awaiting_headers = True
        self._receiving_body = False
        self._header_size = 0
        self._header_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm_header_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._awaiting_headers:
            self._header_size += len(data)
            self._arm_header_timer()
        super().data_received(data)
        if self._awaiting_headers and self._header_size > self.limits.header_size and not self.transport.is_closing():
            self._refuse_headers()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arm_header_timer()

    def on_headers_complete(self) -> None:
        self._awaiting_headers, self._receiving_body, self._header_size = False, True, 0
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._awaiting_headers, self._receiving_body = True, False
        if self._end_timer is not None:
            self._end_timer.cancel()
            self._end_timer = None
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        async def telling(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_or_tell(message: Message) -> None:
                await send(message)
                if cycle.disconnected and not cycle.response_complete:
                    raise ClientGone

            try:
                await app(scope, receive, send_or_tell)
            finally:
                if cycle.response_started and not cycle.response_complete:
                    self._unfinished(cycle)

        super()._start_asgi_task(cycle, telling)  # type: ignore[arg-type]

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Answered, but its body still arrives, or its answer does not leave: neither may last.
        if self._end_timer is None and (self._receiving_body or self.transport.is_closing()):
            self._arm_end_timer()

    def timeout_keep_alive_handler(self) -> None:
        if self._is_behind():
            cut(self.transport)  # closing would wait for the client to read
        else:
            super().timeout_keep_alive_handler()

    def _is_behind(self) -> bool:
        """Whether the client has not taken all of its answer: some of it is here, or with the system."""
        if self.transport.get_write_buffer_size():
            return True
        with suppress(OSError, ValueError):  # closed already
            number = self.transport.get_extra_info("socket").fileno()
            return any(fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4)))
        return False

    def _unfinished(self, cycle: RequestResponseCycle) -> None:
        """The answer will never be whole. What there is of it is left to a client that takes it, for a while."""
        if self.flow.write_paused:
            cycle.disconnected = True
            cut(self.transport)
        elif self._end_timer is None:
            self._arm_end_timer()

    def _arm_end_timer(self) -> None:
        self._end_timer = self.loop.call_later(self.limits.idle_seconds, cut, self.transport)

    def _arm_header_timer(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.limits.header_seconds, self._headers_late)

    def _headers_late(self) -> None:
        self._header_timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._arm_header_timer()  # a pipelined request: the one before it ends first
        else:
            cut(self.transport)

    def _refuse_headers(self) -> None:
        headers, body = HEADERS_TOO_LARGE.render(None)
        lines = [b"HTTP/1.1 431 Request Header Fields Too Large"] + [b": ".join(header) for header in headers]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()

    def _disarm(self) -> None:
        for timer in (self._header_timer, self._end_timer):
            if timer is not None:
                timer.cancel()


class SocketProtocol(WebSocketsSansIOProtocol):
    """A message is as good a sign of life as a PONG; a peer that gives neither is gone, whatever it still ought to read."""

    def handle_text(self, event: Frame) -> None:
        self._sign_of_life()
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        self._sign_of_life()
        super().handle_bytes(event)

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True  # refused in full: uvicorn would log an error for each stranger

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.loop.call_later(1.0, cut, self.transport)

    def _sign_of_life(self) -> None:
        if self.pong_timer is not None:
            self.pong_timer.cancel()
            self.pong_timer = None
            self.pending_ping_payload = None
            self.schedule_ping()


class Server(uvicorn.Server):
    """Drains on SIGTERM and SIGINT, and returns from `run` instead of dying of the signal."""

    def __init__(self, config: uvicorn.Config, drain: Drain, reread: Callable[[], None], announcement: str) -> None:
        super().__init__(config)
        self._drain, self._reread, self._announcement = drain, reread, announcement
        self._leaving: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        signals.listen(self._leave, self._reread, self._drain.grace + LAST_RESORT)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            logger.info(self._announcement)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Whole seconds by its type, any number by its use.
        self.config.timeout_graceful_shutdown = max(0.5, self._drain.remaining)  # type: ignore[assignment]
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def _leave(self) -> None:
        if self._drain.begin():
            self._leaving = asyncio.get_running_loop().create_task(self._finish())

    async def _finish(self) -> None:
        try:
            await self._drain.finish()
        finally:
            self.should_exit = True


def run(
    app: App,
    sock: socket.socket,
    *,
    reread: Callable[[], None],
    limits: Limits | None = None,
    drain: Drain = DRAIN,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return. Raises SystemExit(3) where the application's start fails."""
    limits = limits or Limits()
    protocol = type("LimitedHttpProtocol", (HttpProtocol,), {"limits": limits})
    config = uvicorn.Config(
        app,
        http=protocol,
        ws=SocketProtocol,
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.idle_seconds,  # type: ignore[arg-type]
        ws_ping_interval=limits.ping_seconds,
        ws_ping_timeout=limits.pong_seconds,
        ws_max_size=limits.message_size,
        ws_per_message_deflate=False,
    )
    # Its INFO lines would tell each WebSocket's address, token and all.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    Server(config, drain, reread, f"serving on {listener.url_of(sock)} with uvicorn").run(sockets=[sock])
