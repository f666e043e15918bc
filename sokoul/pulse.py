"""Does this process still turn? Its main loops touch a file each, and `python -m sokoul.pulse hunter` looks how old those are.

For supervisors that cannot ask a worker over HTTP: the health checks of containers. It says nothing of the servers behind, on
purpose: a worker that waits for the database is well, and comes back by itself when the database does.
"""

import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from sokoul import component
from sokoul.env import ENV

EVERY = 5.0  # seconds between touches, at least
STALE = 60.0 + ENV.job_lease  # seconds; workers beat three times a lease
LITTER = 86_400.0  # seconds after which the file of a container that is gone is removed
WORKERS = ("scout", "hunter", "bot", "relay")
FOLDER = ENV.data_dir.absolute() / "run" / "pulse"
_last: dict[str, float] = {}


def beat(part: str) -> None:
    """Called by a loop each time it comes round. A full disk is no reason to stop; commands leave no trace."""
    now = time.monotonic()
    if not component.IS_COMPONENT or now < _last.get(part, -EVERY) + EVERY:
        return
    with suppress(OSError):
        if part not in _last:
            FOLDER.mkdir(parents=True, exist_ok=True)
            _tidy()
        (FOLDER / f"{_mark(component.NAME)}{part}").touch()
    _last[part] = now


def ages(name: str) -> dict[str, float]:
    """{part: seconds since it last turned} of the component of that name on this host."""
    mark = _mark(name)
    files = FOLDER.glob(f"{mark}*")
    return {file.name.removeprefix(mark): time.time() - file.stat().st_mtime for file in files}


def _mark(name: str) -> str:
    """A container's host name is its own, so that several on one volume are told apart."""
    return f"{socket.gethostname()}-{name}-"


def _tidy() -> None:
    for file in FOLDER.iterdir():
        if time.time() - file.stat().st_mtime > LITTER:
            file.unlink(missing_ok=True)


def main(arguments: Sequence[str]) -> int:
    """Exit status 0: every loop turned lately; 1: one has not, or none has begun; 2: asked wrongly."""
    if len(arguments) != 1 or arguments[0] not in WORKERS:
        sys.stderr.write(f"Name one of {', '.join(WORKERS)}: python -m sokoul.pulse hunter\n")
        return 2
    found = ages(arguments[0])
    late = [part for part, age in found.items() if age > STALE]
    told = f"no pulse of {arguments[0]} on this host yet" if not found else f"stands still: {', '.join(late)}"
    sys.stdout.write(f"{told}\n" if late or not found else "ok\n")
    return 1 if late or not found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
