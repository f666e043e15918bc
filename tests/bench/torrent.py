"""How fast one torrent comes in over loopback: our engine, bare tuned libtorrent, and stock clients where installed.

`python -m tests.bench.torrent [MIB] [ROUNDS]` (1024, 3). Each client is a process of its own; they take turns, so that all see
the same machine. A figure is the time from adding the torrent until its last byte is verified and written.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import libtorrent as lt

from apps.downloads.engine.events import Finished
from apps.downloads.engine.session import Engine
from apps.downloads.engine.settings import EngineSettings
from tests.swarm import Tracker, make_torrent

PIECE = 1 << 20


@dataclass(frozen=True)
class Figure:
    seconds: float
    cpu: float  # seconds, of the client alone


def our_engine(torrent: Path, folder: Path) -> None:
    engine = Engine(EngineSettings(listen_interfaces="127.0.0.1:0"))
    engine.add("it", folder=folder, torrent=torrent.read_bytes())
    while not any(isinstance(event, Finished) for event in engine.poll(0.2)):
        engine.progress()


def bare_libtorrent(torrent: Path, folder: Path) -> None:
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
    adding = lt.load_torrent_buffer(torrent.read_bytes())
    adding.save_path = str(folder)
    adding.flags = lt.torrent_flags.update_subscribe  # at once, not when the queue gets to it
    handle = session.add_torrent(adding)
    _until(session, lt.torrent_finished_alert)
    handle.flush_cache()
    _until(session, lt.cache_flushed_alert)


def _until(session: lt.session, kind: type[lt.alert]) -> None:
    while True:
        session.wait_for_alert(1000)
        if any(isinstance(alert, kind) for alert in session.pop_alerts()):
            return


def aria2(torrent: Path, folder: Path) -> None:
    options = ["--seed-time=0", "--enable-dht=false", "--bt-enable-lpd=false", "--file-allocation=none", "--quiet"]
    subprocess.run(["aria2c", *options, f"--dir={folder}", str(torrent)], check=True)


def transmission(torrent: Path, folder: Path) -> None:
    """transmission-cli never ends by itself: it is stopped by the script it runs when it is done."""
    stop = folder / "stop.sh"
    stop.write_text("#!/bin/sh\nkill $PPID\n")
    stop.chmod(0o755)
    options = ["--finish", str(stop), "--download-dir", str(folder), "--config-dir", str(folder / "config")]
    subprocess.run(["transmission-cli", *options, str(torrent)], stdout=subprocess.DEVNULL, check=False)


CLIENTS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "our engine": (our_engine, ""),
    "bare libtorrent": (bare_libtorrent, ""),
    "aria2": (aria2, "aria2c"),
    "transmission": (transmission, "transmission-cli"),
}


@contextmanager
def swarm(folder: Path, mib: int) -> Iterator[Path]:
    """A seeder process and a tracker; yields the .torrent."""
    film = folder / "seed" / "film.bin"
    film.parent.mkdir()
    with film.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
    tracker = Tracker()
    torrent = folder / "film.torrent"
    torrent.write_bytes(make_torrent(film, piece=PIECE, trackers=(tracker.url,)))
    command = [sys.executable, "-m", "tests.swarm", "seed", str(film.parent), str(torrent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as seeder:
        assert seeder.stdout is not None
        tracker.peers.append(int(seeder.stdout.readline()))
        yield torrent
        seeder.terminate()
    tracker.close()


def measure(client: str, torrent: Path, folder: Path, mib: int) -> Figure:
    target = Path(tempfile.mkdtemp(dir=folder))
    command = [
        sys.executable,
        "-m",
        "tests.bench.torrent",
        "--client",
        client,
        "--torrent",
        str(torrent),
        "--folder",
        str(target),
    ]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    seconds, cpu = map(float, answer.split())
    assert (target / "film.bin").stat().st_size == mib << 20
    shutil.rmtree(target)
    return Figure(seconds, cpu)


def run_client(client: str, torrent: Path, folder: Path) -> None:
    started = time.perf_counter()
    CLIENTS[client][0](torrent, folder)
    seconds = time.perf_counter() - started
    usage = os.times()
    own = getrusage(RUSAGE_SELF)
    print(seconds, own.ru_utime + own.ru_stime + usage.children_user + usage.children_system, flush=True)
    os._exit(0)  # a session's orderly end is no part of the figure


def report(figures: dict[str, list[Figure]], mib: int) -> None:
    peer = statistics.median(figure.seconds for figure in figures["bare libtorrent"])
    print(f"{'client':<16} {'MiB/s':>7} {'spread':>13} {'CPU-s/GiB':>10} {'x bare':>7}")
    for client, runs in figures.items():
        seconds = sorted(figure.seconds for figure in runs)
        median = statistics.median(seconds)
        cpu = statistics.median(figure.cpu for figure in runs) * 1024 / mib
        spread = f"{mib / seconds[-1]:.0f}–{mib / seconds[0]:.0f}"
        print(f"{client:<16} {mib / median:>7.0f} {spread:>13} {cpu:>10.2f} {peer / median:>7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mib", nargs="?", type=int, default=1024)
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--torrent", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        return run_client(options.client, options.torrent, options.folder)
    clients = [name for name, (_, program) in CLIENTS.items() if not program or shutil.which(program)]
    with tempfile.TemporaryDirectory() as name, swarm(Path(name), options.mib) as torrent:
        figures: dict[str, list[Figure]] = {client: [] for client in clients}
        for _ in range(options.rounds):
            for client in clients:
                figures[client].append(measure(client, torrent, Path(name), options.mib))
    report(figures, options.mib)
    return None


if __name__ == "__main__":
    main()
