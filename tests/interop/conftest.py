"""A real `make up` whose TMDB, indexer and swarm are strangers to the project, and stock clients that seed for it."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pytest

from sokoul.stack.processes import free_port
from tests.interop.clients import CLIENTS, Client
from tests.interop.film import make_film
from tests.interop.providers import TITLE, YEAR, Providers, Release
from tests.swarm import Tracker, make_torrent
from tests.up import ROOT, Up

_number = count(1)


@dataclass
class Shared:
    """A release that a stock client seeds: `source` is its film, `sizes` the bytes of all its files in order."""

    name: str
    torrent: bytes
    source: Path
    size: int
    client: Client


@dataclass
class Outside:
    """Everything that is not Sokoul."""

    folder: Path
    providers: Providers = field(default_factory=Providers)
    tracker: Tracker = field(default_factory=Tracker)
    clients: list[Client] = field(default_factory=list)

    def share(
        self, client: type[Client], kind: str, *, seconds: float = 10, kbits: int = 1600, rate: int = 0
    ) -> Shared:
        """Make a release of a film and a text, and have a new client of this kind seed it."""
        number = next(_number)
        name = f"{TITLE}.{YEAR}.1080p.WEB-DL.H264-{client.program[:4].upper()}{number}"
        content = self.folder / str(number) / name
        content.mkdir(parents=True)
        source = content / f"{name}.mkv"
        make_film(source, seconds, kbits, number)
        (content / "about.nfo").write_text("Noise, and free to give away.\n")
        torrent = make_torrent(content, kind=kind, trackers=(self.tracker.url,))
        seeding = client(self.folder / str(number) / "client", content.parent, torrent, rate)
        self.clients.append(seeding)
        self.tracker.peers[:] = [seeding.port]
        return Shared(name, torrent, source, sum(file.stat().st_size for file in content.iterdir()), seeding)

    def list(self, shared: Shared, *, torrent: bytes = b"", magnet: str = "", info_hash: str = "") -> None:
        """Have the indexer offer it, and nothing else."""
        self.providers.releases[:] = [Release(shared.name, shared.size, torrent, magnet, info_hash)]

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.tracker.close()
        self.providers.close()


@dataclass
class Home:
    """The running product. What it files lies in `library`."""

    up: Up
    http: httpx.Client

    @property
    def library(self) -> Path:
        return self.up.data_dir / "library"


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    if missing := [client.program for client in CLIENTS if not shutil.which(client.program)]:
        pytest.fail(f"{', '.join(missing)} not installed. `make interop` says how.")
    with closing(Outside(tmp_path_factory.mktemp("outside"))) as found:
        yield found


@pytest.fixture(scope="session")
def home(outside: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    up = Up(
        tmp_path_factory.mktemp("home") / "data",
        [sys.executable, "manage.py", "up"],
        ROOT,
        **outside.providers.environment(),
        PORT=str(free_port()),
        TRUSTED_IPS="127.0.0.1",  # the tests look more often than a person may
        TORRENT_LISTEN_INTERFACES=f"127.0.0.1:{free_port()}",
    )
    try:
        up.announced()
        assert "stand in for: Telegram." in up.said
        with httpx.Client(base_url=up.url("web"), timeout=30) as http:
            yield Home(up, http)
    finally:
        up.end()
