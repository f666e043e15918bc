"""The worker: fetch → claim → run → write → acknowledge.

One task each for fetching, for writing and for heartbeats, on the broker's loop; handlers run on a bounded pool of threads.
"""

import asyncio
import os
import signal
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from uuid import UUID

from django.db import Error, connection

from apps.jobs import broker, claims, messages, registry
from apps.jobs.desk import Desk, Held
from apps.jobs.models import Job
from apps.jobs.running import Again, Completed, Ended, run
from apps.jobs.streams import JOBS
from apps.jobs.threads import Threads
from sokoul import env, logs, pulse
from sokoul.env import ENV

log = logs.logger(__name__)

DELAYS = (2.0, 4.0, 8.0)  # seconds before the second, third and fourth attempt (SPEC 8)
DRAIN = 50.0  # seconds that running handlers get at shutdown, of the 60 that all of it may take
HAND_BACK = 5.0  # seconds to write what was not finished by then
IDLE = 1.0  # seconds that one wait for messages takes
LONG = 1.0  # seconds; how long a job is taken to run until some have
AT_ONCE = 0.02  # seconds within which a job that is fetched should start
MOST_SEATS = 16  # times the slots
PAUSE = (0.5, 5.0)  # seconds between looks whether NATS or the database are back: at first, at most


class Worker:
    """Runs the jobs of one consumer, `slots` at a time. `delays` are the seconds between attempts."""

    def __init__(
        self, name: str, slots: int | None = None, *, delays: Sequence[float] = DELAYS, drain: float = DRAIN
    ) -> None:
        self.name, self.slots = name, slots or ENV.worker_slots
        self.crashed = False
        self._delays, self._drain_seconds = delays, drain
        self._over: deque[Held] = deque()
        self._woken = False
        self._mean = LONG
        self._main: Future[None] | None = None

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, finish what runs, hand back the rest, return. Main thread only.

        Raises SystemExit(1) where the worker broke down.
        """
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        signal.signal(signal.SIGHUP, lambda *_: env.reread())
        self.start()
        stop.wait()
        self.stop()
        if self.crashed:
            raise SystemExit(1)

    def start(self) -> None:
        """Begin to work in the background. A breakdown later sends this process SIGTERM."""
        registry.load()
        self._handlers = Threads(self.slots, f"{self.name}-handler")
        self._main = broker.submit(self._work())
        self._main.add_done_callback(self._ended)

    def stop(self) -> None:
        """Finish what runs within the drain time, hand back the rest, acknowledge what is done; takes 60 s at most."""
        if self._main is None:
            return
        main, self._main = self._main, None
        broker.submit(self._begin_to_stop())
        try:
            main.result(self._drain_seconds + HAND_BACK + 4)
        except Exception as error:
            log.error("worker did not stop in order", worker=self.name, error=f"{type(error).__name__} {error}")
        self._handlers.close(0)

    def _ended(self, main: "Future[None]") -> None:
        if not main.cancelled() and (error := main.exception()) is not None:
            self.crashed = True
            log.error("worker broke down", worker=self.name, exc_info=error)
            if self._main is not None:  # else the process ends already, and may have no handler for signals any more
                os.kill(os.getpid(), signal.SIGTERM)

    async def _begin_to_stop(self) -> None:
        self._stop.set()
        self._pull.interrupt()
        self._desk.released.set()

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._desk = Desk(self.name, self._delays)
        self._pull = broker.Pull(JOBS, self.name)
        self._ready, self._stop = asyncio.Event(), asyncio.Event()
        log.info("worker started", worker=self.name, slots=self.slots)
        fetching, *sides = tasks = [self._loop.create_task(part()) for part in (self._fetch, self._write, self._beat)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not any(side.done() for side in sides):
                await fetching
                await self._drain()
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            await self._desk.close(timeout=2.0)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        log.info("worker stopped", worker=self.name)

    # --- taking jobs --------------------------------------------------------------------------------------------------

    async def _fetch(self) -> None:
        """A seat before a fetch: nothing is asked for that could not start at once."""
        await self._await_broker()
        while not self._stop.is_set():
            self._desk.released.clear()
            seats = self._seats() - len(self._desk.held)
            if seats <= 0:
                await self._desk.released.wait()
                continue
            try:
                deliveries = await self._pull.take(seats, IDLE)
            except broker.BrokerDown as error:
                log.warning("NATS unavailable, fetching pauses", worker=self.name, error=str(error))
                await self._await_broker()
                continue
            if self._stop.is_set():
                await _return(deliveries)
            elif deliveries and not await self._admit(deliveries):
                await self._await_database()
        await _return(await self._pull.close())

    async def _admit(self, deliveries: Sequence[broker.Delivery]) -> bool:
        """Claim what the messages speak of and start it. False where the database is gone."""
        wanted = self._readable(deliveries)
        try:
            claimed = await self._desk.database(claims.claim, {job: item.sequence for job, item in wanted.items()})
            for job in claimed:
                self._begin(job, wanted.pop(job.pk))
            standing = await self._desk.database(claims.standing, list(wanted)) if wanted else {}
        except Error as error:
            log.warning("database unavailable, fetching pauses", worker=self.name, error=str(error))
            for delivery in wanted.values():
                await delivery.nak(PAUSE[1])
            return False
        for job_id, delivery in wanted.items():
            self._desk.spawn(self._desk.refuse(delivery, standing.get(job_id)))
        return True

    def _readable(self, deliveries: Sequence[broker.Delivery]) -> dict[UUID, broker.Delivery]:
        wanted: dict[UUID, broker.Delivery] = {}
        for delivery in deliveries:
            try:
                job_id = messages.decode(delivery.data).job_id
            except messages.Unreadable as error:
                self._desk.spawn(self._desk.unreadable(delivery, str(error)))
                continue
            if job_id in wanted or job_id in self._desk.held:  # twice at once: the other one brings it to its end
                self._desk.spawn(delivery.nak(ENV.job_lease))
            else:
                wanted[job_id] = delivery
        return wanted

    def _begin(self, job: Job, delivery: broker.Delivery) -> None:
        held = Held(job, delivery, self._handlers.submit(run, job))
        self._desk.held[job.pk] = held
        held.future.add_done_callback(lambda _: self._note_end(held))

    def _note_end(self, held: Held) -> None:
        """Called in the handler's thread: the loop is woken once for all that ended since it looked."""
        self._over.append(held)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._ready.set)

    def _seats(self) -> int:
        """How many jobs may be here. More than there are slots only while jobs are so short that they start at once."""
        return int(self.slots * min(MOST_SEATS, max(1.0, AT_ONCE / self._mean)))

    async def _await_broker(self) -> None:
        """Until streams and consumers are there as declared."""
        pause = PAUSE[0]
        while not self._stop.is_set():
            try:
                await broker.declare()
                return
            except broker.BrokerDown:
                await self._pause(pause)
                pause = min(pause * 2, PAUSE[1])

    async def _await_database(self) -> None:
        pause = PAUSE[0]
        while not self._stop.is_set():
            await self._pause(pause)
            try:
                await self._desk.database(_look)
                return
            except Error:
                pause = min(pause * 2, PAUSE[1])

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    # --- ending jobs --------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        """What ended while the last statement ran is written by the next one."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            self._woken = False  # before looking: whoever ends from now on wakes this loop again
            completed: list[tuple[Held, Completed]] = []
            while self._over:
                held = self._over.popleft()
                if self._desk.held.get(held.job.pk) is not held:
                    continue  # handed back meanwhile
                if held.future.cancelled():
                    self._desk.spawn(self._desk.hand_back(held))
                    continue
                outcome, seconds = _end_of(held)
                self._mean += (seconds - self._mean) / 10
                if isinstance(outcome, Completed):
                    completed.append((held, outcome))
                else:
                    self._desk.spawn(self._desk.settle(held, outcome))
            if completed:
                await self._desk.complete(completed)

    async def _beat(self) -> None:
        """Say three times a lease that the jobs here are alive, to JetStream and in their rows."""
        while True:
            pulse.beat(self.name)
            await asyncio.sleep(ENV.job_lease / 3)
            held = list(self._desk.held.values())
            for item in held:
                await item.delivery.in_progress()
            if held:
                with suppress(Error):
                    await self._desk.database(claims.renew, [item.job for item in held])

    async def _drain(self) -> None:
        """Give running handlers their time, then hand back what is left."""
        for held in list(self._desk.held.values()):
            held.future.cancel()
        await self._emptied(self._drain_seconds)
        for held in list(self._desk.held.values()):
            if held.future.running():
                self._desk.spawn(self._desk.hand_back(held))
        await self._emptied(HAND_BACK)
        with suppress(broker.BrokerDown):
            await broker.flush()

    async def _emptied(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._desk.held:
                    self._desk.released.clear()
                    await self._desk.released.wait()


def _end_of(held: Held) -> Ended:
    error = held.future.exception()
    return held.future.result() if error is None else Ended(Again(repr(error), None), LONG)


async def _return(deliveries: Sequence[broker.Delivery]) -> None:
    for delivery in deliveries:
        await delivery.nak(0)


def _look() -> None:
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
