"""`make down`: stop the stack of this DATA_DIR from anywhere, for instance when its terminal is gone."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from sokoul.env import gather
from sokoul.stack.state import Installation

WITHIN = 95.0  # `up` itself takes 90 s at most


def main() -> int:
    installation = Installation(Path(gather(generated=False).get("DATA_DIR") or "var").expanduser())
    if not installation.is_locked():
        sys.stdout.write(f"Sokoul is not running in {installation.data_dir}.\n")
        return 0
    deadline = time.monotonic() + WITHIN
    asked: int | None = None
    while installation.is_locked():
        if (pid := installation.holder()) != asked and pid:
            asked = pid
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if time.monotonic() > deadline:
            sys.stderr.write(f"Sokoul (process {asked}) does not stop. Look at {installation.data_dir / 'logs'}.\n")
            return 1
        time.sleep(0.1)
    sys.stdout.write(f"Sokoul in {installation.data_dir} has stopped.\n")
    return 0
