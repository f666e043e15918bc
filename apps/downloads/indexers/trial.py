"""Does an indexer work? Asked by an admin who pressed a button, and told in words."""

import contextvars
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from apps.downloads.indexers import prowlarr, torznab
from apps.downloads.indexers.offer import Batch
from apps.downloads.indexers.wish import Wish
from apps.media.models import Kind
from sokoul import logs
from sokoul.env import ENV
from sokoul.errors import SokoulError, not_found

log = logs.logger(__name__)
SECONDS = 10.0  # for each question
AT_ONCE = 8
QUESTION = Wish(Kind.MOVIE, "Night")
"""Some indexer or other has a film of that name; one that has none answers all the same."""


@dataclass(frozen=True)
class Trial:
    """What came of one question; `seconds` until its answer."""

    name: str
    well: bool
    seconds: float
    said: str


def names() -> list[str]:
    """Of every indexer that is configured; all of Prowlarr's are one."""
    return [feed.name for feed in torznab.feeds()] + ([prowlarr.SERVICE] if ENV.prowlarr_url else [])


def test(name: str) -> list[Trial]:
    """Ask one indexer for a search; of Prowlarr, for its list and then each of its indexers. PermanentError (404) unknown."""
    feed = next((feed for feed in torznab.feeds() if feed.name == name), None)
    if feed:
        return [_tried(name, lambda: _found(torznab.search(feed, time.monotonic() + SECONDS, QUESTION)))]
    if name == prowlarr.SERVICE and ENV.prowlarr_url:
        return _prowlarr()
    raise not_found("This indexer")


def _prowlarr() -> list[Trial]:
    inner: list[tuple[int, str]] = []

    def listed() -> str:
        inner.extend(prowlarr.indexers(SECONDS))
        return f"It answers, and has {len(inner)} torrent indexers switched on."

    def ask(number: int, name: str) -> Callable[[], str]:
        return lambda: _found(prowlarr.search(number, name, time.monotonic() + SECONDS, QUESTION))

    first = _tried(prowlarr.SERVICE, listed)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="indexer-test") as threads:
        running = [
            threads.submit(contextvars.copy_context().run, _tried, f"{prowlarr.SERVICE}: {name}", ask(number, name))
            for number, name in inner
        ]
        return [first, *(one.result() for one in running)]


def _found(batch: Batch) -> str:
    said = f"It answers, with {len(batch.offers)} releases for “{QUESTION.title}”."
    return " ".join([said, *batch.warnings])


def _tried(name: str, question: Callable[[], str]) -> Trial:
    began = time.perf_counter()
    try:
        well, said = True, question()
    except SokoulError as error:
        well, said = False, error.message
    except Exception:
        log.exception("indexer test failed", indexer=name)
        well, said = False, f"{name} sent something that could not be read."
    return Trial(name, well, time.perf_counter() - began, said)
