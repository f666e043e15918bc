"""All indexers at once, each under its own deadline."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from functools import partial

from apps.downloads.indexers import prowlarr, torznab
from apps.downloads.indexers.offer import Batch, Offer
from apps.downloads.indexers.wish import Wish
from sokoul import logs
from sokoul.errors import PermanentError, SokoulError, TransientError

log = logs.logger(__name__)

DEADLINE = 20.0  # seconds: under the 25 that a caller may wait with Prefer
LIST_SECONDS = 10.0
GRACE = 1.0
NONE_CONFIGURED = "No indexer is configured. Set PROWLARR_URL and PROWLARR_API_KEY, or TORZNAB_FEEDS."

Ask = Callable[[float], Batch]  # given the moment (monotonic) until which it may take


def search_all(wish: Wish, seconds: float = DEADLINE) -> tuple[list[Offer], list[str]]:
    """(offers, warnings in words) for a wish, of every configured indexer within `seconds`.

    One that fails or is late costs a warning. When none answered: TransientError if waiting may help, else PermanentError.
    """
    return _ask_all(partial(torznab.search, wish=wish), partial(prowlarr.search, wish=wish), seconds)


def latest(seconds: float = DEADLINE) -> tuple[list[Offer], list[str]]:
    """The newest releases of every indexer, films and series, as its RSS feed has them: one page each. As `search_all`."""
    return _ask_all(torznab.latest, prowlarr.latest, seconds)


def _ask_all(
    of_feed: Callable[[torznab.Feed, float], Batch], of_prowlarr: Callable[[int, str, float], Batch], seconds: float
) -> tuple[list[Offer], list[str]]:
    end = time.monotonic() + seconds
    running = _start([(feed.name, partial(of_feed, feed)) for feed in torznab.feeds()], end)
    failures: list[tuple[str, SokoulError]] = []
    try:
        inner = prowlarr.switched_on(min(LIST_SECONDS, seconds))
        running |= _start([(name, partial(of_prowlarr, number, name)) for number, name in inner], end)
    except (TransientError, PermanentError) as error:
        failures.append((prowlarr.SERVICE, error))
    if not running and not failures:
        raise PermanentError(NONE_CONFIGURED, code="no_indexer", status=409)
    wait(running, timeout=max(0.0, end - time.monotonic()) + GRACE)
    batches: list[Batch] = []
    for future, name in running.items():
        try:
            batches.append(_outcome(name, future))
        except (TransientError, PermanentError) as error:
            failures.append((name, error))
    return _merged(batches, failures)


def _start(asks: Iterable[tuple[str, Ask]], end: float) -> dict["Future[Batch]", str]:
    """A thread each, so that no search waits for another's; the outbound door ends each at its deadline."""
    running: dict[Future[Batch], str] = {}
    for name, ask in asks:
        future: Future[Batch] = Future()
        context = contextvars.copy_context()
        target = (context.run, _run, future, ask, end)
        threading.Thread(target=target[0], args=target[1:], name=f"indexer {name}", daemon=True).start()
        running[future] = name
    return running


def _run(future: "Future[Batch]", ask: Ask, end: float) -> None:
    try:
        future.set_result(ask(end))
    except BaseException as error:
        future.set_exception(error)


def _outcome(name: str, future: "Future[Batch]") -> Batch:
    if not future.done():
        raise TransientError(f"{name} did not answer in time.")
    try:
        return future.result()
    except (TransientError, PermanentError):
        raise
    except Exception as error:
        log.exception("indexer search failed", indexer=name)
        raise TransientError(f"{name} sent something that could not be read.") from error


def _merged(batches: list[Batch], failures: list[tuple[str, SokoulError]]) -> tuple[list[Offer], list[str]]:
    if not batches:
        text = " ".join(dict.fromkeys(error.message for _, error in failures))
        waits = [error.retry_after for _, error in failures if isinstance(error, TransientError)]
        if waits:
            raise TransientError(text, retry_after=min((wait for wait in waits if wait), default=None))
        raise PermanentError(text, code="indexers", status=502)
    warnings = [warning for batch in batches for warning in batch.warnings]
    warnings += [f"{name}: {error.message}" for name, error in failures]
    return [found for batch in batches for found in batch.offers], warnings
