"""HTTP Range streaming of a download's files, finished or still downloading. An ASGI application beside Django.

What is whole is read from disk. What is not is asked of the download's hunter (`broker` request on its own subject), which
gives those pieces deadlines and answers when they are on disk; the bytes themselves never pass through the hunter.
"""

import asyncio
import mimetypes
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from apps.accounts.authentication import person_of
from apps.downloads import library
from apps.downloads.models import Download, LibraryFile, TorrentState
from apps.jobs import broker
from sokoul import logs, request_id
from sokoul.env import ENV
from sokoul.errors import PROBLEM_JSON, PermanentError, TransientError, forbidden, not_found, problem

log = logs.logger(__name__)
ROUTE = r"(?:/api/v1)?/downloads/(?P<download>\d{1,18})/files/(?P<index>\d{1,9})/stream"
CHUNK = 1 << 20  # bytes of one read of a file that is whole
WINDOW = 2 << 20  # bytes asked of the hunter at a time
PATIENCE = 30.0  # seconds for one window, then the answer ends and the player asks again
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
_PATH = re.compile(ROUTE)
_readers = ThreadPoolExecutor(16, thread_name_prefix="stream")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file lies. `hunter` is asked for its bytes unless it is `whole`."""

    path: Path
    size: int
    whole: bool
    swarm: str
    index: int
    hunter: str


def subject_of(hunter: str) -> str:
    """Where a hunter takes readers' questions: {swarm, index, start, end} → {ready}."""
    return f"hunter.{hunter}.range"


def locate(headers: dict[str, str], cookies: dict[str, str], download_id: int, index: int) -> Source:
    """The file, for its owner. Raises PermanentError: 401 stranger, 403 somebody else's, 404 none, 409 nothing yet."""
    try:
        user = person_of(headers.get("authorization", ""), cookies.get(settings.SESSION_COOKIE_NAME))
        download = Download.objects.filter(pk=download_id).first()
        if download is None:
            raise not_found("This download")
        if download.user_id != user.pk:
            raise forbidden()
        return _source(download, index)
    finally:
        close_old_connections()


def _source(download: Download, index: int) -> Source:
    filed = LibraryFile.objects.filter(download_id=download.pk, index=index).first()
    if filed is not None and (path := ENV.library / filed.path).is_file():
        return Source(path, filed.size, True, download.swarm, index, "")
    files = TorrentState.objects.filter(download_id=download.pk).values_list("files", flat=True).first() or []
    file = next((file for file in files if file["index"] == index), None)
    if file is None:
        raise not_found("This file of the download")
    path = library.folder_of(download.swarm) / file["path"]
    if not path.resolve().is_relative_to(ENV.downloads.resolve()):
        raise not_found("This file of the download")
    whole = download.phase in {"filing", "seeding"}
    if not whole and download.phase not in {"downloading", "metadata", "queued", "paused"}:
        raise not_found("This file of the download")
    return Source(path, file["size"], whole, download.swarm, index, download.hunter)


def span(header: str | None, size: int) -> tuple[int, int] | None:
    """[start, end) that a Range header asks for (RFC 9110, 14.1.2); None: all of it. Raises PermanentError 416.

    Several ranges, or a unit that is not bytes, are ignored as the RFC allows.
    """
    found = _RANGE.match(header.strip()) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
    if found[1] and found[2] and int(found[2]) < start:
        return None
    if start >= size or start >= end:
        raise PermanentError("The range lies outside of the file.", code="range", status=416, extra={"size": size})
    return start, end


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The way in for paths that match ROUTE."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    with request_id.bound(request_id.accept(headers.get("x-request-id"))):
        try:
            await _serve(scope, headers, receive, send)
        except PermanentError as error:
            await _refuse(send, error.status, error.message, error.extra)
        except (DatabaseError, InterfaceError):
            await _refuse(send, 503, "The database does not answer. Try again shortly.", {})


async def _serve(scope: Scope, headers: dict[str, str], receive: Receive, send: Send) -> None:
    if scope["method"] not in {"GET", "HEAD"}:
        raise PermanentError("A stream can only be read.", code="method", status=405)
    found = _PATH.fullmatch(scope["path"])
    assert found is not None
    try:
        cookies = {key: morsel.value for key, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        cookies = {}
    loop = asyncio.get_running_loop()
    arguments = (headers, cookies, int(found["download"]), int(found["index"]))
    source = await loop.run_in_executor(_readers, locate, *arguments)
    tag = f'"{source.swarm[:16]}-{source.index}-{source.size}"'
    wanted = headers.get("range") if headers.get("if-range", tag) == tag else None
    part = span(wanted, source.size)
    start, end = part or (0, source.size)
    await send(_head(source, start, end, tag, partial=part is not None))
    if scope["method"] == "GET" and end > start:
        await _send_body(source, start, end, receive, send)
    else:
        await send({"type": "http.response.body", "body": b""})


def _head(source: Source, start: int, end: int, tag: str, *, partial: bool) -> dict[str, Any]:
    kind = "video/x-matroska" if source.path.suffix == ".mkv" else mimetypes.guess_type(source.path.name)[0]
    playable = bool(kind) and str(kind).startswith(("video/", "audio/"))
    headers = {
        "content-type": kind if playable else "application/octet-stream",
        "content-length": str(end - start),
        "content-disposition": "inline" if playable else "attachment",
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "etag": tag,
        "x-content-type-options": "nosniff",
        "x-request-id": request_id.current(),
    }
    if partial:
        headers["content-range"] = f"bytes {start}-{end - 1}/{source.size}"
    return _start(206 if partial else 200, headers)


def _start(status: int, headers: dict[str, Any]) -> dict[str, Any]:
    pairs = [(name.encode(), str(value).encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": pairs}


async def _refuse(send: Send, status: int, detail: str, extra: dict[str, Any]) -> None:
    headers = {"content-type": PROBLEM_JSON, "x-request-id": request_id.current()}
    if status == 416:
        headers["content-range"] = f"bytes */{extra['size']}"
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status == 405:
        headers["allow"] = "GET, HEAD"
    if status == 503:
        headers["retry-after"] = "5"
    body = orjson.dumps(problem(status, detail))
    await send(_start(status, {**headers, "content-length": len(body)}))
    await send({"type": "http.response.body", "body": body})


async def _send_body(source: Source, start: int, end: int, receive: Receive, send: Send) -> None:
    """Until it is sent or the reader has gone; a body that cannot be completed is cut, which players answer by asking again."""
    gone = asyncio.ensure_future(_wait_for_disconnect(receive))
    try:
        async for chunk in _chunks(source, start, end):
            if gone.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _chunks(source: Source, start: int, end: int) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    file = -1
    try:
        while start < end:
            stop = min(end, start + (CHUNK if source.whole else WINDOW))
            if not source.whole:
                await _await_range(source, start, stop)
            if file < 0:
                file = await loop.run_in_executor(_readers, os.open, source.path, os.O_RDONLY)
            chunk = await loop.run_in_executor(_readers, os.pread, file, stop - start, start)
            if not chunk:
                raise TransientError("The file is shorter than its torrent says.")
            start += len(chunk)
            yield chunk
    finally:
        if file >= 0:
            os.close(file)


async def _await_range(source: Source, start: int, end: int) -> None:
    """Raises TransientError when the bytes do not come in time: the connection is cut and the player tries again."""
    question = orjson.dumps({"swarm": source.swarm, "index": source.index, "start": start, "end": end})
    try:
        answer = await broker.request(subject_of(source.hunter), question, timeout=PATIENCE)
        ready = orjson.loads(answer).get("ready")
    except (TimeoutError, TransientError, orjson.JSONDecodeError):
        ready = False
    if not ready:
        raise TransientError("These bytes are not there yet.")
