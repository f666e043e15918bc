"""A plain Torznab feed (torznab.github.io/spec-1.3-draft), as Jackett or an indexer itself serves it."""

import xml.etree.ElementTree as ET
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import urlencode

from sokoul.demo import keys
from sokoul.demo.prowlarr import CATEGORIES, Prowlarr, announce_url, magnet, torrent_file
from sokoul.demo.store import Store, Stored
from sokoul.demo.web import Request, Response, Router

TORZNAB = "http://torznab.com/schemas/2015/feed"
NEWZNAB = "http://www.newznab.com/DTD/2010/feeds/attributes/"
ATOM = "http://www.w3.org/2005/Atom"
MAX_LIMIT = 50
for prefix, namespace in (("torznab", TORZNAB), ("newznab", NEWZNAB), ("atom", ATOM)):
    ET.register_namespace(prefix, namespace)


def xml(root: ET.Element, kind: str = "application/rss+xml", status: int = 200) -> Response:
    return Response(ET.tostring(root, "utf-8", xml_declaration=True), status, f"{kind}; charset=utf-8")


def error(code: int, description: str) -> Response:
    """Newznab's errors come with status 200: 100 wrong key, 200 missing, 201 wrong parameter, 202 no such function."""
    return xml(ET.Element("error", code=str(code), description=description), "application/xml")


def refusal(code: int) -> Response:
    """What a feed that is asked for nothing wrong refuses all the same, with the asker's key in its words, as some do."""
    words = {100: f"Invalid API key {keys.TORZNAB}", 500: "Request limit reached", 501: "Download limit reached"}
    return error(code, words.get(code, "The demo was told to refuse"))


def failure(status: int) -> Response:
    """What a feed sends along with an HTTP status."""
    description = "Request limit reached" if status == 429 else "The indexer is unwell"
    return xml(ET.Element("error", code="500" if status == 429 else "900", description=description), status=status)


def caps() -> Response:
    root = ET.Element("caps")
    ET.SubElement(root, "server", title="Criée")
    ET.SubElement(root, "limits", max=str(MAX_LIMIT), default=str(MAX_LIMIT))
    searching = ET.SubElement(root, "searching")
    ET.SubElement(searching, "search", available="yes", supportedParams="q")
    ET.SubElement(searching, "tv-search", available="yes", supportedParams="q,season,ep")
    ET.SubElement(searching, "movie-search", available="yes", supportedParams="q")
    categories = ET.SubElement(root, "categories")
    for top in (2000, 5000):
        category = ET.SubElement(categories, "category", id=str(top), name=CATEGORIES[top])
        for number, name in CATEGORIES.items():
            if top < number < top + 1000:
                ET.SubElement(category, "subcat", id=str(number), name=name.split("/")[1])
    return xml(root, "application/xml")


def item(channel: ET.Element, stored: Stored, request: Request, number: int) -> None:
    """One release; `number` makes the guid of a repeated one its own."""
    release, size = stored.release, str(stored.torrent.size)
    address = magnet(stored, announce_url(request))
    query = urlencode({"apikey": keys.TORZNAB})
    link = address if release.magnet_only else f"{request.base_url}/torznab/download/{release.key}.torrent?{query}"
    details = f"{request.base_url}/details/feed/{release.key}" + (f"?copy={number}" if number else "")
    entry = ET.SubElement(channel, "item")
    published = datetime.fromisoformat(release.published.replace("Z", "+00:00"))
    texts = {"title": release.name, "guid": details, "link": link, "comments": details, "size": size}
    for name, text in {**texts, "pubDate": format_datetime(published)}.items():
        ET.SubElement(entry, name).text = text
    ET.SubElement(entry, "enclosure", url=link, length=size, type="application/x-bittorrent")
    for category in release.categories:
        ET.SubElement(entry, "category").text = str(category)
    attributes = {"seeders": str(release.seeders), "peers": str(release.seeders + release.leechers), "size": size}
    attributes |= {"infohash": stored.torrent.v1, "magneturl": address} if stored.torrent.v1 else {}
    pairs = [*attributes.items(), *(("category", str(category)) for category in release.categories)]
    for name, value in [*pairs, ("downloadvolumefactor", "0"), ("uploadvolumefactor", "1")]:
        ET.SubElement(entry, f"{{{TORZNAB}}}attr", name=name, value=value)


def feed(shown: list[tuple[int, Stored]], offset: int, total: int, request: Request) -> Response:
    root = ET.Element("rss", version="2.0")
    channel = ET.SubElement(root, "channel")
    own = f"{request.base_url}{request.path}"
    ET.SubElement(channel, f"{{{ATOM}}}link", rel="self", type="application/rss+xml", href=own)
    texts = {"title": "Criée", "description": "A feed of the Sokoul demo", "link": own, "language": "en-us"}
    for name, text in {**texts, "category": "search"}.items():
        ET.SubElement(channel, name).text = text
    ET.SubElement(channel, f"{{{NEWZNAB}}}response", offset=str(offset), total=str(total))
    for number, stored in shown:
        item(channel, stored, request, number)
    return xml(root)


class Torznab:
    def __init__(self, store: Store, prowlarr: Prowlarr) -> None:
        self._store = store
        self._prowlarr = prowlarr

    def add_routes(self, router: Router) -> None:
        router.add("GET", "/torznab/download/{key}.torrent", self.download)
        router.add("GET", "/torznab{rest:(/|/api/?)?}", self.api)
        router.add("GET", "/torznab/feeds/{name}/api", self.api)  # as many more of the same as somebody wants

    async def api(self, request: Request) -> Response:
        function = request.query.get("t", "")
        if not function:
            return error(200, "Missing parameter (t)")
        if function == "caps":
            return caps()
        if request.query.get("apikey") != keys.TORZNAB:
            return error(100, "Incorrect user credentials")
        if function not in ("search", "movie", "tvsearch"):
            return error(202, f"No such function ({function})")
        return await self.search(request, function)

    async def search(self, request: Request, function: str) -> Response:
        try:
            limit = min(max(request.number("limit", MAX_LIMIT), 0), MAX_LIMIT)
            offset = max(request.number("offset", 0), 0)
        except ValueError:
            return error(201, "Incorrect parameter (limit or offset)")
        query = request.query.get("q", "")
        if function == "tvsearch" and request.query.get("season", "").isdecimal():
            episode = request.query.get("ep", "")
            query += f" S{int(request.query['season']):02}" + (f"E{int(episode):02}" if episode.isdecimal() else "")
        stored = [s for s in await self._prowlarr.find(query, request.numbers("cat")) if s.release.feed]
        if request.endless and stored:
            copies = [(offset + n + 1, stored[n % len(stored)]) for n in range(limit)]
            return feed(copies, offset, 10 * (offset + limit), request)
        return feed([(0, s) for s in stored[offset : offset + limit]], offset, len(stored), request)

    async def download(self, request: Request) -> Response:
        if request.query.get("apikey") != keys.TORZNAB:
            return error(100, "Incorrect user credentials")
        if request.args["key"] not in self._store.releases:
            return Response(b"<h1>Not Found</h1>", 404, "text/html")
        return torrent_file(await self._store.ready(request.args["key"]), request)
