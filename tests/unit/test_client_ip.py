"""X-Forwarded-For is believed from trusted proxies only, from right to left."""

import ipaddress

import pytest

from sokoul.client_ip import resolve
from sokoul.env import ENV


@pytest.fixture(autouse=True)
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32")]
    monkeypatch.setattr(ENV, "trusted_proxies", networks)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),  # not a proxy of ours: what it says is worth nothing
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the left one was sent by the client itself
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", " 203.0.113.9:4711 ", "203.0.113.9"),
        ("10.0.0.1", "[2001:470::1]:443", "2001:470::1"),
        ("2001:db8::1", "2001:0470::0001", "2001:470::1"),
        ("::ffff:10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"),
        ("10.0.0.1", "'; DROP TABLE logs; --", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("fe80::1%eth0", "", "fe80::1"),
        ("", "203.0.113.9", None),
    ],
)
def test_the_client_behind(peer: str, forwarded: str, client: str | None) -> None:
    assert resolve(peer, forwarded) == client
