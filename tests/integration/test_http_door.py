"""The outbound door against real sockets that behave badly: every way out is one of our two errors, in time."""

import gzip
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate

import pytest

from sokoul import http, pinned
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError
from tests.waiting import until

Script = Callable[[socket.socket, bytes], None]


class Server:
    """A server on loopback that gives every connection's request to one function."""

    def __init__(self, script: Script, host: str = "127.0.0.1") -> None:
        self.requests: list[bytes] = []
        self._script = script
        self._socket = socket.create_server((host, 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                connection.settimeout(10)
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (more := connection.recv(65536)):
                        break
                    head += more
                if not head:
                    return
                self.requests.append(head)
                try:
                    self._script(connection, head)
                except OSError:
                    continue

    def close(self) -> None:
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Script], Server]]:
    """Starts servers; 127.0.0.1 is trusted as the operator's own Prowlarr would be."""
    monkeypatch.setattr(ENV, "prowlarr_url", "http://127.0.0.1:9696")
    http.forget()
    servers: list[Server] = []

    def start(script: Script) -> Server:
        servers.append(Server(script))
        return servers[-1]

    yield start
    http.forget()
    for server in servers:
        server.close()


def answer(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> Script:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]

    def script(connection: socket.socket, _: bytes) -> None:
        connection.sendall("\r\n".join(lines).encode() + body)

    return script


def redirect(location: str, status: str = "302 Found") -> Script:
    return answer(b"", status, f"Location: {location}")


def test_an_answer_is_read_whole(serve: Callable[[Script], Server]) -> None:
    server = serve(answer(b'{"a": 1}'))
    response = http.get(server.url + "/x?b=2", service="it", params={"c": "d e"}, headers={"X-Api-Key": "k"})
    assert (response.status, response.json()) == (200, {"a": 1})
    assert server.requests[0].startswith(b"GET /x?b=2&c=d+e HTTP/1.1\r\n") or b"c=d%20e" in server.requests[0]
    assert b"x-api-key: k" in server.requests[0].lower()


def test_a_private_address_is_refused_unless_its_host_is_configured(
    serve: Callable[[Script], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answer())
    for host in ("localhost", "127.0.0.2", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"):
        with pytest.raises(PermanentError) as refused:
            http.get(f"http://{host}:{server.port}/", service="it", seconds=5)
        assert refused.value.code == "private_address"
    assert server.requests == []
    monkeypatch.setattr(ENV, "torznab_feeds", {"feed": ("http://localhost/api", "key")})
    assert http.get(f"http://localhost:{server.port}/", service="it").status == 200


def test_a_foreign_address_gains_nothing_from_what_the_operator_trusts(serve: Callable[[Script], Server]) -> None:
    """127.0.0.1 is the operator's Prowlarr here, and none of somebody's webhook's business."""
    server = serve(lambda connection, _: connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert http.get(server.url, service="test").status == 204
    for call in (http.get, http.check):
        with pytest.raises(PermanentError, match="private address"):
            call(server.url, service="test", **({"foreign": True} if call is http.get else {}))
    assert len(server.requests) == 1
    assert (
        http.request("POST", server.url, service="test", content=b"x", foreign=True, trusted=["127.0.0.1"]).status
        == 204
    )
    http.check(server.url, service="test", trusted=["127.0.0.1"])


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("93.184.215.14", "10.0.0.7")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    with pytest.raises(PermanentError, match="private address"):
        http.get("http://rebinding.example/", service="it", seconds=5)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1", True), ("10.1.2.3", False), ("100.64.0.1", False), ("169.254.169.254", False),
        ("224.0.0.1", False), ("240.0.0.1", False), ("fe80::1", False), ("fd00::1", False), ("ff02::1", False),
        ("::ffff:10.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("::", False),
        ("64:ff9b::808:808", True),
    ],
)  # fmt: skip
def test_public_addresses(address: str, public: bool) -> None:
    assert pinned.is_public(ipaddress.ip_address(address)) is public


def test_every_hop_of_a_redirect_is_checked(serve: Callable[[Script], Server]) -> None:
    inner = serve(answer(b"secret"))
    outer = serve(redirect(f"http://localhost:{inner.port}/"))
    with pytest.raises(PermanentError, match="private address"):
        http.get(outer.url, service="it")
    assert inner.requests == []


def test_three_redirects_are_followed_and_the_fourth_is_not(serve: Callable[[Script], Server]) -> None:
    def count_down(connection: socket.socket, head: bytes) -> None:
        number = int(head.split()[1].strip(b"/"))
        (redirect(f"/{number - 1}") if number else answer(b"there"))(connection, head)

    server = serve(count_down)
    assert http.get(server.url + "/3", service="it").body == b"there"
    with pytest.raises(PermanentError, match="more than 3 times"):
        http.get(server.url + "/4", service="it")


def test_keys_do_not_follow_a_redirect_to_another_origin(serve: Callable[[Script], Server]) -> None:
    other = serve(answer(b"ok"))
    server = serve(redirect(other.url + "/next"))
    keys = {"X-Api-Key": "top-secret", "Authorization": "Bearer top-secret"}
    assert http.get(server.url, service="it", headers=keys).body == b"ok"
    assert b"top-secret" in server.requests[0]
    assert b"top-secret" not in other.requests[0]


def test_a_redirect_to_a_magnet_is_the_answer(serve: Callable[[Script], Server]) -> None:
    magnet = "magnet:?xt=urn:btih:" + "a" * 40
    assert http.get(serve(redirect(magnet)).url, service="it").body == magnet.encode()


def test_a_redirect_out_of_http_is_refused(serve: Callable[[Script], Server]) -> None:
    with pytest.raises(PermanentError):
        http.get(serve(redirect("file:///etc/passwd")).url, service="it")


def test_too_large_an_answer_is_refused(serve: Callable[[Script], Server]) -> None:
    with pytest.raises(PermanentError, match="more than 1000 bytes"):
        http.get(serve(answer(b"x" * 1001)).url, service="it", max_bytes=1000)
    assert len(http.get(serve(answer(b"x" * 1000)).url, service="it", max_bytes=1000).body) == 1000


def test_a_small_answer_that_unpacks_to_a_large_one_is_refused(serve: Callable[[Script], Server]) -> None:
    bomb = answer(gzip.compress(b"0" * 50_000_000), "200 OK", "Content-Encoding: gzip")
    with pytest.raises(PermanentError, match="more than 1000 bytes"):
        http.get(serve(bomb).url, service="it", max_bytes=1000)
    packed = answer(gzip.compress(b'{"a": 1}'), "200 OK", "Content-Encoding: gzip")
    assert http.get(serve(packed).url, service="it").json() == {"a": 1}


@pytest.mark.parametrize("after_head", [False, True])
def test_dripping_bytes_end_at_the_deadline_of_the_whole_call(
    serve: Callable[[Script], Server], after_head: bool
) -> None:
    over = threading.Event()

    def drip(connection: socket.socket, _: bytes) -> None:
        if after_head:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not over.wait(0.05):
            connection.sendall(b"H" if not after_head else b"x")

    server = serve(drip)
    started = time.monotonic()
    with pytest.raises(TransientError, match=r"did not answer within 0.5 s"):
        http.get(server.url, service="it", seconds=0.5)
    took = time.monotonic() - started
    over.set()
    assert 0.4 < took < 10


def test_a_name_that_takes_too_long_to_resolve_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: resolved.wait(20) and [])
    started = time.monotonic()
    with pytest.raises(TransientError):
        http.get("http://slow.example/", service="slow names", seconds=0.3)
    resolved.set()
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [("500 Oops", [], None), ("429 Slow Down", ["Retry-After: 7"], 7.0), ("408 Late", [], None)],
)
def test_statuses_that_may_pass_are_transient(
    serve: Callable[[Script], Server], status: str, headers: list[str], wait: float | None
) -> None:
    with pytest.raises(TransientError) as error:
        http.get(serve(answer(b"", status, *headers)).url, service="it")
    assert error.value.retry_after == wait


def test_other_statuses_are_permanent_unless_they_are_an_answer(serve: Callable[[Script], Server]) -> None:
    server = serve(answer(b"no", "404 Not Found"))
    with pytest.raises(PermanentError, match="it answered 404"):
        http.get(server.url, service="it")
    assert http.get(server.url, service="it", answers=(404,)).status == 404


def test_html_instead_of_json_is_an_error_and_no_crash(serve: Callable[[Script], Server]) -> None:
    page = http.get(serve(answer(b"<html>", "200 OK", "Content-Type: text/html")).url, service="it")
    with pytest.raises(TransientError, match="not JSON \\(text/html\\)"):
        page.json()


def test_a_connection_cut_once_is_tried_again_and_twice_is_an_error(serve: Callable[[Script], Server]) -> None:
    def cut_first(connection: socket.socket, head: bytes) -> None:
        if len(once.requests) > 1:
            answer(b"ok")(connection, head)

    once = serve(cut_first)
    assert http.get(once.url, service="it").body == b"ok"

    def cut(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    always = serve(cut)
    with pytest.raises(TransientError, match="broke off"):
        http.get(always.url, service="it")
    assert len(always.requests) == 2


def test_a_post_is_not_repeated(serve: Callable[[Script], Server]) -> None:
    server = serve(lambda *_: None)
    with pytest.raises(TransientError):
        http.request("POST", server.url, service="it", json={"a": 1})
    assert len(server.requests) == 1


def test_after_five_failures_a_service_is_left_alone(
    serve: Callable[[Script], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BREAKER_SECONDS", 60.0)
    server = serve(answer(b"", "500 Oops"))
    for _ in range(5):
        with pytest.raises(TransientError, match="answered 500"):
            http.get(server.url, service="it")
    with pytest.raises(TransientError, match="the next try is in") as left_alone:
        http.get(server.url, service="it")
    assert len(server.requests) == 5
    assert 0 < (left_alone.value.retry_after or 0) <= 60
    with pytest.raises(TransientError, match="answered 500"):
        http.get(server.url, service="another service at the same address")
    assert len(server.requests) == 6
    monkeypatch.setattr(http, "BREAKER_SECONDS", 0.3)

    def asked_again() -> bool:
        with pytest.raises(TransientError):
            http.get(server.url, service="a third")
        return len(server.requests) > 6 + 5

    until(asked_again, 30, "the end of the pause")


def test_a_service_that_asks_for_time_gets_it(serve: Callable[[Script], Server]) -> None:
    server = serve(answer(b"", "429 Slow Down", "Retry-After: 60"))
    for _ in range(2):
        with pytest.raises(TransientError) as error:
            http.get(server.url, service="it")
        assert 59 < (error.value.retry_after or 0) <= 60
    assert len(server.requests) == 1


def test_errors_and_logs_hold_no_address_and_no_key(
    serve: Callable[[Script], Server], capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve(answer(b"", "403 Forbidden"))
    secret = "s3cret-in-the-path"
    for url, headers in (
        (f"{server.url}/{secret}?passkey={secret}", {"X-Api-Key": secret}),
        (f"ftp://{secret}@host/{secret}", {}),
        (f"http://host/{secret}", {"X-Api-Key": f"{secret}\r\nX: y"}),
        (f"http://nowhere.invalid/{secret}", {}),
    ):
        with pytest.raises((PermanentError, TransientError)) as error:
            http.get(url, service="it", headers=headers, seconds=5)
        assert secret not in str(error.value)
        assert error.value.__cause__ is None
    assert secret not in "".join(capfd.readouterr())


def test_retry_after_in_both_forms() -> None:
    assert http.retry_after("120") == 120.0
    assert 50 < (http.retry_after(formatdate(time.time() + 60, usegmt=True)) or 0) <= 60
    assert http.retry_after(formatdate(time.time() - 60, usegmt=True)) == 0.0
    assert http.retry_after("1000000000") == http.LONGEST_WAIT
    assert http.retry_after("Fri, 31 Dec 9999 23:59:59 GMT") == http.LONGEST_WAIT
    assert http.retry_after("-5") is None
    assert http.retry_after("soon") is None
    assert http.retry_after(None) is None
