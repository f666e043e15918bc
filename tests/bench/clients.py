"""Torrent clients, each as a process of its own: `python -m tests.bench.clients NAME TORRENT FOLDER` downloads and tells
the seconds from adding the torrent until its last byte is verified and written, and the processor's seconds."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

import libtorrent as lt

from apps.downloads.engine.events import Finished
from apps.downloads.engine.session import Engine
from apps.downloads.engine.settings import EngineSettings
from sokoul.stack.processes import free_port

LOOK = 0.02  # seconds between looks at a daemon


def our_engine(torrent: Path, folder: Path) -> float:
    engine = Engine(EngineSettings(listen_interfaces="127.0.0.1:0"))
    began = time.perf_counter()
    engine.add("it", folder=folder, torrent=torrent.read_bytes())
    while not any(isinstance(event, Finished) for event in engine.poll(0.2)):
        engine.progress()
    return time.perf_counter() - began


def bare_libtorrent(torrent: Path, folder: Path) -> float:
    """Tuned by hand, with nothing around it: the limit."""
    params = lt.session_params()
    params.settings = {
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "alert_mask": lt.alert_category.status | lt.alert_category.error,
        "aio_threads": 4,
        "hashing_threads": 2,
        "max_queued_disk_bytes": 64 << 20,
        "recv_socket_buffer_size": 1 << 20,
        "send_socket_buffer_size": 1 << 20,
        "max_out_request_queue": 1500,
        "out_enc_policy": lt.enc_policy.disabled,
    }
    params.disk_io_constructor = "pread_disk_io_constructor"
    session = lt.session(params)
    began = time.perf_counter()
    adding = lt.load_torrent_buffer(torrent.read_bytes())
    adding.save_path = str(folder)
    adding.flags = lt.torrent_flags.update_subscribe  # at once, not when the queue gets to it
    handle = session.add_torrent(adding)
    _until(session, lt.torrent_finished_alert)
    handle.flush_cache()
    _until(session, lt.cache_flushed_alert)
    return time.perf_counter() - began


def _until(session: lt.session, kind: type[lt.alert]) -> None:
    while True:
        session.wait_for_alert(1000)
        if any(isinstance(alert, kind) for alert in session.pop_alerts()):
            return


def aria2(torrent: Path, folder: Path) -> float:
    options = ["--seed-time=0", "--enable-dht=false", "--bt-enable-lpd=false", "--file-allocation=none", "--quiet"]
    began = time.perf_counter()
    subprocess.run(["aria2c", *options, f"--dir={folder}", str(torrent)], check=True)
    return time.perf_counter() - began


def qbittorrent(torrent: Path, folder: Path) -> float:
    """qbittorrent-nox, asked over its Web API, which looks at its torrents every 1.5 s unless told otherwise."""
    port, profile = free_port(), folder / "profile"
    settings = profile / "qBittorrent" / "config" / "qBittorrent.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        "[LegalNotice]\nAccepted=true\n[Preferences]\nWebUI\\LocalHostAuth=false\nWebUI\\Address=127.0.0.1\n"
        "[BitTorrent]\nSession\\RefreshInterval=50\nSession\\DHTEnabled=false\nSession\\LSDEnabled=false\n"
        f"Session\\Port={free_port()}\nSession\\SSRFMitigation=false\n"
    )
    command = ["qbittorrent-nox", f"--profile={profile}", f"--webui-port={port}"]
    daemon = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        api = f"http://127.0.0.1:{port}/api/v2"
        _wait(lambda: urllib.request.urlopen(f"{api}/app/version").read())
        began = time.perf_counter()
        _add_to_qbittorrent(f"{api}/torrents/add", torrent, folder)
        _wait(lambda: b'"progress":1,' in urllib.request.urlopen(f"{api}/torrents/info").read())
        return time.perf_counter() - began
    finally:
        daemon.terminate()
        daemon.wait(60)


def _add_to_qbittorrent(url: str, torrent: Path, folder: Path) -> None:
    boundary = "sokoul-bench"
    parts = [("savepath", "", str(folder).encode()), ("torrents", '; filename="film.torrent"', torrent.read_bytes())]
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"
        for name, more, value in parts
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    urllib.request.urlopen(urllib.request.Request(url, body + f"--{boundary}--\r\n".encode(), headers)).read()


def _wait(found: Callable[[], object], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found():
                return
        except OSError:
            pass  # not listening yet
        time.sleep(LOOK)
    raise TimeoutError("the client does not come to its end")


# Name, and the program that it needs. Not transmission: it connects to no peer on loopback.
CLIENTS: dict[str, tuple[Callable[[Path, Path], float], str]] = {
    "bare libtorrent": (bare_libtorrent, ""),
    "our engine": (our_engine, ""),
    "aria2": (aria2, "aria2c"),
    "qbittorrent-nox": (qbittorrent, "qbittorrent-nox"),
}


def installed() -> list[str]:
    return [name for name, (_, program) in CLIENTS.items() if not program or shutil.which(program)]


def main() -> None:
    name, torrent, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    seconds = CLIENTS[name][0](torrent, folder)
    used = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    print(seconds, sum(usage.ru_utime + usage.ru_stime for usage in used), flush=True)
    os._exit(0)  # a session's orderly end is no part of the figure


if __name__ == "__main__":
    main()
