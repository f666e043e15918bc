"""The supervisor alone, with shell scripts for components."""

import asyncio
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from sokoul.stack import supervisor as module
from sokoul.stack.processes import started_at
from sokoul.stack.state import Part
from sokoul.stack.supervisor import PATIENCE, Component, Stage, Supervisor
from tests.waiting import until

PATIENT = dict.fromkeys(Stage, 20.0)
BRIEF = {stage: 20.0 if stage == Stage.SERVERS else 0.3 for stage in Stage}


class Watched(Supervisor):
    """Keeps what was said, what stack.json would say, and when each start was."""

    def __init__(self, folder: Path, patience: Mapping[Stage, float] = PATIENT) -> None:
        self.said: list[str] = []
        self.parts: Mapping[str, Part] = {}
        self.starts: list[float] = []
        super().__init__(folder / "logs", self.said.append, self.note, patience)

    def note(self, parts: Mapping[str, Part]) -> None:
        self.parts = parts
        self.starts.append(asyncio.get_running_loop().time())

    def run_script(self, name: str, script: str, stage: Stage = Stage.WORKERS) -> None:
        self.start(Component(name, ["/bin/sh", "-c", script], stage, os.environ, heed=lambda line: line or None))

    async def hears(self, text: str, times: int = 1) -> None:
        await asyncio.to_thread(until, lambda: sum(text in line for line in self.said) >= times, what=text)


def test_the_stop_takes_less_than_90_seconds_at_worst() -> None:
    assert sum(PATIENCE.values()) < 90


async def test_who_ignores_the_order_to_stop_is_ended_by_force_before_the_servers_go(tmp_path: Path) -> None:
    stack = Watched(tmp_path, BRIEF)
    stack.run_script("stubborn", "trap '' TERM; echo up; while :; do sleep 0.1; done")
    stack.run_script("server", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done", Stage.SERVERS)
    await stack.hears("up", times=2)
    pid = stack.parts["stubborn"]["pid"]
    await stack.stop()
    assert stack.said.index("stubborn does not stop in time and is ended by force") < stack.said.index("server: bye")
    assert pid is not None
    assert started_at(pid) is None


async def test_a_component_that_keeps_dying_is_started_ever_more_slowly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    stack = Watched(tmp_path)
    stack.run_script("fickle", "exit 3")
    await stack.hears("fickle ended with status 3; starting it again", times=5)
    await stack.stop()
    gaps = [later - earlier for earlier, later in pairwise(stack.starts)]
    assert gaps[3] >= 0.08


async def test_a_program_that_is_missing_is_said_and_tried_again(tmp_path: Path) -> None:
    stack = Watched(tmp_path)
    program = tmp_path / "late"
    stack.start(Component("late", [str(program)], Stage.WORKERS, os.environ, heed=lambda line: line))
    await stack.hears("late cannot be started")
    program.write_text("#!/bin/sh\necho here\nexec sleep 60\n")
    program.chmod(0o755)
    await stack.hears("late: here")
    await stack.stop()


async def test_the_children_of_a_dead_component_die_before_it_is_started_again(tmp_path: Path) -> None:
    stack = Watched(tmp_path)
    stack.run_script("parent", "sleep 60 & echo $!; wait")
    await stack.hears("parent: ")
    child = int(stack.said[0].removeprefix("parent: "))
    pid = stack.parts["parent"]["pid"]
    assert pid is not None
    os.kill(pid, 9)
    await stack.hears("parent was ended by SIGKILL")
    await asyncio.to_thread(until, lambda: started_at(child) is None, what="the child's end")
    await stack.stop()


async def test_output_is_logged_to_the_last_byte(tmp_path: Path) -> None:
    stack = Watched(tmp_path)
    stack.run_script("talker", "seq 1 20000; printf last; exit 1")
    await stack.hears("talker ended with status 1")
    await stack.stop()
    logged = (tmp_path / "logs" / "talker.log").read_text()
    assert logged.startswith("\n".join(map(str, range(1, 20001))) + "\nlast")
