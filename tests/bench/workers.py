"""How workers use the processor: one of them, four beside each other, and one that picks up a job now and then (plan 6.3).

Jobs that do nothing show the task layer, of which half is PostgreSQL's and JetStream's work on the same cores; jobs that read
release names for some ten milliseconds show what more workers bring where there is something to do. All jobs are published
before any worker may look at them.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from sokoul.env import ENV
from tests.bench import stack
from tests.bench.jobs import all_done, seconds_of_work
from tests.bench.report import Bar, Figure, at_most, percentile, progress, tell

KINDS = {"noop": int(os.environ.get("NOOPS") or 8_000), "names": int(os.environ.get("NAMES") or 1_500)}
WORKERS = 4
CORES = os.cpu_count() or 1
LINEAR = 1.7 if CORES < WORKERS else 3.4
PICKED, EVERY = 40, 0.25  # jobs that come one by one, seconds between them
LOOK = 0.05  # seconds


def waiting() -> int:
    """How many workers wait for jobs of the scout's at this moment."""
    import nats

    from apps.jobs.streams import JOBS

    async def ask() -> int:
        link = await nats.connect(ENV.nats_url)
        try:
            return (await link.jetstream().consumer_info(JOBS, "scout")).num_waiting or 0
        finally:
            await link.close()

    return asyncio.run(ask())


def rate(kind: str, count: int, workers: int) -> tuple[float, float]:
    """(jobs a second, cores that the workers kept busy) of so many jobs that are there when the workers begin."""
    from apps.jobs import services
    from apps.jobs.models import Job

    Job.objects.all().delete()
    with ExitStack() as parts:
        pids = [parts.enter_context(stack.python("-m", "tests.bench.worker")).pid for _ in range(workers)]
        stack.until(lambda: waiting() >= workers, "the workers waiting")
        _signal(pids, signal.SIGSTOP)
        try:
            services.enqueue_many("scout", kind, [{"number": number} for number in range(count)])
            stack.until(lambda: not Job.objects.filter(published_at=None).exists(), "publishing")
        finally:
            _signal(pids, signal.SIGCONT)
        used = sum(map(stack.cpu, pids))
        stack.until(all_done, "the jobs", 300)
        seconds = seconds_of_work()
        return count / seconds, (sum(map(stack.cpu, pids)) - used) / seconds


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        os.kill(pid, number)


def picking_up() -> tuple[float, float]:
    """(milliseconds of processor time a job, percentage of one core in the busiest twentieth of all looks) of a worker that has
    nothing to do but a job now and then."""
    from apps.jobs import services

    with stack.python("-m", "tests.bench.worker") as worker:
        stack.until(lambda: waiting() >= 1, "the worker waiting")
        services.enqueue("scout", "noop", {})
        stack.until(all_done, "the first job")
        time.sleep(1)
        resting = _busy(worker.pid, lambda: None)
        busy = _busy(worker.pid, lambda: services.enqueue("scout", "noop", {}))
        stack.until(all_done, "the jobs")
    each = (sum(busy) - sum(resting)) * 1000 / PICKED
    return each, 100 * percentile(busy, 95) / LOOK


def _busy(pid: int, ask: Callable[[], object]) -> list[float]:
    """Seconds of processor time in each LOOK, while `ask` is called PICKED times."""
    looks, found = round(EVERY / LOOK), []
    began, before = time.monotonic(), _precisely(pid)
    for number in range(PICKED * looks):
        if number % looks == 0:
            ask()
        time.sleep(max(0.0, began + (number + 1) * LOOK - time.monotonic()))
        now = _precisely(pid)
        found.append(now - before)
        before = now
    return found


def _precisely(pid: int) -> float:
    """Seconds of processor time of all its threads, in nanoseconds where /proc/PID/stat counts hundredths (proc_pid_schedstat)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def measure() -> Iterator[Figure]:
    for kind, count in KINDS.items():
        rates: dict[int, list[float]] = {1: [], WORKERS: []}
        cores: dict[int, list[float]] = {1: [], WORKERS: []}
        for round_ in range(stack.ROUNDS):
            for workers in rates:
                progress(f"  round {round_ + 1}: {kind}, workers: {workers}")
                found, busy = rate(kind, count, workers)
                rates[workers].append(found)
                cores[workers].append(busy)
        what = "jobs that do nothing" if kind == "noop" else "jobs of 10 ms"
        bar = Bar(least=LINEAR) if kind == "names" else None
        yield Figure(
            f"{what}: {WORKERS} workers on {CORES} cores", "jobs/s", rates[WORKERS], "one worker", rates[1], bar
        )
        yield Figure(f"{what}: processor of one worker", "cores", cores[1], bar=at_most(1.1))
    progress("  a job now and then")
    picked = [picking_up() for _ in range(stack.ROUNDS)]
    often = f"a job every {EVERY * 1000:g} ms"
    yield Figure(f"{often}: processor", "ms a job", [each for each, _ in picked])
    yield Figure(
        f"{often}: of one core, in any {LOOK * 1000:g} ms, p95", "%", [peak for _, peak in picked], bar=at_most(80)
    )


def main() -> None:
    with stack.running():
        tell(measure())


if __name__ == "__main__":
    main()
