"""Child processes: started, logged, started again when they die, and stopped in order.

A component that is merely frozen is left alone: only the end of a process counts. Everything here runs on the event loop
of the main thread, because the kernel ends the children together with the thread that spawned them.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from sokoul.stack.logfile import LogFile
from sokoul.stack.processes import spawn
from sokoul.stack.state import Part

FIRST_PAUSE = 0.25  # seconds before a dead component is started again, doubled at each death
LONGEST_PAUSE = 15.0
STEADY = 30.0  # seconds alive after which a death counts as the first again
LONGEST_LINE = 65536


class Stage(IntEnum):
    """The order of the stop: nobody's helper goes before him."""

    WEB = 0
    WORKERS = 1
    RELAY = 2
    DEMO = 3
    SERVERS = 4


# Seconds that each stage is waited for: 90 together, with room to spare. A web process or worker that is not done by then
# goes on beside the next stages; whoever is left after the relay's is killed.
PATIENCE: Mapping[Stage, float] = {
    Stage.WEB: 15,
    Stage.WORKERS: 50,
    Stage.RELAY: 5,
    Stage.DEMO: 5,
    Stage.SERVERS: 12,
}


def nothing() -> None:
    """For a component that leaves nothing behind."""


def no_line(_line: str) -> str | None:
    """For a component whose output only goes to its log."""
    return None


@dataclass(frozen=True)
class Component:
    """What to run, and how."""

    name: str
    command: Sequence[str]
    stage: Stage
    environment: Mapping[str, str]
    url: str | None = None
    folder: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    clear: Callable[[], None] = nothing  # before each start and after the stop: what a dead one left
    heed: Callable[[str], str | None] = no_line  # what people should see of one line of its output


class Child:
    """One component's process, from its start to the stop of the stack, through any number of deaths."""

    def __init__(self, component: Component, log: LogFile, tell: Callable[[str], None]) -> None:
        self.component = component
        self.process: subprocess.Popen[bytes] | None = None
        self._log = log
        self._tell = tell
        self._stopping = asyncio.Event()
        self._unfinished = b""

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    async def keep(self, started: Callable[[], None]) -> None:
        """Run the component until `terminate()`; calls `started` after every start."""
        pause = FIRST_PAUSE
        self._log.write(b"")  # so that there is a log to look for, also of those who have nothing to say
        while not self._stopping.is_set():
            self.component.clear()
            begun = time.monotonic()
            reason = self._spawn()
            started()
            reason = reason or await self._ended()
            if self._stopping.is_set():
                break
            pause = FIRST_PAUSE if time.monotonic() - begun > STEADY else pause
            self._tell(f"{self.component.name} {reason}; starting it again. Its log: {self._log.path}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        self.component.clear()
        self._log.close()

    def terminate(self) -> None:
        """Ask it to stop, and wake it if it is frozen, so that it can."""
        self._stopping.set()
        if self.process:
            self.process.send_signal(self.component.stop_signal)
            self._signal_group(signal.SIGCONT)

    def kill(self) -> None:
        self._stopping.set()
        self._signal_group(signal.SIGKILL)

    def _spawn(self) -> str | None:
        """Start the process; gives the reason if that is impossible."""
        wanted = self.component
        try:
            self.process = spawn(
                wanted.command, wanted.environment, wanted.death_signal, subprocess.PIPE, wanted.folder
            )
        except OSError as error:
            return f"cannot be started ({error})"
        return None

    async def _ended(self) -> str:
        """Log its output until the process ends; gives the reason in words."""
        process = self.process
        assert process is not None
        assert process.stdout is not None
        loop = asyncio.get_running_loop()
        output = process.stdout.fileno()
        os.set_blocking(output, False)
        loop.add_reader(output, self._read, output)
        descriptor = os.pidfd_open(process.pid)
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            loop.remove_reader(output)
        self._read(output)  # a grandchild may hold the pipe open: its last words are what is there now
        process.stdout.close()
        self._signal_group(signal.SIGKILL)  # its own children, before its number is free for others
        self.process = None
        return _in_words(process.wait())

    def _read(self, output: int) -> None:
        while True:
            try:
                data = os.read(output, LONGEST_LINE)
            except BlockingIOError:
                return
            if not data:
                asyncio.get_running_loop().remove_reader(output)
                return
            self._log.write(data)
            *lines, self._unfinished = (self._unfinished + data).split(b"\n")
            self._unfinished = self._unfinished[-LONGEST_LINE:]
            for line in lines:
                if text := self.component.heed(line.decode(errors="replace")):
                    self._tell(f"{self.component.name}: {text}")

    def _signal_group(self, wanted: signal.Signals) -> None:
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, wanted)


def _in_words(status: int) -> str:
    return f"ended with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"


class Supervisor:
    """All children of one stack. `changed` is called after every start with what stack.json should say."""

    def __init__(
        self,
        logs: Path,
        tell: Callable[[str], None],
        changed: Callable[[Mapping[str, Part]], None],
        patience: Mapping[Stage, float] = PATIENCE,
    ) -> None:
        self.children: dict[str, Child] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._logs = logs
        self._tell = tell
        self._changed = changed
        self._patience = patience

    def start(self, component: Component) -> Child:
        child = Child(component, LogFile(self._logs / f"{component.name}.log"), self._tell)
        self.children[component.name] = child
        self.tasks[component.name] = asyncio.create_task(child.keep(self._report), name=component.name)
        return child

    async def stop(self) -> None:
        """End everything, stage by stage; by force what does not end in time."""
        for stage in Stage:
            members = [child for child in self.children.values() if child.component.stage == stage]
            for child in members:
                child.terminate()
            if left := self._left(stage):
                await asyncio.wait([self.tasks[name] for name in left], timeout=self._patience[stage])
            if stage >= Stage.RELAY:  # whoever uses the demo and the servers must be gone before they stop
                await self._kill(self._left(stage))

    def _left(self, stage: Stage) -> list[str]:
        """Who belongs to this stage or an earlier one and still runs."""
        return [
            name
            for name, task in self.tasks.items()
            if not task.done() and self.children[name].component.stage <= stage
        ]

    async def _kill(self, left: list[str]) -> None:
        for name in left:
            self._tell(f"{name} does not stop in time and is ended by force")
            self.children[name].kill()
        if left:
            await asyncio.wait([self.tasks[name] for name in left])

    def _report(self) -> None:
        self._changed({name: {"pid": child.pid, "url": child.component.url} for name, child in self.children.items()})
