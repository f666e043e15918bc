"""Reading a whole request body before anybody works on it, under a limit of size and of time."""

import asyncio
import io
import tempfile
from typing import IO

from sokoul.server.asgi_types import Receive
from sokoul.server.limits import BodyLimit

# What is larger waits for its thread on disk: a thousand waiting requests must not fill the memory.
IN_MEMORY = 256 * 1024


class TooLarge(Exception):
    """More bytes than the limit, declared or sent."""


class TooSlow(Exception):
    """The body was not whole at its deadline."""


class Gone(Exception):
    """The client went away."""


async def read(receive: Receive, limit: BodyLimit, declared: int | None) -> tuple[IO[bytes], int]:
    """The body, at its beginning, and its size. `declared` is its Content-Length, None where it has none (chunked).

    Raises TooLarge (before reading anything, where the declared size says so), TooSlow or Gone.
    """
    if declared is not None and declared > limit.size:
        raise TooLarge
    if declared == 0:
        return io.BytesIO(await _only_part(receive)), 0
    try:
        async with asyncio.timeout(limit.seconds):
            return await _spool(receive, limit.size)
    except TimeoutError:
        raise TooSlow from None


async def _only_part(receive: Receive) -> bytes:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    return b""


async def _spool(receive: Receive, most: int) -> tuple[IO[bytes], int]:
    first, more = await _part(receive)
    if not more and len(first) <= most:
        return io.BytesIO(first), len(first)
    spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (its reader closes it)
    try:
        size = await _fill(spool, first, more, receive, most)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return spool, size


async def _fill(spool: IO[bytes], part: bytes, more: bool, receive: Receive, most: int) -> int:
    size = 0
    while True:
        size += len(part)
        if size > most:
            raise TooLarge
        spool.write(part)
        if not more:
            return size
        part, more = await _part(receive)


async def _part(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    return message.get("body", b""), message.get("more_body", False)
