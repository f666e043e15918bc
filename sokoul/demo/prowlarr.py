"""Prowlarr's API v1: indexers, search, and the proxied download links.

As in Prowlarr's own source (SearchController, ReleaseResource, NewznabController): `downloadUrl` and `magnetUrl` both lead
through /{indexerId}/download; a magnet answers there with a permanent redirect to the `magnet:` address; fields without a
value are left out; `leechers` is peers less seeders. Version-2-only torrents have no infoHash, as Prowlarr knows none.
"""

import asyncio
import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from sokoul.demo import keys, swarm
from sokoul.demo.catalogue import matches, words
from sokoul.demo.releases import Release
from sokoul.demo.store import Store, Stored
from sokoul.demo.web import Handler, Request, Response, Router, json_response

Json = dict[str, Any]
CATEGORIES = {
    2000: "Movies", 2030: "Movies/SD", 2040: "Movies/HD", 2045: "Movies/UHD",
    5000: "TV", 5030: "TV/SD", 5040: "TV/HD", 5045: "TV/UHD",
}  # fmt: skip
DEFAULT_LIMIT = 100
ADDED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Indexer:
    """An indexer that the demo Prowlarr has been configured with. `hashes`: whether it tells info-hashes and magnets."""

    id: int
    name: str
    protocol: str = "torrent"
    privacy: str = "public"
    enabled: bool = True
    hashes: bool = True


INDEXERS = (
    Indexer(1, "Lanterne"),
    Indexer(2, "Vieux Port", privacy="semiPrivate", hashes=False),
    Indexer(3, "Quai Fermé", enabled=False),
    Indexer(4, "Pneumatique", protocol="usenet", privacy="private"),
)


def indexer(number: int) -> Indexer | None:
    return next((found for found in INDEXERS if found.id == number), None)


def magnet(stored: Stored, announce: str) -> str:
    """`magnet:?xt=urn:btih:…&xt=urn:btmh:1220…&dn=…&tr=…` (BEP 9; BEP 52 for btmh)."""
    hashes = [f"xt=urn:btih:{stored.torrent.v1}"] if stored.torrent.v1 else []
    hashes += [f"xt=urn:btmh:1220{stored.torrent.v2}"] if stored.torrent.v2 else []
    rest = urlencode({"dn": stored.release.name, "tr": announce}, quote_via=quote)
    return f"magnet:?{'&'.join(hashes)}&{rest}"


def announce_url(request: Request) -> str:
    return f"{request.base_url}/announce"


def torrent_file(stored: Stored, request: Request) -> Response:
    disposition = f"attachment; filename*=UTF-8''{quote(stored.release.name)}.torrent"
    data = swarm.published(stored.torrent, announce_url(request))
    return Response(data, 200, "application/x-bittorrent", {"content-disposition": disposition})


def proxied(request: Request, number: int, link: str, name: str) -> str:
    """A link through Prowlarr, which hides the indexer's own."""
    hidden = base64.urlsafe_b64encode(link.encode()).decode()
    parameters = urlencode({"apikey": keys.PROWLARR, "link": hidden, "file": name}, quote_via=quote)
    return f"{request.base_url}/prowlarr/{number}/download?{parameters}"


def resource(stored: Stored, at: Indexer, request: Request, number: int = 0) -> Json:
    """One found release as Prowlarr lists it; `number` makes the guid of a repeated one its own."""
    release = stored.release
    published = datetime.fromisoformat(release.published.replace("Z", "+00:00"))
    age = max(0.0, (datetime.now(UTC) - published).total_seconds())
    details = f"{request.base_url}/details/{at.id}/{release.key}" + (f"?copy={number}" if number else "")
    found: Json = {
        "guid": details,
        "age": int(age // 86400),
        "ageHours": age / 3600,
        "ageMinutes": age / 60,
        "size": stored.torrent.size,
        "files": len(release.parts),
        "grabs": release.seeders // 2,
        "indexerId": at.id,
        "indexer": at.name,
        "title": release.name,
        "sortTitle": " ".join(words(release.name)),
        "imdbId": 0,
        "tmdbId": 0,
        "tvdbId": 0,
        "tvMazeId": 0,
        "publishDate": release.published,
        "infoUrl": details,
        "indexerFlags": ["freeleech"] if at.privacy == "public" else [],
        "categories": [{"id": c, "name": CATEGORIES[c], "subCategories": []} for c in release.categories],
        "seeders": release.seeders,
        "leechers": release.leechers,
        "protocol": "torrent",
        "fileName": f"{release.name}.torrent",
    }
    if not release.magnet_only:
        found["downloadUrl"] = proxied(request, at.id, f"torrent:{release.key}", release.name)
    if at.hashes or release.magnet_only:
        found["magnetUrl"] = proxied(request, at.id, f"magnet:{release.key}", release.name)
        found |= {"infoHash": stored.torrent.v1.upper()} if stored.torrent.v1 else {}
    return found


def usenet(stored: Stored, request: Request) -> Json:
    """The same release as a Usenet indexer would have it: nothing that a torrent client can use."""
    at = INDEXERS[3]
    torrent = resource(stored, at, request)
    kept = {k: v for k, v in torrent.items() if k not in ("seeders", "leechers", "magnetUrl", "infoHash")}
    return {**kept, "protocol": "usenet", "fileName": f"{stored.release.name}.nzb"}


def terms(query: str) -> str:
    """A search text without Prowlarr's {Season:1}{Episode:2}{TmdbId:…} marks, which become S01E02 where they can."""
    marks = {name.lower(): value for name, value in re.findall(r"{(\w+):([^}]+)}", query)}
    text = re.sub(r"{\w+:[^}]+}", " ", query)
    if marks.get("season", "").isdecimal():
        text += f" S{int(marks['season']):02}"
        text += f"E{int(marks['episode']):02}" if marks.get("episode", "").isdecimal() else ""
    return " ".join(text.split())


def in_categories(release: Release, wanted: list[int]) -> bool:
    return not wanted or bool(set(wanted) & set(release.categories))


class Prowlarr:
    def __init__(self, store: Store) -> None:
        self._store = store

    def add_routes(self, router: Router) -> None:
        for pattern, handler in (
            ("api/v1/indexer", self.indexers),
            ("api/v1/indexer/{id:\\d+}", self.one_indexer),
            ("api/v1/search", self.search),
            ("api/v1/system/status", self.status),
            ("api/v1/health", self.health),
            ("{id:\\d+}/download", self.download),
            ("api/{rest:.*}", self.missing),
        ):
            router.add("GET", f"/prowlarr/{pattern}", guarded(handler))
        router.add("GET", "/prowlarr/ping", self.ping)

    async def find(self, query: str, categories: list[int]) -> list[Stored]:
        """Releases whose name has every word of the query; without a query what is there already, newest first."""
        found = [
            release
            for release in self._store.releases.values()
            if in_categories(release, categories)
            and (matches(query, release.name) if words(query) else release.key in self._store.stored)
        ]
        stored = await asyncio.gather(*(self._store.ready(release.key) for release in found))
        return sorted(stored, key=lambda entry: entry.release.published, reverse=True)

    async def search(self, request: Request) -> Response:
        try:
            limit, offset = request.number("limit", DEFAULT_LIMIT), request.number("offset", 0)
        except ValueError:
            return json_response({"message": "The value is not valid.", "description": "limit, offset"}, 400)
        wanted = request.numbers("indexerIds")
        torrents = [at for at in INDEXERS if at.protocol == "torrent" and at.enabled and chosen(at, wanted, -2)]
        stored = await self.find(terms(request.query.get("query", "")), request.numbers("categories"))
        rows = [resource(s, at, request) for s in stored for at in torrents if at.id in s.release.indexers]
        if chosen(INDEXERS[3], wanted, -1):
            rows += [usenet(s, request) for s in stored[:1]]
        if request.endless and stored:
            copies = [stored[n % len(stored)] for n in range(limit)]
            return json_response([resource(s, INDEXERS[0], request, offset + n + 1) for n, s in enumerate(copies)])
        return json_response(rows[offset : offset + limit])

    async def indexers(self, _: Request) -> Response:
        return json_response([described(found) for found in INDEXERS])

    async def one_indexer(self, request: Request) -> Response:
        found = indexer(int(request.args["id"]))
        return json_response(described(found)) if found else json_response({"message": "NotFound"}, 404)

    async def download(self, request: Request) -> Response:
        """The .torrent file, or a permanent redirect to the magnet."""
        at = indexer(int(request.args["id"]))
        try:
            link = base64.urlsafe_b64decode(request.query.get("link", "")).decode()
        except ValueError:
            link = ""
        kind, _, key = link.partition(":")
        if at is None or not request.query.get("file") or key not in self._store.releases:
            return json_response({"message": "Invalid Prowlarr link"}, 404 if at is None else 400)
        stored = await self._store.ready(key)
        if kind == "magnet":
            return Response(b"", 301, headers={"location": magnet(stored, announce_url(request))})
        return torrent_file(stored, request)

    async def status(self, _: Request) -> Response:
        return json_response(
            {"appName": "Prowlarr", "instanceName": "Demo", "version": "2.0.0.0", "urlBase": "/prowlarr"}
        )

    async def health(self, _: Request) -> Response:
        return json_response([])

    async def ping(self, _: Request) -> Response:
        return json_response({"status": "OK"})

    async def missing(self, _: Request) -> Response:
        return json_response({"message": "NotFound"}, 404)


def chosen(at: Indexer, wanted: list[int], all_of_protocol: int) -> bool:
    """Whether `indexerIds` asks for it: nothing asked for is everything, -1 all of Usenet, -2 all torrents."""
    return not wanted or at.id in wanted or all_of_protocol in wanted


def described(found: Indexer) -> Json:
    categories = [
        {"id": top, "name": CATEGORIES[top], "subCategories": [
            {"id": c, "name": name, "subCategories": []} for c, name in CATEGORIES.items() if top < c < top + 1000
        ]}
        for top in (2000, 5000)
    ]  # fmt: skip
    return {
        "id": found.id,
        "name": found.name,
        "sortName": found.name.lower(),
        "implementation": "Cardigann",
        "implementationName": "Cardigann",
        "configContract": "CardigannSettings",
        "definitionName": found.name.lower().replace(" ", ""),
        "description": f"{found.name} is an indexer of the Sokoul demo",
        "language": "en-US",
        "enable": found.enabled,
        "redirect": False,
        "supportsRss": True,
        "supportsSearch": True,
        "supportsRedirect": False,
        "supportsPagination": False,
        "appProfileId": 1,
        "protocol": found.protocol,
        "privacy": found.privacy,
        "capabilities": {
            "limitsMax": 100,
            "limitsDefault": 100,
            "categories": categories,
            "supportsRawSearch": False,
            "searchParams": ["q"],
            "tvSearchParams": ["q", "season", "ep"],
            "movieSearchParams": ["q"],
            "musicSearchParams": [],
            "bookSearchParams": [],
        },
        "priority": 25,
        "downloadClientId": 0,
        "added": ADDED,
        "indexerUrls": [],
        "legacyUrls": [],
        "tags": [],
        "fields": [],
    }


def failure(status: int) -> Response:
    """What Prowlarr sends along with an HTTP status."""
    return json_response({"message": "The demo was told to fail", "description": f"status {status}"}, status)


def guarded(handler: Handler) -> Handler:
    """Refuse a request without the API key: X-Api-Key, apikey in the query, or bearer."""

    async def check(request: Request) -> Response:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if keys.PROWLARR not in (request.headers.get("x-api-key"), request.query.get("apikey"), bearer):
            return json_response({"error": "Unauthorized"}, 401)
        return await handler(request)

    return check
