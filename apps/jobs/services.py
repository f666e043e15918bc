"""Asking for jobs, and looking at them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.timezone import now
from django.utils.translation import gettext as _
from pydantic import BaseModel

from apps.jobs import outbox
from apps.jobs.models import Job, Status
from apps.jobs.registry import Running
from sokoul import request_id
from sokoul.api import Page, listing
from sokoul.errors import PermanentError, conflict, forbidden, not_found
from sokoul.said import Said, here

Payload = BaseModel | dict[str, Any]
MAX_PAYLOAD = 1024 * 1024  # bytes as JSON: twice as much, with its envelope, is what NATS takes

_COLUMNS = (
    "id", "worker", "kind", "user_id", "payload", "status", "attempts", "error", "result", "request_id", "publication", "created_at",
)  # fmt: skip
_COPY = f"COPY jobs ({', '.join(_COLUMNS)}) FROM STDIN"


def enqueue(
    worker: str,
    kind: str,
    payload: Payload,
    *,
    user_id: int | None = None,
    run_at: datetime | None = None,
    job_id: UUID | None = None,
) -> Job:
    """Write a job, in the caller's transaction where there is one, and have it published on commit.

    A job that already has `job_id` is returned as it is. `run_at`: not before. The request id comes from the context.
    Raises PermanentError (413) on a payload beyond MAX_PAYLOAD.
    """
    fields = _fields(worker, kind, payload, user_id) | {"run_at": run_at}
    if job_id is None:
        job, created = Job.objects.create(**fields), True
    else:
        job, created = Job.objects.get_or_create(id=job_id, defaults=fields)
    if created and (run_at is None or run_at <= now()):
        hand_over(job)
    return job


def new(worker: str, kind: str, payload: Payload, *, user_id: int | None = None) -> Job:
    """The same for who writes it with other rows in one message, and then calls `hand_over`."""
    return Job(**_fields(worker, kind, payload, user_id))


def hand_over(job: Job) -> None:
    """Have a job that was written published on commit."""
    transaction.on_commit(lambda: outbox.hand_over([outbox.outgoing(job)]))


def _fields(worker: str, kind: str, payload: Payload, user_id: int | None) -> dict[str, Any]:
    about = {"user_id": user_id, "request_id": request_id.current()}
    return {"worker": worker, "kind": kind, "payload": _plain(payload), **about}


def _plain(payload: Payload) -> dict[str, Any]:
    plain = payload.model_dump(mode="json") if isinstance(payload, BaseModel) else payload
    if len(orjson.dumps(plain)) > MAX_PAYLOAD:
        raise PermanentError("That is too much for one job.", code="too_large", status=413)
    return plain


def enqueue_many(worker: str, kind: str, payloads: Iterable[Payload], *, user_id: int | None = None) -> list[UUID]:
    """The same for many jobs of one kind at once, by COPY."""
    shared = {
        "worker": worker,
        "kind": kind,
        "user_id": user_id,
        "request_id": request_id.current(),
        "created_at": now(),
    }
    jobs = [Job(payload=_plain(payload), **shared) for payload in payloads]
    with transaction.atomic():
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for job in jobs:
                copy.write_row([_column(job, name) for name in _COLUMNS])
        transaction.on_commit(lambda: outbox.hand_over([outbox.outgoing(job) for job in jobs]))
    return [job.pk for job in jobs]


def _column(job: Job, name: str) -> Any:
    value = getattr(job, name)
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


def retry(job_id: UUID) -> Job:
    """Run a failed job again, with all its attempts. Raises PermanentError: 404 unknown, 409 not failed."""
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(pk=job_id).first()
        if job is None:
            raise not_found("This job")
        if job.status != Status.FAILED:
            raise conflict(_("Only a failed job can be run again; this one is %(status)s.") % {"status": job.status})
        job.result = {}
        job.status, job.attempts, job.error, job.publication = Status.PENDING, 0, "", job.publication + 1
        job.published_at = job.sequence = job.finished_at = job.run_at = None
        job.save()
        transaction.on_commit(lambda: outbox.hand_over([outbox.outgoing(job)]))
    return job


def of_user(user_id: int) -> QuerySet[Job]:
    """A person's own jobs, newest first."""
    return Job.objects.filter(user_id=user_id).order_by("-created_at", "-pk")


def listed(user_id: int, page: Page) -> dict[str, Any]:
    """A page of them. The rows are read once an index alone has found which they are."""
    mine = of_user(user_id)
    found = Job.objects.filter(pk__in=mine.values("pk")[page.rows]).order_by(*mine.query.order_by)
    return listing([job_json(job) for job in found], mine.count(), page)


def visible(job_id: UUID, user_id: int) -> Job:
    """Raises PermanentError: 404 unknown, 403 somebody else's or the system's own."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        raise not_found("This job")
    if job.user_id != user_id:
        raise forbidden()
    return job


def note(job: Running, so_far: dict[str, Any]) -> None:
    """What a job that runs has come to, for those who look at it; its end overwrites that. Nothing where another attempt has begun."""
    Job.objects.filter(pk=job.id, status=Status.RUNNING, attempts=job.attempt).update(result=so_far)


def error_of(job: Job) -> str:
    """Why it failed, in the language that is active where it is known in that."""
    texts = job.result.get("error_texts")
    return here(Said(job.error, texts if isinstance(texts, dict) else {}))


def job_json(job: Job) -> dict[str, Any]:
    """The one JSON shape of a job."""
    return {
        "id": str(job.pk),
        "worker": job.worker,
        "kind": job.kind,
        "status": job.status,
        "attempts": job.attempts,
        "error": error_of(job),
        "result": job.result,
        "request_id": job.request_id,
        "created_at": job.created_at,
        "run_at": job.run_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }
