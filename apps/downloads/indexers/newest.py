"""What was the newest of each indexer when what is new was last looked at: how far back the next look has to read.

Kept in Valkey, for it may be lost: then one page is read, as at the first look.
"""

from collections.abc import Iterable, Mapping

from django.core.cache import cache

from apps.downloads.indexers.offer import Offer

MOST_PAGES = 5  # of one look: 500 releases in RSS_MINUTES
_KEPT = 100  # of one indexer: those that are taken down meanwhile must not be all
_SECONDS = 86_400.0
_KEY = "indexers.newest"
Seen = Mapping[str, frozenset[str]]


def seen() -> Seen:
    """{indexer: keys of its newest offers}."""
    kept = cache.get(_KEY)
    if not isinstance(kept, dict):
        return {}
    return {name: frozenset(keys) for name, keys in kept.items()}


def note(offers: Iterable[Offer]) -> None:
    """What is new was looked at, and what was wanted of it taken. An indexer that did not answer keeps what was noted of it."""
    found: dict[str, list[str]] = {}
    for offer in offers:
        keys = found.setdefault(offer.indexer, [])
        if len(keys) < _KEPT:
            keys.append(offer.key)
    if found:
        cache.set(_KEY, {**{name: list(keys) for name, keys in seen().items()}, **found}, _SECONDS)
