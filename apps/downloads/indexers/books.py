"""The books of the indexers: who may be asked now, and what came of it. In PostgreSQL, because a limit that an indexer bans for
must outlive a flushed cache, and all processes have to obey the same one.

Calls are counted before they are made: whoever dies in between has counted too many, never too few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import refused_keys
from apps.downloads.indexers import caps, limits, pauses
from apps.downloads.indexers.offer import Batch
from apps.downloads.indexers.refusals import (
    KeyRefusedError,
    LimitReachedError,
    QuestionRefusedError,
    SpentError,
)
from apps.downloads.indexers.turn import Source, Turn, spent
from apps.downloads.models import Indexer, IndexerUse
from sokoul import logs
from sokoul.env import ENV
from sokoul.errors import PermanentError, SokoulError, TransientError
from sokoul.said import Said, joined, said

log = logs.logger(__name__)

FRESH_CAPS = timedelta(days=1)
RESERVED = 5  # calls that a search of an indexer with limits may make: one page usually does
OFF_CODE = "indexer_off"
Kind = Indexer.Kind
Failures = list[tuple[str, SokoulError]]


@dataclass
class Entry:
    """A turn that began: its source, its row as it was, what was counted for it, and when."""

    source: Source
    turn: Turn
    row: Indexer
    use: IndexerUse
    began: datetime


def begin(
    kind: Kind, sources: Sequence[Source], end: float, obey: bool = True, only: str | None = None
) -> tuple[list[Entry], Failures]:
    """(turns, why the others have none). Each turn has at least one call, and that is counted. `sources`: all that are
    configured of the kind; `only` that one has a turn. `obey` False is an admin's test: neither switch nor back-off nor limit
    holds it up, and what the indexer can do is asked anew."""
    now, entries, refused = timezone.now(), list[Entry](), Failures()
    with transaction.atomic():
        rows = _rows(kind, [source.name for source in sources])
        room = limits.rooms(list(rows.values()), "queries", now)
        for source in sources:
            if only not in (None, source.name):
                continue
            row = rows[source.name]
            calls, wait = room.get(row.pk, (None, 0.0))
            if obey and (error := _refusal(row, source, now) or _full(row, calls, wait)):
                refused.append((row.name, error))
                continue
            most = min(calls, RESERVED) if obey and calls is not None else None
            use = IndexerUse(indexer=row, what="queries", amount=most or 1, at=now)
            entries.append(Entry(source, _turn(row, source, end, most, now if obey else None), row, use, now))
        IndexerUse.objects.bulk_create([entry.use for entry in entries])
    return entries, refused


def _rows(kind: Kind, names: list[str]) -> dict[str, Indexer]:
    """A row each: made where there is none yet, and what is not configured any more marked so."""
    Indexer.objects.filter(kind=kind, configured=True).exclude(name__in=names).update(configured=False)
    rows = {row.name: row for row in Indexer.objects.filter(name__in=names)}
    if missing := [Indexer(name=name, kind=kind) for name in names if name not in rows]:
        Indexer.objects.bulk_create(missing, ignore_conflicts=True)
        rows = {row.name: row for row in Indexer.objects.filter(name__in=names)}
    if wrong := [row.pk for row in rows.values() if not row.configured or row.kind != kind]:
        Indexer.objects.filter(pk__in=wrong).update(configured=True, kind=kind)
    return rows


def _turn(row: Indexer, source: Source, end: float, calls: int | None, now: datetime | None) -> Turn:
    """`now` None: what it can do is not believed."""
    fresh = now is not None and row.caps_at is not None and row.caps_at > now - FRESH_CAPS
    known = source.caps or (caps.read(row.caps) if fresh else None)
    learned = source.caps if source.caps and source.caps.to_json() != row.caps else None
    return Turn(row.name, end, calls, known, row.priority, learned=learned)


def _mark(key: str) -> str:
    """What tells a key from another one and tells nothing of it."""
    return salted_hmac("apps.downloads.indexers.books", key, algorithm="sha256").hexdigest() if key else "none"


def _refusal(row: Indexer, source: Source, now: datetime) -> SokoulError | None:
    if not row.enabled:
        return PermanentError(_switched_off(row.name), code=OFF_CODE, status=409)
    if row.refused and row.refused == _mark(source.key):
        return KeyRefusedError(joined((_refused(row.name), row.last_error)))
    if row.backoff_until and row.backoff_until > now:
        left = (row.backoff_until - now).total_seconds()
        return TransientError(joined((left_alone(row.name, row.backoff_until), row.last_error)), left)
    return None


def _switched_off(name: str) -> Said:
    return said(lambda: _("%(name)s is switched off.") % {"name": name})


def _refused(name: str) -> Said:
    text = gettext_lazy("%(name)s refused its API key, and is off until it has another one or an admin tests it.")
    return said(lambda: text % {"name": name})


def left_alone(name: str, until: datetime) -> Said:
    return said(lambda: _("%(name)s is left alone until %(time)s UTC.") % {"name": name, "time": f"{until:%H:%M}"})


def _full(row: Indexer, calls: int | None, wait: float) -> SokoulError | None:
    if calls is None or calls > 0:
        return None
    return SpentError(spent(row.name), wait)


@dataclass(frozen=True)
class Outcome:
    """What came of a turn: an answer, or an error."""

    entry: Entry
    batch: Batch | None
    error: SokoulError | None = None


def finish(outcomes: Sequence[Outcome]) -> None:
    """Write down what came of the turns, in one transaction; tell admins of keys that were refused for the first time."""
    if not outcomes:
        return
    found = {outcome.entry.row.pk: outcome for outcome in outcomes}
    refused: list[Outcome] = []
    with transaction.atomic():  # no_key: a use that another search writes now holds the key of its indexer
        rows = list(Indexer.objects.select_for_update(no_key=True).filter(pk__in=found).order_by("pk"))
        for row in rows:
            _count(row, found[row.pk])
            if _judge(row, found[row.pk]):
                refused.append(found[row.pk])
        Indexer.objects.bulk_update(rows, _WRITTEN)
        IndexerUse.objects.bulk_update([outcome.entry.use for outcome in found.values()], ["amount"])
    for outcome in refused:
        _tell(outcome.entry.source.name)


_WRITTEN = [
    "queries", "failed_queries", "seconds", "releases", "failures", "failed_at", "last_error", "backoff_until", "refused",
    "answered_at", "caps", "caps_at",
]  # fmt: skip


def _count(row: Indexer, outcome: Outcome) -> None:
    turn = outcome.entry.turn
    outcome.entry.use.amount = turn.made
    row.queries += turn.made
    row.seconds += turn.seconds
    row.failed_queries += outcome.error is not None
    row.releases += len(outcome.batch.offers) if outcome.batch else 0
    if turn.learned:
        row.caps, row.caps_at = turn.learned.to_json(), timezone.now()


def _judge(row: Indexer, outcome: Outcome) -> bool:
    """What its answer means for the next one. Gives whether it refused its key for the first time."""
    now, error, turn = timezone.now(), outcome.error, outcome.entry.turn
    if error is None or isinstance(error, SpentError):
        if error is None:
            row.answered_at, row.failures, row.last_error, row.refused = now, 0, "", ""
            row.backoff_until = now + timedelta(seconds=turn.pause) if turn.pause else None
        return False
    before = row.failed_at
    row.failed_at, row.last_error = now, error.message[:500]
    if isinstance(error, KeyRefusedError):
        known, row.refused = row.refused, _mark(outcome.entry.source.key)
        return known != row.refused
    if isinstance(error, QuestionRefusedError):
        return False
    if before is None or before < outcome.entry.began:  # of searches at the same time that all fail, the first counts
        row.failures += 1
    _pause(row, now, error, turn.pause)
    return False


def note_failed_grab(name: str, began: datetime, error: TransientError) -> None:
    """A .torrent did not come: a failure as any other. One that came ends none, for it says nothing of searches."""
    now = timezone.now()
    with transaction.atomic():
        row = Indexer.objects.select_for_update(no_key=True).filter(name=name).first()
        if row is None:
            return
        row.failures += row.failed_at is None or row.failed_at < began
        row.failed_at, row.last_error = now, error.message[:500]
        _pause(row, now, error)
        row.save(update_fields=["failures", "failed_at", "last_error", "backoff_until"])


def _pause(row: Indexer, now: datetime, error: SokoulError, asked: float = 0.0) -> None:
    """`asked`: seconds that it wants to be left alone for, whatever the error says."""
    named = (error.retry_after or 0.0) if isinstance(error, TransientError) else 0.0
    unnamed = 0.0 if named else pauses.after(row.failures, isinstance(error, LimitReachedError))
    seconds = min(max(named, unnamed, asked), pauses.DAY)
    until = now + timedelta(seconds=seconds)
    row.backoff_until = max(row.backoff_until or until, until)
    log.warning(
        "indexer left alone", indexer=row.name, failures=row.failures, seconds=round(seconds), reason=error.message
    )


def _tell(name: str) -> None:
    position = list(ENV.torznab_feeds).index(name) + 1 if name in ENV.torznab_feeds else 1
    refused_keys.report(name, "TORZNAB_FEEDS", position, 401)
