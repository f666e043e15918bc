"""Reading an indexer page by page, under a limit, giving what came when it breaks."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from apps.downloads.indexers.newest import MOST_PAGES, Seen
from apps.downloads.indexers.offer import Batch, Offer
from apps.downloads.indexers.questions import Question
from apps.downloads.indexers.refusals import QuestionRefusedError
from sokoul import logs
from sokoul.errors import PermanentError, TransientError
from sokoul.said import here, said

log = logs.logger(__name__)

MAX_PAGES = 50  # SPEC 10


@dataclass(frozen=True)
class Slice:
    """One page: its offers, how many rows it had, and how many there are in all where the indexer says."""

    offers: list[Offer]
    rows: int
    total: int | None = None


Fetch = Callable[[int, float], Slice]


def read_new(indexer: str, fetch: Fetch, limit: int, end: float, seen: Seen) -> Batch:
    """Its newest offers, page by page as far as one that was seen before, MOST_PAGES at most; of an indexer of which nothing was
    seen one page."""
    known = seen.get(indexer, frozenset())
    return read_all(indexer, fetch, limit, end, known=known, most=MOST_PAGES if known else 1)


def read_all(
    indexer: str, fetch: Fetch, limit: int, end: float, *, known: frozenset[str] = frozenset(), most: int = MAX_PAGES
) -> Batch:
    """Every page of `limit` rows until `end` (monotonic), or to the one with an offer whose key is known. `fetch(offset, seconds)`
    gets one.

    An error on the first page is raised; a later one, a page that repeats itself, too many pages or the deadline end the
    reading with a warning.
    """
    batch, seen, offset = Batch(), set[str](), 0
    for number in range(most):
        try:
            page = fetch(offset, max(0.001, end - time.monotonic()))
        except (TransientError, PermanentError) as error:
            if number == 0:
                raise
            return _broken(batch, indexer, f"page {number + 1} is missing ({error.message})")
        new = [offer for offer in page.offers if f"{offer.key} {offer.guid}" not in seen]
        seen.update(f"{offer.key} {offer.guid}" for offer in new)
        batch.offers += new
        offset += page.rows
        if most == 1 or not _more(page, offset, limit) or any(offer.key in known for offer in new):
            return batch
        if page.offers and not new:
            return _broken(batch, indexer, "its pages repeat themselves")
    return _broken(batch, indexer, f"it has more than {most} pages")


def first_answer(questions: Iterable[Question], ask: Callable[[Question], Batch]) -> Batch:
    """What the first question finds that finds anything. One that is refused counts as none, unless nothing else was asked."""
    batch, refusal, answered = Batch(), None, False
    for question in questions:
        try:
            found = ask(question)
        except QuestionRefusedError as error:
            refusal = error
            continue
        answered = True
        batch.offers += found.offers
        batch.warnings += found.warnings
        if batch.offers:
            break
    if refusal and not answered:
        raise refusal
    return batch


def _more(page: Slice, offset: int, limit: int) -> bool:
    return page.rows > 0 and (offset < page.total if page.total is not None else page.rows >= limit)


def _broken(batch: Batch, indexer: str, why: str) -> Batch:
    log.warning("partial results of an indexer", indexer=indexer, reason=why, offers=len(batch.offers))
    batch.warnings.append(
        said(lambda: _("%(name)s: only part of its results, %(why)s.") % {"name": indexer, "why": here(why)})
    )
    return batch
