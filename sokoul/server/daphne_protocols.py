"""Daphne's and Twisted's protocols with our limits: they read a whole body by themselves, so those are enforced here."""

import asyncio
import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from daphne.http_protocol import WebRequest
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import reactor
from twisted.web import http

from sokoul.server.asgi_types import Message
from sokoul.server.limits import BodyLimit, Limits
from sokoul.server.refusal import FAILED, TOO_LARGE, TOO_SLOW, Refusal

logger = logging.getLogger("sokoul.server")


class Timer:
    """One call in the future, which can be called off. Seconds."""

    def __init__(self) -> None:
        self._call: Any = None

    @property
    def armed(self) -> bool:
        return self._call is not None and self._call.active()

    def arm(self, seconds: float, call: Any, *arguments: Any) -> None:
        self.disarm()
        self._call = reactor.callLater(seconds, call, *arguments)

    def disarm(self) -> None:
        if self.armed:
            self._call.cancel()
        self._call = None


class Channel(http.HTTPChannel):  # type: ignore[misc]
    """An HTTP/1.1 connection. `writable` is clear while the client does not take what was written."""

    limits: Limits
    channels: "set[Channel]"

    def __init__(self) -> None:
        super().__init__()
        self.requestFactory = Request
        self.writable = asyncio.Event()
        self.writable.set()
        self.refused = False
        self._timer = Timer()  # of the headers, then of the body, then of what is thrown away
        self._discarded = 0

    def connectionMade(self) -> None:
        super().connectionMade()
        self.channels.add(self)
        self._timer.arm(self.limits.header_seconds, self.transport.abortConnection)

    def connectionLost(self, reason: Any = None) -> None:
        self.upgraded()
        self.writable.set()
        super().connectionLost(reason)

    def upgraded(self) -> None:
        """The connection is no longer this channel's to time or to close."""
        self._timer.disarm()
        self.channels.discard(self)

    def dataReceived(self, data: bytes) -> None:
        if not self._handlingRequest and not self._timer.armed:
            self._timer.arm(self.limits.header_seconds, self.transport.abortConnection)
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:
        path = unquote(self._path.partition(b"?")[0].decode("latin-1"))
        limit = self.limits.body_of(path)
        if self.length is not None and self.length > limit.size:
            self.refuse(TOO_LARGE)
            return
        self.requests[-1].body_limit = limit
        self._timer.arm(limit.seconds, self.refuse, TOO_SLOW)
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        if self.refused:
            self.loseConnection()
            return
        self._timer.disarm()
        super().allContentReceived()

    def rawDataReceived(self, data: bytes) -> None:
        if self.refused:
            self._discard(data)
        else:
            super().rawDataReceived(data)

    def requestDone(self, request: Any) -> None:
        buffered = any(self._dataBuffer)
        super().requestDone(request)
        if buffered and not self._handlingRequest and not self._timer.armed:
            self._timer.arm(self.limits.header_seconds, self.transport.abortConnection)

    def refuse(self, refusal: Refusal) -> None:
        """Answer at once, throw away what still arrives (unread bytes would reset the connection), then close."""
        if self.refused:
            return
        self.refused = True
        request = self.requests[-1]
        offered = request.requestHeaders.getRawHeaders(b"X-Request-ID", [b""])[0]
        headers, body = refusal.render(offered.decode("latin-1"))
        status = f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}".encode()
        self.transport.writeSequence([b"\r\n".join([status, *map(b": ".join, headers), b"", b""]), body])
        logger.warning("refused %s: %d %s", self._path.partition(b"?")[0], refusal.status, refusal.code)
        self.setTimeout(None)
        self._timer.arm(self.limits.discard_seconds, self.transport.abortConnection)
        self._discarded = -1 if self.length is None else self.length
        if refusal.status == TOO_SLOW.status:
            self.loseConnection()

    def loseConnection(self) -> None:
        """Closing waits for the client to read what was written; that may not last either."""
        self._timer.arm(self.limits.idle_seconds, self.transport.abortConnection)
        super().loseConnection()

    def _discard(self, data: bytes) -> None:
        """`_discarded` counts down what is announced, or from -1 what is not."""
        self._discarded -= len(data)
        if self._discarded == 0 or self._discarded < -self.limits.discard_size:
            self.loseConnection()

    def pauseProducing(self) -> None:
        self.writable.clear()
        super().pauseProducing()

    def resumeProducing(self) -> None:
        self.writable.set()
        super().resumeProducing()


class Request(WebRequest):  # type: ignore[misc]
    """A request of daphne's whose body is counted while it arrives."""

    path: bytes
    body_limit: BodyLimit
    _received = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The application parses forms; Twisted would do it before, and once more.
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self.body_limit.size:
            self.channel.refuse(TOO_LARGE)
        if not self.channel.refused:
            super().handleContentChunk(data)

    def process(self) -> Any:
        # Daphne believes this header, whoever sent it.
        self.requestHeaders.removeHeader(b"Daphne-Root-Path")
        if not self.path.startswith(b"/") and b"://" in self.path:  # RFC 9112, section 3.2.2: absolute-form
            self.path = urlsplit(self.path).path or b"/"
        channel = self.channel
        result = super().process()
        if self.transport is None:
            channel.upgraded()
            channel.transport.protocol.writable = channel.writable
        return result

    @property
    def gone(self) -> bool:
        return bool(self._disconnected) and not self.finished

    @property
    def writable(self) -> asyncio.Event | None:
        return getattr(getattr(self, "channel", None), "writable", None)

    def handle_reply(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self.channel is not None and not self.finished:
            names = {name.lower(): value for name, value in message.get("headers", [])}
            if names.get(b"connection", b"").lower() == b"close":
                self.channel.persistent = 0
            if b"date" not in names:
                self.responseHeaders.setRawHeaders(b"date", [http.datetimeToString()])
        super().handle_reply(message)

    def application_ended(self) -> None:
        """An application that ends without ending its response has failed: say so, or cut what can't be completed."""
        if self.finished or self._disconnected:
            return
        if self._response_started:
            self.channel.loseConnection()
            return
        headers, body = FAILED.render(None)
        self.handle_reply({"type": "http.response.start", "status": FAILED.status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": body})


class Socket(WebSocketProtocol):  # type: ignore[misc]
    """A WebSocket that closes with any code, and refuses a handshake with any status (`websocket.http.response`)."""

    maxMessagePayloadSize: int
    writable: asyncio.Event | None = None
    _denial: bytes = b""

    def connectionLost(self, reason: Any = None) -> None:
        if self.writable is not None:
            self.writable.set()
        super().connectionLost(reason)

    def handle_reply(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.close" and self.state == self.STATE_OPEN:
            self._close(message.get("code") or 1000, message.get("reason") or "")
        elif kind == "websocket.http.response.start":
            self._deny_with(message["status"], message.get("headers", []))
        elif kind == "websocket.http.response.body":
            self._denial += message.get("body", b"")
            if not message.get("more_body", False):
                self.serverReject()
        else:
            super().handle_reply(message)

    def _close(self, code: int, reason: str) -> None:
        """Autobahn's sendClose refuses 1001 and its like. The application is told at once; the peer may never answer."""
        self.sendCloseFrame(code=code, reasonUtf8=reason.encode()[:123], isReply=False)
        self.application_queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.muted = True

    def sendMessage(self, *args: Any, **kwargs: Any) -> None:
        """The limit is for what comes in; autobahn would hold our own messages to it too."""
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(*args, **kwargs)
        finally:
            self.maxMessagePayloadSize = limit

    def _deny_with(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        reason = http.RESPONSES.get(status, b"Refused")
        lines = [b"HTTP/1.1 %d %s" % (status, reason), *map(b": ".join, headers)]
        if not any(name.lower() == b"connection" for name, _ in headers):
            lines.append(b"connection: close")
        self._denial = b"\r\n".join([*lines, b"", b""])

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        if not self._denial:
            super().failHandshake(reason, code, responseHeaders)
            return
        self.wasNotCleanReason = reason
        self.sendData(self._denial)
        self.dropConnection(abort=False)

    def check_timeouts(self) -> None:
        try:
            super().check_timeouts()
        except Exception:  # one socket must not stop the clock of all others
            logger.exception("a socket's time could not be checked")

    def application_ended(self) -> None:
        """Daphne's own checker closes the socket of an application that failed."""
        if self.state == self.STATE_OPEN:
            self._close(1011 if not self.muted else 1000, "")
