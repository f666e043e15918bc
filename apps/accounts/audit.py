"""The audit trail: the one place that writes it, and the one that verifies it (SPEC 16)."""

from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone
from psycopg.types.json import Jsonb

from apps.accounts.models import User
from sokoul import client_ip, component, request_id
from sokoul.postgres import message
from sokoul.postgres.message import MessagePart

BATCH = 5000

# Each row's hash covers its content and its predecessor's hash; must equal logs_chain() of migration 0002.
_ROWS = """
SELECT id, previous_hash, hash, sha256(previous_hash || convert_to(jsonb_build_array(
    id, extract(epoch FROM at), actor_id, actor, host(ip), action, target, details, request_id)::text, 'UTF8'))
FROM logs WHERE id > %s ORDER BY id LIMIT %s
"""
_WRITE = """
INSERT INTO logs (at, actor_id, actor, ip, action, target, details, request_id, previous_hash, hash)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, '', '') RETURNING id
"""


class Verdict(NamedTuple):
    """`altered`: id of the first row that was changed or whose predecessor was removed; None when the chain is whole.

    Rows cut off at the end, or a chain written anew as a whole, leave no trace in the chain itself: `witnesses` tell of those.
    """

    rows: int
    altered: int | None
    last_id: int
    last_hash: str


def record(action: str, target: str = "", user: User | None = None, **details: Any) -> int:
    """Write one row, and say its id. Writers queue for the chain until their transaction ends: make it the last statement of a
    short one.

    What the operator does at the command line has no user; its details name the command. docs/audit.md lists every action.
    """
    ((row_id,),) = message.send(writing(action, target, user, **details))
    return int(row_id)


def writing(action: str, target: str = "", user: User | None = None, **details: Any) -> MessagePart:
    """What `record` sends; the last part of its message."""
    if command := component.command():
        details["command"] = command
    user_id, name = (user.pk, user.username) if user else (None, "")
    shown = target.replace("\0", "")[:200]
    whence, asked = client_ip.current(), request_id.current()
    return MessagePart(_WRITE, [timezone.now(), user_id, name, whence, action, shown, Jsonb(details), asked])


def verify() -> Verdict:
    """Walk the chain from its first row, a batch at a time; stops at the first row that does not fit."""
    rows, last_id, last_hash = 0, 0, b""
    while batch := _batch(last_id):
        for row_id, previous, stored, computed in batch:
            if bytes(previous) != last_hash or bytes(stored) != bytes(computed):
                return Verdict(rows, row_id, last_id, last_hash.hex())
            rows, last_id, last_hash = rows + 1, row_id, bytes(stored)
    return Verdict(rows, None, last_id, last_hash.hex())


def _batch(after: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [after, BATCH])
        return list(cursor.fetchall())
