"""A fixed number of daemon threads that take work in the order of its arrival."""

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger("sokoul.server")


class ThreadPool:
    """Starts its threads with the first task (importing the application must not start any).

    They are daemons, unlike those of concurrent.futures: one that hangs must not keep a drained process from leaving.
    """

    def __init__(self, threads: int, name: str) -> None:
        self.size = threads
        self._name = name
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._started = False

    def submit(self, task: Callable[[], None]) -> None:
        """Run the task on a thread, soon. From the event loop's thread only; what the task raises is logged."""
        if not self._started:
            self._started = True
            for number in range(self.size):
                threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True).start()
        self._tasks.put(task)

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                task()
            except BaseException:
                logger.exception("a task of the pool %s failed", self._name)
            del task  # an idle thread keeps no request alive
