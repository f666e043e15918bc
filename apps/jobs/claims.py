"""Who may run a job, and how it ends: every change of a job's state is one conditional statement.

A claim writes its own token into `lease`; whoever writes later must still find that token there. So a worker that was taken
for dead cannot overwrite what its successor did.

Statements over several jobs find each by its primary key, whatever the planner thinks of the table, and lock them in the
order in which they are given: by id, everywhere, so that no two of them deadlock.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson
from django.db import InterfaceError, OperationalError, connection, transaction

from apps.feed import push
from apps.jobs import registry
from apps.jobs.models import Job, Status
from apps.jobs.outbox import Publication, dead_letter, hand_over, outgoing
from sokoul import logs
from sokoul.env import ENV
from sokoul.said import changed, here, texts_of

log = logs.logger(__name__)
ATTEMPTS = 4  # the first and three redeliveries (SPEC 8)

# `sequence` and `published_at` are what the delivery itself proves, should the publisher not have come to note it. A claim need
# not wait for the disk: whatever its job writes later, its end above all, takes the claim to the disk with it, and if nothing
# was written the crashed server shows a job that nobody had begun.
_CLAIM = """
WITH unsynced AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE jobs SET status = 'Running', attempts = attempts + 1, lease = %(lease)s, started_at = clock_timestamp(),
    lease_until = clock_timestamp() + %(seconds)s * interval '1 second',
    sequence = message.sequence, published_at = coalesce(published_at, clock_timestamp())
FROM unnest(%(ids)s::uuid[], %(sequences)s::bigint[]) AS message(id, sequence) CROSS JOIN unsynced CROSS JOIN LATERAL (
    SELECT job.id FROM jobs job
    WHERE job.id = message.id AND job.attempts < %(attempts)s AND (job.run_at IS NULL OR job.run_at <= now())
      AND (job.status = 'Pending' OR job.status = 'Running' AND job.lease_until < clock_timestamp())
    FOR NO KEY UPDATE
) free
WHERE jobs.id = free.id
RETURNING jobs.id, worker, kind, user_id, payload::text, attempts, request_id, lease
"""
# In the order of the model's fields, as `from_db` takes them.
_CLAIMED = ("id", "worker", "kind", "user_id", "payload", "attempts", "request_id", "lease")
_RENEW = """
UPDATE jobs SET lease_until = clock_timestamp() + %(seconds)s * interval '1 second'
FROM unnest(%(ids)s::uuid[], %(leases)s::uuid[]) AS held(id, lease) CROSS JOIN LATERAL (
    SELECT job.id FROM jobs job WHERE job.id = held.id AND job.lease = held.lease AND job.status = 'Running'
    FOR NO KEY UPDATE
) mine
WHERE jobs.id = mine.id
"""
_COMPLETE = """
UPDATE jobs SET status = 'Completed', result = held.result::jsonb, error = '', finished_at = clock_timestamp(),
    lease = NULL, lease_until = NULL
FROM unnest(%(ids)s::uuid[], %(leases)s::uuid[], %(results)s::text[]) AS held(id, lease, result) CROSS JOIN LATERAL (
    SELECT job.id FROM jobs job WHERE job.id = held.id AND job.lease = held.lease AND job.status = 'Running'
    FOR NO KEY UPDATE
) mine
WHERE jobs.id = mine.id
RETURNING jobs.id
"""
_PUT_BACK = """
UPDATE jobs SET status = 'Pending', lease = NULL, lease_until = NULL, attempts = attempts - %(refund)s,
    error = coalesce(%(error)s, error)
WHERE id = %(id)s AND lease = %(lease)s AND status = 'Running'
RETURNING *
"""
_PUT_BACK_ANEW = """
UPDATE jobs SET status = 'Pending', lease = NULL, lease_until = NULL, attempts = attempts - %(refund)s,
    error = coalesce(%(error)s, error), publication = publication + 1, published_at = NULL, sequence = NULL,
    run_at = CASE WHEN %(delay)s > 0 THEN clock_timestamp() + %(delay)s * interval '1 second' END
WHERE id = %(id)s AND lease = %(lease)s AND status = 'Running'
RETURNING *
"""
# Until its dead letter is known to be stored a failed job counts as unpublished: the outbox serves both.
_FAIL = """
UPDATE jobs SET status = 'Failed', error = %(reason)s, result = %(result)s,
    finished_at = clock_timestamp(), lease = NULL, lease_until = NULL, published_at = NULL, sequence = NULL
WHERE id = %(id)s AND status = 'Running' AND lease = %(lease)s
RETURNING *
"""
_FAIL_EXHAUSTED = """
UPDATE jobs SET status = 'Failed', error = %(reason)s, result = %(result)s,
    finished_at = clock_timestamp(), lease = NULL, lease_until = NULL, published_at = NULL, sequence = NULL
WHERE id = %(id)s AND attempts >= %(attempts)s
  AND (status = 'Pending' OR status = 'Running' AND lease_until < clock_timestamp())
RETURNING *
"""
DIED = "The worker was killed during the last attempt."


class Finished(NamedTuple):
    """A job that ended well; `result` as JSON text."""

    job: Job
    result: str


def claim(wanted: Mapping[UUID, int]) -> list[Job]:
    """Those of the jobs {id: sequence of its message} that are this caller's now; the rest is somebody else's, or over.

    Only what running it needs is read.
    """
    ids = sorted(wanted)
    parameters: dict[str, Any] = {
        "lease": uuid4(),
        "seconds": ENV.job_lease,
        "attempts": ATTEMPTS,
        "ids": ids,
        "sequences": [wanted[job_id] for job_id in ids],
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, parameters)
        return [Job.from_db(connection.alias, _CLAIMED, _with_json(row)) for row in cursor.fetchall()]


def _with_json(row: tuple[Any, ...]) -> list[Any]:
    """A row of _CLAIMED with its payload read; `objects.raw` would do it at several times the cost."""
    payload = _CLAIMED.index("payload")
    return [*row[:payload], orjson.loads(row[payload]), *row[payload + 1 :]]


def standing(ids: Sequence[UUID]) -> dict[UUID, Job]:
    return Job.objects.in_bulk(ids)


def renew(jobs: Sequence[Job]) -> None:
    """Push the leases of running jobs ahead."""
    jobs = sorted(jobs, key=lambda job: job.pk)
    parameters: dict[str, Any] = {
        "seconds": ENV.job_lease,
        "ids": [job.pk for job in jobs],
        "leases": [job.lease for job in jobs],
    }
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, parameters)


def complete(finished: Sequence[Finished]) -> set[UUID]:
    """Ids of those that were still the caller's. Their users' events are in the same transaction."""
    finished = sorted(finished, key=lambda item: item.job.pk)
    parameters: dict[str, Any] = {
        "ids": [item.job.pk for item in finished],
        "leases": [item.job.lease for item in finished],
        "results": [item.result for item in finished],
    }
    told = any(item.job.user_id is not None for item in finished)
    with transaction.atomic() if told else nullcontext(), connection.cursor() as cursor:
        cursor.execute(_COMPLETE, parameters)
        done = {row[0] for row in cursor.fetchall()}
        for item in finished:
            if item.job.pk in done:
                _tell(item.job, Status.COMPLETED, "")
    return done


def put_back(job: Job, *, error: str | None = None, refund: bool = False) -> bool:
    """Let the message that is there already bring the job again. `refund` gives the attempt back."""
    parameters: dict[str, Any] = {"id": job.pk, "lease": job.lease, "refund": int(refund), "error": error}
    return bool(list(Job.objects.raw(_PUT_BACK, parameters)))


def put_back_anew(job: Job, *, error: str | None = None, refund: bool = False, delay: float = 0) -> bool:
    """Publish the job anew, after `delay` seconds; the message that is there may go."""
    parameters: dict[str, Any] = {
        "id": job.pk,
        "lease": job.lease,
        "refund": int(refund),
        "error": error,
        "delay": delay,
    }
    rows = list(Job.objects.raw(_PUT_BACK_ANEW, parameters))
    if not delay:
        hand_over([outgoing(row) for row in rows])
    return bool(rows)


def fail(job: Job, reason: str) -> Publication | None:
    """The dead letter to publish; None where the job was no longer the caller's."""
    return _fail(_FAIL, job, reason)


def fail_exhausted(job: Job, reason: str = DIED) -> Publication | None:
    """The same for a job that nobody holds and that has no attempt left."""
    return _fail(_FAIL_EXHAUSTED, job, reason)


def _fail(statement: str, job: Job, reason: str) -> Publication | None:
    reason = changed(reason, lambda text: text.replace("\0", "").encode(errors="replace").decode())
    parameters: dict[str, Any] = {"id": job.pk, "lease": job.lease, "reason": reason, "attempts": ATTEMPTS}
    texts = texts_of(reason)
    parameters["result"] = orjson.dumps({"error_texts": texts} if texts else {}).decode()
    with transaction.atomic():
        rows = list(Job.objects.raw(statement, parameters))
        if not rows:
            return None
        text = _run_hook(rows[0], reason)
        _tell(rows[0], Status.FAILED, reason)
        if rows[0].user_id is not None and text != "":
            push.notify(rows[0].user_id, "job_failed", partial(here, text or reason), job_id=str(job.pk))
    return dead_letter(rows[0])


def _run_hook(job: Job, reason: str) -> str | None:
    """A hook's own fault must not keep the job from ending; a lost database undoes the whole transaction."""
    hook, handler = registry.find_failed(job.worker, job.kind), registry.find(job.worker, job.kind)
    if hook is None or handler is None:
        return None
    try:
        with transaction.atomic():
            return hook(handler.payload.model_validate(job.payload), running(job), reason)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("the hook of a failed job failed", job_id=str(job.pk), kind=job.kind)
        return None


def running(job: Job) -> registry.Running:
    return registry.Running(job.pk, job.kind, job.user_id, job.request_id, job.attempts)


def _tell(job: Job, status: Status, error: str) -> None:
    if job.user_id is not None:
        data = {"job_id": str(job.pk), "kind": job.kind, "status": status.value, "error": error}
        push.record(job.user_id, "job.updated", data)
