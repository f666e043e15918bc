"""Who owns which download: leases with a fencing token (HOUSE: "A download is not a job")."""

import json
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from apps.downloads.models import OWNED
from sokoul.env import ENV

_CLAIM_LOCK = 0x50_4B_03  # a name, nothing more: claims queue, so that one swarm never gets two owners


@dataclass(slots=True)
class Claim:
    """A download as its owner last read it. `fence` goes into the WHERE of everything that the owner writes."""

    id: int
    user_id: int
    media_id: int
    swarm: str
    phase: str
    removal: str
    fence: int
    magnet: str
    age: float  # seconds in the present phase's wait: since it was started
    idle: float  # seconds since the last byte
    seeded: float  # seconds since it was complete
    request_id: str
    has_metadata: bool  # whether its own rows say what the torrent holds


_COLUMNS = """id, user_id, media_id, swarm, phase, removal, fence, magnet,
    coalesce(extract(epoch FROM now() - started_at), 0)::float8,
    coalesce(extract(epoch FROM now() - moved_at), 0)::float8,
    coalesce(extract(epoch FROM now() - completed_at), 0)::float8, request_id,
    coalesce((SELECT octet_length(metainfo) > 0 FROM torrent_states WHERE download_id = downloads.id), false)"""
_NEEDS_HUNTER = "(phase = ANY(%(owned)s) OR removal <> '') AND swarm <> ''"
_FREE = "(lease_until IS NULL OR lease_until < now())"


def _claims(sql: str, **values: Any) -> list[Claim]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"owned": [str(phase) for phase in OWNED], "lease": ENV.hunter_lease, **values})
        return [Claim(*row) for row in cursor.fetchall()]


def take(hunter: str, limit: int) -> list[Claim]:
    """Claim downloads that nobody holds; never one whose swarm another living hunter holds.

    Rows of one swarm are taken together or not at all. The statement that takes them sees only what was committed before it;
    so all of them are locked first, and a swarm of which somebody is just writing a row, its owner's renewal perhaps, waits
    for the next look.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CLAIM_LOCK])
        locked = _lock_free_swarms()
        if not locked:
            return []
        return _claims(
            f"""UPDATE downloads SET hunter = %(hunter)s, fence = fence + 1,
                    lease_until = now() + make_interval(secs => %(lease)s)
                WHERE id IN (
                    SELECT id FROM downloads d
                    WHERE {_NEEDS_HUNTER} AND {_FREE} AND id = ANY(%(locked)s)
                      AND NOT EXISTS (
                          SELECT 1 FROM downloads o WHERE o.swarm = d.swarm AND o.id <> d.id
                            AND (o.hunter <> %(hunter)s AND o.lease_until >= now() OR o.id <> ALL(%(locked)s)))
                    ORDER BY id LIMIT %(limit)s)
                RETURNING {_COLUMNS}""",  # noqa: S608 - constants only
            hunter=hunter,
            limit=limit,
            locked=locked,
        )


def _lock_free_swarms() -> list[int]:
    """Ids of the rows of every swarm that has something free, as far as nobody else has them locked."""
    sql = f"""SELECT id FROM downloads WHERE swarm IN (SELECT swarm FROM downloads WHERE {_NEEDS_HUNTER} AND {_FREE})
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"""  # noqa: S608 - constants only
    with connection.cursor() as cursor:
        cursor.execute(sql, {"owned": [str(phase) for phase in OWNED]})
        return [row[0] for row in cursor.fetchall()]


def renew(hunter: str) -> list[Claim]:
    """Prolong every lease that this hunter still holds; what is not in the answer belongs to somebody else or to nobody."""
    return _claims(
        f"""UPDATE downloads SET lease_until = now() + make_interval(secs => %(lease)s)
            WHERE hunter = %(hunter)s AND {_NEEDS_HUNTER} RETURNING {_COLUMNS}""",  # noqa: S608
        hunter=hunter,
    )


def read(hunter: str) -> list[Claim]:
    """The same without prolonging: what people asked for since."""
    return _claims(
        f"SELECT {_COLUMNS} FROM downloads WHERE hunter = %(hunter)s AND {_NEEDS_HUNTER}",  # noqa: S608
        hunter=hunter,
    )


def release(hunter: str) -> None:
    """Give everything back at once, for another hunter to go on (SIGTERM)."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE downloads SET hunter = '', lease_until = NULL WHERE hunter = %s", [hunter])


def cleaned(download_id: int, fence: int) -> str:
    """The files that a removal asked for are gone; gives the phase, empty where the fence holds no more.

    What waits for another release (searching, queued) has no swarm any more.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE downloads SET removal = '', hunter = '', lease_until = NULL,
                   swarm = CASE WHEN phase IN ('searching', 'queued') THEN '' ELSE swarm END
               WHERE id = %s AND fence = %s AND removal <> '' RETURNING phase""",
            [download_id, fence],
        )
        row = cursor.fetchone()
    return str(row[0]) if row else ""


def write_progress(rows: list[dict[str, Any]]) -> None:
    """Every download's numbers in one statement; rows whose fence no longer holds are left alone, and so are those that say it
    already."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE downloads d SET progress = n.progress, bytes_done = n.bytes_done,
                   bytes_total = CASE WHEN n.bytes_total > 0 THEN n.bytes_total ELSE d.bytes_total END,
                   rate = n.rate, upload_rate = n.upload_rate, uploaded = n.uploaded, eta = n.eta, peers = n.peers,
                   bytes_received = n.received,
                   reason = n.reason, reason_texts = n.reason_texts, moved_at = CASE WHEN n.moved THEN now() ELSE d.moved_at END
               FROM jsonb_to_recordset(%s::jsonb) AS n(id bigint, fence bigint, progress float8, bytes_done bigint,
                   bytes_total bigint, rate bigint, upload_rate bigint, uploaded bigint, eta int, peers int,
                   received bigint, reason text, reason_texts jsonb, moved boolean)
               WHERE d.id = n.id AND d.fence = n.fence AND d.phase IN ('metadata', 'downloading', 'seeding')
                 AND (n.moved OR n.bytes_total > 0 AND n.bytes_total <> d.bytes_total
                   OR (n.progress, n.bytes_done, n.rate, n.upload_rate, n.uploaded, n.eta, n.peers, n.received, n.reason,
                       n.reason_texts)
                     IS DISTINCT FROM (d.progress, d.bytes_done, d.rate, d.upload_rate, d.uploaded, d.eta, d.peers,
                       d.bytes_received, d.reason, d.reason_texts))""",
            [json.dumps(rows)],
        )
