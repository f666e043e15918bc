"""What admins do to the task layer, each with its row in the audit trail. Here and not in apps.jobs, which knows no roles.

`by` is None for the operator at the command line. Raise PermanentError, and BrokerDown while NATS is away: then nothing was done.
"""

from uuid import UUID

from django.db import transaction

from apps.accounts import audit
from apps.accounts.models import User
from apps.jobs import deadletters
from apps.jobs.deadletters import Letter


def replay(sequence: int, *, by: User | None) -> Letter:
    """Run what a dead letter tells of once more. 404 unknown, 409 its job has not failed."""
    with transaction.atomic():
        letter = deadletters.replay(sequence)
        job = str(letter.job_id or "")
        audit.record("dlq.replayed", job or letter.subject, by, sequence=sequence, job_id=job)
    return letter


def purge(sequence: int | None = None, *, by: User | None) -> None:
    """Remove one letter (404 unknown), or all."""
    with transaction.atomic():
        deadletters.purge(sequence)
        audit.record("dlq.purged", "all" if sequence is None else str(sequence), by)


def retry(job_id: UUID, *, by: User | None) -> None:
    """Run a failed job once more. 404 unknown, 409 not failed."""
    with transaction.atomic():
        deadletters.retry(job_id)
        audit.record("job.retried", str(job_id), by)
