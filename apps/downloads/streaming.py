"""HTTP Range streaming of a download's files, finished or still downloading. An ASGI application beside Django.

What is whole is read from disk. What is not is asked of the download's hunter (`broker` request on its own subject), which
gives those pieces deadlines and answers when they are on disk; the bytes themselves never pass through the hunter.
"""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, TypeVar

import orjson
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from apps.accounts import limiting
from apps.accounts.authentication import person_of
from apps.downloads import library, services
from apps.downloads.content import files_of
from apps.downloads.models import LibraryFile
from apps.jobs import broker
from sokoul import client_ip, logs, request_id, security
from sokoul.env import ENV
from sokoul.errors import PROBLEM_JSON, PermanentError, TransientError, not_found, problem
from sokoul.server.asgi_types import Message, Receive, Scope, Send

log = logs.logger(__name__)
ROUTE = r"(?:/api/v1)?/downloads/(?P<download>\d{1,18})/files/(?P<index>\d{1,9})/stream"
CHUNK = 512 << 10  # bytes of one read; three of them are in memory at a time
WINDOW = 256 << 10, 8 << 20  # bytes asked of the hunter: at first or when they were slow to come, and at most
# Seconds for bytes to come, enough for another hunter to take over; then the answer is cut and the player asks again.
PATIENCE = ENV.hunter_lease + 10
ASKING = 6.0  # seconds for the hunter to answer, which it does after 4
AGAIN = 0.5  # seconds between two looks where a file is now
LOOKING = 4.0  # seconds for the database to say whose and where it is
# What players take them for; the system's own table differs from machine to machine.
TYPES = {
    ".avi": "video/x-msvideo", ".flv": "video/x-flv", ".m2ts": "video/mp2t", ".m4v": "video/mp4",
    ".mkv": "video/x-matroska", ".mov": "video/quicktime", ".mp4": "video/mp4", ".mpeg": "video/mpeg",
    ".mpg": "video/mpeg", ".ogv": "video/ogg", ".ts": "video/mp2t", ".webm": "video/webm", ".wmv": "video/x-ms-wmv",
}  # fmt: skip
# What strangers wrote is a film or a file to keep, to no page but ours.
SAFE = {
    "content-security-policy": "default-src 'none'; media-src 'self'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
_RANGE = re.compile(r"bytes=([0-9]{0,1000})-([0-9]{0,1000})")
_PATH = re.compile(ROUTE)
_looks = ThreadPoolExecutor(4, thread_name_prefix="stream-look")
_reads = ThreadPoolExecutor(8, thread_name_prefix="stream-read")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file lies. `hunter` is asked for its bytes unless it is `whole`."""

    path: Path
    size: int
    whole: bool
    swarm: str
    index: int
    hunter: str

    @property
    def tag(self) -> str:
        return f'"{self.swarm[:16]}-{self.index}-{self.size}"'


def subject_of(hunter: str) -> str:
    """Where a hunter takes readers' questions: {swarm, index, start, end} → {ready}."""
    return f"hunter.{hunter}.range"


def source_of(user_id: int, download_id: int, index: int) -> Source:
    """The file, for its owner. Raises PermanentError: 403 somebody else's, 404 none."""
    download = services.owned(user_id, download_id)
    filed = LibraryFile.objects.filter(download_id=download.pk, index=index).first()
    if filed is not None and (path := _inside(ENV.library, filed.path)).is_file():
        return Source(path, filed.size, True, download.swarm, index, "")
    file = next((file for file in files_of(download.pk) if file["index"] == index), None)
    if file is None or not download.swarm or download.phase not in _STREAMED:
        raise _no_file()
    path = _inside(library.folder_of(download.swarm), file["path"])
    return Source(path, file["size"], download.phase in _WHOLE, download.swarm, index, download.hunter)


_WHOLE = frozenset({"filing", "seeding"})
_STREAMED = _WHOLE | {"queued", "metadata", "downloading", "paused"}


def _inside(folder: Path, name: str) -> Path:
    """Whatever the rows or the disk say, nothing outside of our folders is ever read."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise _no_file()
    return path


def _no_file() -> PermanentError:
    return not_found("This file of the download")


def span(header: str | None, size: int) -> tuple[int, int] | None:
    """[start, end) that a Range header asks for (RFC 9110, 14.1.2); None: all of it. Raises PermanentError 416.

    Several ranges, or a unit that is not bytes, are ignored as the RFC allows.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise PermanentError("The range lies outside of the file.", code="range", status=416, extra={"size": size})
    return start, end


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The way in for paths that match ROUTE."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    with request_id.bound(request_id.accept(headers.get("x-request-id"))):
        try:
            body = await _answer(scope, headers, send)
        except PermanentError as error:
            await _refuse(send, error.status, error.message, error.code, error.extra, error.retry_after)
        except (DatabaseError, InterfaceError, TimeoutError):
            await _refuse(send, 503, "The database does not answer. Try again shortly.", "database", {})
        else:
            if body is not None:
                await _send_body(body, receive, send)


async def _answer(scope: Scope, headers: dict[str, str], send: Send) -> "Body | None":
    """Send the head; gives what is to follow it."""
    security.refuse_in_the_clear(scope, headers.get("x-forwarded-proto", ""))
    if scope["method"] not in {"GET", "HEAD"}:
        raise PermanentError("A stream can only be read.", code="method", status=405)
    found = _PATH.fullmatch(scope["path"])
    assert found is not None
    download_id, index = int(found["download"]), int(found["index"])
    session = _cookies(headers).get(settings.SESSION_COOKIE_NAME)

    address = _address(scope, headers)

    def locate() -> tuple[int, Source]:
        try:
            user_id = person_of(headers.get("authorization", ""), headers.get("x-api-key"), session).pk
        except PermanentError:
            limiting.count_stranger(address)
            raise
        return user_id, source_of(user_id, download_id, index)

    user_id, source = await _look(locate)
    wanted = headers.get("range") if headers.get("if-range", source.tag) == source.tag else None
    part = span(wanted, source.size)
    start, end = part or (0, source.size)
    await send(_head(source, start, end, partial=part is not None))
    if scope["method"] == "HEAD":
        await send({"type": "http.response.body", "body": b""})
        return None
    return Body(source, lambda: source_of(user_id, download_id, index), start, end)


def _address(scope: Scope, headers: dict[str, str]) -> str | None:
    peer, _port = scope.get("client") or ("", 0)
    return client_ip.resolve(peer, headers.get("x-forwarded-for", ""))


def _cookies(headers: dict[str, str]) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


async def _look(function: Callable[[], T]) -> T:
    """Ask the database in a thread. Raises TimeoutError when it does not answer."""

    def call() -> T:
        try:
            return function()
        finally:
            close_old_connections()

    return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(_looks, call), LOOKING)


def _head(source: Source, start: int, end: int, *, partial: bool) -> Message:
    kind = TYPES.get(source.path.suffix.lower())
    headers = {
        "content-type": kind or "application/octet-stream",
        "content-length": str(end - start),
        "content-disposition": "inline" if kind else "attachment",
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "etag": source.tag,
        "x-request-id": request_id.current(),
        **SAFE,
    }
    if partial:
        headers["content-range"] = f"bytes {start}-{end - 1}/{source.size}"
    return _start(206 if partial else 200, headers)


def _start(status: int, headers: dict[str, Any]) -> Message:
    pairs = [(name.encode(), str(value).encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": pairs}


async def _refuse(
    send: Send, status: int, detail: str, code: str, extra: dict[str, Any], retry_after: float | None = None
) -> None:
    headers = {"content-type": PROBLEM_JSON, "cache-control": "no-store", "x-request-id": request_id.current(), **SAFE}
    if status == 416:
        headers["content-range"] = f"bytes */{extra['size']}"
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="sokoul"'
    if status == 405:
        headers["allow"] = "GET, HEAD"
    if status == 503 or retry_after:
        headers["retry-after"] = f"{retry_after or 5:.0f}"
    body = orjson.dumps(problem(status, detail, code=code))
    await send(_start(status, {**headers, "content-length": len(body)}))
    await send({"type": "http.response.body", "body": body})


async def _send_body(body: "Body", receive: Receive, send: Send) -> None:
    """Until it is sent or the reader has gone, the next bytes being read while these are sent.

    A body that cannot be completed is cut, which players answer by asking again.
    """
    gone = asyncio.ensure_future(_wait_for_disconnect(receive))
    coming = asyncio.ensure_future(body.read())
    try:
        while True:
            await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                return
            chunk = coming.result()
            coming = asyncio.ensure_future(body.read())
            await send({"type": "http.response.body", "body": chunk, "more_body": bool(chunk)})
            if not chunk:
                return
    except (PermanentError, TransientError) as error:
        log.warning("stream cut", reason=error.message, path=str(body.source.path))
    finally:
        gone.cancel()
        coming.cancel()
        with suppress(asyncio.CancelledError, PermanentError, TransientError):
            await coming


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Body:
    """Bytes [start, end) of a file, as they can be had. The file may move meanwhile: to another hunter, to the library."""

    def __init__(self, source: Source, find: Callable[[], Source], start: int, end: int) -> None:
        self.source, self._find, self._at, self._end = source, find, start, end
        self._window = WINDOW[0]
        self._there = start  # what lies before it is on disk

    async def read(self) -> bytes:
        """The next bytes, none at the end. Raises TransientError when they do not come, PermanentError when they never will."""
        if self._at >= self._end:
            return b""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            if await self._is_there():
                stop = min(self._there, self._at + CHUNK)
                if chunk := await loop.run_in_executor(_reads, _read, self.source.path, self._at, stop):
                    self._at += len(chunk)
                    return chunk
            self._there = self._at
            if loop.time() > deadline:
                raise TransientError("the bytes do not come")
            await asyncio.sleep(AGAIN)
            with suppress(DatabaseError, InterfaceError, TimeoutError):
                self.source = await _look(self._find)

    async def _is_there(self) -> bool:
        """Whether the next bytes are on disk; the hunter is asked for a window of them."""
        if self.source.whole:
            self._there = self._end
        if self._there > self._at:
            return True
        stop = min(self._end, self._at + self._window)
        if not await _is_on_disk(self.source, self._at, stop):
            self._window = WINDOW[0]
            return False
        self._window = min(WINDOW[1], self._window * 2)
        self._there = stop
        return True


def _read(path: Path, start: int, stop: int) -> bytes:
    """What there is of it; nothing where the file is not there any more."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            return file.read(stop - start)
    except FileNotFoundError:
        return b""


async def _is_on_disk(source: Source, start: int, end: int) -> bool:
    """Whether the hunter that owns it says so, after having waited for it a little."""
    if not source.hunter:
        return False
    question = orjson.dumps({"swarm": source.swarm, "index": source.index, "start": start, "end": end})
    try:
        answer = await broker.request(subject_of(source.hunter), question, timeout=ASKING)
        return bool(orjson.loads(answer)["ready"])
    except (TransientError, orjson.JSONDecodeError, KeyError):
        return False
