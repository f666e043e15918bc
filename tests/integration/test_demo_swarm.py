"""The demo swarm against a stock libtorrent client in this process, and its tracker."""

import hashlib
import time
from collections.abc import Callable, Iterator
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


def wait_for(condition: Callable[[], object], timeout: float = 40) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def download(session: Any, parameters: Any, folder: Path) -> None:
    """Fetch a torrent whole."""
    parameters.save_path = str(folder)
    handle = session.add_torrent(parameters)
    wait_for(lambda: handle.status().is_seeding)
    session.remove_torrent(handle)


def hashes(content: Content, folder: Path) -> dict[str, str]:
    """Of those files that are there already."""
    base = folder if (folder / next(iter(content.sha256))).exists() else folder / content.name
    there = [path for path in content.sha256 if (base / path).exists()]
    return {path: hashlib.sha256((base / path).read_bytes()).hexdigest() for path in there}


def wait_equal(content: Content, folder: Path) -> None:
    """The files are those of the seeder, as soon as the client has written them out."""
    wait_for(lambda: hashes(content, folder) == content.sha256)


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


def test_a_film_of_the_catalogue_downloads_by_its_indexers_link(demo: Demo, client: Any, tmp_path: Path) -> None:
    rows = demo.http.get(
        "/prowlarr/api/v1/search", params={"query": "Ox 2019 1080p BluRay"}, headers={"X-Api-Key": "demo-prowlarr-key"}
    ).json()
    good = max((row for row in rows if row["protocol"] == "torrent"), key=lambda row: row["seeders"])
    content = demo.torrent(good["title"])
    download(client, lt.load_torrent_buffer(httpx.get(good["downloadUrl"]).content), tmp_path)
    wait_equal(content, tmp_path)


def test_a_rate_limit_holds_and_can_be_lifted(demo: Demo, client: Any, tmp_path: Path) -> None:
    content = demo.add_content("Slow", [{"path": "slow.bin", "size": 16_000_000}])
    demo.set_rate(500_000)
    parameters = lt.parse_magnet_uri(content.magnet)
    parameters.save_path = str(tmp_path)
    handle = client.add_torrent(parameters)
    wait_for(lambda: handle.status().total_wanted_done > 0)
    start, before = time.monotonic(), handle.status().total_wanted_done
    wait_for(lambda: time.monotonic() - start > 2)
    done = handle.status()
    assert done.total_wanted_done - before < 500_000 * (time.monotonic() - start) + 2_000_000
    assert not done.is_seeding
    demo.set_rate(0)
    wait_for(lambda: handle.status().is_seeding)
    wait_for(lambda: demo.torrent("Slow").uploaded >= 16_000_000)
    client.remove_torrent(handle)
    wait_equal(content, tmp_path)


def test_a_paused_seeder_drops_its_peers_until_it_is_resumed(demo: Demo, client: Any, tmp_path: Path) -> None:
    content = demo.add_content("Stopping", [{"path": "stopping.bin", "size": 3_000_000}])
    demo.set_rate(300_000)
    parameters = lt.parse_magnet_uri(content.magnet)
    parameters.save_path = str(tmp_path)
    handle = client.add_torrent(parameters)
    wait_for(lambda: handle.status().total_wanted_done > 0)
    demo.swarm("stop", content.info_hash_v1)
    wait_for(lambda: demo.torrent("Stopping").peers == 0)
    assert announce(demo, content.info_hash_v1)[b"complete"] == 0
    demo.set_rate(0)
    demo.swarm("resume", "Stopping")
    assert announce(demo, content.info_hash_v1)[b"complete"] == 1
    wait_for(lambda: handle.status().is_seeding)


def announce(demo: Demo, info_hash: str, **parameters: str) -> Any:
    """What the tracker answers to a leecher on port 9 (query strings of raw bytes, BEP 3)."""
    raw = "".join(f"%{byte:02x}" for byte in bytes.fromhex(info_hash)[:20])
    rest = "&".join(f"{name}={value}" for name, value in ({"port": "9", "left": "5"} | parameters).items())
    answer = demo.http.get(f"/announce?info_hash={raw}&peer_id=-XX0001-abcdefghijkl&{rest}")
    assert answer.status_code == 200
    return lt.bdecode(answer.content)


def test_the_tracker_lists_the_seeder_in_both_forms(demo: Demo) -> None:
    content = demo.add_content("Tracked", [{"path": "tracked.bin", "size": 50_000}], "hybrid")
    port = demo.call("GET", "swarm")["port"]
    for info_hash in (content.info_hash_v1, content.info_hash_v2):
        answer = announce(demo, info_hash)
        assert (answer[b"complete"], answer[b"incomplete"]) == (1, 1)
        assert answer[b"peers"] == bytes([127, 0, 0, 1]) + port.to_bytes(2, "big")
    listed = announce(demo, content.info_hash_v1, compact="0")[b"peers"]
    assert [(peer[b"ip"], peer[b"port"]) for peer in listed] == [(b"127.0.0.1", port)]
    assert announce(demo, content.info_hash_v1, event="stopped")[b"incomplete"] == 0
    raw = "".join(f"%{byte:02x}" for byte in bytes.fromhex(content.info_hash_v1))
    scraped = lt.bdecode(demo.http.get(f"/scrape?info_hash={raw}").content)
    assert scraped[b"files"][bytes.fromhex(content.info_hash_v1)][b"complete"] == 1
    assert b"failure reason" in lt.bdecode(demo.http.get("/announce?info_hash=short").content)


def test_added_content_can_be_listed_and_is_gone_after_a_reset(demo: Demo) -> None:
    files = [{"path": "A.Listed.Film.2020.mkv", "size": 6_000_000, "video": True}]
    content = demo.add_content("A.Listed.Film.2020.1080p.WEB-DL-TEST", files, listed=True, seeders=3)
    query = {"query": "listed film"}
    header = {"X-Api-Key": "demo-prowlarr-key"}
    row = demo.http.get("/prowlarr/api/v1/search", params=query, headers=header).json()[0]
    assert (row["title"], row["seeders"], row["size"]) == (content.name, 3, 6_000_000)
    assert row["infoHash"] == content.info_hash_v1.upper()
    again = demo.add_content("A.Listed.Film.2020.1080p.WEB-DL-TEST", files, listed=True, seeders=3)
    assert again.sha256 == content.sha256
    demo.reset()
    assert demo.http.get("/prowlarr/api/v1/search", params=query, headers=header).json() == []
    assert demo.http.get(content.torrent_url).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "files": []},
        {"name": "x", "files": [{"path": "../x", "size": 1}]},
        {"name": "x", "files": [{"path": "x", "size": 1}], "kind": "v3"},
        {"files": [{"path": "x", "size": 1}]},
    ],
)
def test_content_that_makes_no_sense_is_refused(demo: Demo, body: dict[str, Any]) -> None:
    assert demo.http.post("/control/swarm/content", json=body).status_code == 400
