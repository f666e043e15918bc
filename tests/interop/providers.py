"""A TMDB and a Prowlarr with one film and whatever releases a test puts there; written from their documentation alone.

TMDB: developer.themoviedb.org/reference. Prowlarr: its API v1 and, for downloads, its NewznabController, which hides the
indexer's link behind its own: a .torrent is passed on, a magnet answered with a permanent redirect.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

TMDB_KEY, PROWLARR_KEY = "interop-tmdb", "interop-prowlarr"
TITLE, YEAR, TMDB_ID, MINUTES = "Interoperable", 2019, 4711, 1
Answer = tuple[int, Mapping[str, str], bytes]


@dataclass
class Release:
    """What the one indexer has. It is listed with a downloadUrl when `torrent` is given, with a magnetUrl when `magnet` is."""

    name: str
    size: int
    torrent: bytes = b""
    magnet: str = ""
    info_hash: str = ""


@dataclass
class Providers:
    """Both of them on one loopback port; `releases` may change at any time."""

    releases: list[Release] = field(default_factory=list)

    def __post_init__(self) -> None:
        providers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                parameters = {name: values[0] for name, values in parse_qs(query).items()}
                status, headers, body = providers.answer(path, parameters, self.headers.get("X-Api-Key", ""))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self) -> dict[str, str]:
        return {
            "TMDB_URL": f"{self.url}/3",
            "TMDB_IMAGE_URL": f"{self.url}/t/p",
            "TMDB_API_KEY": TMDB_KEY,
            "PROWLARR_URL": self.url,
            "PROWLARR_API_KEY": PROWLARR_KEY,
        }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, query: dict[str, str], key: str) -> Answer:
        if path.startswith("/3/"):
            return _tmdb(path.removeprefix("/3/")) if query.get("api_key") == TMDB_KEY else _json({}, 401)
        if PROWLARR_KEY not in (key, query.get("apikey")):
            return _json({}, 401)
        if path == "/api/v1/indexer":
            return _json([{"id": 7, "name": "Entrepôt", "enable": True, "protocol": "torrent", "privacy": "private"}])
        if path == "/api/v1/search":
            return _json([self._row(number) for number in range(len(self.releases))][int(query.get("offset", 0)) :])
        if path == "/7/download":
            return self._download(*query["link"].split(":"))
        return _json({"message": "NotFound"}, 404)

    def _download(self, kind: str, number: str) -> Answer:
        release = self.releases[int(number)]
        if kind == "magnet":
            return 301, {"Location": release.magnet}, b""
        return 200, {"Content-Type": "application/x-bittorrent"}, release.torrent

    def _row(self, number: int) -> dict[str, Any]:
        release = self.releases[number]
        row: dict[str, Any] = {
            "guid": f"https://entrepot.example/torrent/{urlsplit(self.url).port}/{number}",
            "title": release.name,
            "size": release.size,
            "indexerId": 7,
            "indexer": "Entrepôt",
            "protocol": "torrent",
            "publishDate": "2024-05-01T12:00:00Z",
            "categories": [{"id": 2000, "name": "Movies", "subCategories": []}],
            "seeders": 1,
            "leechers": 0,
        }
        if release.info_hash:
            row["infoHash"] = release.info_hash.upper()
        for name, kind, there in (("downloadUrl", "torrent", release.torrent), ("magnetUrl", "magnet", release.magnet)):
            if there:
                link = urlencode({"apikey": PROWLARR_KEY, "link": f"{kind}:{number}", "file": release.name})
                row[name] = f"{self.url}/7/download?{link}"
        return row


def _json(answer: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(answer).encode()


def _tmdb(path: str) -> Answer:
    film = {
        "id": TMDB_ID,
        "title": TITLE,
        "original_title": TITLE,
        "original_language": "en",
        "release_date": f"{YEAR}-03-01",
        "overview": "Programs that have never met talk to each other.",
        "poster_path": None,
        "popularity": 3.5,
    }
    if path.startswith("search/"):
        row = {**film, "media_type": "movie", "genre_ids": [99]}
        return _json({"page": 1, "results": [row], "total_pages": 1, "total_results": 1})
    if path == f"movie/{TMDB_ID}":
        genres = [{"id": 99, "name": "Documentary"}]
        return _json({**film, "genres": genres, "runtime": MINUTES, "imdb_id": "tt0000001"})
    if path.startswith("genre/"):
        return _json({"genres": [{"id": 99, "name": "Documentary"}]})
    return _json({"success": False, "status_code": 34, "status_message": "Not found"}, 404)
