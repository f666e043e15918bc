"""The WebSocket: it authorizes, tells what happened, and replays what was missed (SPEC 7)."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import orjson
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from apps.feed import replay, snapshot
from apps.feed.hub import hub, in_thread
from sokoul import logs, request_id
from sokoul.errors import PermanentError

log = logs.logger(__name__)
QUEUE = 256  # messages that may wait for a slow reader
SLOW, EXPIRED = 4008, 4401
_CLIENT_TYPES = ("ping", "pong", "resume")


class Identity(Protocol):
    user_id: int
    expires_at: float


Authenticate = Callable[[str | None, str | None], Identity]


class FeedConsumer(AsyncWebsocketConsumer):
    """`FeedConsumer.as_asgi(authenticate=...)`: how a token or ticket becomes a person is a higher floor's knowledge."""

    def __init__(self, *args: Any, authenticate: Authenticate, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._authenticate = authenticate
        self.user_id = 0
        self.last_id = 0
        self._place: str | None = None
        self._waiting: deque[tuple[str, int]] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._healer: asyncio.Task[None] | None = None
        self._heal_again = False
        self._ready = False
        self._expiry: asyncio.TimerHandle | None = None

    async def connect(self) -> None:
        query = {name: values[-1] for name, values in parse_qs(self.scope["query_string"].decode("latin-1")).items()}
        try:
            identity = await self._admit(query)
        except PermanentError as error:
            await self._refuse(error.status, error.message)
            return
        except (DatabaseError, InterfaceError):
            await self._refuse(503, "The database does not answer. Try again shortly.")
            return
        await hub().join(self)
        await self.accept()
        delay = max(0.0, identity.expires_at - time.time())
        self._expiry = asyncio.get_running_loop().call_later(delay, self._expire)
        await self._begin(query.get("last_event_id"))

    async def _admit(self, query: dict[str, str]) -> Identity:
        """Raises PermanentError with the HTTP status: 401 nobody, 403 a foreign page, 429 too many sockets."""
        if not _own_origin(self._header(b"origin")):
            raise PermanentError("This page may not open a feed.", code="origin", status=403)
        identity = await in_thread(self._authenticate, query.get("token"), query.get("ticket"))
        self._place = await hub().presence.take(identity.user_id)
        if self._place is None:
            raise PermanentError("You have too many connections open. Close some.", code="too_many_sockets", status=429)
        self.user_id = identity.user_id
        return identity

    def _header(self, name: bytes) -> str | None:
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key.lower() == name), None)

    async def _refuse(self, status: int, detail: str) -> None:
        """An HTTP answer where the server can give one, else the 403 that a refused handshake always is."""
        if "websocket.http.response" not in self.scope.get("extensions", {}):
            await self.close()
            return
        body = orjson.dumps({"type": "about:blank", "status": status, "detail": detail})
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
        if status == 503:
            headers.append((b"retry-after", b"5"))
        await self.base_send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self.base_send({"type": "websocket.http.response.body", "body": body})

    async def _begin(self, last_event_id: str | None) -> None:
        """Replay from where the reader was, or a snapshot; hints that came meanwhile are told after it, once."""
        if last_event_id is not None:
            if last_event_id.isdigit() and await in_thread(replay.known, self.user_id, int(last_event_id[:18])):
                self.last_id, self._ready = int(last_event_id[:18]), True
                await self._send_snapshot(move=False)
                self.heal()
                return
            await self._send({"type": "resync", "data": {}})
        await self._send_snapshot(move=True)
        self._ready = True
        self.heal()

    async def _send_snapshot(self, *, move: bool) -> None:
        state = await in_thread(snapshot.take, self.user_id)
        if move:
            self.last_id = state["last_event_id"]
        await self._send({"type": "snapshot", "data": state})

    async def _send(self, message: dict[str, Any]) -> None:
        self.tell(replay.text_of(message))

    def tell(self, text: str, event_id: int = 0) -> None:
        """Queue a message; of events only what is new, and none before the snapshot."""
        if event_id:
            if not self._ready or event_id <= self.last_id:
                return
            if self._healer:
                self._heal_again = True  # it is read from the rows, in order
                return
            self.last_id = event_id
        if len(self._waiting) >= QUEUE:
            self._cut(SLOW)
            return
        self._waiting.append((text, event_id))
        if self._sender is None:
            self._sender = asyncio.ensure_future(self._flush())

    async def _flush(self) -> None:
        try:
            while self._waiting:
                await self.send(text_data=self._waiting[0][0])
                self._waiting.popleft()
        except Exception as error:
            log.debug("socket gone", error=type(error).__name__)
            self._waiting.clear()
        finally:
            self._sender = None

    def heal(self) -> None:
        """Read from the rows what this socket has not been told."""
        self._heal_again = True
        if self._healer is None and self._ready:
            self._healer = asyncio.ensure_future(self._catch_up())

    async def _catch_up(self) -> None:
        try:
            while self._heal_again:
                self._heal_again = False
                missed = await in_thread(replay.after, self.user_id, self.last_id)
                self._heal_again |= len(missed) == replay.MOST
                for event_id, text in missed:
                    await self._when_room()
                    self._waiting.append((text, event_id))
                    self.last_id = event_id
                    if self._sender is None:
                        self._sender = asyncio.ensure_future(self._flush())
        except (DatabaseError, InterfaceError):
            log.warning("no replay now, the database does not answer")
        finally:
            self._healer = None

    async def _when_room(self) -> None:
        """A replay waits for its reader instead of overrunning it."""
        while len(self._waiting) >= QUEUE // 2 and self._sender is not None:
            await asyncio.wait([self._sender], timeout=0.1)

    def _expire(self) -> None:
        self._cut(EXPIRED)

    def _cut(self, code: int) -> None:
        self._ready = False
        self._waiting.clear()
        self._closing = asyncio.ensure_future(self.close(code=code))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = orjson.loads(text_data or b"")
        except orjson.JSONDecodeError:
            message = None
        kind = message.get("type") if isinstance(message, dict) else None
        if kind not in _CLIENT_TYPES:
            detail = f"A message is a JSON object whose type is one of: {', '.join(_CLIENT_TYPES)}."
            await self._send({"type": "error", "data": {"detail": detail}})
        elif kind == "ping":
            await self._send({"type": "pong", "data": message.get("data") or {}})
        elif kind == "resume":
            await self._resume(message.get("last_event_id"))

    async def _resume(self, last_event_id: object) -> None:
        """The reader says where it is; what came after is told again."""
        if not isinstance(last_event_id, int) or isinstance(last_event_id, bool) or not 0 <= last_event_id < 2**63:
            await self._send({"type": "error", "data": {"detail": "last_event_id must be a whole number."}})
            return
        if await in_thread(replay.known, self.user_id, last_event_id):
            self.last_id = last_event_id
            self.heal()
            return
        await self._send({"type": "resync", "data": {}})
        await self._send_snapshot(move=True)

    async def disconnect(self, code: int) -> None:
        if self._expiry:
            self._expiry.cancel()
        for task in (self._sender, self._healer):
            if task:
                task.cancel()
        if self._place:
            hub().leave(self)
            await hub().presence.give_back(self.user_id, self._place)
            self._place = None

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        with request_id.bound("", self.user_id or None):
            await super().websocket_disconnect(message)


def _own_origin(origin: str | None) -> bool:
    """None is fine: the token authenticates, and no browser sends none. A page of another host is refused."""
    if origin is None:
        return True
    host = urlsplit(origin).hostname or ""
    allowed = [name.strip("[]").lower() for name in settings.ALLOWED_HOSTS]
    return "*" in allowed or host.lower() in allowed
