"""The worker's desk: which deliveries it holds, and what becomes of each. First the row, then the message."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.db import Error, InterfaceError, OperationalError, connection
from django.utils.timezone import now

from apps.jobs import broker, claims, outbox, registry
from apps.jobs.models import Job, Status
from apps.jobs.running import Again, Completed, Ended, Failed, about, bound
from apps.jobs.streams import JOBS, MAX_DELIVER
from apps.jobs.threads import Threads, own_connection
from sokoul import logs, metrics
from sokoul.env import ENV

log = logs.logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

CONTROL_THREADS = 4  # a claim, a write, a renewal and a dead letter at once
LONGEST_NAK = 60.0  # seconds; what waits longer waits in its row, not in JetStream
SHORTLY = 0.5  # seconds until a message comes again whose row was just being changed


@dataclass(eq=False)
class Held:
    """A claimed job, the delivery that brought it, and its handler's future."""

    job: Job
    delivery: broker.Delivery
    future: "Future[Ended]"


class Desk:
    """Everything here runs on the broker's loop; statements run in control threads."""

    def __init__(self, name: str, delays: Sequence[float]) -> None:
        self.held: dict[UUID, Held] = {}
        self.released = asyncio.Event()
        self._delays = delays
        self._control = Threads(CONTROL_THREADS, f"{name}-control", own_connection)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def close(self, timeout: float) -> None:
        """Wait for what is under way, then let the control threads end."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        self._control.close(0)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a delivery was left as it is", exc_info=error)

    async def database(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run statements in a control thread. Raises django.db.Error."""
        return await asyncio.wrap_future(self._control.submit(_closing_if_broken, partial(function, *args, **kwargs)))

    async def insist(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same until the database is there: what was done must be written."""
        pause = 0.25
        while True:
            try:
                return await self.database(function, *args, **kwargs)
            except (OperationalError, InterfaceError) as error:
                log.warning("database unavailable, trying again", error=str(error), seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    def release(self, held: Held) -> None:
        if self.held.get(held.job.pk) is held:
            del self.held[held.job.pk]
        self.released.set()

    def log(self, held: Held, outcome: str, **more: Any) -> None:
        """The line about an end, once the end is written."""
        took = 1000 * held.future.result().seconds if held.future.done() and not held.future.cancelled() else None
        _count(held, outcome)
        with bound(held.job):
            log.info("job ended", outcome=outcome, duration_ms=took and round(took, 1), **about(held.job), **more)

    # --- outcomes of jobs that are held -------------------------------------------------------------------------------

    async def complete(self, batch: Sequence[tuple[Held, Completed]]) -> None:
        """Write them in one statement, then acknowledge. Where one cannot be written, the others still are."""
        try:
            done = await self.insist(claims.complete, [claims.Finished(held.job, end.result) for held, end in batch])
        except Error:
            if len(batch) > 1:
                for item in batch:
                    await self.complete([item])
                return
            done = set()
            log.exception("a job's end cannot be written", job_id=str(batch[0][0].job.pk))
        for held, _ in batch:
            if held.job.pk in done:
                await held.delivery.ack()
            self.log(held, "completed" if held.job.pk in done else "taken over")
            self.release(held)

    async def settle(self, held: Held, outcome: Again | Failed) -> None:
        """Another attempt, or the end."""
        try:
            if isinstance(outcome, Failed):
                await self._bury(held, outcome.reason)
            elif outcome.error is not None and held.job.attempts >= claims.ATTEMPTS:
                await self._bury(held, outcome.error)
            else:
                await self._again(held, outcome)
        finally:
            self.release(held)

    async def _again(self, held: Held, outcome: Again) -> None:
        delay = outcome.delay if outcome.delay is not None else self._delays[held.job.attempts - 1]
        refund = outcome.error is None
        if delay <= LONGEST_NAK and held.delivery.deliveries < MAX_DELIVER // 2:
            if await self.insist(claims.put_back, held.job, error=outcome.error, refund=refund):
                await held.delivery.nak(delay)
        elif await self.insist(claims.put_back_anew, held.job, error=outcome.error, refund=refund, delay=delay):
            await held.delivery.term()
        self.log(held, "again", seconds=delay, error=outcome.error)

    async def hand_back(self, held: Held) -> None:
        """At shutdown: published anew for another worker, the attempt given back, the old message terminated."""
        try:
            if await self.insist(claims.put_back_anew, held.job, refund=True):
                await held.delivery.term()
            self.log(held, "handed back")
        finally:
            self.release(held)

    async def _bury(self, held: Held, reason: str) -> None:
        letter = await self.insist(claims.fail, held.job, reason)
        self.log(held, "failed", error=reason)
        if letter is not None:
            await self._send(letter, held.delivery)

    async def _send(self, letter: outbox.Publication, delivery: broker.Delivery) -> None:
        """The message goes once its dead letter is stored; otherwise the relay sends the letter, and the message waits."""
        try:
            stored = await self.database(outbox.publish, [letter])
        except (broker.BrokerDown, Error) as error:
            log.warning("dead letter left to the relay", job_id=str(letter.job_id), error=str(error))
            stored = 0
        if stored:
            await delivery.term()
        else:
            await delivery.nak(ENV.job_lease)

    # --- deliveries that are not this worker's to run -----------------------------------------------------------------

    async def refuse(self, delivery: broker.Delivery, job: Job | None) -> None:
        """A delivery whose job could not be claimed; `job` as it stands."""
        if job is None:
            log.warning("message of a job that is gone", subject=delivery.subject, sequence=delivery.sequence)
            await delivery.ack()
        elif job.status == Status.COMPLETED:
            await delivery.ack()
        elif job.status == Status.FAILED:
            await (delivery.term() if job.published_at else self._send(outbox.dead_letter(job), delivery))
        elif job.lease_until is not None and (left := (job.lease_until - now()).total_seconds()) > 0:
            await delivery.nak(min(left, ENV.job_lease) + SHORTLY)
        elif job.attempts >= claims.ATTEMPTS:
            letter = await self.database(claims.fail_exhausted, job)
            await (self._send(letter, delivery) if letter else delivery.nak(SHORTLY))
        elif job.published_at is None and job.run_at is not None:
            await delivery.term()  # the relay publishes it when its time has come
        else:
            await delivery.nak(SHORTLY)

    async def unreadable(self, delivery: broker.Delivery, reason: str) -> None:
        """Nacked, and after three redeliveries in the DLQ with its bytes as they came."""
        about = {"subject": delivery.subject, "sequence": delivery.sequence, "deliveries": delivery.deliveries}
        log.error("unreadable message", reason=reason, **about)
        if delivery.deliveries < claims.ATTEMPTS:
            await delivery.nak(self._delays[delivery.deliveries - 1])
            return
        letter = outbox.unreadable_letter(
            JOBS, delivery.sequence, delivery.subject, delivery.data, delivery.deliveries, reason
        )
        try:
            stored = (await broker.publish([letter]))[0]
        except broker.BrokerDown:
            stored = 0
        await (delivery.term() if stored else delivery.nak(self._delays[0]))


def _count(held: Held, outcome: str) -> None:
    worker, kind = held.job.worker, registry.label_of(held.job.worker, held.job.kind)
    metrics.WORKER_JOBS.labels(worker, kind, outcome).inc()
    if held.future.done() and not held.future.cancelled() and held.future.exception() is None:
        metrics.WORKER_SECONDS.labels(worker, kind).observe(held.future.result().seconds)


def _closing_if_broken(statements: Callable[[], T]) -> T:
    try:
        return statements()
    except Error:
        connection.close()
        raise
