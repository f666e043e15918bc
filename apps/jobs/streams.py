"""The streams and consumers of Sokoul, declared in code: `broker.declare()` makes the server agree."""

from dataclasses import dataclass

from sokoul.env import ENV

WORKERS = ("scout", "hunter", "notifier")
JOBS, LOGS, DEAD, ADVISORIES = "JOBS", "LOGS", "DLQ", "ADVISORIES"
RELAY = "relay"
# Our own count of attempts ends a job after four. This bound only stops a message that never gets as far as being claimed:
# it is far above what restarts, busy leases and back-offs need, and what reaches it comes to the relay as an advisory.
MAX_DELIVER = 30
_DAY = 86_400
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Stream:
    """Ages and windows in seconds. A work queue keeps a message until it is acknowledged and refuses new ones when full."""

    name: str
    subjects: tuple[str, ...]
    max_age: int
    max_bytes: int
    duplicate_window: int = 120
    work_queue: bool = False


@dataclass(frozen=True)
class Consumer:
    """A durable pull consumer with explicit acks. `ack_wait` in seconds."""

    stream: str
    name: str
    subject: str
    ack_wait: float
    max_deliver: int
    max_ack_pending: int


STREAMS = (
    Stream(JOBS, ("jobs.>",), 7 * _DAY, 2048 * _MIB, work_queue=True),
    Stream(LOGS, ("logs.>",), 7 * _DAY, 512 * _MIB),
    # A dead letter is published again until it is known to be stored: a long window keeps it one entry.
    Stream(DEAD, ("dlq.>",), 30 * _DAY, 512 * _MIB, duplicate_window=_DAY),
    Stream(ADVISORIES, (f"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{JOBS}.>",), 14 * _DAY, 64 * _MIB),
)


def consumers() -> tuple[Consumer, ...]:
    """The lease of a row and the ack wait of its message lapse together."""
    workers = (Consumer(JOBS, name, f"jobs.{name}.>", ENV.job_lease, MAX_DELIVER, 1000) for name in WORKERS)
    return (*workers, Consumer(ADVISORIES, RELAY, "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>", 30, -1, 1000))
