"""The main job over REST with strangers all around: TMDB, indexer, tracker, and stock BitTorrent clients as seeders.

Run by `make interop`, which installs them; `make test` leaves this folder out.
"""

import hashlib
import os
import signal
from itertools import count, product
from pathlib import Path

import libtorrent as lt
import pytest

from tests.interop.clients import Aria2, Client, Qbittorrent, Transmission
from tests.interop.conftest import Home, Outside, Shared
from tests.interop.providers import TITLE
from tests.person import Person
from tests.swarm import magnet_of
from tests.waiting import until

CASES = [(Transmission, "v1"), (Aria2, "v1"), (Qbittorrent, "v1"), (Qbittorrent, "v2"), (Qbittorrent, "hybrid")]
DRILLS = [(Transmission, "v1"), (Aria2, "v1"), (Qbittorrent, "v2"), (Qbittorrent, "hybrid")]
LAG = 2 << 20  # bytes that a client at 2 MB/s counts late, as qBittorrent does
PIECE = 64 << 10
_number = count(1)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def person(home: Home) -> Person:
    """Somebody new: what one already has, nobody downloads again."""
    return Person(home, f"person{next(_number)}")


def started(someone: Person, outside: Outside, shared: Shared, way: str) -> int:
    """Search, look for the release, start it in this way; gives the id of the download."""
    magnet = magnet_of(shared.torrent, outside.tracker.url)
    offers = {"torrent": {"torrent": shared.torrent}, "magnet": {"magnet": magnet}, "pasted": {}}
    outside.list(shared, **offers[way])  # type: ignore[arg-type]
    media_id = someone.find(TITLE)
    if way == "pasted":
        return int(someone.call("POST", "/downloads/start", media_id=media_id, magnet=magnet)["id"])
    found = someone.raw("POST", "/search", {"media_id": media_id}, Prefer="wait=25")
    assert found.status_code == 200, found.text
    release = next(row for row in found.json()["results"] if row["title"] == shared.name)
    assert release["score"] is not None, release["rejections"]
    return int(someone.call("POST", "/downloads/start", media_id=media_id, torrent_id=release["id"])["id"])


@pytest.mark.parametrize(
    ("client", "kind", "way"),
    [(*case, way) for case, way in product(CASES, ("torrent", "magnet", "pasted"))],
    ids=lambda value: value if isinstance(value, str) else value.program,
)
def test_what_a_stock_client_seeds_is_filed_bit_by_bit(
    home: Home, outside: Outside, client: type[Client], kind: str, way: str
) -> None:
    shared = outside.share(client, kind)
    someone = person(home)
    someone.completes(started(someone, outside, shared, way))
    (file,) = someone.call("GET", "/library")["results"]
    assert sha256(home.library / file["path"]) == sha256(shared.source)
    played = someone.raw("GET", file["stream_url"], Range="bytes=1000-1999")
    assert played.status_code == 206
    assert played.content == shared.source.read_bytes()[1000:2000]
    until(lambda: shared.client.uploaded >= shared.size, 15, "the seeder's own count")


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("client", "kind"), DRILLS, ids=lambda value: value if isinstance(value, str) else value.program
)
def test_a_hunter_killed_at_half_fetches_again_what_was_not_saved_and_no_more(
    home: Home, outside: Outside, client: type[Client], kind: str
) -> None:
    shared = outside.share(client, kind, kbits=14_000, rate=2_000_000)
    someone = person(home)
    download = started(someone, outside, shared, "torrent")
    half, quarter = shared.size / 2, shared.size / 4
    until(lambda: shared.client.uploaded > half and saved_bytes(shared, home) > quarter, 60, "half of it, partly saved")
    old = home.up.pid("hunter")
    os.kill(old, signal.SIGKILL)
    saved = saved_bytes(shared, home)
    until(lambda: home.up.replaced("hunter", old), 60, "a new hunter")
    sent = shared.client.uploaded
    someone.completes(download, 90)
    (file,) = someone.call("GET", "/library")["results"]
    assert sha256(home.library / file["path"]) == sha256(shared.source)
    until(lambda: shared.client.uploaded >= shared.size, 15, "the seeder's own count")
    again = shared.client.uploaded - shared.size
    print(f"\n{shared.name}: {shared.size=} {sent=} {saved=} {again=}")
    assert again <= sent - saved + LAG


def saved_bytes(shared: Shared, home: Home) -> int:
    """How much of the film lies on the product's disk in whole pieces, as a comparison with the source finds it."""
    copies = list((home.up.data_dir / "downloads").glob(f"*/{shared.name}/{shared.source.name}"))
    there, wanted = copies[0].read_bytes() if copies else b"", shared.source.read_bytes()
    info = lt.load_torrent_buffer(shared.torrent).ti
    assert info is not None
    layout = info.layout()
    offset = next(layout.file_offset(n) for n in range(layout.num_files()) if shared.name in layout.file_name(n))
    pieces = range(-offset % PIECE, len(wanted), PIECE)
    return sum(PIECE for start in pieces if there[start : start + PIECE] == wanted[start : start + PIECE])
