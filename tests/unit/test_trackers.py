"""Which trackers may be asked, and what is shown of their addresses."""

import time
from collections.abc import Callable

import pytest

from apps.downloads.engine import trackers
from apps.downloads.engine.settings import EngineSettings
from apps.downloads.engine.trackers import NOT_FOUND, PRIVATE, TrackerGate, Verdict, is_private_host, masked

EVERYWHERE = EngineSettings(
    listen_interfaces="0.0.0.0:6881,[::]:6881", trusted_hosts=frozenset({"Prowlarr", "10.0.0.9"})
)
PUBLIC, INNER = "93.184.215.14", "10.1.2.3"


def verdicts_of(gate: TrackerGate, number: int) -> list[Verdict]:
    """That many, looked up in the background."""
    found: list[Verdict] = []
    deadline = time.monotonic() + 5
    while len(found) < number:
        assert time.monotonic() < deadline, found
        found += gate.verdicts()
        time.sleep(0.001)
    gate.close()
    return found


@pytest.mark.parametrize(
    ("interfaces", "local"),
    [
        ("127.0.0.1:0", True),
        ("127.0.0.1:6881,[::1]:6881", True),
        ("192.168.1.5:6881", True),
        ("0.0.0.0:6881", False),
        ("127.0.0.1:6881,0.0.0.0:6881", False),
        ("[::]:6881", False),
        ("93.184.215.14:6881", False),
        ("eth0:6881", False),
        ("", False),
    ],
)
def test_an_engine_is_local_where_all_its_interfaces_are(interfaces: str, local: bool) -> None:
    assert EngineSettings(listen_interfaces=interfaces).is_local is local


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "redis", "nas.local", "db.internal", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1"),
        *("10.0.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
        *("::1", "fd00::1", "fe80::1%eth0", "::ffff:10.0.0.1"),
    ],
)
def test_private_hosts(host: str) -> None:
    assert is_private_host(host)


@pytest.mark.parametrize("host", ["tracker.example.org", PUBLIC, "2606:4700::1111", "1337.example.com"])
def test_public_hosts(host: str) -> None:
    assert not is_private_host(host)


def test_addresses_and_trusted_hosts_are_decided_at_once() -> None:
    gate = TrackerGate(EVERYWHERE, lambda _: [INNER])
    at_once = [f"udp://{PUBLIC}:80", "http://prowlarr:9696/announce", "http://10.0.0.9/announce"]
    refused = ["http://10.0.0.8/announce", "http://redis:6379/announce"]
    assert gate.admit("film", at_once + refused) == at_once
    assert verdicts_of(gate, 2) == [Verdict("film", url, PRIVATE) for url in refused]


def test_on_a_private_interface_every_tracker_is_asked() -> None:
    gate = TrackerGate(EngineSettings(listen_interfaces="127.0.0.1:0"))
    assert gate.admit("film", ["http://127.0.0.1:1/announce"]) == ["http://127.0.0.1:1/announce"]
    gate.close()


@pytest.mark.parametrize(("addresses", "problem"), [([PUBLIC], ""), ([INNER], PRIVATE), ([PUBLIC, "::1"], PRIVATE)])
def test_names_are_looked_up_first(addresses: list[str], problem: str) -> None:
    gate = TrackerGate(EVERYWHERE, lambda _: addresses)
    assert gate.admit("film", ["http://t.example/announce"]) == []
    assert verdicts_of(gate, 1) == [Verdict("film", "http://t.example/announce", problem)]


def test_a_name_that_is_not_found_is_told_and_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "RETRY", 0.01)
    answers: list[Callable[[], list[str]]] = [failing, lambda: [PUBLIC]]
    gate = TrackerGate(EVERYWHERE, lambda _: answers.pop(0)())
    gate.admit("film", ["http://t.example/announce"])
    assert [verdict.problem for verdict in verdicts_of(gate, 2)] == [NOT_FOUND, ""]


def failing() -> list[str]:
    raise OSError("Temporary failure in name resolution")


def test_one_lookup_serves_all_torrents_and_is_believed_for_a_while() -> None:
    asked: list[str] = []
    gate = TrackerGate(EVERYWHERE, lambda host: asked.append(host) or [PUBLIC])  # type: ignore[func-returns-value]
    gate.admit("a", ["http://t.example/announce"])
    gate.admit("b", ["udp://t.example:80"])
    assert {verdict.key for verdict in verdicts_of(gate, 2)} == {"a", "b"}
    assert gate.admit("c", ["http://t.example/announce"]) == ["http://t.example/announce"]
    assert asked == ["t.example"]


def test_a_torrent_that_is_gone_gets_no_verdict() -> None:
    gate = TrackerGate(EVERYWHERE, lambda _: [PUBLIC])
    gate.admit("gone", ["http://t.example/announce"])
    gate.forget("gone")
    gate.admit("film", ["http://other.example/announce"])
    assert [verdict.key for verdict in verdicts_of(gate, 1)] == ["film"]


def test_a_shown_address_has_no_secret() -> None:
    assert masked("http://user:pw@t.example:80/announce/PASSKEY?key=SECRET#x") == "http://t.example:80"
