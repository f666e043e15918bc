"""Which trackers may be asked: a torrent is no way into the operator's own network."""

import ipaddress
import queue
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Thread
from time import monotonic
from urllib.parse import urlsplit, urlunsplit

from apps.downloads.engine.settings import EngineSettings

LOOKUP_THREADS = 2
RETRY = 60.0  # seconds until a name that was not found is looked up again
BELIEVED = 300.0  # seconds that a name counts as public without another look
NOT_FOUND = "The tracker's name was not found"
PRIVATE = "The tracker is on a private network, where only the operator's own trackers are asked"
# Names that only a private network answers to (RFC 6761, 6762, 8375, and what routers and containers use).
_PRIVATE_SUFFIXES = (
    ".localhost",
    ".local",
    ".internal",
    ".lan",
    ".home.arpa",
    ".intranet",
    ".corp",
    ".home",
    ".localdomain",
)


def host_of(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".").lower()


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def is_private_host(host: str) -> bool:
    """Whether `host`, a name or an address, says by itself that it is not on the public internet."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # A number that inet_aton would read as an address ("2130706433", "0x7f.1") is nobody's honest tracker.
        return "." not in host or host.endswith(_PRIVATE_SUFFIXES) or host.rpartition(".")[2][:1].isdigit()
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global or address.is_multicast


def masked(url: str) -> str:
    """Scheme, host and port: path and query carry passkeys."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))


def _lookup(host: str) -> list[str]:
    """The addresses that a name stands for now. Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Ask this tracker, where `problem` is empty; else the sentence for people that says why not."""

    key: str
    url: str
    problem: str


class TrackerGate:
    """Looks up trackers' names before libtorrent may, on threads of its own: DNS can hang, the engine must not.

    libtorrent looks the name up again, so a name that changes its address in between gets past; what it meets then is
    libtorrent's own ssrf_mitigation.
    """

    def __init__(self, settings: EngineSettings, lookup: Callable[[str], list[str]] = _lookup) -> None:
        self._all_trusted = settings.is_local
        self._trusted = {host.lower().rstrip(".") for host in settings.trusted_hosts}
        self._lookup = lookup
        self._hosts: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._found: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._verdicts: list[Verdict] = []
        self._waiting: dict[str, list[tuple[str, str]]] = {}  # host → (key, url)
        self._known: dict[str, float] = {}  # public host → until when (monotonic seconds) that is believed
        self._retries: list[tuple[float, str]] = []
        for _ in range(LOOKUP_THREADS):
            Thread(target=self._run, name="tracker-lookup", daemon=True).start()

    def admit(self, key: str, urls: Iterable[str]) -> list[str]:
        """Those of `urls` that may be asked at once; verdicts() follow for the others."""
        return [url for url in urls if self._admit(key, url)]

    def verdicts(self) -> list[Verdict]:
        """What was decided since the last call."""
        self._retry()
        while not self._found.empty():
            self._decide(*self._found.get_nowait())
        told, self._verdicts = self._verdicts, []
        return told

    def forget(self, key: str) -> None:
        """No verdicts for this torrent any more."""
        self._waiting = {
            host: kept for host, pairs in self._waiting.items() if (kept := [pair for pair in pairs if pair[0] != key])
        }

    def close(self) -> None:
        for _ in range(LOOKUP_THREADS):
            self._hosts.put(None)

    def _admit(self, key: str, url: str) -> bool:
        host = host_of(url)
        if self._all_trusted or host in self._trusted or self._known.get(host, 0) > monotonic():
            return True
        if is_private_host(host):
            self._verdicts.append(Verdict(key, url, PRIVATE))
        elif is_address(host):
            return True
        else:
            waiting = self._waiting.setdefault(host, [])
            waiting.append((key, url))
            if len(waiting) == 1:
                self._hosts.put(host)
        return False

    def _decide(self, host: str, problem: str) -> None:
        if problem == NOT_FOUND:
            self._retries.append((monotonic() + RETRY, host))
            self._verdicts += [Verdict(key, url, problem) for key, url in self._waiting.get(host, [])]
            return
        if not problem:
            self._known[host] = monotonic() + BELIEVED
        self._verdicts += [Verdict(key, url, problem) for key, url in self._waiting.pop(host, [])]

    def _retry(self) -> None:
        due = [host for at, host in self._retries if at <= monotonic()]
        self._retries = [(at, host) for at, host in self._retries if at > monotonic()]
        for host in due:
            if host in self._waiting:
                self._hosts.put(host)

    def _run(self) -> None:
        while (host := self._hosts.get()) is not None:
            self._found.put((host, self._problem(host)))

    def _problem(self, host: str) -> str:
        try:
            addresses = self._lookup(host)
        except (OSError, UnicodeError):
            return NOT_FOUND
        return PRIVATE if any(is_private_host(address) for address in addresses) else ""
