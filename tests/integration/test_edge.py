"""The edge proxy in front of a real web process: one client's limits, and what has to get through all the same (SPEC 16)."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import Any

import pytest
from websockets.sync.client import connect

from apps.accounts.models import AuditEntry, User
from sokoul.stack.processes import free_port
from tests.edge import Edge
from tests.integration.test_streaming import DATA, filed
from tests.waiting import until
from tests.web import Web, environment, token_of

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]
BEHIND_THE_EDGE = {
    "TRUSTED_PROXIES": "127.0.0.1/32",
    "TRUSTED_IPS": "127.0.0.1/32",
    "METRICS_TOKEN": "letters-and-digits-0123456789",
}
STRANGER = "127.0.0.66"


@pytest.fixture(scope="module")
def inner(django_db_setup: None, valkey: str, nats: str) -> Iterator[Web]:
    """The web process behind the edge."""
    running = Web({**environment(), **BEHIND_THE_EDGE})
    yield running
    running.stop()


@pytest.fixture(scope="module")
def edge(inner: Web) -> Iterator[Edge]:
    running = Edge(f"127.0.0.1:{inner.port}")
    until(lambda: running.get("/health").status_code == 200, what="health through the edge")
    yield running
    running.stop()


@pytest.fixture
def another_edge() -> Iterator[Any]:
    running: list[Edge] = []

    def start(upstream: str, **settings: str) -> Edge:
        running.append(Edge(upstream, **settings))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def asked(path: str) -> str:
    return f"GET {path} HTTP/1.1\nHost: localhost\nConnection: close\n\n"


def seconds_until_closed(edge: Edge, head: str, drip: bytes = b"") -> tuple[float, bytes]:
    """How long the edge bears with a client who says `head`, then one byte of `drip` each tenth of a second; its last words."""
    began, said = time.monotonic(), b""  # before the connection: no deadline of the edge's began earlier
    link = edge.raw(head)
    link.settimeout(0.1 if drip else 30)
    with link:
        while True:
            try:
                if not (part := link.recv(65536)):
                    return time.monotonic() - began, said
                said += part
            except TimeoutError:
                assert time.monotonic() < began + 30, "the edge waits for ever"
                link.send(drip)


# Who asks


def test_the_clients_address_arrives_and_nobody_can_choose_another(edge: Edge) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    body = {"username": "nobody", "password": "wrong one"}
    assert edge.request("POST", "/auth/login", peer=STRANGER, json=body, headers=forged).status_code == 401
    assert set(AuditEntry.objects.values_list("ip", flat=True)) == {STRANGER}


def test_a_proxy_in_front_is_believed_where_it_is_named(inner: Web, another_edge: Any) -> None:
    second = another_edge(f"127.0.0.1:{inner.port}", BEHIND="127.0.0.0/8", REQUESTS_PER_MINUTE="2")
    for ip in ("203.0.113.9", "203.0.113.10"):
        for _ in range(2):
            headers = {"X-Forwarded-For": f"198.51.100.1, {ip}", "X-Forwarded-Proto": "https"}
            body = {"username": "nobody", "password": "wrong one"}
            assert second.request("POST", "/auth/login", json=body, headers=headers).status_code == 401
    assert set(AuditEntry.objects.values_list("ip", flat=True)) == {"203.0.113.9", "203.0.113.10"}


def test_one_id_from_the_edge_to_the_answer(edge: Edge) -> None:
    given = edge.get("/nowhere?token=secret", headers={"X-Request-ID": "edge-12345"})
    made = edge.get("/nowhere", headers={"X-Request-ID": "no good id"})
    assert given.headers["X-Request-ID"] == given.json()["request_id"] == "edge-12345"

    def told(request_id: str) -> list[dict[str, Any]]:
        return [line for line in edge.lines() if line["request_id"] == request_id]

    (line,) = until(lambda: told("edge-12345"), what="the edge's log line")
    assert (line["path"], line["status"], line["client"], line["service"]) == ("/nowhere", 404, "127.0.0.1", "edge")
    assert until(lambda: told(made.headers["X-Request-ID"]))
    assert "secret" not in edge.log()


# How much


@pytest.mark.parametrize("size", [1_048_577, 20_000_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_that_is_too_large_gets_an_answer_that_its_sender_reads(edge: Edge, size: int, chunked: bool) -> None:
    """Sent whole before listening, as simple clients do: a connection that is cut would be a broken pipe."""
    parts = (b"x" * min(65536, size - start) for start in range(0, size, 65536))
    body, headers = (parts, {"Transfer-Encoding": "chunked"}) if chunked else (b"x" * size, {})
    with closing(HTTPConnection("127.0.0.1", edge.port, timeout=20)) as connection:
        connection.request("POST", "/auth/login", body=body, headers=headers, encode_chunked=chunked)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
        assert json.loads(answer.read())["type"] == "about:blank#too_large"


def test_an_avatar_may_be_larger(edge: Edge) -> None:
    for path in ("/user/avatar", "/api/v1/user/avatar", "/app/profile/avatar"):
        assert edge.request("PUT", path, content=b"x" * 2_000_000).status_code not in {413, 408}
    assert edge.request("PUT", "/user/avatar", content=b"x" * 11_000_000).status_code == 413


def test_more_requests_than_an_address_may_send(inner: Web, another_edge: Any, alice: User) -> None:
    limited = another_edge(f"127.0.0.1:{inner.port}", REQUESTS_PER_MINUTE="5", TRUSTED_IPS="127.0.0.9 127.0.1.0/24")
    assert [limited.get("/nowhere", peer=STRANGER).status_code for _ in range(5)] == [404] * 5
    refused = limited.get("/nowhere", peer=STRANGER, headers={"X-Request-ID": "too-often"})
    assert (refused.status_code, refused.headers["Content-Type"]) == (429, "application/problem+json")
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.json()["request_id"] == refused.headers["X-Request-ID"] == "too-often"
    assert limited.get("/health", peer=STRANGER).status_code == 200
    bearer = {"Authorization": f"Bearer {token_of(alice)}", "Range": "bytes=0-9"}
    assert limited.get(filed(alice), peer=STRANGER, headers=bearer).status_code == 206
    assert limited.get("/nowhere", peer="127.0.0.67").status_code == 404, "another address"
    for trusted in ("127.0.0.9", "127.0.1.7"):
        assert {limited.get("/nowhere", peer=trusted).status_code for _ in range(7)} == {404}


def test_what_is_no_business_of_strangers(inner: Web, edge: Edge, another_edge: Any) -> None:
    token = {"Authorization": f"Bearer {BEHIND_THE_EDGE['METRICS_TOKEN']}"}
    assert inner.get("/metrics", headers=token).status_code == 200
    for path in ("/metrics", "/api/v1/metrics", "/%6detrics", "/metrics/"):
        assert edge.get(path, headers=token).status_code == 404, path
    trusting = another_edge(f"127.0.0.1:{inner.port}", TRUSTED_IPS="127.0.0.9")
    assert trusting.get("/metrics", peer="127.0.0.9", headers=token).status_code == 200
    assert trusting.get("/metrics", peer="127.0.0.9").status_code == 403


# How long, and what has all the time it needs


def test_slow_clients_are_cut_and_sockets_and_streams_are_not(inner: Web, another_edge: Any, alice: User) -> None:
    """The deadlines of header, body and idle connection pass one after another while a socket and a stream stand still."""
    short = {"HEADER_SECONDS": "1", "BODY_SECONDS": "1", "AVATAR_SECONDS": "2", "IDLE_SECONDS": "1"}
    edge = another_edge(f"127.0.0.1:{inner.port}", **short)
    token = token_of(alice)
    with (
        edge.raw(f"GET {filed(alice)} HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\n\n") as stream,
        connect(f"ws://127.0.0.1:{edge.port}/ws?token={token}", proxy=None) as feed,
    ):
        heard = stream.recv(4096)
        assert heard.startswith(b"HTTP/1.1 200 OK")
        assert json.loads(feed.recv(10))["type"] == "snapshot"
        _slow_clients_are_cut(edge)
        feed.send('{"type": "ping"}')
        assert json.loads(feed.recv(10))["type"] == "pong"
        while heard.partition(b"\r\n\r\n")[2] != DATA:
            part = stream.recv(1 << 20)
            assert part, "the stream was cut"
            heard += part


def _slow_clients_are_cut(edge: Edge) -> None:
    post = "HTTP/1.1\nHost: localhost\nContent-Length: 1000\n\n"
    patience = {  # what a client says at first, what it says each tenth of a second, the answer, the deadline
        "headers": ("GET /health HTTP/1.1\nHost: x\nX-Slow: ", b"x", b" 408 ", 1),
        "body": (f"POST /auth/login {post}", b"x", b"too_slow", 1),
        "avatar": (f"PUT /user/avatar {post}", b"x", b"too_slow", 2),
        "idle": ("GET /health HTTP/1.1\nHost: localhost\n\n", b"", b" 200 ", 1),
    }
    with ThreadPoolExecutor(len(patience)) as at_once:
        ends = {what: at_once.submit(seconds_until_closed, edge, *said[:2]) for what, said in patience.items()}
    for what, (_, _, answer, deadline) in patience.items():
        seconds, heard = ends[what].result()
        assert deadline - 0.1 < seconds < deadline + 8, (what, seconds)
        assert answer in heard, (what, heard)


# More than it can


def test_overload_and_an_absent_web_are_said_with_a_time_to_come_back(another_edge: Any) -> None:
    with ExitStack() as connections:
        frozen = connections.enter_context(socket.create_server(("127.0.0.1", 0)))  # listens, and never says a word
        port = frozen.getsockname()[1]
        slow = another_edge(f"127.0.0.1:{port}", RESPONSE_SECONDS="1")
        assert b" 504 " in seconds_until_closed(slow, asked("/slow/"))[1].splitlines()[0]
        slow.stop()
        full = another_edge(f"127.0.0.1:{port}", AT_ONCE="1", QUEUE_SECONDS="1")
        connections.enter_context(full.raw(asked("/full/")))
        frozen.settimeout(10)
        while b"/full/" not in connections.enter_context(frozen.accept()[0]).recv(10):
            pass  # the other edge's, or an edge's own question whether anybody is there
        answer = full.get("/app/")
        assert (answer.status_code, answer.json()["type"]) == (503, "about:blank#busy")
        assert int(answer.headers["Retry-After"]) > 0
    gone = another_edge(f"127.0.0.1:{free_port()}").get("/app/")
    assert (gone.status_code, gone.headers["Content-Type"]) == (503, "application/problem+json")
    assert int(gone.headers["Retry-After"]) > 0
