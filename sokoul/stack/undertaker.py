"""Ends what is left of a stack whose supervisor was killed: what was frozen then, and children of children.

The kernel's parent-death signal (see `processes`) ends every ordinary child. This process waits on a pipe that only the
supervisor holds open, and kills whoever still carries the stack's mark, or works in a server's folder.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sokoul.stack.processes import kill_leftovers

MARK = "SOKOUL_STACK"
_WITHIN = 10.0


class Undertaker:
    """Started before the first child. Give `mark` to every child's environment; `dismiss()` when all have stopped."""

    def __init__(self, servers: Mapping[str, Path]) -> None:
        """`servers`: program to working folder; PostgreSQL overwrites its environment and would not be found by it."""
        self.mark = {MARK: secrets.token_hex(16)}
        places = [f"{program}={folder.resolve()}" for program, folder in servers.items()]
        command = [sys.executable, "-m", "sokoul.stack.undertaker", self.mark[MARK], *places]
        root = str(Path(__file__).parent.parent.parent)
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            env={**os.environ, "PYTHONPATH": root},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _marked(mark: bytes) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


def main() -> None:
    token, *places = sys.argv[1:]
    sys.stdin.buffer.read()  # until nobody holds the other end
    deadline = time.monotonic() + _WITHIN
    while (left := _marked(f"{MARK}={token}".encode())) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    for place in places:
        program, _, folder = place.partition("=")
        kill_leftovers(program, Path(folder))


if __name__ == "__main__":
    main()
