"""`make soak [MINUTES=10]`: the load of `make chaos` and no fault, while what every process holds is sampled every few seconds.

Growth is what the median of the last fifth has more than that of the first fifth after the warm-up. Exit status 0 means that
none is above the bar. With RECORD=1 in the environment the table goes to docs/reliability.md.
"""

import argparse
import asyncio
import csv
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from tests.chaos import evidence, namespace, recording
from tests.chaos.life import Life, Settings
from tests.chaos.report import table
from tests.chaos.run import perform, teller
from tests.chaos.schedule import SECOND_HUNTER

EVERY = 5.0  # seconds between samples
WARM_UP = 0.2  # of the whole time: caches, pools and threads come to their size
BAR = 5.0  # percent
FEW = 3  # descriptors, connections, threads or tasks more are chance and no growth
WHAT = ("memory", "connections", "descriptors", "threads", "tasks")
PROGRAMS = ("web", "scout", "hunter", "bot", "relay")
CONNECTIONS = "SELECT application_name, count(*) FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1"


@dataclass(frozen=True)
class Sample:
    """`value` of `what` that a component held, so many seconds after the beginning. Memory in KiB."""

    at: float
    component: str
    what: str
    value: float


@dataclass(frozen=True)
class Growth:
    component: str
    what: str
    first: float
    last: float

    @property
    def percent(self) -> float:
        return 100 * (self.last - self.first) / self.first if self.first else 0.0

    @property
    def holds(self) -> bool:
        return self.percent <= BAR or (self.what != "memory" and self.last - self.first <= FEW)


def growths(samples: list[Sample]) -> list[Growth]:
    """One for each component and what it holds, in the order of the first samples."""
    series: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        series.setdefault((sample.component, sample.what), []).append(sample)
    found = []
    for (component, what), taken in series.items():
        warm = taken[int(len(taken) * WARM_UP) :]
        fifth = max(1, len(warm) // 5)
        first, last = (median(sample.value for sample in part) for part in (warm[:fifth], warm[-fifth:]))
        found.append(Growth(component, what, first, last))
    return found


async def soaked(life: Life, samples: Path) -> list[Growth]:
    await life.begin()
    taken: list[Sample] = []
    began = time.monotonic()
    with samples.open("w", newline="") as file:
        written = csv.writer(file)
        written.writerow(("seconds", "component", "what", "value"))
        async with life.going_on():
            while (at := time.monotonic() - began) < life.settings.seconds:
                new = await _look(life, at)
                written.writerows((f"{s.at:.1f}", s.component, s.what, f"{s.value:g}") for s in new)
                taken += new
                await asyncio.sleep(EVERY)
    await life.quieten()
    await life.house.stop()
    return growths(taken)


async def _look(life: Life, at: float) -> list[Sample]:
    held = await evidence.processes(life.house)
    found = [Sample(at, name, what, value) for name, facts in held.items() for what, value in facts.items()]
    connections = await _connections(life)
    return found + [Sample(at, name, "connections", connections.get(name, 0)) for name in PROGRAMS]


async def _connections(life: Life) -> Mapping[str, float]:
    """Both hunters are one application."""
    async with await psycopg.AsyncConnection.connect(life.house.url("postgres")) as link:
        rows = await (await link.execute(CONNECTIONS)).fetchall()
    return {str(name).removeprefix("sokoul-"): float(count) for name, count in rows}


def drawn(found: list[Growth]) -> str:
    """One row a component, one column for each thing that it holds: what it held after the warm-up, and by how much that grew."""
    cells = {(growth.component, growth.what): _cell(growth) for growth in found}
    components = [
        name for name in (*PROGRAMS, SECOND_HUNTER, "postgres", "valkey", "nats") if (name, "memory") in cells
    ]
    head = ("component", "memory, MiB", *WHAT[1:])
    return table(head, [(name, *(cells.get((name, what), "") for what in WHAT)) for name in components])


def _cell(growth: Growth) -> str:
    first = f"{growth.first / 1024:.0f}" if growth.what == "memory" else f"{growth.first:g}"
    return f"{first} {growth.percent:+.1f} %{'' if growth.holds else ' MISS'}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.soak", description="Use Sokoul for long and see what grows."
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of load (default: 10)")
    parser.add_argument("--samples", type=Path, default=Path("soak.csv"), help="where they go (default: soak.csv)")
    options = parser.parse_args()
    namespace.enter("tests.chaos.soak", sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    settings = Settings(seed=1, seconds=options.minutes * 60)
    found, kept = perform(
        settings, lambda life: soaked(life, options.samples), lambda found: all(one.holds for one in found), teller()
    )
    text = f"{options.minutes:g} minutes, load {os.getloadavg()[0]:.1f} at the end; the bar is {BAR:g} %.\n\n{drawn(found)}\n"
    print(f"\n{text}\nThe samples are in {options.samples}.")
    if os.environ.get("RECORD"):
        recording.keep_soak(text)
    if kept:
        sys.exit(f"Something grows. Kept for you: {kept}")


if __name__ == "__main__":
    main()
