"""What the server answers by itself: problem documents (RFC 9457) that the client can really read."""

import asyncio
import json
import logging
from dataclasses import dataclass

from sokoul import access, errors, request_id
from sokoul.server.asgi_types import Receive, Scope, Send
from sokoul.server.limits import Limits

logger = logging.getLogger("sokoul.server")
_ID_HEADER = request_id.HEADER.lower().encode()


@dataclass(frozen=True)
class Refusal:
    """`retry_after` in whole seconds; `close`: the connection ends with this answer."""

    status: int
    code: str
    detail: str
    retry_after: int | None = None
    close: bool = False

    def render(self, offered_id: str | None) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Headers and body of the answer to a request that came with this X-Request-ID."""
        with request_id.bound(request_id.accept(offered_id)):
            document = errors.problem(self.status, self.detail, code=self.code)
        body = json.dumps(document).encode()
        headers = [
            (b"content-type", errors.PROBLEM_JSON.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
            (b"x-content-type-options", b"nosniff"),
            (_ID_HEADER, str(document["request_id"]).encode()),
        ]
        if self.retry_after is not None:
            headers.append((b"retry-after", str(self.retry_after).encode()))
        if self.close:
            headers.append((b"connection", b"close"))
        return headers, body


BAD_TARGET = Refusal(400, "bad_target", "The request line must name a path that begins with /.")
BAD_HOST = Refusal(
    400, "bad_host", "A request says in one Host header whom it is for.", close=True
)  # RFC 9112, section 3.2
TOO_LARGE = Refusal(413, "too_large", "The request is larger than is accepted here. Send less.", close=True)
TOO_SLOW = Refusal(408, "too_slow", "The rest of the request did not arrive in time. Send it again.", close=True)
HEADERS_TOO_LARGE = Refusal(431, "headers_too_large", "The headers are larger than is accepted here.", close=True)
BUSY = Refusal(503, "busy", "The server has more to do than it can. Try again in a moment.", retry_after=2)
LATE = Refusal(
    503, "late", "The answer took too long to make. Look whether it was done, then try again.", retry_after=5
)
DRAINING = Refusal(503, "draining", "This server is shutting down. Try again in a moment.", retry_after=2, close=True)
FAILED = Refusal(500, "error", "Something went wrong on our side. It is in the log under this request id.")


def offered_id(scope: Scope) -> str | None:
    """The X-Request-ID that the client sent, as it sent it."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == _ID_HEADER), None)


async def answer(scope: Scope, send: Send, refusal: Refusal) -> None:
    """Send a refusal to a request whose body was read."""
    access.refused(scope["method"], refusal.status)
    headers, body = refusal.render(offered_id(scope))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def answer_early(scope: Scope, receive: Receive, send: Send, refusal: Refusal, limits: Limits) -> None:
    """Send a refusal to a request whose body may still be on its way.

    Closing a connection with unread bytes resets it, and the reset overtakes the answer. So the answer goes out at once, then
    what still arrives is thrown away within the limits, and only then is the response ended and the connection closed.
    """
    access.refused(scope["method"], refusal.status)
    headers, body = refusal.render(offered_id(scope))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body, "more_body": True})
    try:
        async with asyncio.timeout(limits.discard_seconds):
            await _discard(receive, limits.discard_size)
    except TimeoutError:
        logger.debug("gave up reading a refused body")
    await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive, size: int) -> None:
    more = True
    while more and size >= 0:
        message = await receive()
        size -= len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
