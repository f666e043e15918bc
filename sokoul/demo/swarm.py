"""The seeder of the demo swarm: makes torrents and uploads them on loopback. The only importer of libtorrent here.

No DHT, no local discovery, no port mapping. Rates are set on each torrent: a session's limit lets bursts through on
loopback, a torrent's holds.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libtorrent

from sokoul.demo.releases import TorrentKind

lt: Any = libtorrent  # its type stubs lag behind its functions

FLAGS: dict[TorrentKind, int] = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}
SETTINGS: dict[str, Any] = {
    "alert_mask": 0,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "allow_multiple_connections_per_ip": True,
    "active_limit": -1,
    "active_seeds": -1,
    "unchoke_slots_limit": -1,
    "connections_limit": 500,
    "max_retry_port_bind": 0,
    "stop_tracker_timeout": 1,
}


def piece_size(total: int) -> int:
    """A power of two that gives a torrent of `total` bytes some hundreds of pieces: 16 KiB at least, 1 MiB at most."""
    size = 16 * 1024
    while size < 1024 * 1024 and total / size > 512:
        size *= 2
    return size


@dataclass
class Torrent:
    """A torrent as published: `data` is the .torrent without trackers; hashes in hex, "" for a version it has not."""

    data: bytes
    name: str
    size: int
    v1: str
    v2: str

    @property
    def announced(self) -> list[bytes]:
        """The 20-byte hashes that clients announce: v1's, and v2's cut short (BEP 52)."""
        return [bytes.fromhex(digest)[:20] for digest in (self.v1, self.v2) if digest]


def parse(data: bytes) -> Torrent:
    info = lt.load_torrent_buffer(data).ti
    hashes = info.info_hashes()
    return Torrent(
        data,
        info.name(),
        info.total_size(),
        str(hashes.v1) if hashes.has_v1() else "",
        str(hashes.v2) if hashes.has_v2() else "",
    )


def make(root: Path, kind: TorrentKind, size: int = 0) -> Torrent:
    """Hash a file or folder into a torrent; `size` of pieces in bytes, chosen when 0. Takes as long as reading it."""
    files = lt.list_files(str(root))
    total = sum(path.stat().st_size for path in ([root] if root.is_file() else root.rglob("*")) if path.is_file())
    creator = lt.create_torrent(files, size or piece_size(total), FLAGS[kind])
    creator.set_creator("Sokoul demo")
    creator.set_creation_date(0)
    lt.set_piece_hashes(creator, str(root.parent))
    return parse(lt.bencode(creator.generate()))


def published(torrent: Torrent, announce: str) -> bytes:
    """The .torrent with its tracker."""
    content = lt.bdecode(torrent.data)
    content[b"announce"] = announce.encode()
    return bytes(lt.bencode(content))


@dataclass
class Seeder:
    """One libtorrent session on a loopback port, which it keeps (in `port_file`) from one run to the next."""

    port_file: Path
    rate: int
    _handles: dict[str, Any] = field(default_factory=dict)
    _session: Any = None

    def start(self) -> None:
        wanted = 0
        with contextlib.suppress(OSError, ValueError):
            wanted = int(self.port_file.read_text())
        parameters = lt.session_params()
        parameters.settings = {**lt.default_settings(), **SETTINGS, "listen_interfaces": f"127.0.0.1:{wanted}"}
        parameters.disk_io_constructor = "pread_disk_io_constructor"
        self._session = lt.session(parameters)
        if not self._session.is_listening():
            self._session.apply_settings({"listen_interfaces": "127.0.0.1:0"})
        self.port_file.write_text(str(self.port))

    @property
    def port(self) -> int:
        return int(self._session.listen_port())

    def seed(self, key: str, torrent: Torrent, folder: Path) -> None:
        parameters = lt.load_torrent_buffer(torrent.data)
        parameters.save_path = str(folder)
        parameters.upload_limit = self.rate
        flags = lt.torrent_flags
        parameters.flags = flags.seed_mode | flags.disable_dht | flags.disable_lsd | flags.disable_pex
        self._handles[key] = self._session.add_torrent(parameters)

    def set_rate(self, rate: int) -> None:
        """Bytes a second that each torrent uploads at most; 0 for no limit."""
        self.rate = rate
        for handle in self._handles.values():
            handle.set_upload_limit(rate)

    def pause(self, key: str) -> None:
        self._handles[key].pause()

    def resume(self, key: str, leechers: Iterable[tuple[str, int]] = ()) -> None:
        """Serve it again, and call the leechers: they wait a minute before they call a peer that hung up on them."""
        self._handles[key].resume()
        for address in leechers:
            self._handles[key].connect_peer(address)

    def drop(self, key: str) -> None:
        if handle := self._handles.pop(key, None):
            self._session.remove_torrent(handle)

    def status(self, key: str) -> dict[str, Any]:
        """Bytes of content sent since the start, and peers connected now."""
        if key not in self._handles:
            return {"uploaded": 0, "peers": 0, "paused": True}
        status = self._handles[key].status()
        paused = bool(status.flags & lt.torrent_flags.paused)
        return {"uploaded": status.all_time_upload, "peers": status.num_peers, "paused": paused}
