"""Rows and streams may disagree after a kill, a lost disk or a restored one: what puts them right. Safe to repeat.

Each function gives how many jobs or messages it moved, blocks for the broker and raises BrokerDown and database errors.
"""

from datetime import timedelta

import orjson
from django.db import connection
from django.utils.timezone import now

from apps.jobs import broker, claims, messages, outbox
from apps.jobs.models import Job, Status
from apps.jobs.streams import ADVISORIES, JOBS, MAX_DELIVER, RELAY
from sokoul.env import ENV

SETTLED = 10  # seconds after which a publication is surely seen in the stream's extent
STRANDED = 10  # leases: what was delivered so long ago, and is not worked on, comes no more
SWEPT = 200  # messages that one sweep looks at

# A row whose message the stream no longer holds. Sequences are read after `since`, so a later publication is not judged.
_LOST = """
UPDATE jobs SET publication = publication + 1, published_at = NULL, sequence = NULL
WHERE status = 'Pending' AND published_at < %(since)s
  AND (sequence IS NULL OR sequence < %(first)s OR sequence > %(last)s OR sequence = ANY(%(holes)s::bigint[]))
"""
# JetStream brings a dead worker's job again when its ack wait lapses, as the lease does; this is for when it did not.
_LAPSED = """
UPDATE jobs SET status = 'Pending', lease = NULL, lease_until = NULL, publication = publication + 1, published_at = NULL,
    sequence = NULL
WHERE status = 'Running' AND lease_until < clock_timestamp() - %(grace)s * interval '1 second' AND attempts < %(attempts)s
"""
_ANEW = """
UPDATE jobs SET publication = publication + 1, published_at = NULL, sequence = NULL
WHERE id = %(id)s AND publication = %(publication)s AND status = 'Pending'
"""


def republish_lost() -> int:
    """Jobs that wait for a message that is not there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        since = cursor.fetchone()[0] - timedelta(seconds=SETTLED)
        extent = broker.call(broker.extent(JOBS))
        parameters = {"since": since, "first": extent.first, "last": extent.last, "holes": extent.holes}
        cursor.execute(_LOST, parameters)
        return int(cursor.rowcount)


def rescue_lapsed() -> int:
    """Jobs of dead workers: run again, or failed where that was the last attempt."""
    with connection.cursor() as cursor:
        cursor.execute(_LAPSED, {"grace": ENV.job_lease, "attempts": claims.ATTEMPTS})
        rescued = int(cursor.rowcount)
    last = now() - timedelta(seconds=ENV.job_lease)
    exhausted = Job.objects.filter(status=Status.RUNNING, lease_until__lt=last, attempts__gte=claims.ATTEMPTS)
    letters = [letter for job in exhausted[:SWEPT] if (letter := claims.fail_exhausted(job))]
    outbox.publish(letters)
    return rescued + len(letters)


def take_advisories() -> int:
    """Messages that JetStream gave up on: it keeps them in the work queue and delivers them no more."""
    moved = 0
    for delivery in broker.call(broker.take(ADVISORIES, RELAY, SWEPT)):
        stored = broker.call(broker.stored(JOBS, int(orjson.loads(delivery.data)["stream_seq"])))
        moved += _settle(stored) if stored else 0
        broker.call(delivery.ack())
    return moved


def sweep() -> int:
    """The same for those whose advisory was missed: delivered once, and older than any delivery that may still come."""
    before = now() - timedelta(seconds=STRANDED * ENV.job_lease)
    delivered = broker.call(broker.delivered(JOBS))
    moved, at = 0, 1
    for _ in range(SWEPT):
        stored = broker.call(broker.following(JOBS, at, f"{messages.JOBS}.>"))
        if stored is None or stored.time > before:
            break
        at = stored.sequence + 1
        if stored.sequence <= delivered.get(stored.subject.split(".")[1], 0):
            moved += _settle(stored)
    return moved


def _settle(stored: broker.Stored) -> int:
    """Bring a message that is delivered no more to its end, as its row says, and remove it; 0 where somebody works on it."""
    try:
        job = Job.objects.filter(pk=messages.decode(stored.data).job_id).first()
    except messages.Unreadable as error:
        letter = outbox.unreadable_letter(JOBS, stored.sequence, stored.subject, stored.data, MAX_DELIVER, str(error))
        if not broker.call(broker.publish([letter]))[0]:
            return 0
    else:
        if job is not None and not _settle_job(job, stored.sequence):
            return 0
    broker.call(broker.delete(JOBS, stored.sequence))
    return 1


def _settle_job(job: Job, sequence: int) -> bool:
    """May the message go?"""
    if job.status == Status.COMPLETED:
        return True
    if job.status == Status.FAILED:
        return job.published_at is not None or bool(outbox.publish([outbox.dead_letter(job)]))
    if job.status == Status.RUNNING:
        return False  # alive, or `rescue_lapsed` will see to it
    if job.attempts >= claims.ATTEMPTS:
        letter = claims.fail_exhausted(job)
        return letter is not None and bool(outbox.publish([letter]))
    if job.sequence == sequence:
        with connection.cursor() as cursor:
            cursor.execute(_ANEW, {"id": job.pk, "publication": job.publication})
    return True
