"""A copy of the audit trail on the stream LOGS: every committed row, in order, as `logs.audit`.

The relay follows the ids, which ascend in commit order because writers of the trail queue for it, and remembers how far it
came in the database: while NATS is away the copy is late, and nothing is lost. A row may be published twice (the relay died
between JetStream's acknowledgement and its note): its message id makes it one within two minutes, its `id` always.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile
from typing import Any

import orjson
from django.db import connection, transaction

from apps.accounts.models import AuditCopy, AuditEntry
from apps.accounts.witnesses import Witness
from apps.jobs import broker, messages
from apps.jobs.streams import LOGS

SUBJECT = "logs.audit"
_LOCK = 0x50_4B_11  # of an advisory lock; only a name
MOST = 512 * 1024  # bytes of a message; NATS takes 1 MiB, and one that it never takes would hold up all that follow
_FIELDS = ("id", "at", "actor_id", "actor", "ip", "action", "target", "details", "request_id")


def copy() -> int:
    """Publish what is not on the stream yet; how many rows. One relay at a time. Raises BrokerDown and database errors."""
    total = 0
    while count := _copy_some():
        total += count
    return total


def _copy_some() -> int:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            if not cursor.fetchone()[0]:
                return 0
        done, _ = AuditCopy.objects.get_or_create(pk=1)
        rows = list(AuditEntry.objects.filter(pk__gt=done.last_id).order_by("pk")[: broker.BATCH])
        kept = broker.call(broker.publish([_message(row) for row in rows])) if rows else []
        taken = len(list(takewhile(bool, kept)))  # what comes after one that was not taken is sent again
        if taken:
            AuditCopy.objects.filter(pk=1).update(last_id=rows[taken - 1].pk)
    return taken


def shape(row: AuditEntry) -> dict[str, Any]:
    """A row as it stands on the stream; hashes in hexadecimal."""
    hashes = {"previous_hash": bytes(row.previous_hash).hex(), "hash": bytes(row.hash).hex()}
    return {"schema": 1, **{name: getattr(row, name) for name in _FIELDS}, **hashes}


def _message(row: AuditEntry) -> broker.Outgoing:
    # With its hash: after a restore another row may have the id of one that was published just before.
    message_id = f"audit:{row.pk}:{bytes(row.hash).hex()[:16]}"
    headers = {messages.ID_HEADER: message_id, messages.REQUEST_HEADER: row.request_id}
    data = orjson.dumps(shape(row), option=orjson.OPT_UTC_Z)
    if len(data) > MOST:
        data = orjson.dumps({**shape(row), "details": {"left_out": len(data)}}, option=orjson.OPT_UTC_Z)
    return broker.Outgoing(SUBJECT, data, headers)


def witnesses(since: datetime | None) -> Iterator[Witness]:
    """What the stream remembers (seven days), oldest first; only what was published after `since`. Raises BrokerDown."""
    sequence = 1
    while stored := broker.call(broker.following(LOGS, sequence, SUBJECT)):
        sequence = stored.sequence + 1
        if since is None or stored.time >= since:
            row = orjson.loads(stored.data)
            yield Witness(row["id"], row["hash"], stored.time, f"stream {LOGS}")
