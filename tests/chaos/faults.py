"""Doing what the schedule says, and undoing it, whatever happens meanwhile."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sokoul.stack.processes import started_at
from tests.chaos import namespace
from tests.chaos.house import House
from tests.chaos.network import Network
from tests.chaos.schedule import BACKEND, PROVIDERS, Fault, Kind

LOSS = 5  # percent of packets
LATENCY = 0.5  # seconds there and back
ALIVE_WITHIN = 15.0  # seconds that a victim may still be on its way back from its last death


@dataclass
class Inflicted:
    """A fault as it really was, in Unix seconds; `note` where it was not."""

    number: int
    kind: str
    target: str
    began: float
    ended: float = 0.0
    note: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.target}"

    @property
    def component(self) -> str:
        return self.target.partition(" ")[0]


class Faults:
    """`inflict(fault)` returns when the fault is over; `told` is called with each one as it begins."""

    def __init__(self, house: House, seed: int, told: Callable[[str], None]) -> None:
        self.inflicted: list[Inflicted] = []
        self._house, self._told = house, told
        self._dice = random.Random(seed)
        self._network = Network(house.ports()) if "network" in house.able else None

    async def run(self, schedule: list[Fault]) -> None:
        """All of them, each at its time."""
        began = asyncio.get_running_loop().time()

        async def at_its_time(fault: Fault) -> None:
            await asyncio.sleep(max(0.0, began + fault.at - asyncio.get_running_loop().time()))
            await self.inflict(fault)

        async with asyncio.TaskGroup() as group:
            for fault in schedule:
                group.create_task(at_its_time(fault))

    async def inflict(self, fault: Fault) -> None:
        done = Inflicted(fault.number, fault.kind, fault.target, time.time())
        self.inflicted.append(done)
        self._told(f"{fault.number:3} {fault}")
        try:
            async with self._way(fault.kind)(fault):
                await asyncio.sleep(fault.seconds)
        except _Nobody:
            done.note = "was not running"
            self._told(f"{fault.number:3} {fault}: {done.note}")
        finally:
            done.ended = time.time()

    def _way(self, kind: Kind) -> Callable[[Fault], AbstractAsyncContextManager[None]]:
        ways: dict[Kind, Callable[[Fault], AbstractAsyncContextManager[None]]] = {
            "kill": self._kill, "freeze": self._freeze, "restart": self._restart, "loss": self._lose,
            "partition": self._cut_off, "latency": self._slow_down, "dns": self._forget_names, "disk": self._fill,
            "logs": self._fill,
        }  # fmt: skip
        return ways[kind]

    async def _victim(self, target: str) -> int:
        """The process that is to be hit, once it is there."""
        deadline = time.monotonic() + ALIVE_WITHIN
        while (pid := self._house.pid(target)) is None or started_at(pid) is None:
            if time.monotonic() > deadline:
                raise _Nobody
            await asyncio.sleep(0.05)
        return pid

    @asynccontextmanager
    async def _kill(self, fault: Fault) -> AsyncIterator[None]:
        pid = await self._victim(fault.target.partition(" ")[0])
        if fault.target == BACKEND:
            pid = self._dice.choice(backends(pid) or [pid])
        _signal(pid, signal.SIGKILL)
        yield

    @asynccontextmanager
    async def _restart(self, fault: Fault) -> AsyncIterator[None]:
        pid = await self._victim(fault.target)
        _signal(pid, signal.SIGINT if fault.target == "postgres" else signal.SIGTERM)  # SIGTERM waits for its clients
        yield

    @asynccontextmanager
    async def _freeze(self, fault: Fault) -> AsyncIterator[None]:
        frozen = {pid: started_at(pid) for pid in family(await self._victim(fault.target))}
        for pid in frozen:
            _signal(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid, moment in reversed(frozen.items()):
                if moment is not None and started_at(pid) == moment:
                    _signal(pid, signal.SIGCONT)

    @asynccontextmanager
    async def _lose(self, fault: Fault) -> AsyncIterator[None]:
        assert self._network
        async with self._network.lossy(fault.target, LOSS):
            yield

    @asynccontextmanager
    async def _cut_off(self, fault: Fault) -> AsyncIterator[None]:
        assert self._network
        async with self._network.cut_off(fault.target):
            yield

    @asynccontextmanager
    async def _slow_down(self, fault: Fault) -> AsyncIterator[None]:
        if fault.target != PROVIDERS:
            assert self._network
            async with self._network.slow(fault.target, LATENCY):
                yield
            return
        demo = self._house.demo
        for provider in ("tmdb", "prowlarr", "torznab", "telegram", "tracker"):
            await asyncio.to_thread(demo.misbehave, provider, "delay", seconds=LATENCY)
        try:
            yield
        finally:
            await asyncio.to_thread(demo.behave)

    @asynccontextmanager
    async def _forget_names(self, _: Fault) -> AsyncIterator[None]:
        self._house.name_providers(known=False)
        try:
            yield
        finally:
            self._house.name_providers()

    @asynccontextmanager
    async def _fill(self, fault: Fault) -> AsyncIterator[None]:
        folder = self._house.media if fault.kind == "disk" else self._house.logs
        await _fill_up(folder)
        try:
            yield
        finally:
            namespace.resize(folder, self._house.sizes[folder])


class _Nobody(Exception):
    """The victim was not there to be hit."""


async def _fill_up(folder: Path) -> None:
    """Make the disk as small as what lies on it; who writes meanwhile makes it grow, then once more."""
    for more in range(50):
        room = os.statvfs(folder)
        used = (room.f_blocks - room.f_bfree) * room.f_frsize // 1024
        if namespace.resize(folder, used + 4 * more):
            return
        await asyncio.sleep(0.01)
    raise RuntimeError(f"{folder} could not be filled")


def family(pid: int) -> list[int]:
    """A process and everybody below it, parents first."""
    return [pid, *(member for child in children(pid) for member in family(child))]


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def backends(postmaster: int) -> list[int]:
    """The processes of PostgreSQL that serve the product's connections."""
    return [pid for pid in children(postmaster) if "sokoul_db" in _title(pid)]


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
