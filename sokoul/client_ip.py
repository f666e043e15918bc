"""Whose request it is: the peer's address, or what a trusted proxy says of it."""

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

from sokoul.env import ENV

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


_current: ContextVar[str | None] = ContextVar("client_ip", default=None)


def parse(text: str) -> Address | None:
    """An address as proxies write it: with or without a port or brackets; IPv4 inside IPv6 becomes plain IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))  # without a %zone, which inet cannot hold
    return address


def _is_proxy(address: Address) -> bool:
    return any(address in network for network in ENV.trusted_proxies)


def is_trusted(address: str | None) -> bool:
    """One of TRUSTED_IPS, for which no rate limit holds."""
    if address is None or not ENV.trusted_ips:
        return False
    found = ipaddress.ip_address(address)
    return any(found in network for network in ENV.trusted_ips)


def resolve(peer: str, forwarded: str) -> str | None:
    """The client behind `peer`; `forwarded` is X-Forwarded-For, believed from right to left while the hops are trusted.

    An entry that is no address ends the walk: everything to its left was written by whoever wrote that. None when the peer
    has no address (a Unix socket).
    """
    client = parse(peer)
    if client is None:
        return None
    for hop in reversed(forwarded.split(",") if forwarded else []):
        if not _is_proxy(client):
            break
        address = parse(hop)
        if address is None:
            break
        client = address
    return str(client)


def current() -> str | None:
    """The client's address in its canonical form; None outside of any request."""
    return _current.get()


@contextmanager
def bound(address: str | None) -> Iterator[None]:
    """Everything inside is done for the client at this address."""
    token = _current.set(address)
    try:
        yield
    finally:
        _current.reset(token)


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def handle(request: HttpRequest) -> HttpResponse:
        with bound(resolve(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))):
            return get_response(request)

    return handle
