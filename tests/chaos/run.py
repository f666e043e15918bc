"""`make chaos [SEED=n] [MINUTES=m]`: break a running Sokoul by a seeded schedule while people use it, then check what is left.

Exit status 0 means that every invariant held. Otherwise the ledger and the logs are kept, and the last line says where.
With RECORD=1 in the environment a row of figures is added to docs/reliability.md.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import orjson

from tests.chaos import evidence, invariants, namespace, recording, report, schedule
from tests.chaos.faults import Faults
from tests.chaos.invariants import Case
from tests.chaos.life import Life, Settings
from tests.chaos.probes import Probes

T = TypeVar("T")
Tell = Callable[[str], None]
SMOKE = Settings(  # for `make test`
    seed=1, seconds=22, gap=1.7, people=3, films=2, timed=False, linked=False, hunter_lease=6, job_lease=8
)


async def broken(life: Life) -> report.Report:
    """One run from beginning to end."""
    await life.begin()
    before = await evidence.processes(life.house)
    began = time.time()
    settings = life.settings
    lease = max(settings.hunter_lease, settings.job_lease)
    planned = schedule.make(settings.seed, settings.seconds, gap=settings.gap, lease=lease, able=life.able)
    probes = Probes(life.house, lambda: life.people[0].token)
    faults = Faults(life.house, settings.seed, life.tell)
    async with life.going_on():
        probing = asyncio.create_task(probes.run(life.stop))
        await faults.run(planned)
        life.tell("The faults are over.")
        ended = time.time()
    await probing
    await life.quieten()
    case = Case(life.ledger.operations, faults.inflicted, await evidence.look(life.house), life.readers, before)
    known = {"case": case, "answered": probes.successes}
    (life.folder / "case.json").write_bytes(orjson.dumps(known, default=_written))
    return await _judged(life, case, report.times(case, probes, began, ended))


async def _judged(life: Life, case: Case, times: report.Times) -> report.Report:
    violations = invariants.check(case)
    if life.settings.timed and times.violations:
        violations["recovers_in_time"] = times.violations
    began = time.monotonic()
    status = await life.house.stop()
    life.tell(f"Stopped in order, in {time.monotonic() - began:.1f} s.")
    if status != 0:
        violations["stops_in_order"] = [f"`manage.py up` ended with status {status}"]
    left_out, load = schedule.left_out(life.able), os.getloadavg()[0]
    return report.Report(life.settings.seed, life.settings.seconds / 60, load, left_out, case, times, violations)


def _written(value: object) -> object:
    """What JSON does not know: sets as lists, functions by their name."""
    return sorted(value) if isinstance(value, set) else repr(value)


def perform(
    settings: Settings, work: Callable[[Life], Awaitable[T]], well: Callable[[T], bool], tell: Tell
) -> tuple[T, Path | None]:
    """A life of its own, and the work on it. Gives what came out, and the folder that was kept where it was not well."""
    folder = Path(tempfile.mkdtemp(prefix="sokoul-chaos-"))
    lives: list[Life] = []

    async def whole() -> T:
        lives.append(Life(settings, folder, namespace.prepare(), tell))
        return await work(lives[0])

    try:
        found = asyncio.run(whole())
    except BaseException:
        _keep(lives, folder)
        sys.stderr.write(f"What there is lies in {folder}.\n")
        raise
    if not well(found):
        _keep(lives, folder)
        return found, folder
    lives[0].house.abandon()
    shutil.rmtree(folder, ignore_errors=True)
    return found, None


def _keep(lives: list[Life], folder: Path) -> None:
    """The ledger and the logs stay, data and films go."""
    for life in lives:
        life.house.keep_logs(folder / "kept")
        life.house.abandon()
    for part in () if os.environ.get("KEEP") else ("data", "media", "demo"):
        shutil.rmtree(folder / part, ignore_errors=True)


def teller() -> Tell:
    began = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f}  {line}", flush=True)

    return tell


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description="Break Sokoul and see what is left.")
    parser.add_argument("--seed", type=int, help="of the schedule (default: the time)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of faults (default: 10)")
    parser.add_argument("--smoke", action="store_true", help="the least of everything, in a minute and a half")
    options = parser.parse_args()
    namespace.enter("tests.chaos.run", sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = int(time.time()) if options.seed is None else options.seed
    settings = (
        replace(SMOKE, seed=options.seed or SMOKE.seed) if options.smoke else Settings(seed, options.minutes * 60)
    )
    found, kept = perform(settings, broken, lambda found: not found.violations, teller())
    print(f"\n{report.text(found)}")
    if os.environ.get("RECORD"):
        recording.add(found)
    if kept:
        sys.exit(f"Kept for you: {kept}")


if __name__ == "__main__":
    main()
