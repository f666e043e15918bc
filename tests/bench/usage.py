"""What programs use of the machine while something is measured: processor, memory, and the disk that they write to."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import servers
from tests.bench import stack

EVERY = 0.2  # seconds between looks at the memory


@dataclass
class Usage:
    """`cores`: how many they kept busy on average. `memory`: the most MB that they held at one moment, all together. `disk`: the
    percentage of the time in which the disk had something to do, whoever asked it; None where the system does not say."""

    cores: float = 0.0
    memory: float = 0.0
    disk: float | None = None


@contextmanager
def watched(pids: Sequence[int], folder: Path = servers.FOLDER) -> Iterator[Usage]:
    """Of these processes, all that they have started, and the disk under `folder`; complete once the block has ended."""
    found, over = Usage(), threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            found.memory = max(found.memory, _of_all(stack.memory, pids))

    looking, disk = threading.Thread(target=look), _disk_of(folder)
    looking.start()
    began, used, busy = time.perf_counter(), _of_all(stack.cpu, pids), _busy(disk)
    try:
        yield found
    finally:
        seconds = time.perf_counter() - began
        found.cores = (_of_all(stack.cpu, pids) - used) / seconds
        if disk:
            found.disk = 100 * (_busy(disk) - busy) / seconds
        over.set()
        looking.join()


def of_servers() -> list[int]:
    """PostgreSQL, Valkey and NATS."""
    return [server.process.pid for server in servers.SERVERS.values() if server.process]


def _of_all(ask: Callable[[int], float], pids: Sequence[int]) -> float:
    """The sum of them and their descendants; who has just ended is part of its parent's (proc_pid_stat(5))."""
    total = 0.0
    for pid in pids:
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            total += ask(pid) + _of_all(ask, [int(child) for child in children])
        except (OSError, StopIteration):  # ended meanwhile, and a zombie has no memory
            pass
    return total


def _disk_of(folder: Path) -> Path | None:
    device = folder.stat().st_dev
    path = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    return path if path.exists() else None


def _busy(disk: Path | None) -> float:
    """Seconds in which it had something to do, since the machine started."""
    return int(disk.read_text().split()[9]) / 1000 if disk else 0.0
