"""What an admin decides about an indexer, and how each one stands; called by REST and the dashboard alike."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads.indexers import limits
from apps.downloads.models import LIMITS, Indexer
from sokoul.errors import PermanentError, not_found

CHANGEABLE = ("enabled", "priority", *LIMITS)
STATES = ("removed", "off", "key_refused", "left_alone", "failing", "well", "unknown")
MOST = 1_000_000
_NOBODY_WAITS = {"failures": 0, "failed_at": None, "backoff_until": None, "refused": "", "last_error": ""}


def state_of(row: Indexer, now: datetime) -> str:
    """One of STATES: what stands in its way now, the strongest first."""
    if not row.configured or not row.enabled:
        return "off" if row.configured else "removed"
    if row.refused:
        return "key_refused"
    if row.backoff_until and row.backoff_until > now:
        return "left_alone"
    if row.failures:
        return "failing"
    return "well" if row.answered_at else "unknown"


def change(indexer_id: int, changes: Mapping[str, Any], *, by: User) -> Indexer:
    """Switch, priority (1 to 50) and limits (null: none), of those that `changes` names. PermanentError: 400, or 404 unknown."""
    _check(changes)
    with transaction.atomic():
        row = _held(indexer_id)
        before = {name: getattr(row, name) for name in changes}
        after = {name: value for name, value in changes.items() if value != before[name]}
        if after:
            for name, value in after.items():
                setattr(row, name, value)
            row.save(update_fields=list(after))
            before = {name: before[name] for name in after}
            audit.record("indexer.changed", row.name, by, before=before, after=after)
    return row


def _check(changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if name not in CHANGEABLE:
            raise PermanentError(f"{name} cannot be changed.", fields={name: ["unknown"]})
        if name == "priority" and not 1 <= value <= 50:
            raise PermanentError("The priority is a number from 1 to 50.", fields={name: ["1 to 50"]})
        if name in LIMITS and value is not None and not 0 <= value <= MOST:
            raise PermanentError(f"A limit is a number from 0 to {MOST}.", fields={name: [f"0 to {MOST}"]})


def _held(indexer_id: int) -> Indexer:
    row = Indexer.objects.select_for_update(no_key=True).filter(pk=indexer_id).first()
    if row is None:
        raise not_found("This indexer")
    return row


def forget(indexer_id: int, *, by: User) -> Indexer:
    """As if it had never failed: it is asked again at once. PermanentError (404) unknown."""
    with transaction.atomic():
        row = _held(indexer_id)
        until = row.backoff_until.isoformat() if row.backoff_until else None
        before = {"failures": row.failures, "backoff_until": until, "key_refused": bool(row.refused)}
        for name, value in _NOBODY_WAITS.items():
            setattr(row, name, value)
        row.save(update_fields=list(_NOBODY_WAITS))
        audit.record("indexer.forgiven", row.name, by, before=before)
    return row


_SHOWN = (
    "id", "name", "kind", "configured", "enabled", "priority", "failures", "failed_at", "last_error", "backoff_until",
    "answered_at", "queries", "failed_queries", "releases", "grabs",
)  # fmt: skip


def shown(rows: Sequence[Indexer]) -> list[dict[str, Any]]:
    """How they stand. `limits` and `used` by what and window; `mean_seconds` of an answer. Two statements."""
    now = timezone.now()
    used = {what: limits.used(rows, what, now) for what in limits.WHATS}
    return [
        {
            **{name: getattr(row, name) for name in _SHOWN},
            "state": state_of(row, now),
            "mean_seconds": round(row.seconds / row.queries, 3) if row.queries else None,
            "limits": {name: getattr(row, name) for name in LIMITS},
            "used": {f"{what}_{window}": n for what in limits.WHATS for window, n in used[what][row.pk].items()},
        }
        for row in rows
    ]
