"""What a process says of itself every few seconds: memory, processor time, database connections, tasks."""

import asyncio
import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path

from django.db import connections

from sokoul import component, logs, metrics

log = logs.logger(__name__)
EVERY = 5.0  # seconds
_PAGE = os.sysconf("SC_PAGE_SIZE")
_also: list[Callable[[], None]] = []
_loops: list[asyncio.AbstractEventLoop] = []
_used = 0.0


def start() -> None:
    """Begin, in a thread that ends with the process."""
    sample()
    threading.Thread(target=_serve, name="sampler", daemon=True).start()


def also(look: Callable[[], None]) -> None:
    """Have something else looked at each time."""
    _also.append(look)


def watch(loop: asyncio.AbstractEventLoop) -> None:
    """Have the tasks of an event loop counted, which lives as long as the process."""
    _loops.append(loop)


def sample() -> None:
    """Look once."""
    global _used
    name = component.NAME
    metrics.PROCESSES.labels(name).set(1)
    metrics.MEMORY.labels(name).set(int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    metrics.CPU.labels(name).inc(used - _used)
    _used = used
    metrics.TASKS.labels(name).set(sum(len(asyncio.all_tasks(loop)) for loop in _loops))
    _sample_pool(name)
    for look in _also:
        look()


def _sample_pool(name: str) -> None:
    pool = getattr(connections["default"], "pool", None)
    if pool is None or pool.closed:
        return
    stats = pool.get_stats()
    metrics.CONNECTIONS_ACTIVE.labels(name).set(stats["pool_size"] - stats["pool_available"])
    metrics.CONNECTIONS_MOST.labels(name).set(stats["pool_max"])
    metrics.CONNECTIONS_WAITING.labels(name).set(stats["requests_waiting"])


def _serve() -> None:
    pause = threading.Event()
    while not pause.wait(EVERY):
        try:
            sample()
        except Exception:
            log.exception("not measured")
