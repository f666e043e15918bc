"""How often an indexer may be asked, and .torrent files fetched from it: in any minute, hour and day, over all processes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db.models import Min, Q, Sum
from django.utils import timezone

from apps.downloads.models import Indexer, IndexerUse

What = Literal["queries", "grabs"]
WHATS: tuple[What, ...] = ("queries", "grabs")
WINDOWS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
Room = tuple[int, float]


def limits_of(row: Indexer, what: What) -> dict[str, int]:
    """{window: how many}, of the windows that have a limit."""
    return {name: limit for name in WINDOWS if (limit := getattr(row, f"{what}_{name}")) is not None}


def rooms(rows: Sequence[Indexer], what: What, now: datetime) -> dict[int, Room]:
    """{id: (how many more, seconds until there is more room where it is none)} of those that have limits.

    Their rows are held until the transaction ends, so that what is counted in it is counted once.
    """
    limited = {row.pk: found for row in rows if (found := limits_of(row, what))}
    if not limited:
        return {}
    list(Indexer.objects.select_for_update(no_key=True).filter(pk__in=limited).order_by("pk").values_list("pk"))
    counted = _used(list(limited), what, now)
    return {pk: _tightest(found, counted[pk]) for pk, found in limited.items()}


Used = dict[str, tuple[int, float]]


def _tightest(limits: dict[str, int], used: Used) -> Room:
    left = [(limit - used[window][0], used[window][1]) for window, limit in limits.items()]
    room = min(count for count, _ in left)
    return (max(0, room), 0.0 if room > 0 else max(wait for count, wait in left if count <= 0))


def used(rows: Sequence[Indexer], what: What, now: datetime) -> dict[int, dict[str, int]]:
    """{id: {window: how many}}."""
    found = _used([row.pk for row in rows], what, now)
    return {pk: {window: count for window, (count, _) in windows.items()} for pk, windows in found.items()}


def _used(ids: Sequence[int], what: What, now: datetime) -> dict[int, Used]:
    """{id: {window: (how many, seconds until its oldest leaves the window)}}, in one statement."""
    asked = IndexerUse.objects.filter(indexer__in=ids, what=what, at__gt=now - WINDOWS["day"], amount__gt=0)
    within = {name: Q(at__gt=now - length) for name, length in WINDOWS.items()}
    counts = {f"{name}_count": Sum("amount", filter=inside, default=0) for name, inside in within.items()}
    oldest = {f"{name}_oldest": Min("at", filter=inside) for name, inside in within.items()}
    rows: dict[int, dict[str, Any]] = {
        row["indexer"]: {**row} for row in asked.order_by().values("indexer").annotate(**counts, **oldest)
    }
    return {pk: {name: _window(rows.get(pk, {}), name, now) for name in WINDOWS} for pk in ids}


def _window(row: dict[str, Any], name: str, now: datetime) -> tuple[int, float]:
    count, oldest = row.get(f"{name}_count", 0), row.get(f"{name}_oldest")
    wait = (
        (oldest + WINDOWS[name] - now).total_seconds()
        if isinstance(oldest, datetime)
        else WINDOWS[name].total_seconds()
    )
    return (count if isinstance(count, int) else 0), max(1.0, wait)


def forget() -> int:
    """Remove what no window reaches any more; gives how many rows."""
    return IndexerUse.objects.filter(at__lt=timezone.now() - WINDOWS["day"]).delete()[0]
