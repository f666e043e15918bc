"""Threads for blocking work: a bounded pool, and a database connection that nobody else can use up."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A bounded pool of daemon threads.

    Unlike those of concurrent.futures, a thread that is stuck (a frozen database, a handler past its deadline) does not
    keep the process from ending. `prepare` runs first in each thread; a thread closes its connections at its end.
    """

    def __init__(self, count: int, name: str, prepare: Callable[[], None] = lambda: None) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._prepare = prepare
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run it as soon as a thread is free. A future that has not begun can be cancelled."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        self._work.put(run)
        return future

    def close(self, timeout: float = 2.0) -> None:
        """Let the threads end after what is queued; waits `timeout` seconds for each."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(timeout)

    def _serve(self) -> None:
        self._prepare()
        try:
            while (run := self._work.get()) is not None:
                run()
        finally:
            connections.close_all()


def own_connection() -> None:
    """Give this thread a database connection of its own, outside the process's pool, kept open.

    Handlers that hold the whole pool for minutes must not keep claims and heartbeats waiting.
    """
    pooled = connections["default"]
    options: dict[str, Any] = {name: value for name, value in pooled.settings_dict["OPTIONS"].items() if name != "pool"}
    settings = {**pooled.settings_dict, "OPTIONS": options, "CONN_MAX_AGE": None}
    connections["default"] = type(pooled)(settings, "default")
