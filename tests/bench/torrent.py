"""One torrent over loopback: the whole product, our engine alone, bare tuned libtorrent, and stock clients where installed.

The product's time is a person's: from `POST /downloads/start` with a release of an indexer's until a socket says that the
film is in the library, probed and linked. Clients take turns, each new and on an empty disk folder.
"""

import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sokoul.stack.processes import free_port
from tests.bench import clients, film, stack
from tests.bench.report import Bar, Figure, progress, tell
from tests.swarm import Tracker, make_torrent

if TYPE_CHECKING:
    from tests.web import Web

PIECE = 1 << 20
PRODUCT, BARE, ENGINE = "whole product", "bare libtorrent", "our engine"


@dataclass(frozen=True)
class Run:
    seconds: float
    cpu: float  # seconds, of the client alone


# --- the swarm ----------------------------------------------------------------------------------------------------------


@contextmanager
def swarm(folder: Path) -> Iterator[Path]:
    """A seeder process and a tracker; yields the .torrent."""
    seed = folder / "seed"
    seed.mkdir()
    film.write(seed / "film.mp4", stack.SIZE)
    tracker = Tracker()
    torrent = folder / "film.torrent"
    torrent.write_bytes(make_torrent(seed / "film.mp4", piece=PIECE, trackers=(tracker.url,)))
    command = [sys.executable, "-m", "tests.swarm", "seed", str(seed), str(torrent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as seeder:
        assert seeder.stdout is not None
        tracker.peers.append(int(seeder.stdout.readline()))
        yield torrent
        seeder.terminate()
    tracker.close()


@contextmanager
def indexer(torrent: Path) -> Iterator[str]:
    """Serves the .torrent as an indexer does; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = torrent.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


# --- one download -------------------------------------------------------------------------------------------------------


def by_client(name: str, torrent: Path, folder: Path) -> Run:
    target = Path(tempfile.mkdtemp(dir=folder))
    command = [sys.executable, "-m", "tests.bench.clients", name, str(torrent), str(target)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    if (target / "film.mp4").stat().st_size != stack.SIZE << 20:
        raise RuntimeError(f"{name} did not download all of it")
    shutil.rmtree(target)
    return Run(*map(float, answer.split()[-2:]))


class Product:
    """Web, relay and hunter on the session's servers, with one person and one release to choose."""

    def __init__(self, web: "Web", url: str) -> None:
        from tests.factories import make_user

        self._web, self._url, self.user = web, url, make_user()
        self.progress_events: list[int] = []

    def download(self, folder: Path) -> Run:
        """Once, with a hunter of its own and an empty DATA_DIR."""
        environment = {"DATA_DIR": str(folder), "TORRENT_LISTEN_INTERFACES": f"127.0.0.1:{free_port()}"}
        media_id, torrent_id = self._release()
        with stack.manage("hunter", PROWLARR_URL=self._url, PROWLARR_API_KEY="bench", **environment) as hunter:
            self._warm()
            before = stack.cpu(hunter.pid)
            seconds = self._seconds(media_id, torrent_id)
            used = stack.cpu(hunter.pid) - before
        [filed] = (folder / "library").rglob("*.mp4")
        if filed.stat().st_size != stack.SIZE << 20:
            raise RuntimeError("the library's file is not the film")
        self._forget()
        return Run(seconds, used)

    def _warm(self) -> None:
        """Until the hunter has done a job: its start is no part of the figure, as no other client's is."""
        from apps.jobs import services
        from apps.jobs.models import Job

        job = services.enqueue("hunter", "noop", {})
        stack.until(lambda: Job.objects.filter(pk=job.pk, status="Completed").exists(), "the hunter working")

    def _seconds(self, media_id: int, torrent_id: int) -> float:
        from tests.web import Feed

        with Feed(self._web, self.user) as feed:
            feed.until("snapshot")
            began = time.perf_counter()
            body = {"media_id": media_id, "torrent_id": torrent_id}
            answer = self._web.request("POST", "/downloads/start", self.user, json=body)
            assert answer.status_code == 202, answer.text
            told = 0
            while True:
                message = feed.next(timeout=600)
                told += message["type"] == "download.progress"
                phase = message["data"].get("phase") if message["type"] == "download.updated" else ""
                if phase == "failed":
                    raise RuntimeError(message["data"]["reason"])
                if phase == "seeding":
                    self.progress_events.append(told)
                    return time.perf_counter() - began

    def _release(self) -> tuple[int, int]:
        from django.utils import timezone

        from apps.downloads.models import Candidate, Torrent
        from tests.wishes import make_media

        media = make_media("Loopback", 1)
        torrent = Torrent.objects.create(
            key="url:bench", title="Loopback.2021.1080p.WEB-DL-BENCH", download_url=f"{self._url}/film.torrent",
            indexer="prowlarr", size=stack.SIZE << 20, seeders=1, seen_at=timezone.now(),
        )  # fmt: skip
        Candidate.objects.create(media=media, torrent=torrent, score=1, decided_at=timezone.now())
        return media.pk, torrent.pk

    def _forget(self) -> None:
        """The next round has the title to itself again."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE media, torrents CASCADE")


# --- the figures --------------------------------------------------------------------------------------------------------


def runs(folder: Path) -> tuple[dict[str, list[Run]], list[int]]:
    found: dict[str, list[Run]] = {name: [] for name in (PRODUCT, *clients.installed())}
    with ExitStack() as parts:
        torrent = parts.enter_context(swarm(folder))
        url = parts.enter_context(indexer(torrent))
        product = Product(parts.enter_context(web()), url)
        for round_ in range(stack.ROUNDS):
            for name in found:
                progress(f"  round {round_ + 1}: {name}")
                if name == PRODUCT:
                    target = Path(tempfile.mkdtemp(dir=folder))
                    found[name].append(product.download(target))
                    shutil.rmtree(target)
                else:
                    found[name].append(by_client(name, torrent, folder))
    return found, product.progress_events


@contextmanager
def web() -> Iterator["Web"]:
    import os

    from tests.web import Web

    running = Web(dict(os.environ))
    yield running
    running.stop()


def measure(folder: Path) -> Iterator[Figure]:
    found, told = runs(folder)
    gib = stack.SIZE / 1024
    rates = {name: [stack.SIZE / run.seconds for run in each] for name, each in found.items()}
    used = {name: [run.cpu / gib for run in each] for name, each in found.items()}
    what = f"torrent of {stack.SIZE:,} MiB"
    for name in found:
        if name != PRODUCT:
            bar = Bar(least=0.6 if name == BARE else 1.0) if name != ENGINE else None
            yield Figure(f"{what}, click to library", "MiB/s", rates[PRODUCT], name, rates[name], bar)
    yield Figure(f"{what}, engine alone", "MiB/s", rates[ENGINE], BARE, rates[BARE])
    for name in found:
        if name not in (PRODUCT, ENGINE):
            bar = Bar(most=0.7) if name == "qbittorrent-nox" else None
            yield Figure(f"{what}, hunter's processor", "s/GiB", used[PRODUCT], name, used[name], bar)
    yield Figure(f"{what}, progress messages on the way", "messages", list(map(float, told)))


def main() -> None:
    with stack.running(), tempfile.TemporaryDirectory() as name:
        tell(measure(Path(name)))


if __name__ == "__main__":
    main()
