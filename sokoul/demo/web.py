"""The little of a web framework that the demo providers need: requests, answers, routes, on plain ASGI 3."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY = 64 * 1024 * 1024


@dataclass
class Request:
    """One HTTP request with its whole body read. `args` holds what the route's pattern matched."""

    method: str
    path: str
    query: dict[str, str]
    repeated: list[tuple[str, str]]
    raw_query: bytes
    headers: dict[str, str]
    body: bytes
    client: str
    args: dict[str, str] = field(default_factory=dict)
    endless: bool = False
    gone: Callable[[], Awaitable[None]] | None = None

    @property
    def base_url(self) -> str:
        """The address that the caller used, as Prowlarr takes it from the Host header."""
        return f"http://{self.headers.get('host', 'localhost')}"

    def number(self, name: str, default: int) -> int:
        """A query parameter as an integer; raises ValueError when it is there and is none."""
        value = self.query.get(name, "")
        return int(value) if value else default

    def numbers(self, name: str) -> list[int]:
        """`a=1&a=2` and `a=1,2` alike; what is no number is left out."""
        parts = [part for key, value in self.repeated if key == name for part in value.split(",")]
        return [int(part) for part in parts if re.fullmatch(r"-?\d+", part)]

    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}

    def fields(self) -> dict[str, Any]:
        """Parameters of a call as Telegram takes them: query, form, JSON or multipart (files as {"file": name, "size"})."""
        kind = self.headers.get("content-type", "")
        found: dict[str, Any] = dict(self.query)
        if kind.startswith("application/json"):
            found.update(self.json())
        elif kind.startswith("application/x-www-form-urlencoded"):
            found.update(parse_qsl(self.body.decode(), keep_blank_values=True))
        elif kind.startswith("multipart/form-data"):
            found.update(self._multipart(kind))
        return found

    def _multipart(self, kind: str) -> dict[str, Any]:
        message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + self.body)
        found: dict[str, Any] = {}
        for part in message.iter_parts():
            name = str(part.get_param("name", header="content-disposition"))
            content = part.get_payload(decode=True)
            data = content if isinstance(content, bytes) else b""
            filename = part.get_filename()
            found[name] = {"file": filename, "size": len(data)} if filename else data.decode()
        return found


@dataclass
class Response:
    """An answer. With `stream` the body is sent in chunks; with `declared` a Content-Length of that many bytes is claimed."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json;charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None
    declared: int | None = None


Handler = Callable[[Request], Awaitable[Response]]


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(value, ensure_ascii=False).encode(), status, headers=headers or {})


class Router:
    """Routes as `METHOD /path/{name}`; `{name:expression}` narrows or widens what fits. The first that fits wins."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        expression = ""
        for text, name, narrowed in re.findall(r"([^{]*)(?:{(\w+)(?::([^}]*))?})?", pattern):
            expression += re.escape(text) + (f"(?P<{name}>{narrowed or '[^/]+'})" if name else "")
        self._routes.append((method, re.compile(expression), handler))

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        for wanted, expression, handler in self._routes:
            if wanted in (method, "*") and (match := expression.fullmatch(path)):
                return handler, match.groupdict()
        return None


async def read_request(scope: Scope, receive: Receive) -> Request:
    """Raises ValueError when the body is larger than 64 MiB, ConnectionError when the caller left."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the caller left")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
        if size > MAX_BODY:
            raise ValueError("body too large")

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    raw = scope["query_string"]
    pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True)
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(pairs),
        repeated=pairs,
        raw_query=raw,
        headers={key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]},
        body=b"".join(chunks),
        client=(scope.get("client") or ("", 0))[0],
        gone=gone,
    )


async def send_response(response: Response, send: Send, head: bool = False) -> None:
    """Send an answer; a `declared` length that is not reached leaves it unfinished, and the server cuts the connection."""
    length = response.declared if response.declared is not None else len(response.body)
    headers = [(b"content-type", response.content_type.encode())]
    if response.stream is None:
        headers.append((b"content-length", str(length).encode()))
    headers += [(key.lower().encode(), value.encode("latin-1")) for key, value in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if head:
        await send({"type": "http.response.body"})
        return
    if response.stream is not None:
        async for chunk in response.stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})
        return
    unfinished = length > len(response.body)
    await send({"type": "http.response.body", "body": response.body, "more_body": unfinished})
