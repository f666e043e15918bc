"""Does an indexer work? Asked by an admin who pressed a button, and told in words."""

import time
from dataclasses import dataclass
from functools import partial

from django.utils.translation import ngettext

from apps.downloads.indexers import gather, prowlarr, torznab
from apps.downloads.indexers.books import Kind, Outcome
from apps.downloads.indexers.wish import Wish
from apps.media.models import Kind as MediaKind
from sokoul.env import ENV
from sokoul.errors import SokoulError, not_found
from sokoul.said import here

SECONDS = 10.0  # for each question
QUESTION = Wish(MediaKind.MOVIE, "Night")
"""Some indexer or other has a film of that name; one that has none answers all the same."""
_SEARCH_FEED = partial(torznab.search, wish=QUESTION)
_SEARCH_INNER = partial(prowlarr.search, wish=QUESTION)


@dataclass(frozen=True)
class Trial:
    """What came of one question; `seconds` that its calls took."""

    name: str
    well: bool
    seconds: float
    said: str


def names() -> list[str]:
    """Of every indexer that is configured; all of Prowlarr's are one."""
    return [feed.name for feed in torznab.feeds()] + ([prowlarr.SERVICE] if ENV.prowlarr_url else [])


def test(name: str) -> list[Trial]:
    """Ask one indexer for a search; of Prowlarr, for its list and then each of its indexers. PermanentError (404) unknown.

    It is asked though it be left alone, and one that answers is left alone no longer.
    """
    if name in ENV.torznab_feeds:
        tried = gather.Round(time.monotonic() + SECONDS)
        tried.start(Kind.TORZNAB, torznab.sources(_SEARCH_FEED), obey=False, only=name)
        return [_told(outcome) for outcome in tried.outcomes()]
    if name == prowlarr.SERVICE and ENV.prowlarr_url:
        return _prowlarr()
    raise not_found("This indexer")


def _prowlarr() -> list[Trial]:
    began = time.monotonic()
    try:
        inner = prowlarr.sources(_SEARCH_INNER, SECONDS)
    except SokoulError as error:
        return [Trial(prowlarr.SERVICE, False, time.monotonic() - began, here(error.message))]
    text = ngettext(
        "It answers, and has %(count)d torrent indexer switched on.",
        "It answers, and has %(count)d torrent indexers switched on.",
        len(inner),
    )
    first = Trial(prowlarr.SERVICE, True, time.monotonic() - began, text % {"count": len(inner)})
    tried = gather.Round(time.monotonic() + SECONDS)
    tried.start(Kind.PROWLARR, inner, obey=False)
    return [first, *(_told(outcome, f"{prowlarr.SERVICE}: ") for outcome in tried.outcomes())]


def _told(outcome: Outcome, before: str = "") -> Trial:
    turn, batch = outcome.entry.turn, outcome.batch
    said = here(outcome.error.message) if outcome.error else ""
    if batch is not None:
        text = ngettext(
            "It answers, with %(count)d release for “%(title)s”.",
            "It answers, with %(count)d releases for “%(title)s”.",
            len(batch.offers),
        )
        said = " ".join([text % {"count": len(batch.offers), "title": QUESTION.title}, *map(here, batch.warnings)])
    return Trial(before + turn.name, batch is not None, turn.seconds, said)
