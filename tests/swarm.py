"""A BitTorrent swarm on loopback for tests: a tracker over HTTP and a libtorrent seeder.

`python -m tests.swarm seed FOLDER TORRENT` is the seeder as a process of its own, for benchmarks and drills.
"""

import random
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import libtorrent as lt

KINDS = {
    "v1": lt.create_torrent.v1_only,
    "v2": lt.create_torrent.v2_only,
    "hybrid": 0,
}


def content(size: int, seed: int = 1) -> bytes:
    """Bytes that nothing compresses, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def make_torrent(
    path: Path,
    *,
    kind: str = "v1",
    piece: int = 64 << 10,
    trackers: tuple[str, ...] = (),
    web_seeds: tuple[str, ...] = (),
) -> bytes:
    """The .torrent of a file or folder."""
    creator = lt.create_torrent(lt.list_files(str(path)), piece, KINDS[kind])
    for url in trackers:
        creator.add_tracker(url, 0)
    for url in web_seeds:
        creator.add_url_seed(url)
    lt.set_piece_hashes(creator, str(path.parent))
    return bytes(lt.bencode(creator.generate()))


def magnet_of(torrent: bytes, *trackers: str) -> str:
    """A bare magnet: hashes and trackers, no name."""
    hashes = lt.load_torrent_buffer(torrent).info_hashes
    topics = [f"xt=urn:btih:{hashes.v1.to_bytes().hex()}"] if hashes.has_v1() else []
    topics += [f"xt=urn:btmh:1220{hashes.v2.to_bytes().hex()}"] if hashes.has_v2() else []
    return "magnet:?" + "&".join(topics + [f"tr={quote(url, safe='')}" for url in trackers])


class Tracker:
    """Tells everybody the ports in `peers`, but nobody his own. Set `failure` to have it refuse, `hits` has the query of every announce."""

    def __init__(self) -> None:
        self.peers: list[int] = []
        self.failure = ""
        self.hits: list[dict[str, list[str]]] = []
        tracker = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = parse_qs(urlsplit(self.path).query, encoding="latin-1")
                tracker.hits.append(asked)
                body = tracker._answer(asked.get("port", [""])[0])
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):  # a client that leaves does not wait for the answer
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/announce"

    def _answer(self, own: str) -> bytes:
        """A client that meets itself bans that address, and with it, on loopback, everybody."""
        others = [port for port in self.peers if str(port) != own]
        peers = b"".join(b"\x7f\0\0\1" + port.to_bytes(2, "big") for port in others)
        answer: dict[bytes, Any] = {b"interval": 1800, b"min interval": 1, b"peers": peers}
        if self.failure:
            answer = {b"failure reason": self.failure.encode()}
        return bytes(lt.bencode(answer))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def seeder_settings() -> "lt.settings_pack":
    return {
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
        "send_buffer_watermark": 4 << 20,
        "recv_socket_buffer_size": 1 << 20,
        "send_socket_buffer_size": 1 << 20,
        "alert_mask": lt.alert_category.error | lt.alert_category.status,
    }


class Seeder:
    """Seeds what is in `folder` until it is closed; several torrents at once, each with its own rate limit (bytes/s)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        params = lt.session_params()
        params.settings = seeder_settings()
        params.disk_io_constructor = "pread_disk_io_constructor"
        self._session = lt.session(params)
        self._handles: list[lt.torrent_handle] = []

    @property
    def port(self) -> int:
        return int(self._session.listen_port())

    def seed(self, torrent: bytes, *, rate: int = 0) -> None:
        params = lt.load_torrent_buffer(torrent)
        params.save_path = str(self._folder)
        params.trackers = []
        params.flags = lt.torrent_flags.seed_mode | lt.torrent_flags.update_subscribe
        handle = self._session.add_torrent(params)
        handle.set_upload_limit(rate)
        self._handles.append(handle)

    def limit(self, rate: int) -> None:
        for handle in self._handles:
            handle.set_upload_limit(rate)

    def pause(self) -> None:
        self._session.pause()

    def resume(self) -> None:
        self._session.resume()

    @property
    def uploaded(self) -> int:
        """Payload bytes sent in this session."""
        return sum(handle.status().total_payload_upload for handle in self._handles)

    def close(self) -> None:
        self._handles.clear()
        del self._session


class Hashless:
    """A peer on the way to the seeder's port that keeps back the hashes of a v2 torrent's pieces (message 22 of BEP 52)."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                seeder = socket.create_connection(("127.0.0.1", self._behind))
                Thread(target=self._pass_on, args=(client, seeder), daemon=True).start()
                Thread(target=self._answer, args=(seeder, client), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError), source, sink:
            while data := source.recv(65536):
                sink.sendall(data)

    def _answer(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError, ValueError), source.makefile("rb") as stream, sink:
            sink.sendall(stream.read(68))  # the handshake
            while length := stream.read(4):
                message = stream.read(int.from_bytes(length))
                if message[:1] != b"\x16":
                    sink.sendall(length + message)


@dataclass
class Swarm:
    """A tracker and a seeder; share() puts content into it."""

    folder: Path
    tracker: Tracker = field(default_factory=Tracker)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.seeder = Seeder(self.folder)
        self.tracker.peers.append(self.seeder.port)

    def share(self, name: str, files: dict[str, bytes] | bytes, *, rate: int = 0, **how: Any) -> bytes:
        """Seed a file (`files` is its bytes) or a folder of files; returns the .torrent, which names the tracker."""
        for path, data in ({name: files} if isinstance(files, bytes) else _below(name, files)).items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(data)
        torrent = make_torrent(self.folder / name, trackers=(self.tracker.url,), **how)
        self.seeder.seed(torrent, rate=rate)
        return torrent

    def magnet(self, torrent: bytes) -> str:
        return magnet_of(torrent, self.tracker.url)

    def __enter__(self) -> "Swarm":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seeder.close()
        self.tracker.close()


def _below(name: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}/{path}": data for path, data in files.items()}


def main() -> None:
    """Prints the port, then seeds until standard input ends."""
    folder, torrent = Path(sys.argv[2]), Path(sys.argv[3])
    seeder = Seeder(folder)
    seeder.seed(torrent.read_bytes())
    print(seeder.port, flush=True)
    sys.stdin.read()
    seeder.close()


if __name__ == "__main__":
    main()
