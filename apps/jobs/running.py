"""Running one handler: what it returned or raised, as the one way on that the worker takes."""

import time
from dataclasses import dataclass

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


def run(job: Job) -> Outcome:
    """Run the handler of a claimed job in this thread; never raises."""
    with request_id.bound(job.request_id or request_id.new(), job.user_id):
        about = {"job_id": str(job.pk), "worker": job.worker, "kind": job.kind, "attempt": job.attempts}
        log.debug("job started", **about)
        began = time.perf_counter()
        close_old_connections()
        try:
            outcome = _attempt(job)
        finally:
            connections.close_all()
        took = round((time.perf_counter() - began) * 1000, 1)
        log.info("job ended", outcome=type(outcome).__name__.lower(), duration_ms=took, **about)
        return outcome


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
        return Again(error.message, error.retry_after)
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
