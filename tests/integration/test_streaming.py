"""Streaming: what players ask for, who may, and files that are still downloading."""

import hashlib
import random
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client

from apps.accounts.models import User
from apps.downloads import library, services
from apps.downloads.models import Download, LibraryFile, Phase, TorrentState
from sokoul.env import ENV
from tests.demo import Content
from tests.product import Product
from tests.waiting import until
from tests.web import Web, token_of
from tests.wishes import make_media

pytestmark = pytest.mark.django_db(transaction=True)
SIZE = 3_000_017
DATA = random.Random(1).randbytes(SIZE)


def filed(user: User, name: str = "Film.mkv", data: bytes = DATA) -> str:
    """A finished film in the library; gives its address."""
    media = make_media(name, tmdb_id=Download.objects.count() + 1)
    download = Download.objects.create(user=user, media=media, phase=Phase.DONE, status="Completed", swarm="ab" * 20)
    file = ENV.library / "Movies" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    LibraryFile.objects.create(
        user=user, media=media, download=download, index=3, path=f"Movies/{name}", size=len(data)
    )
    return f"/downloads/{download.pk}/files/3/stream"


# Finished


@pytest.mark.parametrize("server", ["web", "daphne"])
def test_a_finished_file(request: pytest.FixtureRequest, server: str, alice: User) -> None:
    web: Web = request.getfixturevalue("web") if server == "web" else request.getfixturevalue("another_web")(server)
    path = filed(alice)

    def get(**headers: str) -> httpx.Response:
        return web.get(path, alice, headers=headers)

    whole = get()
    assert whole.status_code == 200
    assert hashlib.sha256(whole.content).digest() == hashlib.sha256(DATA).digest()
    assert whole.headers["Content-Type"] == "video/x-matroska"
    assert whole.headers["Content-Length"] == str(SIZE)
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert len(whole.headers["X-Request-ID"]) == 32
    assert "Content-Range" not in whole.headers
    tag = whole.headers["ETag"]
    for asked, start, end in (
        ("bytes=0-99", 0, 100),
        ("bytes=1000000-2500000", 1_000_000, 2_500_001),
        ("bytes=-500", SIZE - 500, SIZE),
        ("bytes=2999000-", 2_999_000, SIZE),
        ("bytes=7-7", 7, 8),
        (f"bytes=0-{10**15}", 0, SIZE),
    ):
        part = get(Range=asked)
        assert (part.status_code, part.headers["Content-Range"]) == (206, f"bytes {start}-{end - 1}/{SIZE}"), asked
        assert part.content == DATA[start:end]
        assert part.headers["Content-Length"] == str(end - start)
        assert part.headers["ETag"] == tag
    assert get(Range=f"bytes={10**40}-").status_code == 416
    assert get(Range=f"bytes=0-{10**40}").status_code == 206
    beyond = get(Range=f"bytes={SIZE}-", **{"X-Request-ID": "asked-1"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{SIZE}")
    assert beyond.headers["Content-Type"] == "application/problem+json"
    assert beyond.headers["X-Request-ID"] == beyond.json()["request_id"] == "asked-1"
    for ignored in ("bytes=5-4", "bytes=0-1,4-5", "pages=1-2"):
        assert (get(Range=ignored).status_code, get(Range=ignored).headers["Content-Length"]) == (200, str(SIZE))
    assert get(Range="bytes=0-9", **{"If-Range": tag}).status_code == 206
    for other in ('"other"', f"W/{tag}", "Wed, 21 Oct 2026 07:28:00 GMT"):
        assert get(Range="bytes=0-9", **{"If-Range": other}).status_code == 200
    head = web.request("HEAD", path, alice, headers={"Range": "bytes=5-9"})
    assert (head.status_code, head.headers["Content-Length"], head.content) == (206, "5", b"")
    refused = web.request("POST", path, alice)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")
    assert web.get(f"/api/v1{path}", alice, headers={"Range": "bytes=-3"}).content == DATA[-3:]


@pytest.mark.parametrize(
    ("name", "kind", "disposition"),
    [
        ("A.mp4", "video/mp4", "inline"),
        ("A.MKV", "video/x-matroska", "inline"),
        ("A.webm", "video/webm", "inline"),
        ("A.ts", "video/mp2t", "inline"),
        ("A.html", "application/octet-stream", "attachment"),
        ("A.svg", "application/octet-stream", "attachment"),
        ("A", "application/octet-stream", "attachment"),
    ],
)
def test_only_video_is_shown_as_what_it_is(web: Web, alice: User, name: str, kind: str, disposition: str) -> None:
    answer = web.get(filed(alice, name, b"x"), alice)
    assert (answer.headers["Content-Type"], answer.headers["Content-Disposition"]) == (kind, disposition)


# Who may


def test_its_owner_may_and_nobody_else(web: Web, alice: User, mallory: User, admin: User) -> None:
    path = filed(alice)
    session = Client()
    session.force_login(alice, "apps.accounts.authentication.EmailOrUsernameBackend")
    cookie = f"sessionid={session.cookies['sessionid'].value}"
    assert web.get(path, alice, headers={"Range": "bytes=0-0"}).status_code == 206
    assert web.get(path, headers={"Range": "bytes=0-0", "Cookie": f"theme=dark; {cookie}"}).status_code == 206
    assert web.get(path, headers={"Authorization": f"Bearer {token_of(alice)}x", "Cookie": cookie}).status_code == 401
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": "sessionid=x"}, {"Cookie": '=;;"'}):
        answer = web.get(path, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert DATA[:20] not in answer.content
    for other in (mallory, admin):
        answer = web.get(path, other)
        assert (answer.status_code, answer.json()["status"]) == (403, 403)
    base = path.removesuffix("/3/stream")
    for unknown in (f"{base}/4/stream", f"{base}/999999999/stream", "/downloads/999999/files/3/stream"):
        answer = web.get(unknown, alice)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    for nonsense in (f"{base}/-1/stream", f"{base}/3/stream/x", f"{base}/../3/stream", f"{base}/{'9' * 30}/stream"):
        assert web.get(nonsense, alice).status_code == 404, nonsense


def test_nothing_outside_of_our_folders_is_ever_read(web: Web, alice: User, tmp_path: Path) -> None:
    secret = tmp_path / "secret.mkv"
    secret.write_bytes(b"secret")
    download_id = int(filed(alice).split("/")[2])
    row = LibraryFile.objects.filter(download_id=download_id)
    link = ENV.library / "link.mkv"
    link.symlink_to(secret)
    for path in (str(secret), f"../../../../../../../../..{secret}", "link.mkv"):
        row.update(path=path)
        answer = web.get(f"/downloads/{download_id}/files/3/stream", alice)
        assert (answer.status_code, b"secret" in answer.content) == (404, False), path
    link.unlink()

    row.delete()
    Download.objects.filter(pk=download_id).update(phase=Phase.SEEDING)
    folder = library.folder_of("ab" * 20)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link.mkv").symlink_to(secret)
    (folder / "own.mkv").write_bytes(b"own")
    names = ["own.mkv", str(secret), f"../../../../../../../../..{secret}", "link.mkv"]
    files = [{"index": index, "path": name, "size": 3} for index, name in enumerate(names)]
    TorrentState.objects.create(download_id=download_id, files=files)
    answers = [web.get(f"/downloads/{download_id}/files/{index}/stream", alice) for index in range(4)]
    assert [answer.status_code for answer in answers] == [200, 404, 404, 404]
    assert answers[0].content == b"own"


# What goes wrong


def test_a_file_that_is_gone_ends_the_connection_and_not_the_server(web: Web, alice: User) -> None:
    big = random.Random(2).randbytes(8_000_000)
    path = filed(alice, "Gone.mkv", big)
    with web.http.stream("GET", path, headers={"Authorization": f"Bearer {token_of(alice)}"}) as answer:
        parts = answer.iter_raw(65536)
        assert next(parts) == big[:65536]
        LibraryFile.objects.all().delete()
        (ENV.library / "Movies" / "Gone.mkv").unlink()
        with pytest.raises(httpx.RemoteProtocolError):
            list(parts)
    assert web.get(path, alice).status_code == 404


def test_a_reader_that_leaves_frees_everything(web: Web, alice: User) -> None:
    path = filed(alice, "Long.mkv", DATA * 20)
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token_of(alice)}\r\n\r\n".encode()
    descriptors = Path(f"/proc/{web.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", web.port)) as reader:
            reader.sendall(request)
            assert reader.recv(100)

    def is_free() -> bool:
        open_files = [str(link.readlink()) for link in descriptors.iterdir() if link.is_symlink()]
        return len(open_files) <= before + 2 and not any("Long.mkv" in name for name in open_files)

    until(is_free, what="every connection and file closed")


# Still downloading


class Slow:
    """A film of 12 MB that the demo seeds at a bounded rate, being downloaded by a hunter process for one person."""

    def __init__(self, product: Product, user: User, rate: int, size: int = 12_000_000) -> None:
        self.product, self.user = product, user
        product.demo.set_rate(rate)
        self.content: Content = product.demo.add_content(
            "Slow.2021.1080p", [{"path": "Slow.2021.1080p.mkv", "size": size}], piece_size=65536
        )
        self.size = size
        self.download, _ = services.start(user.pk, make_media("Slow").pk, magnet=self.content.magnet)
        self.token = token_of(user)
        until(lambda: self.row.phase == Phase.DOWNLOADING and self.row.progress > 0, 60, "the first progress")
        state = TorrentState.objects.get(pk=self.download.pk)
        self.path = f"/downloads/{self.download.pk}/files/{state.files[0]['index']}/stream"

    @property
    def row(self) -> Download:
        return Download.objects.get(pk=self.download.pk)

    @property
    def source(self) -> bytes:
        """The seeder's own bytes."""
        return next(self.product.demo.data_dir.rglob("Slow.2021.1080p.mkv")).read_bytes()

    def get(self, start: int, end: int, timeout: float = 40) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}", "Range": f"bytes={start}-{end - 1}"}
        answer = httpx.get(f"{self.product.url}{self.path}", headers=headers, timeout=timeout)
        assert answer.status_code == 206
        return answer.content


@pytest.fixture
def playing(product: Product) -> Product:
    product.start("web", "hunter", "relay", HUNTER_LEASE="3")
    return product


def test_a_seek_to_the_tail_is_served_long_before_the_download_ends(playing: Product, alice: User) -> None:
    slow = Slow(playing, alice, rate=600_000)
    source = slow.source
    assert len(source) == slow.size
    began = time.monotonic()
    tail = slow.get(slow.size - 200_000, slow.size)
    took = time.monotonic() - began
    assert tail == source[-200_000:]
    assert slow.row.phase == Phase.DOWNLOADING
    assert slow.row.progress < 80
    assert took < 10, "the whole takes 20 s"
    middle = slow.get(7_000_000, 7_300_000)
    assert middle == source[7_000_000:7_300_000]
    assert slow.row.phase == Phase.DOWNLOADING
    playing.demo.set_rate(0)
    assert slow.get(0, slow.size) == source


def test_reading_along_gives_the_bytes_of_the_seeder(playing: Product, alice: User) -> None:
    """From the first byte to the last while they arrive, by two readers at once."""
    slow = Slow(playing, alice, rate=3_000_000)
    got: dict[int, bytes] = {}

    def read(number: int) -> None:
        got[number] = slow.get(number, slow.size)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [got[number] == slow.source[number:] for number in range(2)] == [True, True]


def test_a_reader_outlives_its_hunter(playing: Product, alice: User) -> None:
    """kill −9 while somebody watches: another hunter takes over, and the same answer goes on."""
    slow = Slow(playing, alice, rate=1_000_000)
    got: dict[str, Any] = {}

    def read() -> None:
        got["bytes"] = slow.get(slow.size // 2, slow.size, 60)

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: slow.row.progress > 15, what="some progress")
    playing.kill("hunter")
    playing.start("hunter-2", HUNTER_LEASE="3")
    reader.join(50)
    assert got["bytes"] == slow.source[slow.size // 2 :]


def test_without_a_hunter_the_connection_ends_and_a_later_try_works(playing: Product, alice: User) -> None:
    slow = Slow(playing, alice, rate=500_000)
    playing.kill("hunter")
    began = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        slow.get(slow.size - 1000, slow.size)
    assert time.monotonic() - began < 20
    playing.demo.set_rate(0)
    playing.start("hunter", HUNTER_LEASE="3")
    until(lambda: slow.row.phase == Phase.SEEDING or slow.row.progress > 50, 30, "the take-over")
    assert slow.get(slow.size - 1000, slow.size) == slow.source[-1000:]
