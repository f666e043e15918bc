"""The task layer beside bare nats-py, in the same run: `python -m tests.bench.jobs [NUMBER OF JOBS]`.

Starts servers of its own. Prints a line a figure: what, ours, bare nats-py's (the limit: file storage, every message
acknowledged twice, no database), and the bar of BENCHMARKS.md.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from uuid import UUID

from tests import servers  # sets the environment that everything below reads

ROOT = Path(__file__).parents[2]
RATE, SECONDS = 100, 10  # of the latency run: jobs a second, seconds


def main(count: int) -> None:
    for name in servers.SERVERS:
        servers.start(name)
    try:
        _prepare()
        _measure(count)
    finally:
        for server in servers.SERVERS.values():
            server.stop()


def _prepare() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from apps.jobs import broker

    call_command("migrate", verbosity=0)
    broker.call(broker.declare())


def _measure(count: int) -> None:
    from apps.jobs import services
    from apps.jobs.models import Job

    publish_limit, rate_limit, latency_limit = asyncio.run(_bare(count))
    idle = _idle_memory()
    began = time.perf_counter()
    services.enqueue_many("scout", "noop", [{"number": number} for number in range(count)])
    _line("enqueue, rows/s", count / (time.perf_counter() - began), None, ">= 10,000")
    _wait(lambda: not Job.objects.filter(published_at=None).exists())
    _line("enqueued and published, messages/s", count / (time.perf_counter() - began), publish_limit, ">= 4,000")
    worker = _worker()
    try:
        _wait(lambda: not Job.objects.exclude(status="Completed").exists())
        _line("claimed and completed, jobs/s", count / _seconds_of_work(), rate_limit, ">= 2,500")
        _line("worker's memory, idle, MB", idle, None, "< 200")
        _line(f"worker's peak with {count:,} queued, above idle, MB", _memory(worker, "VmHWM") - idle, None, "<= 50")
        percentiles = quantiles(_latencies(), n=100)
        _line(f"p50 of one job at {RATE}/s, ms", percentiles[49], None, "")
        _line(f"p95 of one job at {RATE}/s, ms", percentiles[94], latency_limit, "<= 4.4")
    finally:
        worker.terminate()
        worker.wait(60)


def _line(what: str, ours: float, limit: float | None, bar: str) -> None:
    peer = "" if limit is None else f"{limit:,.1f}"
    sys.stdout.write(f"{what:<55} {ours:>12,.1f} {peer:>12}  {bar}\n")
    sys.stdout.flush()


def _wait(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the benchmark does not get ahead")
        time.sleep(0.05)


# --- ours ---------------------------------------------------------------------------------------------------------------


def _worker() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "tests.bench.worker"], cwd=ROOT, stdout=subprocess.DEVNULL)


def _memory(process: "subprocess.Popen[bytes]", field: str) -> float:
    """MB of VmRSS (now) or VmHWM (the peak)."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def _idle_memory() -> float:
    from apps.jobs import services
    from apps.jobs.models import Job

    worker = _worker()
    services.enqueue("scout", "noop", {})
    _wait(lambda: not Job.objects.exclude(status="Completed").exists())
    idle = _memory(worker, "VmRSS")
    worker.terminate()
    worker.wait(60)
    Job.objects.all().delete()
    return idle


def _seconds_of_work() -> float:
    from django.db.models import Max, Min

    from apps.jobs.models import Job

    span = Job.objects.aggregate(first=Min("started_at"), last=Max("finished_at"))
    return float((span["last"] - span["first"]).total_seconds())


def _latencies() -> list[float]:
    """Milliseconds from before the row is written until it says Completed, open loop."""
    from apps.jobs import services
    from apps.jobs.models import Job

    asked: dict[UUID, float] = {}
    began = time.time()
    for number in range(RATE * SECONDS):
        time.sleep(max(0.0, began + number / RATE - time.time()))
        at = time.time()
        asked[services.enqueue("scout", "noop", {}).pk] = at
    _wait(lambda: not Job.objects.exclude(status="Completed").exists())
    rows = Job.objects.filter(pk__in=list(asked)).values_list("pk", "finished_at")
    return [(finished.timestamp() - asked[pk]) * 1000 for pk, finished in rows if finished]


# --- bare nats-py -------------------------------------------------------------------------------------------------------


async def _bare(count: int) -> tuple[float, float, float]:
    """Messages published a second, fetched and acknowledged twice a second, and the p95 of one at RATE, in ms."""
    import nats

    from sokoul.env import ENV

    client = await nats.connect(ENV.nats_url)
    stream = client.jetstream()
    await stream.add_stream(name="BARE", subjects=["bare"], retention="workqueue")
    began = time.perf_counter()
    for _ in range(0, count, 200):
        await asyncio.gather(*(stream.publish("bare", b"{}" * 100) for _ in range(200)))
    publishing = time.perf_counter() - began
    subscription = await stream.pull_subscribe("bare", durable="bare")
    began, done = time.perf_counter(), 0
    while done < count:
        messages = await subscription.fetch(100, timeout=2)
        await asyncio.gather(*(message.ack_sync() for message in messages))
        done += len(messages)
    working = time.perf_counter() - began
    latency = await _bare_latency(stream, subscription)
    await stream.delete_stream("BARE")
    await client.close()
    return count / publishing, count / working, latency


async def _bare_latency(stream: object, subscription: object) -> float:
    import nats.js

    assert isinstance(stream, nats.js.JetStreamContext)
    assert isinstance(subscription, nats.js.JetStreamContext.PullSubscription)
    latencies: list[float] = []

    async def consume() -> None:
        while len(latencies) < RATE * SECONDS:
            [message] = await subscription.fetch(1, timeout=5)
            await message.ack_sync()
            latencies.append((time.time() - float(message.data)) * 1000)

    consuming = asyncio.create_task(consume())
    began = time.time()
    for number in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, began + number / RATE - time.time()))
        await stream.publish("bare", str(time.time()).encode())
    await consuming
    return quantiles(latencies, n=100)[94]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
