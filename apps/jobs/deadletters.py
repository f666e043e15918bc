"""The dead-letter queue: read, replayed and emptied by operators. Blocks for the broker; raises BrokerDown."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.jobs import broker, messages, services
from apps.jobs.models import Job, Status
from apps.jobs.streams import DEAD
from sokoul.errors import not_found


@dataclass(frozen=True)
class Letter:
    """`job_id` is None for a message that nobody could read; `data` are the message's bytes as they were."""

    sequence: int
    subject: str
    job_id: UUID | None
    reason: str
    attempts: int
    request_id: str
    failed_at: datetime
    data: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Its one JSON shape; bytes that are no text are shown with escapes."""
        return {
            **asdict(self),
            "job_id": self.job_id and str(self.job_id),
            "data": self.data.decode(errors="backslashreplace"),
        }


def count() -> int:
    return broker.call(broker.extent(DEAD)).messages


def letters(start: int = 1, limit: int = 100) -> list[Letter]:
    """From sequence `start` on, oldest first."""
    found: list[Letter] = []
    while len(found) < limit and (stored := broker.call(broker.following(DEAD, start, f"{messages.DEAD}.>"))):
        found.append(_letter(stored))
        start = stored.sequence + 1
    return found


def listed(rows: slice) -> tuple[list[Letter], int]:
    """(these of all letters, newest first; how many there are)."""
    extent = broker.call(broker.extent(DEAD))
    holes = set(extent.holes)
    kept = [number for number in range(extent.last, extent.first - 1, -1) if number not in holes]
    found = [broker.call(broker.stored(DEAD, sequence)) for sequence in kept[rows]]
    return [_letter(stored) for stored in found if stored], extent.messages


def letter(sequence: int) -> Letter:
    """Raises PermanentError (404)."""
    stored = broker.call(broker.stored(DEAD, sequence))
    if stored is None:
        raise not_found("This dead letter")
    return _letter(stored)


def replay(sequence: int) -> Letter:
    """Run it again with all its attempts, and remove it. Raises PermanentError: 404 unknown, 409 the job has not failed."""
    found = letter(sequence)
    if found.job_id is not None:
        services.retry(found.job_id)
    else:
        _publish_again(found)
    broker.call(broker.delete(DEAD, sequence))
    return found


def retry(job_id: UUID) -> None:
    """Run a failed job again with all its attempts; its letter goes. Raises PermanentError: 404 unknown, 409 not failed."""
    sequence = Job.objects.filter(pk=job_id, status=Status.FAILED).values_list("sequence", flat=True).first()
    services.retry(job_id)
    if sequence:
        remove(sequence)


def purge(sequence: int | None = None) -> None:
    """Remove one letter, or all."""
    if sequence is None:
        broker.call(broker.purge(DEAD))
    else:
        letter(sequence)
        remove(sequence)


def remove(sequence: int) -> None:
    """Remove a letter, there or not."""
    broker.call(broker.delete(DEAD, sequence))


def _publish_again(found: Letter) -> None:
    subject = f"{messages.JOBS}.{found.subject.partition('.')[2]}"
    message = broker.Outgoing(subject, found.data, {messages.ID_HEADER: f"replay:{found.sequence}"})
    if not broker.call(broker.publish([message]))[0]:
        raise broker.BrokerDown("NATS did not take the message; it is still in the dead-letter queue.")


def _letter(stored: broker.Stored) -> Letter:
    headers = stored.headers
    job_id = headers.get(messages.JOB_HEADER)
    return Letter(
        sequence=stored.sequence,
        subject=stored.subject,
        job_id=UUID(job_id) if job_id else None,
        reason=_text(headers.get(messages.REASON_HEADER, "")),
        attempts=int(headers.get(messages.ATTEMPTS_HEADER, 0)),
        request_id=headers.get(messages.REQUEST_HEADER, ""),
        failed_at=stored.time,
        data=stored.data,
    )


def _text(header: str) -> str:
    try:
        return str(json.loads(header))
    except ValueError:
        return header
