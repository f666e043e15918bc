"""Where the processes of one installation put their numbers, so that any web process can tell them all.

Every component has files of its own in one folder (prometheus_client's multiprocess mode), named by its component and by
nothing that another process, or another container on the same folder, could have too. It holds a lock on `<name>.lock` for as
long as it lives: who can take that lock knows it is dead, adds its counters to those of the dead and removes its files. So
no counter ever goes back, and no gauge outlives its process.
"""

import fcntl
import os
import secrets
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own
RESERVED = 256 * 1024  # bytes of a file to begin with
ADDED_UP = ("counter", "histogram")
GAUGES = ("gauge_livesum", "gauge_livemax")
DEAD = "dead"
PATIENCE = 1.0  # seconds
_held: list[int] = []  # descriptors of the locks of this process


class Reserved(MmapedDict):
    """A file whose blocks exist before they are written: in a sparse one, a full disk would be a SIGBUS.

    What does not fit any more on a full disk is not counted.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            reserve(Path(filename))
        super().__init__(filename, read_mode)

    def _init_value(self, key: str) -> None:
        needed = self._used + 4 * len(key) + 64  # more than it can take, in UTF-8 and padded
        capacity = self._capacity
        while needed > capacity:
            os.posix_fallocate(self._f.fileno(), capacity, capacity)
            capacity *= 2
        super()._init_value(key)

    def read_value(self, key: str) -> tuple[float, float]:
        try:
            found: tuple[float, float] = super().read_value(key)
        except OSError:
            return 0.0, 0.0
        return found

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        with suppress(OSError):
            super().write_value(key, value, timestamp)


def reserve(path: Path) -> None:
    """Make the file, with room, where it is missing. Raises OSError where there is none."""
    with path.open("ab") as file:
        if not file.tell():
            os.posix_fallocate(file.fileno(), 0, RESERVED)


def join(component: str, folder: Path) -> bool:
    """From now on the numbers of this process go to `folder`; to be called before the first metric is made.

    False where there is no room for them.
    """
    name = f"{component}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in (*ADDED_UP, *GAUGES):
            reserve(folder / f"{kind}_{name}.db")
        _hold(folder / f"{name}.lock")
    except OSError:
        for file in folder.glob(f"*{name}.*"):
            file.unlink(missing_ok=True)
        return False
    os.environ[VARIABLE] = str(folder)
    values.MmapedDict = Reserved  # type: ignore[attr-defined]
    values.ValueClass = values.MultiProcessValue(lambda: name)
    return True


def stay_alone() -> None:
    """The numbers of this process are its own, whatever the environment says."""
    os.environ.pop(VARIABLE, None)
    values.ValueClass = values.MutexValue


def _hold(path: Path) -> None:
    """Locked before it has its name: nobody ever finds it free."""
    draft = path.with_suffix(".draft")
    lock = os.open(draft, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    draft.rename(path)
    _held.append(lock)


def read(folder: Path) -> list[Metric]:
    """The numbers of all living processes, with the counters of the dead. A broken file is left out."""
    with _alone(folder) as alone:
        if alone:
            _bury(folder)
        files = sorted(folder.glob("*.db"))
        try:
            return _merged(files)
        except (RuntimeError, ValueError, struct.error):
            return _merged([file for file in files if _is_whole(file)])


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other reader is at it now, nor will be meanwhile. One that was frozen is not waited for."""
    deadline = time.monotonic() + PATIENCE
    with (folder / "readers").open("w") as file:
        while not (alone := _locked(file)) and time.monotonic() < deadline:
            time.sleep(0.005)
        yield alone


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _merged(files: Iterable[Path]) -> list[Metric]:
    return list(MultiProcessCollector.merge([str(file) for file in files]))


def _is_whole(file: Path) -> bool:
    try:
        _merged([file])
    except (RuntimeError, ValueError, struct.error):
        return False
    return True


def _bury(folder: Path) -> None:
    for lock in folder.glob("*.lock"):
        with lock.open("r+") as file:
            if _locked(file):
                _bury_one(folder, lock.stem)
                lock.unlink(missing_ok=True)


def _bury_one(folder: Path, name: str) -> None:
    for kind in ADDED_UP:
        left = folder / f"{kind}_{name}.db"
        if left.exists() and _is_whole(left):
            _add(left, folder / f"{kind}_{DEAD}.db")
    for file in folder.glob(f"*_{name}.db"):
        file.unlink()


def _add(left: Path, total: Path) -> None:
    """Put the sum in the total's place at once: a reader that is killed must not leave half of it."""
    sums: dict[str, float] = {}
    for file in (left, total):
        if file.exists():
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
                sums[key] = sums.get(key, 0.0) + value
    draft = total.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    book = Reserved(str(draft))
    for key, value in sums.items():
        book.write_value(key, value, 0.0)
    book.close()
    draft.replace(total)
