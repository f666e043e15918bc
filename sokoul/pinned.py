"""Connections that go to the very address that was checked, and end with the deadline of the call that they are for.

For `sokoul.http`, the door, which says what went wrong in words; here errors are httpcore's.
"""

import functools
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

CONNECT_SECONDS = 10.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_deadline: ContextVar[float] = ContextVar("http_deadline", default=float("inf"))
_named: ContextVar[frozenset[str]] = ContextVar("http_named", default=frozenset())  # hosts that may be private


class PrivateAddressError(Exception):
    """A host that the operator did not configure leads to an address that is not public."""


@contextmanager
def calling(seconds: float, may_be_private: Iterable[str]) -> Iterator[None]:
    """Within it everything ends after `seconds`, or with the call around it, and these hosts are called wherever they are."""
    deadline = _deadline.set(min(_deadline.get(), time.monotonic() + seconds))
    named = _named.set(frozenset(map(plain, may_be_private)))
    try:
        yield
    finally:
        _deadline.reset(deadline)
        _named.reset(named)


def plain(host: str) -> str:
    return host.lower().rstrip(".")


def is_public(address: Address) -> bool:
    """Whether the address is on the open internet; what is wrapped in an IPv6 address decides for it."""
    if isinstance(address, ipaddress.IPv6Address):
        if wrapped := address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]:
            return is_public(wrapped)
        if address.is_site_local:  # retired, and global to Python; whoever still uses it does so at home
            return False
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not (address.is_multicast or address.is_reserved)


def left(timeout: float | None = None) -> float:
    """Seconds until the call's deadline, at most `timeout`; httpcore's timeout error once it has passed."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline of the whole call has passed")
    return left if timeout is None else min(left, timeout)


def checked(host: str, port: int) -> list[Address]:
    """Every address of the host. Raises PrivateAddressError where one is private and the host is not among those that may be."""
    addresses = _resolve(host, port)
    if plain(host) not in _named.get() and not all(is_public(address) for address in addresses):
        raise PrivateAddressError
    return addresses


def _resolve(host: str, port: int) -> list[Address]:
    """getaddrinfo knows no deadline, so it runs on a thread that is left behind when late."""
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError("not a host name"))

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        found = answers.get(timeout=left(CONNECT_SECONDS))
    except queue.Empty:
        raise httpcore.ConnectTimeout("name resolution took too long") from None
    if isinstance(found, OSError):
        raise httpcore.ConnectError("the name cannot be resolved")
    return list(dict.fromkeys(ipaddress.ip_address(info[4][0]) for info in found))


class _Stream(httpcore.NetworkStream):
    """A connection on which every wait counts against the deadline of the whole call, so that dripping bytes end too."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Resolves once, refuses private addresses, and connects to the very address that was checked."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = checked(host, port)
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                seconds = left(min(timeout or CONNECT_SECONDS, CONNECT_SECONDS))
                return _Stream(self._inner.connect_tcp(str(address), port, seconds, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


@functools.cache
def _context() -> ssl.SSLContext:
    """One for all pools: reading the certificates of all authorities takes 25 ms, and they a megabyte."""
    return httpx.create_ssl_context()


class _Transport(httpx.HTTPTransport):
    def __init__(self) -> None:
        context = _context()
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=64,
            max_keepalive_connections=16,
            keepalive_expiry=30.0,
            network_backend=_Backend(),
        )


_shared: dict[frozenset[str], _Transport] = {}
_shared_lock = threading.Lock()


def transport() -> httpx.HTTPTransport:
    """The process's pool of connections for those who may call the same private hosts: an address is checked when a connection
    is made, and one that is kept open must not serve somebody for whom it would not have been made.

    (`functools.cache` would make two for two threads that begin at once.)
    """
    with _shared_lock:
        if (may_call := _named.get()) not in _shared:
            _shared[may_call] = _Transport()
        return _shared[may_call]


def close_idle() -> None:
    with _shared_lock:
        while _shared:
            _shared.popitem()[1].close()
