"""A finished film over HTTP: one client that reads it from its first byte to its last, beside nginx with sendfile where
installed, and fifty who watch it, each from another moment on."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from tests.bench import film, stack
from tests.bench.report import Bar, Figure, at_most, progress, tell

VIEWERS, MEGABITS, WATCHING = 50, 20, 10  # clients, of each a second, seconds
PIECE = 256 << 10  # bytes that a player asks its buffer for
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; user {user};
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def nginx(folder: Path, root: Path, port: int) -> "AbstractContextManager[stack.Process]":
    user = "root" if os.geteuid() == 0 else "nobody"
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, root=root, port=port, user=user))
    return stack.program(str(shutil.which("nginx")), "-c", str(config), "-e", str(folder / "error.log"))


def read(port: int, path: str, token: str = "") -> float:
    """MiB a second of one whole file."""
    credentials = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=0-\r\nConnection: close\r\n{credentials}\r\n"
    buffer, received = bytearray(1 << 20), 0
    with socket.create_connection(("127.0.0.1", port)) as link:
        began = time.perf_counter()
        link.sendall(request.encode())
        head = link.recv(65536)
        if not head.startswith(b"HTTP/1.1 206"):
            raise RuntimeError(f"no stream: {head[:300]!r}")
        while got := link.recv_into(buffer):
            received += got
        seconds = time.perf_counter() - began
    if received < (stack.SIZE << 20) - len(head):
        raise RuntimeError(f"the stream ended after {received} bytes")
    return stack.SIZE / seconds


def watch(port: int, path: str, token: str, viewer: int) -> float:
    """Seconds by which the film was late at its latest, for somebody who began to look at it when its first bytes were there."""
    rate = MEGABITS * 1_000_000 / 8
    size = min(int(rate * WATCHING), stack.SIZE << 20) // PIECE * PIECE
    start = viewer * ((stack.SIZE << 20) - size) // VIEWERS
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes={start}-{start + size - 1}\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    late = 0.0
    with socket.create_connection(("127.0.0.1", port)) as link, link.makefile("rb") as answer:
        link.sendall(request.encode())
        if not (head := answer.readline()).startswith(b"HTTP/1.1 206"):
            raise RuntimeError(f"no stream: {head!r}")
        while answer.readline().strip():
            pass
        began = time.perf_counter()
        for at in range(0, size, PIECE):
            due = began + at / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            if len(answer.read(PIECE)) != PIECE:
                raise RuntimeError("the stream ended before its end")
            late = max(late, time.perf_counter() - due)
    return late


def filed(film_: Path) -> tuple[str, str]:
    """(path of the stream, access token of its owner) of a film in the library."""
    from apps.accounts import families
    from apps.downloads.models import Download, LibraryFile, TorrentState
    from sokoul.env import ENV
    from tests.factories import make_user
    from tests.wishes import make_media

    user, media = make_user(), make_media()
    download = Download.objects.create(user=user, media=media, phase="done", status="Completed", swarm="0" * 40)
    TorrentState.objects.create(download=download, files=[{"index": 0, "path": "film.mp4", "size": stack.SIZE << 20}])
    target = ENV.library / "Movies" / "film.mp4"
    target.parent.mkdir(parents=True)
    os.link(film_, target)
    LibraryFile.objects.create(
        user=user, media=media, download=download, index=0, path="Movies/film.mp4", size=stack.SIZE << 20
    )
    return f"/downloads/{download.pk}/files/0/stream", families.start(user).access


def measure(folder: Path) -> Iterator[Figure]:
    root = folder / "root"
    root.mkdir()
    film.write(root / "film.mp4", stack.SIZE)
    path, token = filed(root / "film.mp4")
    rates: list[list[float]] = [[], []]
    late = []
    with stack.listening(lambda port: stack.manage("serve", "--port", str(port))) as (port, _):
        for round_ in range(stack.ROUNDS):
            progress(f"  round {round_ + 1}")
            rates[0].append(read(port, path, token))
            if shutil.which("nginx"):
                with stack.listening(lambda port: nginx(folder, root, port)) as (peer, _):
                    rates[1].append(read(peer, "/film.mp4"))
            with ThreadPoolExecutor(VIEWERS) as crowd:
                late.append(max(crowd.map(partial(watch, port, path, token), range(VIEWERS))))
    what = f"streaming a finished film of {stack.SIZE:,} MiB, one client"
    if rates[1]:
        yield Figure(what, "MiB/s", rates[0], "nginx, sendfile", rates[1], Bar(least=0.5))
    else:
        yield Figure(what, "MiB/s", rates[0])
    yield Figure(f"{VIEWERS} clients at {MEGABITS} Mbit/s each: latest piece", "s late", late, bar=at_most(1))


def main() -> None:
    from tests import servers

    with stack.running(), tempfile.TemporaryDirectory(dir=servers.FOLDER) as name:
        tell(measure(Path(name)))


if __name__ == "__main__":
    main()
