"""TLS: towards people at the edge, and towards others, whose certificates are checked."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from apps.accounts.models import User
from sokoul import http, pinned
from sokoul.env import ENV
from sokoul.errors import SokoulError
from sokoul.stack.processes import free_port
from tests.certificate import make_certificate
from tests.edge import Edge
from tests.web import Web, token_of


def versions(least: ssl.TLSVersion, most: ssl.TLSVersion, trusted: Path) -> ssl.SSLContext:
    """Of a client that would speak these, weak ciphers too: whatever is refused is refused by the server."""
    context = ssl.create_default_context(cafile=str(trusted))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = least, most
    return context


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")  # naming the old ones is the point
def test_the_edge_speaks_tls_1_2_and_newer_and_carries_sockets(web: Web, alice: User, tmp_path: Path) -> None:
    port, certificate = free_port(), make_certificate(tmp_path / "edge.pem")
    old, tls12, tls13 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    edge = Edge(f"127.0.0.1:{web.port}", BIND_TLS=f"127.0.0.1:{port}", CERTIFICATE=str(certificate))
    try:
        for version, name in ((tls12, "TLSv1.2"), (tls13, "TLSv1.3")):
            with _link(port, versions(version, version, certificate)) as link:
                assert link.version() == name
        with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
            _link(port, versions(old, ssl.TLSVersion.TLSv1_1, certificate))
        address = f"wss://localhost:{port}/ws?token={token_of(alice)}"
        with connect(
            address, ssl=versions(tls12, tls13, certificate), proxy=None, legacy=True, open_timeout=30
        ) as feed:
            assert '"snapshot"' in str(feed.recv(30))
    finally:
        edge.stop()


def _link(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), 30)
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except ssl.SSLError:
        plain.close()
        raise


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Port and certificate of a server that answers 204 to whoever believes it, however often it is tried."""
    certificate = make_certificate(tmp_path / "it.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _address = listening.accept()
            except OSError:  # the test is over
                return
            plain.settimeout(30)
            try:
                with context.wrap_socket(plain, server_side=True) as link:
                    link.recv(65536)
                    link.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            except OSError:  # the client hung up on this certificate
                plain.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1], certificate
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(40)
    assert not thread.is_alive()


def test_a_certificate_that_no_authority_signed_is_refused(
    served: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, certificate = served
    monkeypatch.setattr(ENV, "prowlarr_url", "http://localhost:9696")
    url = f"https://localhost:{port}/"
    http.forget()
    try:
        with pytest.raises(SokoulError):
            http.get(url, service="it")
        monkeypatch.setattr(pinned, "_context", lambda: ssl.create_default_context(cafile=str(certificate)))
        http.forget()
        assert http.get(url, service="it").status == 204, "where it is trusted, the same server is spoken to"
    finally:
        http.forget()
