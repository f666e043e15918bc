"""The WebSocket: it authorizes, tells what happened, and replays what was missed (SPEC 7)."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn, Protocol
from urllib.parse import parse_qs, urlsplit

import orjson
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http.request import split_domain_port, validate_host

from apps.feed import replay, snapshot
from apps.feed.hub import Living, SignIn, hub, in_thread
from sokoul import client_ip, logs, request_id, security, throttling
from sokoul.errors import PROBLEM_JSON, PermanentError, not_found, problem

log = logs.logger(__name__)
QUEUE = 256  # messages that may wait for a slow reader
PATIENCE = 4.5  # seconds to let somebody in
SLOW, EXPIRED = 4008, 4401
PATHS = ("/ws", "/api/v1/ws")
BIGGEST = 2**63 - 1
_CLIENT_TYPES = ("ping", "pong", "resume")


class Identity(Protocol):
    """`expires_at`: Unix seconds at which the socket has to close; `sign_in`: what it is part of."""

    @property
    def user_id(self) -> int: ...
    @property
    def sign_in(self) -> SignIn: ...
    @property
    def expires_at(self) -> float: ...


Authenticate = Callable[[str | None, str | None], Identity]


class FeedConsumer(AsyncWebsocketConsumer):
    """`FeedConsumer.as_asgi(authenticate=..., living=...)`: who a token or ticket stands for, and which of some sign-ins
    may still have sockets, is a higher floor's knowledge."""

    def __init__(self, *args: Any, authenticate: Authenticate, living: Living, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._authenticate, self._living = authenticate, living
        self.user_id = 0
        self.sign_in: SignIn = (0, 0, None)
        self.last_id = 0  # of the newest event that was queued for the reader
        self._ready = False  # between the snapshot and the end
        self._is_over = False  # before it began
        self._place: str | None = None
        self._waiting: deque[str] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._healer: asyncio.Task[None] | None = None
        self._heal_again = False
        self._expiry: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    # The way in

    async def connect(self) -> None:
        query = {name: values[-1] for name, values in parse_qs(self.scope["query_string"].decode("latin-1")).items()}
        with request_id.bound(request_id.accept(self._header(b"x-request-id"))):
            try:
                async with asyncio.timeout(PATIENCE):
                    identity = await self._admit(query)
                    first = await self._enter(query.get("last_event_id"))
            except PermanentError as error:
                await self._refuse(error.status, error.message, error.code, error.retry_after or 5)
            except (DatabaseError, InterfaceError, TimeoutError):
                await self._refuse(503, "The database does not answer. Try again shortly.", "database")
            own_id = (b"x-request-id", request_id.current().encode())
            await self.accept(headers=[own_id])  # type: ignore[list-item]  # bytes, says ASGI
        delay = 0.0 if self._is_over else max(0.0, identity.expires_at - time.time())
        self._expiry = asyncio.get_running_loop().call_later(delay, self.expire)
        self._begin(first)

    async def _admit(self, query: dict[str, str]) -> Identity:
        """Raises PermanentError with the HTTP status: 401 nobody, 403 a foreign page or plain http, 404 elsewhere, 429 too many sockets or
        too often."""
        address = self._address()
        if not client_ip.is_trusted(address):
            await in_thread(throttling.count, address)
        security.refuse_in_the_clear(dict(self.scope), self._header(b"x-forwarded-proto") or "")
        if self.scope["path"] not in PATHS:
            raise not_found("A feed at this address")
        if not _own_origin(self._header(b"origin"), self._header(b"host") or ""):
            raise PermanentError("This page may not open a feed.", code="origin", status=403)
        identity = await in_thread(self._authenticate, query.get("token"), query.get("ticket"))
        self._place = await hub().presence.take(identity.user_id)
        self.user_id, self.sign_in = identity.user_id, identity.sign_in
        if self._place is None:
            raise PermanentError("You have too many connections open. Close some.", code="too_many_sockets", status=429)
        return identity

    async def _enter(self, asked: str | None) -> list[dict[str, Any]]:
        """Join, and look where the reader stands; gives the first messages. Hints that come meanwhile are read later.

        PermanentError (401) where the sign-in has ended since it was shown: before the hub knew of this socket, or since.
        """
        await hub().join(self, self._living)
        living = await in_thread(self._living, {self.sign_in})
        first = await in_thread(self._look, asked)
        if self._is_over or self.sign_in not in living:
            raise PermanentError("Your sign-in has ended. Sign in again.", code="not_authenticated", status=401)
        return first

    def _look(self, asked: str | None) -> list[dict[str, Any]]:
        """The snapshot; before it a resync for a reader whose `asked` position is not known. Moves to its own position."""
        state = snapshot.take(self.user_id)
        told = [{"type": "snapshot", "data": state}]
        self.last_id = state["last_event_id"]
        if asked is not None:
            event_id = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else BIGGEST
            if replay.known(event_id):
                self.last_id, self._heal_again = event_id, True
            else:
                told.insert(0, {"type": "resync", "data": {}})
        return told

    def _begin(self, first: list[dict[str, Any]]) -> None:
        for message in first:
            self._queue(replay.text_of(message))
        self._ready = True
        if self._heal_again:
            self.heal()

    async def _refuse(self, status: int, detail: str, code: str, retry_after: float = 5) -> NoReturn:
        """An HTTP answer where the server can give one, else the 403 that a refused handshake always is; ends the consumer."""
        await self._leave()
        if "websocket.http.response" in (self.scope.get("extensions") or {}):
            body = orjson.dumps(problem(status, detail, code=code))
            headers = {
                "content-type": PROBLEM_JSON,
                "content-length": str(len(body)),
                "x-request-id": request_id.current(),
                **({"www-authenticate": 'Bearer realm="sokoul"'} if status == 401 else {}),
                **({"retry-after": str(round(retry_after))} if status in {429, 503} else {}),
            }
            pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            start: Any = {"type": "websocket.http.response.start", "status": status, "headers": pairs}
            end: Any = {"type": "websocket.http.response.body", "body": body}
            await self.base_send(start)
            await self.base_send(end)
        else:
            await self.close()
        raise StopConsumer

    def _header(self, name: bytes) -> str | None:
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key.lower() == name), None)

    def _address(self) -> str | None:
        peer, _port = self.scope.get("client") or ("", 0)
        forwarded = [
            value.decode("latin-1") for key, value in self.scope["headers"] if key.lower() == b"x-forwarded-for"
        ]
        return client_ip.resolve(peer, ",".join(forwarded))

    # What the reader is told

    def tell(self, text: str, event_id: int = 0) -> None:
        """Queue a message; of events only what is new, and nothing before the snapshot."""
        if event_id and (self._healer or not self._ready):
            self._heal_again = True  # it is read from the rows, in order
            return
        if not self._ready or (event_id and event_id <= self.last_id):
            return
        self.last_id = max(self.last_id, event_id)
        self._queue(text)

    def _queue(self, text: str) -> None:
        if len(self._waiting) >= QUEUE:
            self._cut(SLOW)
            return
        self._waiting.append(text)
        if self._sender is None:
            self._sender = asyncio.ensure_future(self._flush())

    async def _flush(self) -> None:
        try:
            while self._waiting:
                await self.send(text_data=self._waiting.popleft())
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
            while self._heal_again and self._ready:
                self._heal_again = False
                await self._replay_page()
        except (DatabaseError, InterfaceError):
            log.warning("no replay now, the database does not answer")
        finally:
            self._healer = None

    async def _replay_page(self) -> None:
        at = self.last_id
        missed = await in_thread(replay.after, self.user_id, at)
        self._heal_again |= len(missed) == replay.PAGE
        for event_id, text in missed:
            await self._when_room()
            if self.last_id != at or not self._ready:  # the reader moved meanwhile
                self._heal_again = True
                return
            self._queue(text)
            self.last_id = at = event_id

    async def _when_room(self) -> None:
        """A replay waits for its reader instead of overrunning it."""
        while len(self._waiting) >= QUEUE // 2 and self._sender is not None:
            await asyncio.wait([self._sender], timeout=0.1)

    # What the reader says

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = orjson.loads(text_data or b"")
        except orjson.JSONDecodeError:
            message = None
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "ping":
            self._pong(message.get("data") or {})
        elif kind == "resume":
            await self._resume(message.get("last_event_id"))
        elif kind not in _CLIENT_TYPES:
            detail = f"A message is a JSON object whose type is one of: {', '.join(_CLIENT_TYPES)}."
            self._answer("error", {"detail": detail})

    def _pong(self, data: Any) -> None:
        try:
            self._answer("pong", data)
        except orjson.JSONEncodeError:  # what can be read may be nested more deeply than what can be written
            self._answer("error", {"detail": "data is nested too deeply to be sent back."})

    def _answer(self, type: str, data: Any) -> None:
        if self._closing is None:
            self._queue(replay.text_of({"type": type, "data": data}))

    async def _resume(self, last_event_id: object) -> None:
        """The reader says where it stands; what came after is told again."""
        if not isinstance(last_event_id, int) or isinstance(last_event_id, bool) or not 0 <= last_event_id <= BIGGEST:
            self._answer("error", {"detail": "last_event_id must be a whole number."})
            return
        try:
            async with asyncio.timeout(PATIENCE):
                if await in_thread(replay.known, last_event_id):
                    self.last_id = last_event_id
                    self.heal()
                    return
                self._ready = False
                first = await in_thread(self._look, str(BIGGEST))
        except (DatabaseError, InterfaceError, TimeoutError):
            self._ready = self._closing is None
            self._answer("error", {"detail": "The database does not answer. Try again shortly."})
            return
        if self._closing is None:
            self._begin(first)

    # The way out

    def expire(self) -> None:
        """Whoever opened it may no longer have it open; one that is not let in yet is refused, or closed as soon as it is."""
        self._is_over = True
        if self._expiry is not None:
            self._cut(EXPIRED)

    def _cut(self, code: int) -> None:
        self._ready = False
        self._waiting.clear()
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close(code))

    async def _close(self, code: int) -> None:
        try:
            await self.close(code=code)
        except Exception as error:
            log.debug("socket gone", error=type(error).__name__)

    async def disconnect(self, code: int) -> None:
        self._ready = False
        if self._expiry:
            self._expiry.cancel()
        for task in (self._sender, self._healer, self._closing):
            if task:
                task.cancel()
        await self._leave()

    async def _leave(self) -> None:
        if self._place is not None:
            place, self._place = self._place, None
            hub().leave(self)
            await hub().presence.give_back(self.user_id, place)


def _own_origin(origin: str | None, host: str) -> bool:
    """None is fine: the token authenticates, and no browser sends none. Pages of another host or port are refused."""
    if origin is None or origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        netloc = urlsplit(origin).netloc.lower()
    except ValueError:  # "http://[::1"
        return False
    return netloc == host.lower() and validate_host(split_domain_port(netloc)[0], settings.ALLOWED_HOSTS)
