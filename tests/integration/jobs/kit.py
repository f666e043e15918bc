"""Kinds that do what a test asks for, and waiting for what they did. Also run as a program: a worker to be killed.

`python -m tests.integration.jobs.kit NAME SLOTS` works as the worker NAME until SIGTERM, with short delays.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

DELAYS = (0.05, 0.1, 0.2)


def wait_for(condition: Callable[[], Any], seconds: float = 40.0, what: str = "") -> Any:
    """What `condition` gives once it is true; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {seconds:g} s: {what or condition}")
        time.sleep(0.01)
    return value


def published() -> bool:
    """Whether JetStream has what was committed. A process leaves to the relay what JetStream does not take from it in time, so this
    does the relay's part."""
    from apps.jobs import broker, relay
    from apps.jobs.models import Job

    with suppress(broker.BrokerDown):
        relay.publish_due()
    return not Job.objects.filter(published_at=None).exists()


def register() -> None:
    """`test.hold` waits until it is released, `test.effect` writes a row, `test.die` kills its worker."""
    from pathlib import Path

    from pydantic import BaseModel

    from apps.feed.models import Event
    from apps.jobs.registry import Running, handler

    class Hold(BaseModel):
        started: str
        release: str

    @handler("scout", "test.hold", Hold)
    def hold(payload: Hold, job: Running) -> dict[str, Any]:
        """Tells that it has begun, waits to be released, has one effect."""
        with Path(payload.started).open("a") as file:
            file.write(f"{os.getpid()}\n")
        wait_for(Path(payload.release).exists, 60)
        Event.objects.create(type="test.effect", data={"job_id": str(job.id)})
        return {"pid": os.getpid()}

    class Nothing(BaseModel):
        pass

    @handler("scout", "test.effect", Nothing)
    def effect(payload: Nothing, job: Running) -> None:
        """Has an effect that can be counted."""
        Event.objects.create(type="test.effect", data={"job_id": str(job.id)})

    @handler("scout", "test.die", Nothing)
    def die(payload: Nothing, job: Running) -> None:
        """Takes its whole process along, as a crash in a C library does."""
        os.kill(os.getpid(), 9)


if __name__ == "__main__":
    import django

    django.setup()
    register()
    from apps.jobs.worker import Worker

    Worker(sys.argv[1], int(sys.argv[2]), delays=DELAYS, drain=float(sys.argv[3])).run()
