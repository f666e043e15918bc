"""The bridge from ASGI to WSGI, the router and the drain, asked through the ASGI interface itself."""

import asyncio
import contextvars
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from sokoul.server.asgi_types import ClientGone, Message, Receive, Scope, Send
from sokoul.server.bridge import Bridge
from sokoul.server.drain import Drain, Request, Socket
from sokoul.server.limits import BodyLimit, Limits
from sokoul.server.router import Router

Environ = dict[str, Any]
Start = Callable[..., Any]
PATIENCE = 10.0


class Client:
    """The server's side of one request: feeds `body` parts, records what is sent, may stop reading or go away."""

    def __init__(self, method: str = "GET", path: str = "/", body: Iterable[bytes] = (), **scope: Any) -> None:
        self.scope: Scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "http_version": "1.1",
            "headers": [(b"host", b"x")],
            **scope,
        }
        self._body = list(body) or [b""]
        self.sent: list[Message] = []
        self.left = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.received = 0

    async def receive(self) -> Message:
        if self._body:
            self.received += 1
            part = self._body.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self._body)}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        await self.reads.wait()

    async def ask(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> "Client":
        await app(self.scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def complete(self) -> bool:
        return bool(self.sent) and self.sent[-1]["type"] == "http.response.body" and not self.sent[-1].get("more_body")


async def until(condition: Callable[[], Any]) -> None:
    """Let everything else run until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (conditions of another thread, too)
            await asyncio.sleep(0.001)


def text(start: Start, body: str, status: str = "200 OK") -> list[bytes]:
    start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]


def hello(_environ: Environ, start: Start) -> Iterable[bytes]:
    return text(start, "hello")


def shown(environ: Environ, start: Start) -> Iterable[bytes]:
    return text(start, json.dumps({key: value for key, value in environ.items() if isinstance(value, str)}))


def echo(environ: Environ, start: Start) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]


class Held:
    """A WSGI application whose calls wait until they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.lock = threading.Lock()
        self.inside = self.most = self.calls = 0

    def __call__(self, _environ: Environ, start: Start) -> Iterable[bytes]:
        with self.lock:
            self.calls += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
        assert self.go.wait(PATIENCE)
        with self.lock:
            self.inside -= 1
        return text(start, "let go")


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    """Lets everything go at the end, so that no thread outlives its test."""
    application = Held()
    yield application
    application.go.set()


# The environ


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_the_reference_validator_finds_nothing_wrong(method: str) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"4"), (b"x-one", b"1")]
    client = await Client(method, "/a/b", [b"body"], headers=headers, server=("::1", 3000), client=("::1", 5)).ask(
        Bridge(validator(echo))
    )
    assert (client.status, client.complete) == (200, True)
    assert client.body == (b"" if method == "HEAD" else b"body")


async def test_the_environ_says_what_the_scope_says() -> None:
    client = await Client(
        path="/film/café",
        raw_path=b"/film/caf%C3%A9%2F%FF",
        query_string=b"q=%C3%A9",
        root_path="/film",
        scheme="https",
        http_version="1.0",
        server=("10.0.0.1", 3000),
        client=("10.0.0.2", 4000),
        headers=[(b"host", b"h"), (b"cookie", b"a=1"), (b"accept", b"x"), (b"cookie", b"b=2"), (b"accept", b"y")],
    ).ask(Bridge(shown))
    environ = json.loads(client.body)
    assert environ["SCRIPT_NAME"] == "/film"
    assert environ["PATH_INFO"].encode("latin-1") == "/café/".encode() + b"\xff"
    assert environ["QUERY_STRING"] == "q=%C3%A9"
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("10.0.0.1", "3000")
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("10.0.0.2", "4000")
    assert (environ["HTTP_HOST"], environ["HTTP_COOKIE"], environ["HTTP_ACCEPT"]) == ("h", "a=1; b=2", "x,y")


async def test_a_header_with_an_underscore_can_not_pose_as_another() -> None:
    client = await Client(headers=[(b"x_forwarded_for", b"6.6.6.6")]).ask(Bridge(shown))
    assert "HTTP_X_FORWARDED_FOR" not in json.loads(client.body)


async def test_a_scope_without_addresses_is_enough() -> None:
    client = await Client(server=None, client=None).ask(Bridge(validator(hello)))
    assert client.body == b"hello"


# Bodies


async def test_a_chunked_body_gets_its_length() -> None:
    headers = [(b"transfer-encoding", b"chunked")]
    client = await Client("POST", body=[b"one", b"", b"two"], headers=headers).ask(Bridge(validator(echo)))
    assert client.body == b"onetwo"


async def test_a_body_larger_than_what_stays_in_memory_arrives_whole() -> None:
    parts = [bytes([number]) * 65536 for number in range(12)]
    headers = [(b"content-length", str(12 * 65536).encode())]
    client = await Client("POST", body=parts, headers=headers).ask(Bridge(validator(echo)))
    assert client.body == b"".join(parts)


async def test_a_declared_size_beyond_the_limit_is_refused_before_reading() -> None:
    client = Client("POST", body=[b"x"], headers=[(b"content-length", b"11"), (b"x-request-id", b"click-1")])
    reads: list[int] = []
    send = client.send

    async def note(message: Message) -> None:
        reads.append(client.received)
        await send(message)

    client.send = note  # type: ignore[method-assign]
    await client.ask(Bridge(echo, limits=Limits(body=BodyLimit(10, 5))))
    assert reads[0] == 0
    assert client.complete
    assert (client.status, client.headers[b"connection"]) == (413, b"close")
    assert client.headers[b"content-type"] == b"application/problem+json"
    problem = json.loads(client.body)
    assert set(problem) >= {"type", "title", "status", "detail", "request_id"}
    assert (problem["status"], problem["request_id"]) == (413, "click-1")


async def test_an_undeclared_size_is_counted_and_the_rest_read_before_the_end() -> None:
    client = Client("POST", body=[b"x" * 8] * 5, headers=[(b"transfer-encoding", b"chunked")])
    await client.ask(Bridge(echo, limits=Limits(body=BodyLimit(10, 5))))
    assert (client.status, client.received) == (413, 5)


async def test_a_refused_body_is_not_read_for_ever() -> None:
    client = Client("POST", body=[b"x" * 8] * 50, headers=[(b"transfer-encoding", b"chunked")])
    await client.ask(Bridge(echo, limits=Limits(body=BodyLimit(10, 5), discard_size=40)))
    assert client.complete
    assert client.received < 15


async def test_some_paths_may_send_more() -> None:
    limits = Limits(body=BodyLimit(10, 5), bodies=(("/avatar", BodyLimit(20, 5)),))
    for path, status in (("/avatar", 200), ("/avatar/more", 413)):
        client = await Client("PUT", path, [b"x" * 15], headers=[(b"content-length", b"15")]).ask(
            Bridge(echo, limits=limits)
        )
        assert client.status == status


def test_the_limits_of_the_contract() -> None:
    limits = Limits()
    assert limits.body_of("/auth/login") == BodyLimit(1024 * 1024, 10.0)
    assert (
        limits.body_of("/user/avatar") == limits.body_of("/api/v1/user/avatar") == limits.body_of("/app/profile/avatar")
    )
    assert limits.body_of("/user/avatar").seconds == 60
    assert limits.body_of("/user/avatar").size >= 10 * 1024 * 1024
    assert (limits.header_seconds, limits.idle_seconds, limits.response_seconds) == (5, 30, 30)


async def test_a_body_that_is_late_gets_408_and_the_application_never_sees_it(held: Held) -> None:
    client = Client("POST", body=[b"x"], headers=[(b"content-length", b"10")])
    client._body.append(b"")

    async def receive() -> Message:
        if client.received:
            await client.left.wait()
        return await Client.receive(client)

    client.receive = receive  # type: ignore[method-assign]
    await client.ask(Bridge(held, limits=Limits(body=BodyLimit(10, 0.05))))
    assert (client.status, held.calls) == (408, 0)


# Responses


async def test_an_ordinary_response_is_one_part() -> None:
    client = await Client().ask(Bridge(hello))
    assert [message["type"] for message in client.sent] == ["http.response.start", "http.response.body"]
    assert client.headers == {b"content-type": b"text/plain", b"content-length": b"5"}


async def test_head_is_answered_without_making_the_body() -> None:
    made: list[int] = []

    def large(_environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [("Content-Length", "5000")])
        for number in range(5):
            made.append(number)
            yield b"x" * 1000

    client = await Client("HEAD").ask(Bridge(large))
    assert (client.headers[b"content-length"], client.body, client.complete) == (b"5000", b"", True)
    assert len(made) == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_a_status_without_a_body_is_sent_without_one(status: str) -> None:
    def application(_environ: Environ, start: Start) -> Iterable[bytes]:
        start(status, [])
        return [b"stray"]

    client = await Client().ask(Bridge(application))
    assert (client.status, client.body, client.complete) == (int(status[:3]), b"", True)


async def test_a_stream_is_sent_as_it_is_made_and_not_ahead_of_its_reader() -> None:
    made: list[int] = []

    def stream(_environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        for number in range(100):
            made.append(number)
            yield b"%02d" % number

    client = Client()
    client.reads.clear()
    answering = asyncio.ensure_future(client.ask(Bridge(stream)))
    await until(lambda: len(made) == 2)
    await asyncio.sleep(0.05)  # were it to run ahead, it would do so now
    assert len(made) == 2
    client.reads.set()
    await answering
    assert client.body == b"".join(b"%02d" % number for number in range(100))
    assert len([message for message in client.sent if message.get("body")]) == 100


async def test_the_write_callable_of_old_applications_works() -> None:
    def application(_environ: Environ, start: Start) -> Iterable[bytes]:
        write = start("200 OK", [])
        write(b"one ")
        return [b"two"]

    assert (await Client().ask(Bridge(application))).body == b"one two"


async def test_files_are_sent_in_large_blocks_and_closed() -> None:
    file = io.BytesIO(b"x" * 200_000)

    def application(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [])
        return environ["wsgi.file_wrapper"](file, 4096)  # type: ignore[no-any-return]

    client = await Client().ask(Bridge(application))
    assert len(client.body) == 200_000
    assert len(client.sent) < 8
    assert file.closed


class Tracked:
    """An iterable that remembers which threads read and closed it; raises after `parts` if told to."""

    def __init__(self, parts: int, error: Exception | None = None) -> None:
        self._parts, self._error = parts, error
        self.read_by: set[int] = set()
        self.closed_by: list[int] = []

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self._parts):
            self.read_by.add(threading.get_ident())
            yield b"part"
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed_by.append(threading.get_ident())


@pytest.mark.parametrize("error", [None, RuntimeError("secret")])
async def test_the_iterable_is_closed_once_in_the_thread_that_read_it(error: Exception | None) -> None:
    iterable = Tracked(3, error)

    def application(_environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [])
        return iterable

    client = await Client().ask(Bridge(application, threads=3))
    assert set(iterable.closed_by) == iterable.read_by
    assert len(iterable.closed_by) == 1
    assert client.complete is (error is None)


async def test_an_exception_becomes_a_problem_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    def application(_environ: Environ, _start: Start) -> Iterable[bytes]:
        raise RuntimeError("secret")

    client = await Client().ask(Bridge(application))
    assert (client.status, client.complete) == (500, True)
    assert b"secret" not in client.body
    assert "RuntimeError: secret" in caplog.text


async def test_an_application_that_says_nothing_is_a_500() -> None:
    client = await Client().ask(Bridge(lambda _environ, _start: []))
    assert client.status == 500


async def test_a_response_longer_than_it_declared_is_a_500() -> None:
    def application(_environ: Environ, start: Start) -> Iterable[bytes]:
        return [*text(start, "hello"), b"and more"]

    assert (await Client().ask(Bridge(application))).status == 500


async def test_start_response_may_be_replaced_while_nothing_is_sent() -> None:
    def application(_environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [])
        try:
            raise ValueError
        except ValueError as error:
            start("418 I'm a Teapot", [], (type(error), error, error.__traceback__))
        return [b"short and stout"]

    assert (await Client().ask(Bridge(application))).status == 418


# Threads, the queue before them, and deadlines


async def test_no_more_requests_run_at_once_than_there_are_threads(held: Held) -> None:
    bridge = Bridge(held, threads=3)
    clients = [Client() for _ in range(12)]
    answers = [asyncio.ensure_future(client.ask(bridge)) for client in clients]
    await until(lambda: held.inside == 3 and bridge.admitted == 12)
    held.go.set()
    await asyncio.gather(*answers)
    assert held.most == 3
    assert {client.status for client in clients} == {200}
    assert bridge.admitted == 0


async def test_beyond_the_queue_a_request_is_told_to_come_again(held: Held) -> None:
    bridge = Bridge(held, threads=1, limits=Limits(queue=1))
    waiting = [asyncio.ensure_future(Client().ask(bridge)) for _ in range(2)]
    await until(lambda: bridge.admitted == 2)
    refused = await Client().ask(bridge)
    assert refused.status == 503
    assert int(refused.headers[b"retry-after"]) > 0
    assert json.loads(refused.body)["status"] == 503
    held.go.set()
    assert [(await answer).status for answer in waiting] == [200, 200]


async def test_who_waits_too_long_for_a_thread_is_told_and_never_run(held: Held) -> None:
    bridge = Bridge(held, threads=1, limits=Limits(queue_seconds=0.05))
    first = asyncio.ensure_future(Client().ask(bridge))
    await until(lambda: held.inside == 1)
    second = await Client().ask(bridge)
    assert second.status == 503
    assert bridge.admitted == 1
    held.go.set()
    assert (await first).status == 200
    assert (await Client().ask(bridge)).status == 200
    assert held.calls == 2


@pytest.mark.parametrize(("status", "waited"), [("401 Unauthorized", True), ("503 Service Unavailable", False)])
async def test_waiting_lasts_as_long_as_the_queue_moves(status: str, waited: bool) -> None:
    """Twelve requests of 0.1 s on one thread, where nobody waits 0.5 s for nothing."""

    def application(_environ: Environ, start: Start) -> Iterable[bytes]:
        time.sleep(0.1)  # work
        return text(start, "answered", status)

    bridge = Bridge(application, threads=1, limits=Limits(queue_seconds=0.5))
    clients = await asyncio.gather(*[Client().ask(bridge) for _ in range(12)])
    assert all(client.body == b"answered" for client in clients) is waited


async def test_a_late_answer_is_a_503_and_the_thread_counts_until_it_is_back(held: Held) -> None:
    bridge = Bridge(held, threads=1, limits=Limits(response_seconds=0.05))
    client = Client()
    answer = asyncio.ensure_future(client.ask(bridge))
    await until(lambda: client.complete)
    assert client.status == 503
    assert bridge.admitted == 1
    held.go.set()
    await answer
    assert bridge.admitted == 0
    assert len(client.sent) == 2


async def test_a_stream_that_is_not_read_in_time_is_cut_and_its_thread_freed() -> None:
    iterable = Tracked(1000)

    def application(_environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [])
        return iterable

    bridge = Bridge(application, threads=1, limits=Limits(response_seconds=0.05))
    client = Client()
    client.reads.clear()
    await client.ask(bridge)
    assert not client.complete
    await until(lambda: bridge.admitted == 0)
    assert iterable.closed_by


async def test_who_leaves_while_waiting_is_never_run(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sokoul.server.bridge.WATCH_AFTER", 0.01)
    bridge = Bridge(held, threads=1)
    first = asyncio.ensure_future(Client().ask(bridge))
    await until(lambda: held.inside == 1)
    leaving = Client()
    leaving.left.set()
    await leaving.ask(bridge)
    assert leaving.sent == []
    assert bridge.admitted == 1
    held.go.set()
    await first
    assert (await Client().ask(bridge)).status == 200
    assert held.calls == 2


async def test_who_leaves_a_stream_ends_it() -> None:
    iterable = Tracked(1_000_000)

    def application(_environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [])
        return iterable

    bridge = Bridge(application)
    client = Client()
    answer = asyncio.ensure_future(client.ask(bridge))
    await until(lambda: len(client.sent) > 10)
    client.left.set()
    await answer
    assert not client.complete
    await until(lambda: bridge.admitted == 0)
    assert iterable.closed_by


async def test_a_server_that_raises_for_a_gone_client_frees_the_thread() -> None:
    iterable = Tracked(1_000_000)

    def application(_environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [])
        return iterable

    async def send(_message: Message) -> None:
        raise ClientGone

    bridge = Bridge(application)
    client = Client()
    client.send = send  # type: ignore[assignment, method-assign]
    await client.ask(Router(http=bridge, drain=Drain()))
    await until(lambda: bridge.admitted == 0)
    assert iterable.closed_by


async def test_context_reaches_the_application_and_does_not_stay_on_its_thread() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    def application(_environ: Environ, start: Start) -> Iterable[bytes]:
        seen.append(variable.get())
        variable.set("of another request")
        return text(start, "hello")

    bridge = Bridge(application, threads=1)
    await Client().ask(bridge)
    variable.set("of this request")
    await Client().ask(bridge)
    assert seen == ["unset", "of this request"]


# The router and the drain


async def _ok(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def _naming(name: bytes) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": name})

    return application


async def test_the_whole_path_decides_who_answers() -> None:
    router = Router(http=_naming(b"bridge"), streams={r"/files/\d+": _naming(b"stream")}, drain=Drain())
    for path, name in (("/files/1", b"stream"), ("/files/1/x", b"bridge"), ("/", b"bridge")):
        assert (await Client(path=path).ask(router)).body == name


async def test_a_target_that_is_no_path_is_refused() -> None:
    assert (await Client("OPTIONS", "*").ask(Router(http=_ok, drain=Drain()))).status == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 503), ("/health/ready", 503), ("/health", 503), ("/health/live", 200), ("/api/v1/health/live", 200)],
)
async def test_while_draining_only_liveness_is_answered(path: str, status: int) -> None:
    drain = Drain()
    assert drain.begin()
    assert not drain.begin()
    client = await Client(path=path).ask(Router(http=_ok, drain=drain))
    assert client.status == status
    if status == 503:
        assert client.headers[b"connection"] == b"close"
        assert int(client.headers[b"retry-after"]) > 0


class Player:
    """The client's side of one WebSocket."""

    def __init__(self, **scope: Any) -> None:
        self.scope: Scope = {"type": "websocket", "path": "/ws", "headers": [], **scope}
        self.sent: list[Message] = []
        self.closed = asyncio.Event()

    async def receive(self) -> Message:
        await self.closed.wait()
        return {"type": "websocket.disconnect", "code": 1001}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "websocket.close":
            self.closed.set()


async def _feed(_scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    await receive()
    await send({"type": "websocket.send", "text": "too late"})


async def test_draining_closes_every_socket_with_1001_and_drops_what_is_still_said() -> None:
    drain = Drain(announce=0, batch=2, pause=0.001)
    router = Router(http=_ok, websocket=_feed, drain=drain)
    players = [Player() for _ in range(5)]
    feeds = [asyncio.ensure_future(router(player.scope, player.receive, player.send)) for player in players]
    await until(lambda: len(drain.sockets) == 5)
    drain.begin()
    await drain.finish()
    await asyncio.gather(*feeds)
    for player in players:
        assert [message["type"] for message in player.sent] == ["websocket.accept", "websocket.close"]
        assert player.sent[1]["code"] == 1001
    assert not drain.sockets


async def test_a_socket_that_cannot_be_written_to_does_not_hold_up_the_others() -> None:
    async def stuck(_message: Message) -> None:
        await asyncio.Event().wait()

    drain, player = Drain(announce=0, batch=1, pause=0.001), Player()
    drain.sockets = {Socket(stuck), Socket(player.send)}
    drain.begin()
    async with asyncio.timeout(PATIENCE):
        await drain.finish()
    assert [message["code"] for message in player.sent] == [1001]


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
async def test_a_handshake_that_drain_overtakes_is_refused(extensions: dict[str, Any]) -> None:
    drain, player = Drain(), Player(extensions=extensions)

    async def slow(_scope: Scope, _receive: Receive, send: Send) -> None:
        drain.begin()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "dropped"})

    await Router(http=_ok, websocket=slow, drain=drain)(player.scope, player.receive, player.send)
    if extensions:
        assert [message["type"] for message in player.sent] == [
            "websocket.http.response.start",
            "websocket.http.response.body",
        ]
        assert player.sent[0]["status"] == 503
    else:
        assert [message["type"] for message in player.sent] == ["websocket.close"]


async def test_what_the_grace_cuts_before_its_answer_is_told_503() -> None:
    async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.Event().wait()

    drain, client = Drain(grace=0.05, announce=0), Client()
    answer = asyncio.ensure_future(client.ask(Router(http=never, drain=drain)))
    await until(lambda: drain.requests)
    drain.begin()
    await drain.finish()
    await answer
    assert client.status == 503


async def test_a_stalled_stream_is_cut_early_and_a_moving_one_is_not() -> None:
    async def play(_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(20):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.03)
        await send({"type": "http.response.body", "body": b"end"})

    drain = Drain(grace=PATIENCE, announce=0, stall=0.3)
    router = Router(http=_ok, streams={".*": play}, drain=drain)
    moving, stalled = Client(), Client()
    stalled.reads.clear()
    answers = [asyncio.ensure_future(client.ask(router)) for client in (moving, stalled)]
    await until(lambda: len(drain.requests) == 2)
    drain.begin()
    await drain.finish()
    await asyncio.gather(*answers)
    assert moving.complete
    assert not stalled.complete


async def test_a_request_in_flight_is_waited_for() -> None:
    drain = Drain(grace=PATIENCE, announce=0)
    request = Request(Client().send, None, stream=False)
    drain.requests.add(request)
    drain.begin()
    leaving = asyncio.ensure_future(drain.finish())
    await asyncio.sleep(0.1)  # were it not to wait, it would be over now
    assert not leaving.done()
    drain.requests.clear()
    await leaving
