"""A minute of `make chaos`: every component is killed, frozen or restarted once, and every invariant holds afterwards."""

import re
import subprocess
import sys

import pytest

from tests.chaos.run import SMOKE
from tests.chaos.schedule import PROGRAMS, SERVERS
from tests.up import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]


def test_whatever_dies_nothing_is_lost() -> None:
    command = [sys.executable, "-m", "tests.chaos.run", "--smoke"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    hit = re.findall(
        r"^ *[0-9.]+ +[0-9]+ (?:kill|freeze|restart|loss|partition|latency|dns|disk|logs) ([\w-]+)", said, re.MULTILINE
    )
    assert len(hit) >= 10, f"seed {SMOKE.seed}: {said}"
    assert {*SERVERS, *PROGRAMS} <= set(hit), said
    assert "Lost: 0. Duplicated effects: 0. Stranded: 0." in said
