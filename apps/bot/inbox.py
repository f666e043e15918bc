"""Updates between their arrival and their answer: rows, so that a restart loses none and a repetition changes nothing."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction
from django.utils import timezone

from apps.bot import incoming
from apps.bot.incoming import Incoming
from apps.bot.models import Update

CHANNEL = "telegram_updates"
KEPT = timedelta(days=2)  # Telegram itself repeats an update for a day at most
ATTEMPTS = 3
AT_ONCE = 50

_ACCEPT = """
INSERT INTO telegram_updates (key, body, attempts, received_at)
SELECT key, body::jsonb, 0, now() FROM unnest(%s::text[], %s::text[]) AS new (key, body)
ON CONFLICT (key) DO NOTHING
"""
_TAKE = """
UPDATE telegram_updates SET attempts = attempts + 1 WHERE id IN (
    SELECT id FROM telegram_updates WHERE done_at IS NULL AND NOT (id = ANY(%s)) ORDER BY id LIMIT %s
) RETURNING id, attempts, body
"""


class Taken(NamedTuple):
    id: int
    attempts: int
    incoming: Incoming


def accept(updates: Iterable[Any]) -> int:
    """Keep what was sent, once, and wake the bot on commit. Gives how many were new."""
    found = [read for update in updates if (read := incoming.read(update))]
    if not found:
        return 0
    bodies = [orjson.dumps(one.model_dump(exclude={"key"})).decode() for one in found]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ACCEPT, [[one.key for one in found], bodies])
        new = cursor.rowcount
        if new:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
    return int(new)


def take(busy: Iterable[int]) -> list[Taken]:
    """What waits and is not among `busy`, oldest first. Only the leader takes, so nobody else has it."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [list(busy), AT_ONCE])
        rows = sorted(cursor.fetchall())
    return [Taken(id, attempts, Incoming(key=str(id), **orjson.loads(body))) for id, attempts, body in rows]


def done(update_id: int) -> None:
    """Answered, or given up: only its key stays."""
    Update.objects.filter(pk=update_id).update(done_at=timezone.now(), body={})


def forget_old() -> None:
    Update.objects.filter(received_at__lt=timezone.now() - KEPT, done_at__isnull=False).delete()
