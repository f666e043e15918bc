"""Rows that hold what the application never wrote: skipped, logged, counted, and told to whoever keeps the house.

The database refuses most of it (constraints on types, ranges and JSON's shape); this is for what no constraint can say.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from sokoul import logs, metrics

log = logs.logger(__name__)
R = TypeVar("R")
T = TypeVar("T")
_listeners: list[Callable[[str, str], None]] = []


def on_damage(listener: Callable[[str, str], None]) -> None:
    """Have higher floors told: called with the table and the key of the row."""
    _listeners.append(listener)


def readable(rows: Iterable[R], read: Callable[[R], T], table: str, key: Callable[[R], Any]) -> Iterator[T]:
    """What `read` makes of each row; those that it cannot make anything of are left out and reported."""
    for row in rows:
        try:
            made = read(row)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            report(table, key(row), error)
        else:
            yield made


def report(table: str, key: Any, error: Exception) -> None:
    """Never raises: who reads the other rows must not suffer from this one."""
    metrics.DAMAGED_ROWS.labels(table).inc()
    log.error("damaged row skipped", table=table, row=str(key), error=f"{type(error).__name__}: {error}")
    for listener in _listeners:
        try:
            listener(table, str(key))
        except Exception:
            log.exception("nobody was told of a damaged row", table=table, row=str(key))
