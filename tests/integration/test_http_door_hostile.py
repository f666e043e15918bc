"""The outbound door and addresses that were made to get past it: each is refused before a byte leaves."""

import ipaddress
import socket
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

import httpcore
import pytest

from sokoul import http, pinned
from sokoul.errors import PermanentError, TransientError
from tests.integration.test_http_door import Script, Server, answer, redirect, serve

__all__ = ["serve"]
Serve = Callable[[Script], Server]
PUBLIC = "93.184.215.14"


def refused(url: str) -> str:
    """By both ways in, when a foreign address is looked at and when it is called: the code, "unknown" for what is no name here."""
    looked, called = _code(http.check, url), _code(http.get, url, foreign=True)
    assert looked == called
    return looked


def _code(ask: Callable[..., Any], url: str, **options: Any) -> str:
    with pytest.raises((PermanentError, TransientError)) as error:
        ask(url, service="it", seconds=5, **options)
    return error.value.code if isinstance(error.value, PermanentError) else "unknown"


ODD = {"127.0.0.1.", "localhost.", "127.0.0.1%2f"}  # a resolver may know them or not
REFUSED = {"private_address", "address"}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1.", "2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1",
        "0", "0.0.0.0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "localhost", "LOCALHOST", "localhost.", "127.0.0.1%2f", "①②⑦.⓪.⓪.①",
    ],
)  # fmt: skip
def test_no_way_of_writing_loopback_is_let_through(serve: Serve, host: str) -> None:
    server = serve(answer())
    assert refused(f"http://{host}:{server.port}/") in {*REFUSED, *({"unknown"} if host in ODD else ())}
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com@127.0.0.1:{port}/",
        "http://example.com:80@127.0.0.1:{port}/",
        "http://a:b@127.0.0.1:{port}/#@example.com/",
        "http://127.0.0.1:{port}#@example.com/",
        "http://127.0.0.1:{port}?@example.com/",
        "http://127.0.0.1:{port}\\@example.com/",
        "http://example.com%40127.0.0.1:{port}@127.0.0.1:{port}/",
        "http://127.0.0.1\t:{port}/",
        "http://127.0.0.1\r\n:{port}/",
        " http://127.0.0.1:{port}/",
        "HTTP://127.0.0.1:{port}/",
        "http:127.0.0.1:{port}/",
        "http:////127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
    ],
)
def test_no_decoration_hides_the_host(serve: Serve, url: str) -> None:
    server = serve(answer())
    assert refused(url.format(port=server.port)) in ({"unknown"} if "\\" in url else REFUSED)
    assert server.requests == []


@pytest.mark.parametrize("port", ["0", "65536", "99999", "4294967376"])
def test_a_port_that_cannot_be_is_no_address(port: str) -> None:
    """Before anybody connects: Python would take it for a fault of ours."""
    with pytest.raises(PermanentError) as error:
        http.request("GET", f"http://127.0.0.1:{port}/", service="Hook", trusted=["127.0.0.1"])
    assert error.value.code == "address"


SCHEMES = ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:6379/_INFO", "dict://127.0.0.1:6379/INFO", "data:,x",
           "javascript:alert(1)", "unix:///run/x.sock", "ldap://127.0.0.1/", "http+unix://%2Frun%2Fx/", "jar:http://x!/", "")  # fmt: skip


@pytest.mark.parametrize("url", SCHEMES)
def test_only_http_is_spoken(serve: Serve, url: str) -> None:
    assert refused(url) == "address"
    if url:
        with pytest.raises(PermanentError):
            http.get(serve(redirect(url)).url, service="it")


@pytest.mark.parametrize(
    "to", ["http://[::ffff:127.0.0.1]:{port}/", "//localhost:{port}/", "http://2130706433:{port}/"]
)
def test_a_redirect_to_a_private_address_is_not_followed(serve: Serve, to: str) -> None:
    inner = serve(answer(b"secret"))
    outer = serve(redirect(to.format(port=inner.port), "307 Temporary Redirect"))
    with pytest.raises(PermanentError) as error:
        http.request("POST", outer.url, service="it", content=b"x", foreign=True, trusted=["127.0.0.1"])
    assert error.value.code == "private_address"
    assert inner.requests == []


def test_a_connection_kept_for_the_operator_s_calls_serves_nobody_else(serve: Serve) -> None:
    """It was checked when it was made, for somebody who may go there; a stranger's webhook must not ride along."""

    def keep_alive(connection: socket.socket, head: bytes) -> None:
        while head:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            if head := connection.recv(65536):
                server.requests.append(head)

    server = serve(keep_alive)
    for _ in range(2):
        assert http.get(server.url, service="Prowlarr").status == 200
    assert len(server.requests) == 2
    assert refused(server.url) == "private_address"
    assert len(server.requests) == 2
    http.forget()


def test_the_address_that_was_checked_is_the_one_that_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that says something else at each question (DNS rebinding) is asked once a call."""
    answers = iter([PUBLIC, "127.0.0.1"])
    asked: list[str] = []
    called: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(_: Any, host: str, *__: Any, **___: Any) -> None:
        called.append(host)
        raise httpcore.ConnectError("nobody is there")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    http.forget()
    with pytest.raises(TransientError):
        http.request("POST", "http://rebinding.example/", service="it", content=b"x", foreign=True)
    assert (asked, called) == (["rebinding.example"], [PUBLIC])
    with pytest.raises(PermanentError, match="private address"):
        http.request("POST", "http://rebinding.example/", service="it", content=b"x", foreign=True)
    assert called == [PUBLIC]
    http.forget()


@pytest.mark.parametrize(
    "address", ["fec0::1", "::ffff:169.254.169.254", "64:ff9b:1::7f00:1", "198.18.0.1", "192.0.0.1", "0.1.2.3"]
)
def test_addresses_of_no_public_host(address: str) -> None:
    assert not pinned.is_public(ipaddress.ip_address(address))


def test_the_deadline_is_of_all_hops_together(serve: Serve) -> None:
    over = threading.Event()

    def slow(connection: socket.socket, head: bytes) -> None:
        over.wait(0.4)
        redirect("/again")(connection, head)

    server, began = serve(slow), time.monotonic()
    with pytest.raises(TransientError, match=r"did not answer within 0.6 s"):
        http.get(server.url, service="it", seconds=0.6)
    over.set()
    assert time.monotonic() - began < 10
    assert len(server.requests) <= 3


def test_a_bomb_in_every_packing_is_capped_while_it_is_unpacked(serve: Serve) -> None:
    def packed(wbits: int) -> bytes:
        packer = zlib.compressobj(9, wbits=wbits)
        return packer.compress(b"0" * 30_000_000) + packer.flush()

    for wbits, name in ((31, "gzip"), (31, "x-gzip"), (15, "deflate"), (31, "GZIP")):
        bomb = answer(packed(wbits), "200 OK", f"Content-Encoding: {name}")
        with pytest.raises(PermanentError) as error:
            http.get(serve(bomb).url, service=f"it, {name}", max_bytes=1000)
        assert error.value.code == "too_large"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "rubbish"])
def test_a_packing_that_was_not_asked_for_is_an_error(serve: Serve, encoding: str) -> None:
    with pytest.raises(TransientError, match="cannot be unpacked"):
        http.get(serve(answer(b"\x1b\x00\x80", "200 OK", f"Content-Encoding: {encoding}")).url, service=encoding)


def test_endless_headers_are_cut(serve: Serve) -> None:
    def endless(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for _number in range(100_000):
            connection.sendall(b"X-More: " + b"y" * 1000 + b"\r\n")

    server, began = serve(endless), time.monotonic()
    with pytest.raises(TransientError):
        http.get(server.url, service="it", seconds=40)
    assert time.monotonic() - began < 20
