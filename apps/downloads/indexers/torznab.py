"""Plain Torznab feeds (torznab.github.io/spec-1.3-draft; errors as in Newznab's specification)."""

import functools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from xml.etree.ElementTree import Element

from django.utils.translation import gettext as _

from apps.downloads.indexers import caps, flags, offer, pauses, refusals, xml
from apps.downloads.indexers.caps import Caps
from apps.downloads.indexers.newest import Seen
from apps.downloads.indexers.offer import Batch, Offer
from apps.downloads.indexers.paging import Slice, first_answer, read_all, read_new
from apps.downloads.indexers.questions import Question, questions
from apps.downloads.indexers.refusals import KeyRefusedError
from apps.downloads.indexers.turn import Source, Turn
from apps.downloads.indexers.wish import MOVIES, TV, Wish
from sokoul import http, logs
from sokoul.env import ENV
from sokoul.errors import PermanentError, SokoulError, TransientError
from sokoul.said import said

log = logs.logger(__name__)

_DIGITS = re.compile(r"\d{1,18}")


@dataclass(frozen=True, slots=True)
class Feed:
    name: str
    url: str
    key: str = field(repr=False)


CLIENT_ERRORS = range(400, 500)  # may hold an error document that says more than the status


def feeds() -> list[Feed]:
    return [Feed(name, url, key) for name, (url, key) in ENV.torznab_feeds.items()]


def sources(ask: Callable[[Feed, Turn], Batch]) -> list[Source]:
    """Every configured feed, with `ask` as what to do at its turn."""
    return [Source(feed.name, functools.partial(ask, feed), feed.key) for feed in feeds()]


def _call(feed: Feed, seconds: float, **params: str | int) -> tuple[Element, http.Response]:
    """The answer and its tree. Raises what `refusals` makes of a "no", TransientError for what may pass."""
    query = {**params, "apikey": feed.key} if feed.key else dict(params)
    response = http.get(feed.url, service=feed.name, params=query, seconds=seconds, answers=CLIENT_ERRORS)
    try:
        root, why = xml.parse(response.body), ""
    except xml.BadXmlError as error:
        root, why = None, str(error)
    if root is not None and root.tag == "error":
        raise _error(feed, root, response)
    if response.status >= 400:
        raise refusals.of_status(feed.name, response)
    if root is None:
        what = {"name": feed.name, "why": why}
        raise TransientError(said(lambda: _("%(name)s answered with something that is not XML (%(why)s).") % what))
    return root, response


def _error(feed: Feed, root: Element, response: http.Response | None = None) -> SokoulError:
    error = refusals.of_document(feed.name, _number(root.get("code")), root.get("description", ""), feed.key)
    if response is not None and isinstance(error, TransientError):
        error.retry_after = http.retry_after(response.headers.get("retry-after"))
    return error


def _number(text: str | None) -> int:
    return int(text) if text and _DIGITS.fullmatch(text.strip()) else 0


def _able(feed: Feed, turn: Turn) -> Caps:
    """What the feed can do, as is known or as it says now; the least that any feed can where it does not say."""
    if turn.caps:
        return turn.caps
    try:
        turn.learned = _read_caps(_call(feed, turn.left, t="caps")[0])
    except KeyRefusedError:
        raise
    except PermanentError as error:
        log.warning("feed without capabilities", indexer=feed.name, reason=error.message)
        turn.learned = Caps()
    turn.caps = turn.learned
    return turn.learned


def _read_caps(root: Element) -> Caps:
    limits, searching = root.find("limits"), root.find("searching")
    modes = (
        (mode.tag, mode.get("supportedParams", "q").split(","))
        for mode in (searching if searching is not None else ())
        if mode.get("available") == "yes"
    )
    found = [*root.iterfind("categories/category"), *root.iterfind("categories/category/subcat")]
    return caps.made(
        _number(limits.get("max")) if limits is not None else 0, modes, (_number(entry.get("id")) for entry in found)
    )


def search(feed: Feed, turn: Turn, wish: Wish) -> Batch:
    """What the feed has, by the first way of asking that finds anything; one that it refuses is none."""
    able = _able(feed, turn)
    wanted = able.below(wish.category)

    def ask(question: Question) -> Batch:
        params = {**question, **_usual(wanted, able)}
        return read_all(feed.name, functools.partial(_page, feed, turn, params), able.limit, turn.end)

    return first_answer(questions(wish, able) if wanted else [], ask)


def latest(feed: Feed, turn: Turn, seen: Seen) -> Batch:
    """The newest films and series that the feed has: a search for nothing in particular."""
    able = _able(feed, turn)
    wanted = [*able.below(MOVIES), *able.below(TV)]
    if not wanted:
        return Batch()
    page = functools.partial(_page, feed, turn, {"t": "search", **_usual(wanted, able)})
    return read_new(feed.name, page, able.limit, turn.end, seen)


def _usual(wanted: list[int], able: Caps) -> Question:
    return {"cat": ",".join(map(str, wanted)), "limit": able.limit, "extended": 1}


def _page(feed: Feed, turn: Turn, params: Question, offset: int, seconds: float) -> Slice:
    with turn.call():
        root, response = _call(feed, seconds, **params, offset=offset)
    turn.hear(response.headers)
    turn.pause = max(turn.pause, _limits_reached(root))
    items = root.findall("channel/item")
    told = _extension(root, "response")
    total = _number(told.get("total")) if told is not None and told.get("total") else None
    return Slice([found for item in items if (found := _offer(feed, item))], len(items), total)


def _extension(root: Element, name: str) -> Element | None:
    return next((child for child in root.iterfind("channel/*") if child.tag.endswith("}" + name)), None)


def _limits_reached(root: Element) -> float:
    """Seconds to wait by Newznab's `apilimits`, which count the last 24 hours; 0 while there is room."""
    told = _extension(root, "apilimits")
    most = _number(told.get("apiMax")) if told is not None else 0
    if told is None or not most or _number(told.get("apiCurrent")) < most:
        return 0.0
    oldest = _date(told.get("apiOldestTime", ""))
    return min(max(oldest.timestamp() + pauses.DAY - time.time(), 1.0), pauses.DAY) if oldest else pauses.HOUR


def _offer(feed: Feed, item: Element) -> Offer | None:
    pairs = [(child.get("name", "").lower(), child.get("value", "")) for child in item if child.tag.endswith("}attr")]
    attributes = dict(pairs)
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
        flags=_flags(attributes, [value for name, value in pairs if name == "tag"]),
    )


def _flags(attributes: dict[str, str], tags: list[str]) -> frozenset[str]:
    """By the volume factors and tags of Torznab, and what Newznab has for Usenet and some feeds send all the same."""
    factors = (attributes.get(f"{way}volumefactor", "") for way in ("download", "upload"))
    said = {"scene": "prematch", "nuked": "nuked"}
    words = [flag for flag, name in said.items() if attributes.get(name) == "1"]
    return flags.counted(*factors) | flags.named([*tags, *words])


def _text(item: Element, name: str) -> str:
    return (item.findtext(name) or "").strip()


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else None
