"""daphne (Twisted) with our limits and our way of leaving. One per process: Twisted's reactor runs once."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

import daphne.server  # installs the asyncio reactor: before anything else of Twisted
from daphne.http_protocol import HTTPFactory
from daphne.ws_protocol import WebSocketFactory
from twisted.internet import defer, reactor
from twisted.logger import globalLogBeginner

from sokoul.server import listener, signals
from sokoul.server.asgi_types import App, ClientGone, Message, Scope
from sokoul.server.daphne_protocols import Channel, Socket
from sokoul.server.drain import DRAIN, POLL_SECONDS, Drain
from sokoul.server.lifespan import Lifespan, StartFailed
from sokoul.server.limits import Limits

logger = logging.getLogger("sokoul.server")
# Daphne looks at its sockets every 2 s and autobahn rounds: so that both together are not late.
PONG_SHARE = 5 / 6
LAST_RESORT = 4.0
BACKLOG = 2048
# How long a peer has to answer our close frame; what is not read by then is lost to it.
CLOSE_SECONDS = 10


class Factory(HTTPFactory):  # type: ignore[misc]
    """Makes channels with these limits and knows those that are open."""

    def __init__(self, server: "Server", limits: Limits) -> None:
        super().__init__(server)
        self.channels: set[Channel] = set()
        self._limits = limits

    def buildProtocol(self, addr: Any) -> Channel:
        channel = Channel()
        channel.factory, channel.limits, channel.channels = self, self._limits, self.channels
        channel.callLater = self.reactor.callLater
        channel.timeOut = self._limits.idle_seconds
        return channel

    def log(self, request: Any) -> None:
        """The application logs."""


class SocketFactory(WebSocketFactory):  # type: ignore[misc]
    protocol = Socket


class Server(daphne.server.Server):  # type: ignore[misc]
    def __init__(self, app: App, sock: socket.socket, limits: Limits, drain: Drain, reread: Callable[[], None]) -> None:
        super().__init__(
            app,
            endpoints=["unused"],
            signal_handlers=False,
            request_buffer_size=64 * 1024,
            websocket_timeout=-1,
            ping_interval=limits.ping_seconds,
            ping_timeout=limits.pong_seconds * PONG_SHARE,
            websocket_max_message_size=limits.message_size,
            websocket_max_frame_size=limits.message_size,
            server_name="",
        )
        self._socket, self._drain, self._reread = sock, drain, reread
        self._port: Any = None
        self._lifespan = Lifespan(app)
        self._leaving: asyncio.Task[None] | None = None
        self.connections: dict[Any, dict[str, Any]] = {}
        self.http_factory = Factory(self, limits)
        self.ws_factory = SocketFactory(self, server="")
        self.status = 0

    def run(self) -> None:
        globalLogBeginner.beginLoggingTo([lambda _: None], redirectStandardIO=False, discardBuffer=True)
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            allowNullOrigin=True,
            failByDrop=False,
            closeHandshakeTimeout=CLOSE_SECONDS,
            openHandshakeTimeout=self.websocket_handshake_timeout,
            maxMessagePayloadSize=self.websocket_max_message_size,
            maxFramePayloadSize=self.websocket_max_frame_size,
        )
        asyncio.set_event_loop(reactor._asyncioEventloop)
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        reactor.callWhenRunning(lambda: asyncio.ensure_future(self._start()))
        reactor.addSystemEventTrigger("before", "shutdown", self.kill_all_applications)
        reactor.run(installSignalHandlers=False)

    async def _start(self) -> None:
        signals.listen(self._leave, self._reread, self._drain.grace + LAST_RESORT)
        try:
            await self._lifespan.startup()
        except StartFailed as error:
            logger.error("the application could not start: %s", error)
            self.status = 3
            self.stop()
            return
        self._port = reactor.adoptStreamPort(self._socket.fileno(), self._socket.family, self.http_factory)
        self._socket.listen(BACKLOG)  # adopting it made that 50
        logger.info("serving on %s with daphne", listener.url_of(self._socket))
        self._socket.close()

    def _leave(self) -> None:
        if self._drain.begin():
            self._leaving = asyncio.ensure_future(self._finish())

    async def _finish(self) -> None:
        try:
            await self._drain.finish()
            if self._port is not None:
                self._port.stopListening()
            await self._close_connections()
            await self._lifespan.shutdown()
        finally:
            self.stop()

    async def _close_connections(self) -> None:
        """Close what is idle and wait until everything written has left, within the grace: stopping drops what has not."""
        deadline = asyncio.get_running_loop().time() + max(0.5, self._drain.remaining)
        for channel in list(self.http_factory.channels):
            channel.loseConnection()
        while self._open() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 (Twisted has no event)
            await asyncio.sleep(POLL_SECONDS)

    def _open(self) -> bool:
        sockets = (key for key in self.connections if isinstance(key, Socket))
        return bool(self.http_factory.channels) or any(socket.state != socket.STATE_CLOSED for socket in sockets)

    def create_application(self, protocol: Any, scope: Scope) -> Any:
        if scope["type"] == "websocket":
            scope.update(scheme="ws", http_version="1.1", extensions={"websocket.http.response": {}})
        queue = super().create_application(protocol, scope)
        task = self.connections.get(protocol, {}).get("application_instance")
        if task is not None:
            task.add_done_callback(lambda _: protocol.application_ended())
        return queue

    async def handle_reply(self, protocol: Any, message: Message) -> None:
        """Returns once the client takes more: without this a slow one would have everything kept for it in memory."""
        await super().handle_reply(protocol, message)
        if protocol.writable is not None:
            await protocol.writable.wait()
        if message["type"] == "http.response.body" and protocol.gone:
            raise ClientGone

    def kill_all_applications(self) -> Any:
        tasks = [details.get("application_instance") for details in self.connections.values()]
        pending = [task for task in tasks if task is not None and not task.done()]
        for task in pending:
            task.cancel()
        return defer.Deferred.fromFuture(asyncio.gather(*pending, return_exceptions=True))


def run(
    app: App,
    sock: socket.socket,
    *,
    reread: Callable[[], None],
    limits: Limits | None = None,
    drain: Drain = DRAIN,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return. Raises SystemExit(3) where the application's start fails."""
    server = Server(app, sock, limits or Limits(), drain, reread)
    server.run()
    if server.status:
        raise SystemExit(server.status)
