"""Events as rows: what a reader missed.

Ids ascend in commit order for each reader (`push.record`), so "everything after this id" is exact. A position is any id: a
reader may stand at an event that it was not told, as long as nothing after it is too old to be replayed.
"""

from datetime import datetime
from typing import Any

import orjson
from django.db import connection

PAGE = 500  # events read at once

# Everything after the newest event of more than 24 hours ago (SPEC 7) is still there: `prune` leaves that one.
_HORIZON = (
    "coalesce((SELECT id FROM events WHERE at <= now() - interval '24 hours' ORDER BY at DESC, id DESC LIMIT 1), 0)"
)
_NEWEST = f"""SELECT greatest({_HORIZON}, (SELECT max(id) FROM events WHERE user_id = %s),
    (SELECT max(id) FROM events WHERE user_id IS NULL))"""  # noqa: S608 - constants only
_KNOWN = f"SELECT %s BETWEEN {_HORIZON} AND (SELECT coalesce(max(id), 0) FROM events)"  # noqa: S608
_AFTER = """
(SELECT id, type, at, data FROM events WHERE user_id = %(user)s AND id > %(id)s ORDER BY id LIMIT %(most)s)
UNION ALL
(SELECT id, type, at, data FROM events WHERE user_id IS NULL AND id > %(id)s ORDER BY id LIMIT %(most)s)
ORDER BY id LIMIT %(most)s
"""
_NEWEST_OF = """
SELECT reader, greatest((SELECT max(id) FROM events WHERE user_id = reader AND id < %(before)s),
    (SELECT max(id) FROM events WHERE user_id IS NULL AND id < %(before)s), 0)
FROM unnest(%(readers)s::bigint[]) reader
"""
# Notifications are a person's history; the rest has been told.
_PRUNE = f"DELETE FROM events WHERE type <> 'notification' AND id < {_HORIZON}"  # noqa: S608


def text_of(message: dict[str, Any]) -> str:
    return orjson.dumps(message, option=orjson.OPT_UTC_Z).decode()


def position(user_id: int) -> int:
    """Where a reader stands who knows the present state: what is told later has a higher id."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [user_id])
        return int(cursor.fetchone()[0])


def known(event_id: int) -> bool:
    """Whether a replay from this position would be complete."""
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [event_id])
        return bool(cursor.fetchone()[0])


def after(user_id: int, event_id: int) -> list[tuple[int, str]]:
    """(id, message) of what this reader should have been told since, in order; PAGE of them at most."""
    with connection.cursor() as cursor:
        cursor.execute(_AFTER, {"user": user_id, "id": event_id, "most": PAGE})
        return [(row[0], _message(*row)) for row in cursor.fetchall()]


def _message(event_id: int, type: str, at: datetime, data: str) -> str:
    return text_of({"id": event_id, "type": type, "at": at, "data": orjson.Fragment(data)})


def newest(user_ids: list[int], before: int = 2**63 - 1) -> dict[int, int]:
    """{reader: id of the newest event (older than `before`) that they should have been told}."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST_OF, {"readers": user_ids, "before": before})
        return dict(cursor.fetchall())


def prune() -> int:
    """Forget what no replay reaches; how many events."""
    with connection.cursor() as cursor:
        cursor.execute(_PRUNE)
        return int(cursor.rowcount)
