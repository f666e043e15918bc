"""An HTTP tracker: BEP 3, compact answers (BEP 23), scrape (BEP 48). Paths begin with /announce, as libtorrent's protection
against server-side request forgery wants of loopback trackers."""

import ipaddress
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from sokoul.demo.web import Request, Response, Router

INTERVAL = 30
EXPIRY = 3 * INTERVAL
Bencoded = int | bytes | str | list["Bencoded"] | dict[bytes, "Bencoded"]


def bencode(value: Bencoded) -> bytes:
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(bencode(item) for item in value) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def bencoded(value: Bencoded, status: int = 200) -> Response:
    return Response(bencode(value), status, "text/plain; charset=utf-8")


def failure(reason: str) -> Response:
    return bencoded({b"failure reason": reason})


@dataclass
class Peer:
    """Somebody who announced: whether it has everything, and when it last spoke (monotonic seconds)."""

    seeding: bool
    seen: float
    peer_id: bytes


@dataclass
class Tracker:
    """Peers by info-hash (20 bytes). `seeders` are the addresses of the demo's own seeder, which need not announce."""

    seeders: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _swarms: dict[bytes, dict[tuple[str, int], Peer]] = field(default_factory=dict)

    def add_routes(self, router: Router) -> None:
        router.add("GET", "/announce{rest:.*}", self.announce)
        router.add("GET", "/scrape", self.scrape)

    def _alive(self, info_hash: bytes) -> dict[tuple[str, int], Peer]:
        oldest = self.clock() - EXPIRY
        alive = {at: peer for at, peer in self._swarms.get(info_hash, {}).items() if peer.seen > oldest}
        if address := self.seeders.get(info_hash):
            alive[address] = Peer(True, self.clock(), b"-SK0001-demo-seeder!")
        return alive

    def leechers(self, info_hashes: list[bytes]) -> set[tuple[str, int]]:
        """Addresses of those who announced that they want it."""
        known = [peer for info_hash in info_hashes for peer in self._alive(info_hash).items()]
        return {address for address, peer in known if not peer.seeding}

    async def announce(self, request: Request) -> Response:
        query = {k: v.encode("latin-1") for k, v in parse_qsl(request.raw_query.decode("latin-1"), encoding="latin-1")}
        info_hash, peer_id = query.get("info_hash", b""), query.get("peer_id", b"")
        if len(info_hash) != 20 or len(peer_id) != 20:
            return failure("info_hash and peer_id must be 20 bytes each")
        try:
            port, left = int(query.get("port", b"0")), int(query.get("left", b"1"))
            wanted = int(query.get("numwant", b"50"))
        except ValueError:
            return failure("port, left and numwant must be numbers")
        address = (request.client, port)
        swarm = self._swarms.setdefault(info_hash, {})
        if query.get("event") == b"stopped":
            swarm.pop(address, None)
        elif 0 < port < 65536:
            swarm[address] = Peer(left == 0, self.clock(), peer_id)
        alive = self._alive(info_hash)
        others = [(at, peer) for at, peer in alive.items() if at != address][: max(0, min(wanted, 200))]
        return self._answer(alive, others, query.get("compact") != b"0")

    def _answer(
        self, alive: dict[tuple[str, int], Peer], others: list[tuple[tuple[str, int], Peer]], compact: bool
    ) -> Response:
        complete = sum(peer.seeding for peer in alive.values())
        answer: dict[bytes, Bencoded] = {
            b"interval": INTERVAL,
            b"complete": complete,
            b"incomplete": len(alive) - complete,
        }
        if compact:
            answer[b"peers"] = b"".join(
                ipaddress.IPv4Address(ip).packed + struct.pack(">H", port) for (ip, port), _ in others if ":" not in ip
            )
        else:
            answer[b"peers"] = [{b"peer id": p.peer_id, b"ip": ip, b"port": port} for (ip, port), p in others]
        return bencoded(answer)

    async def scrape(self, request: Request) -> Response:
        pairs = parse_qsl(request.raw_query.decode("latin-1"), encoding="latin-1")
        files: dict[bytes, Bencoded] = {}
        for info_hash in (value.encode("latin-1") for name, value in pairs if name == "info_hash"):
            alive = self._alive(info_hash)
            complete = sum(peer.seeding for peer in alive.values())
            files[info_hash] = {b"complete": complete, b"downloaded": complete, b"incomplete": len(alive) - complete}
        return bencoded({b"files": files})
