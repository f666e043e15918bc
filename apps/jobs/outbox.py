"""From committed rows to JetStream. The row is the outbox: `published_at` is set once JetStream has acknowledged it.

`hand_over`, on commit, has it done at once in the background, so that nobody who asks for a job waits for NATS; what that
misses (NATS down, process killed) the relay finds in the rows and publishes.
"""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Sequence
from queue import Queue
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection
from django.utils.timezone import now

from apps.jobs import broker, messages
from apps.jobs.models import Job, Status
from sokoul import logs

log = logs.logger(__name__)
NOTED_AFTER = 0.1  # seconds
MOST_WAITING = 20_000  # publications that a process holds; beyond them the relay's are the rows

# The publication may have been overtaken: claimed (which notes the same itself), failed, or published anew.
_MARK = """
UPDATE jobs SET published_at = clock_timestamp(), sequence = message.sequence
FROM unnest(%(ids)s::uuid[], %(numbers)s::int[], %(dead)s::bool[], %(sequences)s::bigint[])
    AS message(id, number, dead, sequence) CROSS JOIN LATERAL (
    SELECT job.id FROM jobs job
    WHERE job.id = message.id AND job.published_at IS NULL AND job.publication = message.number
      AND (job.status = 'Failed') = message.dead
    FOR NO KEY UPDATE
) published
WHERE jobs.id = published.id
"""


class Publication(NamedTuple):
    """A message about a job, or (`dead`) the dead letter of a failed one; `number` is the row's `publication`."""

    job_id: UUID
    number: int
    dead: bool
    message: broker.Outgoing


def outgoing(job: Job) -> Publication:
    headers = {messages.ID_HEADER: f"{job.pk}:{job.publication}", messages.REQUEST_HEADER: job.request_id}
    subject = messages.subject(job.worker, job.kind)
    return Publication(job.pk, job.publication, False, broker.Outgoing(subject, messages.encode(job), headers))


def dead_letter(job: Job) -> Publication:
    """The job's message as it was, with what became of it in the headers."""
    assert job.finished_at is not None
    headers = {
        messages.ID_HEADER: f"dead:{job.pk}:{job.publication}",
        messages.REQUEST_HEADER: job.request_id,
        messages.JOB_HEADER: str(job.pk),
        messages.REASON_HEADER: messages.header_text(job.error),
        messages.ATTEMPTS_HEADER: str(job.attempts),
        messages.FAILED_HEADER: job.finished_at.isoformat(),
    }
    subject = messages.subject(job.worker, job.kind, messages.DEAD)
    return Publication(job.pk, job.publication, True, broker.Outgoing(subject, messages.encode(job), headers))


def unreadable_letter(
    stream: str, sequence: int, subject: str, data: bytes, deliveries: int, reason: str
) -> broker.Outgoing:
    """The dead letter of a message that is none of ours: its bytes as they came."""
    headers = {
        messages.ID_HEADER: f"dead:{stream}:{sequence}:{hashlib.sha256(data).hexdigest()[:16]}",
        messages.REASON_HEADER: messages.header_text(f"unreadable message: {reason}"),
        messages.ATTEMPTS_HEADER: str(deliveries),
        messages.FAILED_HEADER: now().isoformat(),
    }
    return broker.Outgoing(f"{messages.DEAD}.{subject.partition('.')[2]}", data, headers)


def publication_of(job: Job) -> Publication:
    """What this row has to say."""
    return dead_letter(job) if job.status == Status.FAILED else outgoing(job)


def publish(batch: Sequence[Publication]) -> int:
    """Send them and note in the rows what JetStream acknowledged; how many that were.

    Blocks, for the broker and the database. Raises BrokerDown and database errors.
    """
    return note(batch, broker.call(broker.publish([item.message for item in batch]))) if batch else 0


def note(batch: Sequence[Publication], sequences: Sequence[int]) -> int:
    """Write into the rows where JetStream keeps what was sent (0: it did not take it); how many it took."""
    stored = [(item, sequence) for item, sequence in zip(batch, sequences, strict=True) if sequence]
    stored.sort(key=lambda pair: pair[0].job_id)
    if stored:
        parameters: dict[str, Any] = {
            "ids": [item.job_id for item, _ in stored],
            "numbers": [item.number for item, _ in stored],
            "dead": [item.dead for item, _ in stored],
            "sequences": [sequence for _, sequence in stored],
        }
        with connection.cursor() as cursor:
            cursor.execute(_MARK, parameters)
    return len(stored)


class _Publisher:
    """Behind `hand_over`: sends on the broker's loop, notes in a thread of its own."""

    def __init__(self) -> None:
        self._waiting: deque[Publication] = deque(maxlen=MOST_WAITING)
        self._sent: Queue[tuple[list[Publication], list[int]]] = Queue()
        self._woken = False
        self._thread: threading.Thread | None = None

    def put(self, batch: Sequence[Publication]) -> None:
        self._waiting.extend(batch)
        if not self._woken:
            self._woken = True
            broker.submit(self._send())

    async def _send(self) -> None:
        """One batch after another: what comes meanwhile is the next one."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._note, name="publisher", daemon=True)
            self._thread.start()
        while True:
            try:
                await self._send_waiting()
            except broker.BrokerDown as error:
                self._waiting.clear()
                log.warning("left to the relay", error=str(error))
            self._woken = False  # before the last look: whoever comes from now on wakes this again
            if not self._waiting:
                return

    async def _send_waiting(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(broker.BATCH, len(self._waiting)))]
            self._sent.put((batch, await broker.publish([item.message for item in batch])))

    def _note(self) -> None:
        """A little later, and then for all that was sent: a worker that claims a job meanwhile notes it in passing."""
        while True:
            batch, sequences = self._sent.get()
            taken = 1
            time.sleep(NOTED_AFTER)
            while not self._sent.empty():
                more, theirs = self._sent.get()
                batch, sequences, taken = batch + more, sequences + theirs, taken + 1
            try:
                note(batch, sequences)
            except (DatabaseError, InterfaceError) as error:
                log.warning("publication not noted, the relay repeats it", error=str(error))
            except Exception:
                log.exception("publication not noted, the relay repeats it")
            finally:
                connection.close()
                for _ in range(taken):
                    self._sent.task_done()

    def noted(self) -> bool:
        """Whether the rows know of all that was sent."""
        return not self._sent.unfinished_tasks


_publisher = _Publisher()


def hand_over(batch: Sequence[Publication]) -> None:
    """Have them published soon, by this process if it can. Never blocks and never fails."""
    if batch:
        _publisher.put(batch)


noted = _publisher.noted
