"""Many jobs of people's at once (the plan's chapter 6.3): a hundred searches for releases, by the scout at the demo's indexers, and
a thousand downloads that are started, by the hunter, who then holds a thousand torrents that nobody seeds.

What ten thousand jobs do to a queue is `jobs`' to say. A job that failed, or that was tried twice, breaks the run.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from sokoul.stack.processes import free_port
from tests import servers
from tests.bench import stack
from tests.bench.report import Figure, at_most, progress, tell
from tests.bench.starting import EACH, magnet
from tests.demo import Demo

SEARCHES = 100
DOWNLOADS = int(os.environ.get("DOWNLOADS") or 1_000)
QUIET = 10.0  # seconds
ROUNDS = min(stack.ROUNDS, 2)  # of the downloads, which take longest


# --- searches -----------------------------------------------------------------------------------------------------------


def searched(demo: Demo) -> float:
    """Seconds from the first request until the last of SEARCHES searches has ended, each with releases."""
    from apps.downloads import search
    from apps.jobs.models import Job
    from sokoul.demo.catalogue import TITLES

    names = [title.names()[0] for title in TITLES if title.kind == "movie" and len(title.names()[0]) > 4]
    Job.objects.all().delete()
    with stack.manage("scout", **demo.env()):
        _wait_for("scout")
        began = time.time()
        for number in range(SEARCHES):
            search.request_search(None, query=names[number % len(names)])
        stack.until(lambda: _is_over("search"), "the searches", 300)
    results = _completed("search", SEARCHES)
    if not any(found["accepted"] for found, _ in results):
        raise RuntimeError("searches that found nothing")
    return max(at.timestamp() for _, at in results) - began


# --- downloads ----------------------------------------------------------------------------------------------------------


def held(folder: Path) -> dict[str, float]:
    """What DOWNLOADS starts at once are to a hunter: seconds until their jobs are done, its memory, its processor afterwards."""
    from apps.downloads.models import Download
    from apps.jobs.models import Job

    Download.objects.all().delete()
    Job.objects.all().delete()
    own = {"DATA_DIR": str(folder), "TORRENT_LISTEN_INTERFACES": f"127.0.0.1:{free_port()}"}
    with stack.manage("hunter", **own) as hunter:
        _wait_for("hunter")
        before = stack.memory(hunter.pid)
        began = time.time()
        _start()
        stack.until(lambda: _is_over("start"), "the jobs of the downloads", 300)
        ended = max(at.timestamp() for _, at in _completed("start", DOWNLOADS))
        held = Download.objects.exclude(hunter="").filter(phase="metadata")
        stack.until(lambda: held.count() == DOWNLOADS, "the hunter holding all of them", 300)
        used, at = stack.cpu(hunter.pid), time.perf_counter()
        later = _noop_seconds("hunter")
        time.sleep(QUIET)
        quiet = 100 * (stack.cpu(hunter.pid) - used) / (time.perf_counter() - at)
        return {
            "seconds": ended - began, "memory": stack.memory(hunter.pid, "VmHWM"), "before": before, "quiet": quiet,
            "later": later * 1000,
        }  # fmt: skip


def _start() -> None:
    from apps.downloads import services
    from tests.factories import make_user
    from tests.wishes import make_media

    titles = [make_media(f"Title {number}", time.time_ns() % 10**9 + number) for number in range(EACH)]
    for _ in range(DOWNLOADS // EACH):
        user = make_user()
        for title in titles:
            services.start(user.pk, title.pk, magnet=magnet())


def _noop_seconds(worker: str) -> float:
    """How long the next job waits."""
    from apps.jobs import services

    began = time.perf_counter()
    services.enqueue(worker, "noop", {})
    stack.until(lambda: _is_over("noop"), "one more job")
    return time.perf_counter() - began


def _wait_for(worker: str) -> None:
    _noop_seconds(worker)


def _is_over(kind: str) -> bool:
    from apps.jobs.models import Job

    return not Job.objects.filter(kind=kind, status__in=["Pending", "Running"]).exists()


def _completed(kind: str, count: int) -> list[tuple[dict[str, Any], datetime]]:
    """(result, end) of each job; RuntimeError where one failed or had to be tried again."""
    from apps.jobs.models import Job

    rows = Job.objects.filter(kind=kind).values_list("status", "attempts", "error", "result", "finished_at")
    if faults := [row[:3] for row in rows if row[:2] != ("Completed", 1)]:
        raise RuntimeError(f"{len(faults)} of {len(rows)} jobs, as {faults[0]}")
    if len(rows) != count:
        raise RuntimeError(f"{len(rows)} jobs and not {count}")
    return [(result, finished) for *_, result, finished in rows if finished]


def measure(demo: Demo, folder: Path) -> Iterator[Figure]:
    seconds = []
    for round_ in range(stack.ROUNDS):
        progress(f"  round {round_ + 1}: {SEARCHES} searches")
        seconds.append(searched(demo))
    yield Figure(f"{SEARCHES} searches for releases at once: all done", "s", seconds, bar=at_most(30))
    found = []
    for round_ in range(ROUNDS):
        progress(f"  round {round_ + 1}: {DOWNLOADS:,} downloads")
        found.append(held(Path(tempfile.mkdtemp(dir=folder))))
    samples = {name: [one[name] for one in found] for name in found[0]}
    what = f"{DOWNLOADS:,} downloads started"
    yield Figure(f"{what}: all with the hunter's jobs done", "s", samples["seconds"])
    yield Figure(f"{what}: the next job's time", "ms", samples["later"])
    yield Figure(
        f"{what}: the hunter's peak ({median(samples['before']):.0f} MB before)",
        "MB",
        samples["memory"],
        bar=at_most(1000),
    )
    yield Figure(f"{what}: the hunter's processor, nobody seeding", "% of a core", samples["quiet"], bar=at_most(10))


def main() -> None:
    with stack.running(), tempfile.TemporaryDirectory(dir=servers.FOLDER) as name:
        demo = Demo(Path(name) / "demo")
        try:
            tell(measure(demo, Path(name)))
        finally:
            demo.close()


if __name__ == "__main__":
    main()
