"""Running one handler: what it returned or raised, as the one way on that the worker takes."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from django.db import close_old_connections, connections
from pydantic import ValidationError

from apps.jobs import claims, registry
from apps.jobs.models import Job
from sokoul import logs, request_id
from sokoul.errors import PermanentError, SokoulError, TransientError

log = logs.logger(__name__)


@dataclass(frozen=True)
class Completed:
    result: str  # JSON


@dataclass(frozen=True)
class Failed:
    reason: str


@dataclass(frozen=True)
class Again:
    """`delay` in seconds, None: as the attempt says. `error` None: no fault, and the attempt does not count."""

    error: str | None
    delay: float | None


Outcome = Completed | Failed | Again


class Ended(NamedTuple):
    """`seconds` that the handler took."""

    outcome: Outcome
    seconds: float


def run(job: Job) -> Ended:
    """Run the handler of a claimed job in this thread."""
    with bound(job):
        log.debug("job started", **about(job))
        began = time.perf_counter()
        close_old_connections()
        try:
            return Ended(_attempt(job), time.perf_counter() - began)
        finally:
            connections.close_all()


def bound(job: Job) -> AbstractContextManager[None]:
    """What is logged and asked for inside carries the request that asked for the job."""
    return request_id.bound(job.request_id, job.user_id)


def about(job: Job) -> dict[str, Any]:
    """The fields of a line of the log about a job."""
    return {"job_id": str(job.pk), "worker": job.worker, "kind": job.kind, "attempt": job.attempts}


def _attempt(job: Job) -> Outcome:
    handler = registry.find(job.worker, job.kind)
    if handler is None:  # perhaps a newer worker knows it
        return Again(f"This worker does not know the kind {job.kind}.", None)
    try:
        payload = handler.payload.model_validate(job.payload)
        return Completed(_json(handler.handle(payload, claims.running(job))))
    except ValidationError as error:
        return Failed(f"The job's payload is not valid: {error.error_count()} faults in {error.title}.")
    except registry.Snooze as snooze:
        return Again(None, snooze.seconds)
    except PermanentError as error:
        return Failed(error.message)
    except TransientError as error:
        return Again(error.message, error.retry_after or None)  # "at once" would be every attempt within a moment
    except Exception as error:
        log.exception("job failed unexpectedly", job_id=str(job.pk), kind=job.kind)
        return Again(_words(error), None)


def _json(result: object) -> str:
    text = orjson.dumps(result if result is not None else {}, option=orjson.OPT_UTC_Z).decode()
    if "\\u0000" in text:
        raise PermanentError("The result holds a NUL character, which PostgreSQL cannot keep.")
    return text


def _words(error: Exception) -> str:
    return error.message if isinstance(error, SokoulError) else f"{type(error).__name__}: {error}"[:2000]
