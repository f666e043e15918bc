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
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import psycopg

from tests.chaos import evidence, invariants, namespace, recording, report, schedule
from tests.chaos.faults import Faults
from tests.chaos.house import ADMIN_PASSWORD, House
from tests.chaos.invariants import Case
from tests.chaos.ledger import Ledger
from tests.chaos.people import Admin, Api, Contents, Person
from tests.chaos.probes import Probes
from tests.chaos.sockets import Reader
from tests.chaos.work import Client, Work

QUIET_WITHIN = (
    240.0  # seconds for everything that was accepted to end: a takeover, and a tracker asked again after a minute
)
SOCKETS_WITHIN = 15.0
FIRST_TELEGRAM_ID = 1000


@dataclass(frozen=True)
class Settings:
    """Seconds, but for `seed`, `people` and `disk_mib`. `gap` lies between the beginnings of two faults, `pause` between two
    operations of one person."""

    seed: int
    seconds: float
    gap: float = 7.0
    people: int = 5
    pause: float = 0.4
    hunter_lease: int = 20  # the product's own defaults
    job_lease: int = 30

    @property
    def disk_mib(self) -> int:
        return 256 + int(self.seconds)


@dataclass
class Run:
    """One run from beginning to end; `tell` gets what happens, line by line."""

    settings: Settings
    folder: Path
    able: set[schedule.Ability]
    tell: Callable[[str], None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        leases = (self.settings.hunter_lease, self.settings.job_lease)
        self.house = House(self.folder, self.able, leases, self.settings.disk_mib)
        self.ledger = Ledger(self.folder / "ledger.jsonl")

    async def all(self) -> report.Report:
        await self.house.start()
        self.tell("Sokoul is up.")
        self.api = Api(self.house.url("web"), self.ledger)
        self.contents = Contents(self.house.demo)
        await self._settle_in()
        before = evidence.processes(self.house)
        began = time.time()
        faults, probes = await self._break()
        await self._quieten()
        return await self._judge(faults, probes, before, began)

    async def _settle_in(self) -> None:
        """People with accounts and Telegram, sockets, and one of each operation, so that every program has warmed up."""
        seed = self.settings.seed
        names = [f"person{number}" for number in range(1, self.settings.people + 1)]
        self.people = [Person(self.api, name, self.contents, seed) for name in names]
        for number, person in enumerate(self.people):
            await person.settle_in()
            await person.link_telegram(FIRST_TELEGRAM_ID + number, self.house.demo)
        self.admin = Admin(self.api, "admin", self.contents, seed, ADMIN_PASSWORD)
        await self.admin.sign_in()
        address = self.house.url("web").replace("http", "ws", 1) + "/ws"
        self.readers = [Reader(p.name, address, lambda p=p: p.token) for p in (*self.people, self.people[0])]  # type: ignore[misc]
        self._reading = [asyncio.create_task(reader.read()) for reader in self.readers]
        self.client = Client(self.house.environment())
        await self.client.start()
        users = [person.user_id for person in self.people]
        self.work = Work(self.client, self.ledger, self.house.url("nats"), users)
        await self._warm_up()

    async def _warm_up(self) -> None:
        await self.work.warm_up()
        for person in self.people:
            await asyncio.gather(person.search(), person.wish_series(), person.read(), person.look_for_titles())
        await self._until_nothing_moves(QUIET_WITHIN)

    async def _break(self) -> tuple[Faults, Probes]:
        """The load, the probes, and in the midst of them the faults."""
        settings = self.settings
        probes = Probes(self.house, lambda: self.people[0].token)
        faults = Faults(self.house, settings.seed, self.tell)
        planned = schedule.make(
            settings.seed,
            settings.seconds,
            gap=settings.gap,
            lease=max(settings.hunter_lease, settings.job_lease),
            able=self.able,
        )
        async with asyncio.TaskGroup() as group:
            for live in (person.live(self.stop, settings.pause) for person in self.people):
                group.create_task(live)
            group.create_task(self.admin.live(self.stop, 5.0))
            group.create_task(self.work.do_nothing(self.stop))
            group.create_task(self.work.poison(self.stop))
            group.create_task(probes.run(self.stop))
            await faults.run(planned)
            self.tell("The faults are over.")
            self.ended = time.time()
            self.stop.set()
        return faults, probes

    async def _quieten(self) -> None:
        waited = time.monotonic()
        await self._until_nothing_moves(QUIET_WITHIN)
        self.tell(f"Nothing moves any more after {time.monotonic() - waited:.1f} s.")
        await self._until(self._sockets_are_there, SOCKETS_WITHIN)
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        await self.client.stop()
        await self.api.close()

    async def _until_nothing_moves(self, within: float) -> None:
        async def still() -> bool:
            if await evidence.unfinished(self.house.url("postgres")):
                return False
            streams, _ = await evidence.streams(self.house.url("nats"))
            return streams["JOBS"]["messages"] == 0 and not any(streams["JOBS"]["waiting"].values())

        await self._until(still, within)

    async def _sockets_are_there(self) -> bool:
        """Whether each was told everything that there is for it by now."""
        sql = """SELECT coalesce(max(id), 0) FROM events
            WHERE user_id IS NULL OR user_id = (SELECT id FROM users WHERE username = %s)"""
        async with await psycopg.AsyncConnection.connect(self.house.url("postgres")) as link:
            for reader in self.readers:
                found = await (await link.execute(sql, [reader.who])).fetchone()
                reader.end = found[0] if found else 0
        return all(reader.last >= reader.end for reader in self.readers)

    async def _until(self, condition: Callable[[], Awaitable[bool]], within: float) -> None:
        """Or until it is late: what is wrong then is the invariants' to say."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with suppress(Exception):
                if await condition():
                    return
            await asyncio.sleep(0.5)

    async def _judge(
        self, faults: Faults, probes: Probes, before: dict[str, Mapping[str, int]], began: float
    ) -> report.Report:
        seen = await evidence.look(self.house)
        case = Case(self.ledger.operations, faults.inflicted, seen, self.readers, before)
        (self.folder / "case.json").write_bytes(orjson.dumps(case, default=_written))
        times = report.times(case, probes, began, self.ended)
        violations = invariants.check(case)
        if times.violations:
            violations["recovers_in_time"] = times.violations
        settings = self.settings
        status = await self.house.stop()
        if status != 0:
            violations["stops_in_order"] = [f"`manage.py up` ended with status {status}"]
        left_out = schedule.left_out(self.able)
        return report.Report(
            settings.seed, settings.seconds / 60, os.getloadavg()[0], left_out, case, times, violations
        )


def _written(value: object) -> object:
    """What JSON does not know: sets as lists, functions by their name."""
    return sorted(value) if isinstance(value, set) else repr(value)


def perform(
    settings: Settings, able: set[schedule.Ability], tell: Callable[[str], None]
) -> tuple[report.Report, Path | None]:
    """A whole run; its report, and the folder that was kept where something was violated or broke."""
    folder = Path(tempfile.mkdtemp(prefix="sokoul-chaos-"))
    run = None
    try:
        run = Run(settings, folder, able, tell)
        found = asyncio.run(run.all())
    except BaseException:
        _keep(run, folder)
        sys.stderr.write(f"What there is lies in {folder}.\n")
        raise
    if found.violations:
        _keep(run, folder)
        return found, folder
    run.house.abandon()
    shutil.rmtree(folder, ignore_errors=True)
    return found, None


def _keep(run: Run | None, folder: Path) -> None:
    """The ledger and the logs stay, data and films go."""
    if run is None:
        return
    run.house.keep_logs(folder / "kept")
    run.house.abandon()
    for part in ("data", "media", "demo"):
        shutil.rmtree(folder / part, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description="Break Sokoul and see what is left.")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the schedule (default: the time)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of faults (default: 10)")
    options = parser.parse_args()
    namespace.enter("tests.chaos.run", sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    settings = Settings(options.seed, options.minutes * 60)
    began = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f}  {line}", flush=True)

    found, kept = perform(settings, namespace.prepare(), tell)
    print(f"\n{report.text(found)}")
    if os.environ.get("RECORD"):
        recording.add(found)
    if kept:
        sys.exit(f"Kept for you: {kept}")


if __name__ == "__main__":
    main()
