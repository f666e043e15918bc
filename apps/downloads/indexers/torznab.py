"""Plain Torznab feeds (torznab.github.io/spec-1.3-draft; errors as in Newznab's specification)."""

import functools
import re
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from xml.etree.ElementTree import Element

from apps.downloads.indexers import offer, xml
from apps.downloads.indexers.offer import Batch, Offer
from apps.downloads.indexers.paging import Slice, read_all
from apps.downloads.indexers.wish import MOVIES, TV, Wish
from apps.media.models import Kind
from sokoul import http, logs
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError

log = logs.logger(__name__)

LIMIT = 100
CAPS_SECONDS = 3600.0
_DIGITS = re.compile(r"\d{1,18}")


@dataclass(frozen=True, slots=True)
class Caps:
    """What a feed can do: rows a page, parameters of each way to search, categories ({} and () when it does not say)."""

    limit: int = LIMIT
    modes: tuple[tuple[str, frozenset[str]], ...] = (("search", frozenset({"q"})),)
    categories: tuple[int, ...] = ()

    def parameters(self, mode: str) -> frozenset[str]:
        return dict(self.modes).get(mode, frozenset())

    def below(self, category: int) -> list[int]:
        """The categories to ask for, of a thousand of Newznab's; none where it has none of them (music, books)."""
        found = [number for number in self.categories if category <= number < category + 1000]
        return found if self.categories else [category]


@dataclass(frozen=True, slots=True)
class Feed:
    name: str
    url: str
    key: str


_caps: dict[Feed, tuple[float, Caps]] = {}
_caps_lock = threading.Lock()


def forget() -> None:
    """Forget what feeds said that they can do."""
    with _caps_lock:
        _caps.clear()


def feeds() -> list[Feed]:
    return [Feed(name, url, key) for name, (url, key) in ENV.torznab_feeds.items()]


def _call(feed: Feed, seconds: float, **params: str | int) -> Element:
    """The answer's tree. Raises PermanentError for a refused key or parameter, TransientError for what may pass."""
    query = {**params, "apikey": feed.key} if feed.key else dict(params)
    response = http.get(feed.url, service=feed.name, params=query, seconds=seconds)
    try:
        root = xml.parse(response.body)
    except xml.BadXmlError as error:
        raise TransientError(f"{feed.name} answered with something that is not XML ({error}).") from None
    if root.tag == "error":
        raise _error(feed, root)
    return root


def _error(feed: Feed, root: Element) -> Exception:
    """Newznab's codes: 100–199 the account, 200–299 the request, 500 and 501 its limits, 900 and more its own trouble."""
    code, said = _number(root.get("code")), " ".join(root.get("description", "").split())[:200]
    message = f"{feed.name} answered: {offer.strip_key(said, (feed.key,)) or 'an error'} ({code})."
    if 100 <= code < 400:
        return PermanentError(message, code="indexer", status=502)
    return TransientError(message)


def _number(text: str | None) -> int:
    return int(text) if text and _DIGITS.fullmatch(text.strip()) else 0


def caps(feed: Feed, seconds: float) -> Caps:
    """What the feed can do, remembered for an hour; the least that any feed can where it does not say."""
    with _caps_lock:
        until, known = _caps.get(feed, (0.0, Caps()))
    if until > time.monotonic():
        return known
    try:
        known = _read_caps(_call(feed, seconds, t="caps"))
    except PermanentError as error:
        log.warning("feed without capabilities", indexer=feed.name, reason=error.message)
        known = Caps()
    with _caps_lock:
        _caps[feed] = (time.monotonic() + CAPS_SECONDS, known)
    return known


def _read_caps(root: Element) -> Caps:
    limits, searching = root.find("limits"), root.find("searching")
    most = _number(limits.get("max")) if limits is not None else 0
    modes = tuple(
        (mode.tag, frozenset(mode.get("supportedParams", "q").replace(" ", "").split(",")))
        for mode in (searching if searching is not None else ())
        if mode.get("available") == "yes"
    )
    found = [*root.iterfind("categories/category"), *root.iterfind("categories/category/subcat")]
    categories = tuple(sorted({_number(entry.get("id")) for entry in found} - {0}))
    return Caps(limit=min(most or LIMIT, LIMIT), modes=modes or Caps().modes, categories=categories)


def search(feed: Feed, end: float, wish: Wish) -> Batch:
    """What the feed has, by the first way of asking that finds anything."""
    able = caps(feed, max(0.001, end - time.monotonic()))
    batch = Batch()
    wanted = able.below(wish.category)
    for question in questions(wish, able) if wanted else ():
        params = {**question, **_usual(wanted, able)}
        found = read_all(feed.name, functools.partial(_page, feed, params), able.limit, end)
        batch.offers += found.offers
        batch.warnings += found.warnings
        if batch.offers:
            break
    return batch


def latest(feed: Feed, end: float) -> Batch:
    """The newest films and series that the feed has: a search for nothing in particular, its first page."""
    able = caps(feed, max(0.001, end - time.monotonic()))
    wanted = [*able.below(MOVIES), *able.below(TV)]
    if not wanted:
        return Batch()
    params = {"t": "search", **_usual(wanted, able)}
    return Batch(_page(feed, params, 0, max(0.001, end - time.monotonic())).offers)


def _usual(wanted: list[int], able: Caps) -> dict[str, str | int]:
    return {"cat": ",".join(map(str, wanted)), "limit": able.limit, "extended": 1}


def questions(wish: Wish, able: Caps) -> list[dict[str, str | int]]:
    """Ways of asking, the surest first: by IMDb id, by title with season and episode apart, by one text."""
    asked: list[dict[str, str | int]] = []
    if wish.kind == Kind.MOVIE:
        movie = able.parameters("movie-search")
        if wish.imdb_id and "imdbid" in movie:
            asked.append({"t": "movie", "imdbid": wish.imdb_id})
        mode = "movie" if "q" in movie else "search"
        asked += [{"t": mode, "q": text} for text in wish.texts]
        return asked
    tv = able.parameters("tv-search")
    needed = {"q", *(["season"] if wish.season is not None else []), *(["ep"] if wish.episode is not None else [])}
    if wish.season is not None and needed <= tv:
        numbers = {"season": wish.season, **({"ep": wish.episode} if wish.episode is not None else {})}
        return [{"t": "tvsearch", "q": name, **numbers} for name in wish.names]
    return [{"t": "search", "q": text} for text in wish.texts]


def _page(feed: Feed, params: dict[str, str | int], offset: int, seconds: float) -> Slice:
    root = _call(feed, seconds, **params, offset=offset)
    items = root.findall("channel/item")
    response = next((child for child in root.iterfind("channel/*") if child.tag.endswith("}response")), None)
    total = _number(response.get("total")) if response is not None and response.get("total") else None
    return Slice([found for item in items if (found := _offer(feed, item))], len(items), total)


def _offer(feed: Feed, item: Element) -> Offer | None:
    attributes = {
        child.get("name", "").lower(): child.get("value", "") for child in item if child.tag.endswith("}attr")
    }
    enclosure = item.find("enclosure")
    inside = dict(enclosure.attrib) if enclosure is not None else {}
    if inside.get("type", "").endswith("nzb"):
        return None
    seeders = _number(attributes.get("seeders"))
    sizes = (_number(item.findtext("size")), _number(attributes.get("size")), _number(inside.get("length")))
    links = [inside.get("url", ""), _text(item, "link"), attributes.get("magneturl", ""), _text(item, "guid")]
    return offer.build(
        title=_text(item, "title"),
        indexer=feed.name,
        guid=_text(item, "guid"),
        links=links[:3] if not links[3].startswith("magnet:?") else links,
        info_hash=attributes.get("infohash", ""),
        size=next((size for size in sizes if size), 0),
        seeders=seeders,
        peers=_number(attributes.get("peers")) or seeders + _number(attributes.get("leechers")),
        published_at=_date(_text(item, "pubDate")),
        page_url=_text(item, "comments"),
        keys=(feed.key,),
    )


def _text(item: Element, name: str) -> str:
    return (item.findtext(name) or "").strip()


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else None
