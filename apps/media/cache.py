"""Pages of search results in Valkey: fresh ones answer without TMDB or database, old ones stand in while TMDB is away."""

import hashlib
import time
from typing import Any

import orjson
from django.core.cache import cache

from sokoul import metrics

FRESH_SECONDS = 3600.0
KEPT_SECONDS = 7 * 86_400


def key_of(query: str, kind: str, page: int, language: str) -> str:
    words = " ".join(query.casefold().split())
    return f"search:{language}:{kind}:{page}:{hashlib.sha256(words.encode()).hexdigest()}"


def load(key: str) -> tuple[dict[str, Any] | None, bool]:
    """(the page or None, whether it is fresh)."""
    page, fresh = _load(key)
    (metrics.CACHE_HITS if fresh else metrics.CACHE_MISSES).labels("search").inc()
    return page, fresh


def _load(key: str) -> tuple[dict[str, Any] | None, bool]:
    try:
        kept = orjson.loads(cache.get(key) or b"null")
        return (kept["page"], time.time() - kept["at"] < FRESH_SECONDS) if kept else (None, False)
    except (ValueError, TypeError, KeyError):  # written by another version
        return None, False


def save(key: str, page: dict[str, Any]) -> None:
    cache.set(key, orjson.dumps({"at": time.time(), "page": page}), KEPT_SECONDS)
