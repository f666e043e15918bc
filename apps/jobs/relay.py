"""The relay: publishes what was committed and not acknowledged, and puts right what rows and streams disagree about.

Any number of relays may run: publishing is done by one at a time, everything else may be done twice.
"""

import threading
import time
from collections.abc import Callable

from django.db import Error, connection, transaction

from apps.feed import replay
from apps.jobs import broker, outbox, reconciling, registry
from apps.jobs.models import Job
from sokoul import logs, pulse
from sokoul.env import ENV

log = logs.logger(__name__)
POLL = 1.0  # seconds
BATCH = 500
_LOCK = 0x50_4B_10  # of an advisory lock; only a name

# What is younger than a second is left to the process that committed it; a dead letter likewise to its worker.
_DUE = """
SELECT * FROM jobs
WHERE published_at IS NULL AND (
    status = 'Pending' AND run_at IS NULL AND created_at < clock_timestamp() - interval '1 second'
    OR status = 'Pending' AND run_at <= clock_timestamp()
    OR status = 'Failed' AND finished_at < clock_timestamp() - interval '3 seconds')
ORDER BY created_at LIMIT %s
"""


def publish_due() -> int:
    """Publish what is due, BATCH at most; how many JetStream acknowledged. Raises BrokerDown and database errors.

    The lock ends with its session, which the database ends after 30 s should this process freeze.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            if not cursor.fetchone()[0]:
                return 0
        return outbox.publish([outbox.publication_of(job) for job in Job.objects.raw(_DUE, [BATCH])])


class Relay:
    """Its parts run one after another, each when its time has come; one that fails is tried again at its next time."""

    def __init__(self) -> None:
        lease = ENV.job_lease
        self._parts: list[tuple[Callable[[], int], float]] = [
            (_publish_all, POLL),
            (reconciling.take_advisories, 5.0),
            (reconciling.rescue_lapsed, lease / 2),
            (reconciling.republish_lost, lease / 2),
            (reconciling.sweep, 2 * lease),
            (replay.prune, 3600.0),
            *registry.chores(),
        ]
        self._failing: set[str] = set()
        self._next = [0.0] * len(self._parts)

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        self._guarded(_declare)
        while not stop.is_set():
            pulse.beat("relay")
            self.turn()
            stop.wait(POLL)
        connection.close()

    def turn(self) -> None:
        """Every part whose time has come."""
        for number, (part, every) in enumerate(self._parts):
            if time.monotonic() >= self._next[number]:
                self._next[number] = time.monotonic() + every
                self._guarded(part)

    def _guarded(self, part: Callable[[], int]) -> None:
        name = part.__name__.lstrip("_")
        try:
            if count := part():
                log.info("relay", part=name, count=count)
            self._failing.discard(name)
        except (broker.BrokerDown, Error) as error:
            connection.close()
            if name not in self._failing:  # once an outage
                log.warning("relay waits", part=name, error=str(error))
            self._failing.add(name)
        except Exception:
            log.exception("a part of the relay failed", part=name)


def _publish_all() -> int:
    total = 0
    while count := publish_due():
        total += count
    return total


def _declare() -> int:
    broker.call(broker.declare())
    return 0
