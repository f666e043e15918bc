"""The demo swarm against a stock libtorrent client in this process, and its tracker."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import libtorrent
import pytest

from tests.demo import Content, Demo

lt: Any = libtorrent


@pytest.fixture
def client() -> Iterator[Any]:
    settings = {"listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False, "alert_mask": 0}
    session = lt.session(
        {**settings, "enable_upnp": False, "enable_natpmp": False, "allow_multiple_connections_per_ip": True}
    )
    yield session
    session.pause()


def download(session: Any, parameters: Any, folder: Path, timeout: float = 25) -> Any:
    """Fetch a torrent whole and onto disk; answers its handle."""
    parameters.save_path = str(folder)
    handle = session.add_torrent(parameters)
    deadline = time.monotonic() + timeout
    while not handle.status().is_seeding:
        assert time.monotonic() < deadline, handle.status().state
        time.sleep(0.02)
    session.remove_torrent(handle)  # flushes to disk; files are whole once the hashes fit
    return handle


def hashes(content: Content, folder: Path) -> dict[str, str]:
    base = folder if (folder / next(iter(content.sha256))).exists() else folder / content.name
    return {path: hashlib.sha256((base / path).read_bytes()).hexdigest() for path in content.sha256}


def wait_equal(content: Content, folder: Path) -> None:
    deadline = time.monotonic() + 5
    while hashes(content, folder) != content.sha256:
        assert time.monotonic() < deadline, "the files never became those of the seeder"
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["v1", "v2", "hybrid"])
@pytest.mark.parametrize("way", ["magnet", "torrent"])
def test_a_stock_client_downloads_it_whole(demo: Demo, client: Any, tmp_path: Path, kind: str, way: str) -> None:
    files = [{"path": "film.mp4", "size": 4_000_000, "video": True}, {"path": "extra/notes.bin", "size": 70_000}]
    content = demo.add_content(f"Stock.{kind}", files, kind)
    assert bool(content.info_hash_v1) == (kind != "v2")
    assert bool(content.info_hash_v2) == (kind != "v1")
    magnet = lt.parse_magnet_uri(content.magnet)
    file = lt.load_torrent_buffer(httpx.get(content.torrent_url).content)
    download(client, magnet if way == "magnet" else file, tmp_path)
    wait_equal(content, tmp_path)
