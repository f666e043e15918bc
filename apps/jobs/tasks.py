"""A kind that does nothing, for every worker: benchmarks and drills measure the task layer with it."""

from pydantic import BaseModel

from apps.jobs.registry import Running, handler
from apps.jobs.streams import WORKERS


class Nothing(BaseModel):
    """Whatever the payload says is ignored."""


def noop(payload: Nothing, job: Running) -> None:
    return None


for worker in WORKERS:
    handler(worker, "noop", Nothing)(noop)
