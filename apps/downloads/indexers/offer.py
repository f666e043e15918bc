"""A release as an indexer offers it, and what keeps its keys out of rows, logs and answers."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from apps.downloads.engine.metainfo import parse_magnet
from sokoul.errors import PermanentError

KEY_MARK = "{apikey}"
_V1 = re.compile(r"[0-9a-f]{40}")
_V2 = re.compile(r"[0-9a-f]{64}")
_MAX_TITLE = 1000
FIRST_YEAR, LAST_YEAR = 1980, 2200
_MAX_NUMBER = 2**31 - 1
_MAX_SIZE = 2**60


@dataclass(frozen=True, slots=True)
class Offer:
    """What one indexer says about one release. Size in bytes; peers count seeders too; hashes in lower-case hex.

    `download_url` leads to a .torrent (or redirects to a magnet) and has `{apikey}` where the indexer's key was. `priority` is
    the indexer's: of two that offer the same release, the lower number is fetched from. `flags`: of releases.formats.FLAGS.
    """

    title: str
    indexer: str
    guid: str
    info_hash_v1: str | None = None
    info_hash_v2: str | None = None
    magnet: str = ""
    download_url: str = ""
    size: int = 0
    seeders: int = 0
    peers: int = 0
    published_at: datetime | None = None
    page_url: str = ""
    priority: int = 25
    flags: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """What `torrents.key` holds: the hash where it is known, else who offers it under which guid."""
        if self.info_hash_v1:
            return f"btih:{self.info_hash_v1}"
        if self.info_hash_v2:
            return f"btmh:{self.info_hash_v2}"
        return "url:" + hashlib.sha256(f"{self.indexer}\n{self.guid}".encode()).hexdigest()


@dataclass
class Batch:
    """What one indexer answered: its offers, and in words why there may be fewer than it has."""

    offers: list[Offer] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def strip_key(url: str, keys: tuple[str, ...]) -> str:
    """The address with `{apikey}` in place of any of the keys."""
    url = url.replace(KEY_MARK, quote(KEY_MARK))  # an indexer cannot have a key put where none was
    spellings = sorted({text for key in keys if key for text in (key, quote(key, safe=""))}, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, spellings)), KEY_MARK, url) if spellings else url


def add_key(url: str, key: str) -> str:
    return url.replace(KEY_MARK, quote(key, safe=""))


def build(
    *,
    title: str,
    indexer: str,
    guid: str,
    links: list[str],
    info_hash: str = "",
    size: int = 0,
    seeders: int = 0,
    peers: int = 0,
    published_at: datetime | None = None,
    page_url: str = "",
    keys: tuple[str, ...] = (),
    flags: frozenset[str] = frozenset(),
) -> Offer | None:
    """An offer from what an indexer sent, each part checked; None when it has no title or no way to get it.

    `links` are all addresses given for it, magnets among them, the preferred first.
    """
    title, guid, page_url, *links = (text.replace("\x00", "") for text in (title, guid, page_url, *links))
    title = " ".join(title.split())[:_MAX_TITLE]
    magnet, magnet_v1, magnet_v2 = _magnet(links)
    lowered = info_hash.strip().lower()
    v1 = magnet_v1 or (lowered if _V1.fullmatch(lowered) else None)
    v2 = magnet_v2 or (lowered if _V2.fullmatch(lowered) else None)
    download = next((link for link in links if link.startswith(("http://", "https://"))), "")
    if not title or not (magnet or download or v1 or v2):
        return None
    return Offer(
        title=title,
        indexer=indexer[:100],
        guid=strip_key(guid or download or magnet, keys),
        info_hash_v1=v1,
        info_hash_v2=v2,
        magnet=magnet,
        download_url=strip_key(download, keys),
        size=min(max(size, 0), _MAX_SIZE),
        seeders=min(max(seeders, 0), _MAX_NUMBER),
        peers=min(max(peers, seeders, 0), _MAX_NUMBER),
        published_at=_moment(published_at),
        page_url=strip_key(page_url, keys) if page_url.startswith(("http://", "https://")) else "",
        flags=flags,
    )


def _moment(told: datetime | None) -> datetime | None:
    """In UTC; None for what no release was published at: PostgreSQL refuses odd zones, and keeps years that nobody can read."""
    try:
        moment = told.astimezone(UTC) if told else None
    except (OverflowError, ValueError):
        return None
    return moment if moment and FIRST_YEAR <= moment.year <= LAST_YEAR else None


def _magnet(links: list[str]) -> tuple[str, str | None, str | None]:
    """(magnet, v1, v2) of the first link that is a good magnet."""
    for link in links:
        if link.startswith("magnet:?"):
            try:
                found = parse_magnet(link)
            except PermanentError:
                continue
            return found.canonical(), found.info_hash_v1, found.info_hash_v2
    return "", None, None
