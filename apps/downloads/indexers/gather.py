"""All indexers at once, each under its own deadline. The calling thread keeps the books; those that ask know no database."""

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from functools import partial

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.downloads.indexers import books, newest, prowlarr, torznab
from apps.downloads.indexers.books import Entry, Kind, Outcome
from apps.downloads.indexers.offer import Batch, Offer
from apps.downloads.indexers.turn import DEFAULT_PRIORITY, Source, Turn
from apps.downloads.indexers.wish import Wish
from sokoul import logs
from sokoul.errors import PermanentError, SokoulError, TransientError
from sokoul.said import changed, joined, said

log = logs.logger(__name__)

DEADLINE = 20.0  # seconds: under the 25 that a caller may wait with Prefer
LIST_SECONDS = 10.0
GRACE = 1.0
WORTH_WAITING = 90.0  # seconds: for longer nobody should look at a search that waits for its indexers
NONE_CONFIGURED = gettext_lazy("No indexer is configured. Set PROWLARR_URL and PROWLARR_API_KEY, or TORZNAB_FEEDS.")

AskFeed = Callable[[torznab.Feed, Turn], Batch]
AskInner = Callable[[prowlarr.Inner, Turn], Batch]


def search_all(wish: Wish, seconds: float = DEADLINE) -> tuple[list[Offer], list[str]]:
    """(offers, warnings in words) for a wish, of every configured indexer within `seconds`.

    One that fails, is late or is being left alone costs a warning. When none answered: TransientError if waiting a little may
    help, else PermanentError.
    """
    return _ask_all(partial(torznab.search, wish=wish), partial(prowlarr.search, wish=wish), seconds)


def latest(seconds: float = DEADLINE) -> tuple[list[Offer], list[str]]:
    """The newest releases of every indexer, films and series, as its RSS feed has them: as far back as what `newest.note` was told
    last, a few pages at most. As `search_all`."""
    seen = newest.seen()
    return _ask_all(partial(torznab.latest, seen=seen), partial(prowlarr.latest, seen=seen), seconds)


@dataclass
class Round:
    """Turns that run at once until `end` (monotonic)."""

    end: float
    running: dict["Future[Batch]", Entry] = field(default_factory=dict)
    failures: list[tuple[str, SokoulError]] = field(default_factory=list)

    def start(self, kind: Kind, sources: Sequence[Source], obey: bool = True, only: str | None = None) -> None:
        """A thread each, so that none waits for another; the outbound door ends each at its deadline. `sources`: all that are
        configured of the kind; `only` that one is asked. `obey`: see `books.begin`."""
        entries, refused = books.begin(kind, sources, self.end, obey, only)
        self.failures += refused
        for entry in entries:
            future: Future[Batch] = Future()
            run = partial(contextvars.copy_context().run, _run, future, entry)
            threading.Thread(target=run, name=f"indexer {entry.turn.name}", daemon=True).start()
            self.running[future] = entry

    def outcomes(self) -> list[Outcome]:
        """What came of each turn, written down."""
        wait(self.running, timeout=max(0.0, self.end - time.monotonic()) + GRACE)
        found = [_outcome(entry, future) for future, entry in self.running.items()]
        books.finish(found)
        return found


def _ask_all(of_feed: AskFeed, of_inner: AskInner, seconds: float) -> tuple[list[Offer], list[str]]:
    asked = Round(time.monotonic() + seconds)
    asked.start(Kind.TORZNAB, torznab.sources(of_feed))
    try:
        asked.start(Kind.PROWLARR, prowlarr.sources(of_inner, min(LIST_SECONDS, seconds)))
    except (TransientError, PermanentError) as error:
        asked.failures.append((prowlarr.SERVICE, error))
    if not asked.running and not asked.failures:
        raise PermanentError(said(lambda: str(NONE_CONFIGURED)), code="no_indexer", status=409)
    outcomes = asked.outcomes()
    failed = [(outcome.entry.turn.name, outcome.error) for outcome in outcomes if outcome.error]
    answered = [(outcome.entry.turn, outcome.batch) for outcome in outcomes if outcome.batch]
    return _merged(answered, [*failed, *asked.failures])


def _run(future: "Future[Batch]", entry: Entry) -> None:
    try:
        future.set_result(entry.source.ask(entry.turn))
    except BaseException as error:
        future.set_exception(error)


def _outcome(entry: Entry, future: "Future[Batch]") -> Outcome:
    name = entry.turn.name
    if not future.done():
        return Outcome(
            entry, None, TransientError(said(lambda: _("%(name)s did not answer in time.") % {"name": name}))
        )
    try:
        return Outcome(entry, future.result())
    except (TransientError, PermanentError) as error:
        return Outcome(entry, None, error)
    except Exception:
        log.exception("indexer search failed", indexer=name)
        unread = said(lambda: _("%(name)s sent something that could not be read.") % {"name": name})
        return Outcome(entry, None, TransientError(unread))


def _merged(
    answered: list[tuple[Turn, Batch]], failures: list[tuple[str, SokoulError]]
) -> tuple[list[Offer], list[str]]:
    if not answered:
        raise _nobody(failures)
    told = [(name, error) for name, error in failures if not _switched_off(error)]
    warnings = [warning for _, batch in answered for warning in batch.warnings]
    warnings += [changed(error.message, partial("{}: {}".format, name)) for name, error in told]
    return [_placed(offer, turn) for turn, batch in answered for offer in batch.offers], warnings


def _placed(offer: Offer, turn: Turn) -> Offer:
    return offer if turn.priority == DEFAULT_PRIORITY else replace(offer, priority=turn.priority)


def _switched_off(error: SokoulError) -> bool:
    return isinstance(error, PermanentError) and error.code == books.OFF_CODE


def _nobody(failures: list[tuple[str, SokoulError]]) -> SokoulError:
    """Why there is no answer at all: worth another try soon, or not."""
    text = joined(dict.fromkeys(error.message for _, error in failures))
    passing = [error for _, error in failures if isinstance(error, TransientError)]
    soonest = min((error.retry_after for error in passing if error.retry_after), default=None)
    unknown = any(not error.retry_after for error in passing)
    if passing and (unknown or (soonest or 0.0) <= WORTH_WAITING):
        return TransientError(text, retry_after=soonest if soonest and soonest <= WORTH_WAITING else None)
    return PermanentError(text, code="indexers", status=502)
