"""Stock BitTorrent clients as seeders: Debian's transmission-daemon, aria2c and qbittorrent-nox, steered as their manuals say.

Each is a process of its own on loopback, with its own limit and its own counter of what it uploaded.
"""

import base64
import signal
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import httpx

from sokoul.stack.processes import free_port, spawn
from tests.waiting import until

PATIENCE = 20.0


class Client(ABC):
    """Seeds one torrent out of `folder`, which holds its content whole. `rate` in bytes a second, 0 for no limit."""

    program: ClassVar[str]

    def __init__(self, state: Path, folder: Path, torrent: bytes, rate: int = 0) -> None:
        self.state, self.folder, self.rate = state, folder, rate
        self.port, self.control = free_port(), free_port()
        state.mkdir(parents=True)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.control}", timeout=PATIENCE)
        self.torrent_file = state / "seeded.torrent"
        self.torrent_file.write_bytes(torrent)
        self.log = state / "output"
        environment = {"HOME": str(state), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        with self.log.open("wb") as output:
            self.process = spawn(self.command(), environment, signal.SIGKILL, output.fileno(), state)
        until(self._listens, PATIENCE, f"{self.program}'s control port")
        self.add()
        until(self.is_seeding, PATIENCE, f"{self.program} seeding")

    def close(self) -> None:
        self.http.close()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _listens(self) -> bool:
        assert self.process.poll() is None, f"{self.program} ended: {self.log.read_text()[-2000:]}"
        try:
            self.http.get("/")
        except httpx.TransportError:
            return False
        return True

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def add(self) -> None:
        """Give it the torrent, where the command line has not."""

    @abstractmethod
    def is_seeding(self) -> bool: ...

    @property
    @abstractmethod
    def uploaded(self) -> int:
        """Bytes of content that it has sent, by its own count."""


class Transmission(Client):
    program = "transmission-daemon"

    def command(self) -> list[str]:
        return [
            self.program, "--foreground", "--config-dir", str(self.state), "--download-dir", str(self.folder),
            "--port", str(self.control), "--rpc-bind-address", "127.0.0.1", "--no-auth", "--allowed", "127.0.0.1",
            "--peerport", str(self.port), "--bind-address-ipv4", "127.0.0.1", "--no-dht", "--no-lpd", "--no-utp",
            "--no-portmap", "--no-global-seedratio", "--no-incomplete-dir", "--encryption-tolerated",
        ]  # fmt: skip

    def add(self) -> None:
        torrent = base64.b64encode(self.torrent_file.read_bytes()).decode()
        self._call("torrent-add", metainfo=torrent, paused=False)
        if self.rate:
            self._call("torrent-set", ids=[1], uploadLimited=True, uploadLimit=self.rate // 1000)

    def is_seeding(self) -> bool:
        return int(self._torrent()["status"]) == 6  # TR_STATUS_SEED

    @property
    def uploaded(self) -> int:
        return int(self._torrent()["uploadedEver"])

    def _torrent(self) -> dict[str, Any]:
        answer = self._call("torrent-get", ids=[1], fields=["status", "uploadedEver"])
        found: dict[str, Any] = answer["torrents"][0]
        return found

    def _call(self, method: str, **arguments: Any) -> Any:
        """RPC; a 409 hands out the session id that it wants to see (transmission's rpc-spec, 2.3.1)."""
        body = {"method": method, "arguments": arguments}
        answer = self.http.post("/transmission/rpc", json=body)
        if answer.status_code == 409:
            self.http.headers["X-Transmission-Session-Id"] = answer.headers["X-Transmission-Session-Id"]
            answer = self.http.post("/transmission/rpc", json=body)
        told = answer.json()
        assert told["result"] == "success", told
        return told["arguments"]


class Aria2(Client):
    program = "aria2c"

    def command(self) -> list[str]:
        return [
            self.program, "--no-conf", "--enable-rpc", f"--rpc-listen-port={self.control}", f"--listen-port={self.port}",
            f"--dir={self.folder}", "--check-integrity=true", "--seed-ratio=0.0", f"--max-upload-limit={self.rate}",
            "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false",
            "--summary-interval=0", str(self.torrent_file),
        ]  # fmt: skip

    def add(self) -> None:
        pass

    def is_seeding(self) -> bool:
        return bool(active := self._active()) and active[0].get("seeder") == "true"

    @property
    def uploaded(self) -> int:
        return sum(int(torrent["uploadLength"]) for torrent in self._active())

    def _active(self) -> list[dict[str, Any]]:
        asked = {"jsonrpc": "2.0", "id": "1", "method": "aria2.tellActive", "params": []}
        found: list[dict[str, Any]] = self.http.post("/jsonrpc", json=asked).json()["result"]
        return found


class Qbittorrent(Client):
    program = "qbittorrent-nox"

    def command(self) -> list[str]:
        settings = self.state / "qBittorrent" / "config" / "qBittorrent.conf"
        settings.parent.mkdir(parents=True)
        settings.write_text(f"""[LegalNotice]
Accepted=true
[Preferences]
WebUI\\Address=127.0.0.1
WebUI\\LocalHostAuth=false
WebUI\\Port={self.control}
Connection\\ResolvePeerCountries=false
[Network]
PortForwardingEnabled=false
[BitTorrent]
Session\\Port={self.port}
Session\\Interface=lo
Session\\InterfaceAddress=127.0.0.1
Session\\BTProtocol=TCP
Session\\DHTEnabled=false
Session\\LSDEnabled=false
Session\\PeXEnabled=false
Session\\IgnoreLimitsOnLAN=false
Session\\IgnoreSlowTorrentsForQueueing=false
Session\\QueueingSystemEnabled=false
Session\\RefreshInterval=200
""")
        return [self.program, f"--profile={self.state}", f"--webui-port={self.control}"]

    def add(self) -> None:
        """skip_checking is left out: the client itself hashes what it is to seed."""
        answer = self.http.post(
            "/api/v2/torrents/add",
            files={"torrents": ("seeded.torrent", self.torrent_file.read_bytes(), "application/x-bittorrent")},
            data={"savepath": str(self.folder), "upLimit": str(self.rate), "autoTMM": "false"},
        )
        assert answer.text == "Ok.", answer.text

    def is_seeding(self) -> bool:
        return [torrent["state"] for torrent in self._torrents()] in (["uploading"], ["stalledUP"], ["forcedUP"])

    @property
    def uploaded(self) -> int:
        return sum(int(torrent["uploaded"]) for torrent in self._torrents())

    def _torrents(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("/api/v2/torrents/info").json()
        return found


CLIENTS: tuple[type[Client], ...] = (Transmission, Aria2, Qbittorrent)
