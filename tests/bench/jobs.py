"""The task layer beside Celery, procrastinate and, as the limit, bare nats-py: no-op jobs, one worker process each.

A job of ours is claimed and completed in PostgreSQL and acknowledged to JetStream; a job of procrastinate's is a row of the
same PostgreSQL; Celery keeps its jobs in Valkey's memory alone; bare nats-py has no database at all.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests import servers
from tests.bench import stack
from tests.bench.peers import marks, nats_bare
from tests.bench.report import Bar, Figure, at_least, at_most, percentile, progress, tell

COUNT = 10_000
CELERY_COUNT, PROCRASTINATE_COUNT = 4_000, 2_000  # their rates do not hang on it, and they take longer
RATE, PACED = 100, 500  # of the latency run: jobs a second, jobs


class Samples:
    """One value a round, by what it is."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, **values: float) -> None:
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> list[float]:
        return self._values[name]


def pace(ask: Callable[[float], object]) -> None:
    """Ask for PACED jobs at RATE a second, whether they are done or not."""
    began = time.time()
    for number in range(PACED):
        time.sleep(max(0.0, began + number / RATE - time.time()))
        ask(time.time())


# --- ours ---------------------------------------------------------------------------------------------------------------


def ours(samples: Samples) -> None:
    from apps.jobs import services
    from apps.jobs.models import Job

    Job.objects.all().delete()
    began = time.perf_counter()
    services.enqueue_many("scout", "noop", [{"number": number} for number in range(COUNT)])
    samples.add(enqueue=COUNT / (time.perf_counter() - began))
    stack.until(lambda: not Job.objects.filter(published_at=None).exists(), "publishing")
    samples.add(publish=COUNT / (time.perf_counter() - began))
    with stack.python("-m", "tests.bench.worker") as worker:
        stack.until(all_done, "the jobs")
        samples.add(rate=COUNT / seconds_of_work(), peak=stack.memory(worker.pid, "VmHWM"))
        samples.add(p95=percentile(latencies(), 95))


def idle() -> float:
    """MB of a worker that has done one job."""
    from apps.jobs import services

    with stack.python("-m", "tests.bench.worker") as worker:
        services.enqueue("scout", "noop", {})
        stack.until(all_done, "the job")
        return stack.memory(worker.pid)


def all_done() -> bool:
    from apps.jobs.models import Job

    return not Job.objects.exclude(status="Completed").exists()


def seconds_of_work() -> float:
    from django.db.models import Max, Min

    from apps.jobs.models import Job

    span = Job.objects.aggregate(first=Min("started_at"), last=Max("finished_at"))
    return float((span["last"] - span["first"]).total_seconds())


def latencies() -> list[float]:
    """Milliseconds from before the row is written until it says Completed."""
    from apps.jobs import services
    from apps.jobs.models import Job

    asked: dict[Any, float] = {}

    def ask(at: float) -> None:
        asked[services.enqueue("scout", "noop", {}).pk] = at

    pace(ask)
    stack.until(all_done, "the paced jobs")
    rows = Job.objects.filter(pk__in=list(asked)).values_list("pk", "finished_at")
    return [(finished.timestamp() - asked[pk]) * 1000 for pk, finished in rows if finished]


# --- peers --------------------------------------------------------------------------------------------------------------


def peer(ask: Callable[[float], object], worker: list[str], count: int) -> tuple[float, float]:
    """(jobs a second, p95 of a paced job in ms) of a peer whose worker marks what it has done."""
    file = Path(mkdtemp(dir=servers.FOLDER)) / "marks"
    for _ in range(count):
        ask(time.time())
    with stack.python(*worker, MARKS=str(file)):
        stack.until(lambda: marks.count(file) >= count, "the peer's jobs")
        done = [end for _, end in marks.read(file)]
        pace(ask)
        stack.until(lambda: marks.count(file) >= count + PACED, "the peer's paced jobs")
    paced = [(end - asked) * 1000 for asked, end in marks.read(file)[count:]]
    return count / (done[-1] - done[0]), percentile(paced, 95)


def celery(samples: Samples) -> None:
    from tests.bench.peers.celery_app import noop

    worker = ["-m", "celery", "-A", "tests.bench.peers.celery_app", "worker", "-c", "1", "--loglevel", "ERROR"]
    rate, p95 = peer(lambda asked: noop.delay(asked), worker, CELERY_COUNT)
    samples.add(celery_rate=rate, celery_p95=p95)


def procrastinate(samples: Samples) -> None:
    from tests.bench.peers.procrastinate_app import app, noop

    with app.open():
        worker = ["-m", "tests.bench.peers.procrastinate_app"]
        rate, p95 = peer(lambda asked: noop.defer(asked=asked), worker, PROCRASTINATE_COUNT)
    samples.add(procrastinate_rate=rate, procrastinate_p95=p95)


def bare(samples: Samples) -> None:
    from sokoul.env import ENV

    published, rate, milliseconds = asyncio.run(nats_bare.measure(ENV.nats_url, COUNT, RATE, PACED))
    samples.add(bare_publish=published, bare_rate=rate, bare_p95=percentile(milliseconds, 95))


# --- the figures --------------------------------------------------------------------------------------------------------


def measure() -> Iterator[Figure]:
    samples = Samples()
    resting = idle()
    for round_ in range(stack.ROUNDS):
        for part in (ours, bare, celery, procrastinate):
            progress(f"  round {round_ + 1}: {part.__name__}")
            part(samples)
    yield Figure("enqueue 10,000 jobs in one go", "rows/s", samples["enqueue"], bar=at_least(10_000))
    published = samples["publish"], "bare nats-py", samples["bare_publish"]
    yield Figure("the same until all are published", "messages/s", *published, bar=at_least(4_000))
    rates = (("Celery", "celery", 2.0), ("procrastinate", "procrastinate", 5.0), ("bare nats-py", "bare", None))
    for name, key, least in rates:
        bar = Bar(least=least) if least else None
        yield Figure("durable no-op jobs, 1 worker", "jobs/s", samples["rate"], name, samples[f"{key}_rate"], bar)
    for name, key, most in (
        ("Celery", "celery", 1.5),
        ("procrastinate", "procrastinate", None),
        ("bare nats-py", "bare", None),
    ):
        bar = Bar(most=most) if most else None
        yield Figure(f"one job at {RATE}/s, p95", "ms", samples["p95"], name, samples[f"{key}_p95"], bar)
    yield Figure("worker, idle", "MB", [resting], bar=at_most(200))
    above = [peak - resting for peak in samples["peak"]]
    yield Figure("worker's peak with 10,000 jobs queued, above idle", "MB", above, bar=at_most(50))


def main() -> None:
    with stack.running():
        _create_tables()
        tell(measure())


def _create_tables() -> None:
    from tests.bench.peers.procrastinate_app import app

    with app.open():
        app.schema_manager.apply_schema()


if __name__ == "__main__":
    main()
