"""Whether PostgreSQL answers: asked only while somebody waits for it, and the one reason to stop waiting.

A server that was frozen, or that the network no longer reaches, trips no time-out of its own, of libpq or of TCP: its kernel goes
on acknowledging. So one thread a process looks at what waits; where something has waited for PATIENCE, it asks the server by a
new connection. A slow statement goes on then; without an answer every waiting connection is cut, and until there is one
again everybody is refused at once.
"""

import atexit
import functools
import os
import socket
import threading
import time
from contextlib import suppress
from typing import NamedTuple

import psycopg

from sokoul import logs
from sokoul.env import ENV
from sokoul.postgres import login

log = logs.logger(__name__)
AWAY = "PostgreSQL does not answer."
PATIENCE = 1.0  # seconds that anything may wait before the server is asked
ANSWER = (
    2  # seconds that it gets for its answer: with PATIENCE well below the 5 s within which a caller is told (SPEC 17)
)
LOOK = 0.25  # seconds between looks
NOTHING = -1  # instead of a descriptor, for who waits without a connection
LONGEST = 30.0  # seconds that a statement may take though the server is well: thrice the statement_timeout


class Wait(NamedTuple):
    descriptor: int
    since: float


class Watch:
    """`begin` and `end` around everything that waits for the server; from any thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waits: dict[int, Wait] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._away = False
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    @property
    def away(self) -> bool:
        """Known not to answer; True until it does again."""
        return self._away

    def require(self) -> None:
        """Raises OperationalError while the server is known not to answer."""
        if self._away:
            raise psycopg.OperationalError(AWAY)

    def begin(self, descriptor: int) -> int:
        """Somebody waits on this connection's descriptor. Gives what `end` wants. Raises OperationalError, as `require`."""
        self.require()
        with self._lock:
            self._number += 1
            self._waits[self._number] = Wait(descriptor, time.monotonic())
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="database-watch", daemon=True)
                self._thread.start()
                atexit.register(self._end)
            return self._number

    def end(self, number: int) -> None:
        with self._lock:
            del self._waits[number]

    def _ask(self) -> bool:
        """Whether the server answers now, which is remembered; takes ANSWER seconds at most."""
        away = not self._answers()
        if away != self._away:
            self._away = away
            (log.error if away else log.info)(AWAY if away else "PostgreSQL answers again.")
        return not away

    def _run(self) -> None:
        while not self._over.wait(LOOK):
            try:
                self._look()
            except Exception:
                log.exception("the watch over PostgreSQL failed once")

    def _end(self) -> None:
        """A thread that is within libpq while the interpreter is taken down may take the process along."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(ANSWER + LOOK)

    def _look(self) -> None:
        if self._away or self._waiting_for(PATIENCE):
            self._cut(LONGEST if self._ask() else PATIENCE)

    def _waiting_for(self, seconds: float) -> bool:
        before = time.monotonic() - seconds
        with self._lock:
            return any(wait.since < before for wait in self._waits.values())

    def _cut(self, seconds: float) -> None:
        """End the connections that have been waited for so long: their waiters read that the server has gone."""
        before = time.monotonic() - seconds
        with self._lock:  # none of them can be closed, and its descriptor used anew, meanwhile
            for wait in self._waits.values():
                if wait.since < before:
                    _shut(wait.descriptor)

    def _answers(self) -> bool:
        connect = functools.partial(psycopg.connect, self._url, connect_timeout=ANSWER, application_name="sokoul-watch")
        try:
            login.connected(connect).close()
        except (
            psycopg.OperationalError
        ) as error:  # who is asked for a password has been answered, whether it is right or not
            return error.pgconn is not None and error.pgconn.used_password
        return True


def _shut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as link:
        link.shutdown(socket.SHUT_RDWR)


WATCH = Watch(ENV.database_url)
