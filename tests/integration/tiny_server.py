"""A whole server process around applications of a few lines: `python -m tests.integration.tiny_server uvicorn '{…}' '{…}'`.

The arguments are the server's name, fields of Limits and fields of Drain. It logs to standard error.
"""

import asyncio
import hashlib
import importlib
import json
import logging
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

from sokoul.server import drain, limits, listener
from sokoul.server.asgi_types import Message, Receive, Scope, Send
from sokoul.server.bridge import Bridge
from sokoul.server.router import Router

logger = logging.getLogger("tiny")
THREADS = 2
Environ = dict[str, Any]
Start = Callable[..., Any]
# By path, so that tests on one server do not meet.
released: defaultdict[str, threading.Event] = defaultdict(threading.Event)
closed = threading.Event()
flood: list[int] = []


def application(environ: Environ, start: Start) -> Iterable[bytes]:
    """One answer a path. `/hold/…` waits (20 s at most) for `/health/live?/hold/…`."""
    name = environ["PATH_INFO"].strip("/").split("/")[0]
    views: dict[str, Callable[[Environ, Start], Iterable[bytes]]] = {
        "hello": lambda _environ, start: text(start, "hello"),
        "environ": shown,
        "echo": echo,
        "hold": hold,
        "health": release,
        "fail": fail,
        "fail-late": fail_late,
        "endless": endless,
        "flooded": lambda _environ, start: text(start, str(sum(flood))),
        "was-closed": lambda _environ, start: text(start, str(closed.wait(5))),
        "user": echo,
    }
    return views.get(name, missing)(environ, start)


def text(start: Start, body: str, status: str = "200 OK") -> list[bytes]:
    data = body.encode()
    start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(data)))])
    return [data]


def missing(_environ: Environ, start: Start) -> list[bytes]:
    return text(start, "no such path", "404 Not Found")


def shown(environ: Environ, start: Start) -> list[bytes]:
    return text(start, json.dumps({key: value for key, value in environ.items() if isinstance(value, str)}))


def echo(environ: Environ, start: Start) -> list[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return text(start, f"{len(body)} {hashlib.sha256(body).hexdigest()}")


def hold(environ: Environ, start: Start) -> list[bytes]:
    logger.info("holding %s", environ["PATH_INFO"])
    let_go = released[environ["PATH_INFO"]].wait(20)
    if environ["PATH_INFO"] == "/hold/large":
        return text(start, "x" * 16 * 1024 * 1024)
    return text(start, f"released {let_go}")


def release(environ: Environ, start: Start) -> list[bytes]:
    if environ["QUERY_STRING"]:
        released[environ["QUERY_STRING"]].set()
    return text(start, "alive")


def fail(_environ: Environ, _start: Start) -> list[bytes]:
    raise RuntimeError("the secret of the database is 1234")


def fail_late(_environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    yield b"begun"
    raise RuntimeError("the secret of the database is 1234")


class Endless:
    """64 KiB again and again; remembers that it was closed by the thread that read it."""

    def __init__(self) -> None:
        self._thread = 0

    def __iter__(self) -> Iterator[bytes]:
        self._thread = threading.get_ident()
        while True:
            yield b"x" * 65536

    def close(self) -> None:
        if threading.get_ident() == self._thread:
            closed.set()


def endless(_environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "application/octet-stream")])
    return Endless()


async def film(scope: Scope, _receive: Receive, send: Send) -> None:
    """Streams: `/film/fail` raises, `/film/flood` never stops, others begin and wait for `/health/live?/film/…`."""
    if scope["path"] == "/film/fail":
        raise RuntimeError("the secret of the database is 1234")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"video/mp4")]})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    while scope["path"] == "/film/flood":
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        flood.append(65536)
    while not released[scope["path"]].is_set():
        await send({"type": "http.response.body", "body": b".", "more_body": True})
        await asyncio.sleep(0.05)
    await send({"type": "http.response.body", "body": b" and ended"})


async def socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers what it is told; `/refuse` refuses with 401, `close 4008` closes with that code."""
    await receive()
    if scope["path"] == "/refuse":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"token")]})
        await send({"type": "websocket.http.response.body", "body": b"no token"})
        return
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send(_reply(message.get("text") or ""))
    logger.info("socket ended with %s", message.get("code"))


def _reply(text: str) -> Message:
    if text.startswith("close "):
        return {"type": "websocket.close", "code": int(text.split()[1])}
    return {"type": "websocket.send", "text": f"you said {text}"}


def main() -> None:
    server, some_limits, some_drain = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if "body" in some_limits:
        some_limits["body"] = limits.BodyLimit(*some_limits["body"])
    if "bodies" in some_limits:
        some_limits["bodies"] = tuple((path, limits.BodyLimit(*limit)) for path, limit in some_limits["bodies"])
    bound = limits.Limits(**some_limits)
    state = drain.Drain(**some_drain)
    bridge = Bridge(validator(application), threads=THREADS, limits=bound)
    router = Router(http=bridge, websocket=socket, streams={"/film/.*": film}, drain=state, limits=bound)
    module = importlib.import_module(f"sokoul.server.{server}_server")
    sock = listener.bind("127.0.0.1", 0)
    module.run(router, sock, reread=lambda: logger.info("secrets re-read"), limits=bound, drain=state)
    logger.info("left")


if __name__ == "__main__":
    main()
