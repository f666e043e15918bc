"""Doors to services that may be silent: the notifier's other work must not wait behind one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from apps.jobs.registry import Snooze
from sokoul.env import ENV
from sokoul.errors import TransientError

SILENCE = 1.0  # seconds without tries after one that the service did not answer


class Unwilling(TransientError):
    """The service answered, and takes this message not now: a matter of its receiver alone."""


class Door:
    """To one service for everybody: while it is silent, one delivery at a time tries."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent_until = 0.0
        self.silent = self._tried = False

    @contextmanager
    def open(self) -> Iterator[None]:
        """Raises Snooze where somebody else is finding out whether the service is back, and where it asks to wait."""
        self._enter()
        silent = False
        try:
            yield
        except TransientError as error:
            silent = error.retry_after is None and not isinstance(error, Unwilling)
            if error.retry_after:
                raise Snooze(error.retry_after) from error
            raise
        finally:
            self._leave(silent=silent)

    def _enter(self) -> None:
        with self._lock:
            wait = self._silent_until - time.monotonic()
            if self.silent and (wait > 0 or self._tried):
                raise Snooze(max(wait, SILENCE))
            self._tried = self.silent

    def _leave(self, *, silent: bool) -> None:
        with self._lock:
            self.silent, self._tried = silent, False
            self._silent_until = time.monotonic() + SILENCE if silent else 0.0


class Gate:
    """To services of which everybody has another: those that hang hold half of the notifier's threads at most."""

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(max(1, places))

    @contextmanager
    def open(self) -> Iterator[None]:
        """Raises Snooze where all places are taken."""
        if not self._places.acquire(blocking=False):
            raise Snooze(SILENCE)
        try:
            yield
        finally:
            self._places.release()


abroad = Gate(ENV.worker_slots // 2)
