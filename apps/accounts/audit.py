"""The audit trail: the one place that writes it, and the one that verifies it (SPEC 16)."""

from typing import Any, NamedTuple

from django.db import connection

from apps.accounts.models import AuditEntry, User
from sokoul import client_ip, component, request_id

BATCH = 5000

# Each row's hash covers its content and its predecessor's hash; must equal logs_chain() of migration 0002.
_ROWS = """
SELECT id, previous_hash, hash, sha256(previous_hash || convert_to(jsonb_build_array(
    id, extract(epoch FROM at), actor_id, actor, host(ip), action, target, details, request_id)::text, 'UTF8'))
FROM logs WHERE id > %s ORDER BY id LIMIT %s
"""


class Verdict(NamedTuple):
    """`altered`: id of the first row that was changed or whose predecessor was removed; None when the chain is whole.

    Rows cut off at the end, or a chain written anew as a whole, leave no trace in the chain itself: `witnesses` tell of those.
    """

    rows: int
    altered: int | None
    last_id: int
    last_hash: str


def record(action: str, target: str = "", user: User | None = None, **details: Any) -> AuditEntry:
    """Write one row. Writers queue for the chain until their transaction ends: make it the last statement of a short one.

    What the operator does at the command line has no user; its details name the command. docs/audit.md lists every action.
    """
    if command := component.command():
        details["command"] = command
    return AuditEntry.objects.create(
        action=action,
        target=target.replace("\0", "")[:200],
        actor_id=user.pk if user else None,
        actor=user.username if user else "",
        ip=client_ip.current(),
        details=details,
        request_id=request_id.current(),
    )


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
