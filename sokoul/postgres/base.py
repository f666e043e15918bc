"""Django's backend for PostgreSQL, with an end to every wait for a server that does not answer."""

import time
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from psycopg_pool import ConnectionPool, PoolTimeout

from sokoul.postgres.connection import Connection
from sokoul.postgres.watch import NOTHING, WATCH

SLICE = 0.5  # seconds of one wait for the pool


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """From the pool, or without one a new connection. Raises OperationalError at once while PostgreSQL does not answer."""
        self.isolation_level = IsolationLevel.READ_COMMITTED
        return taken(self.pool) if self.pool else _connected(conn_params)


def _connected(parameters: dict[str, Any]) -> Connection:
    WATCH.require()
    return Connection.connect(**parameters)


def taken(pool: "ConnectionPool[Any]") -> Any:
    """A connection, as soon as one is free within the pool's time-out.

    Whoever waits does so in slices, and so at the end of the queue again: from here a pool that is exhausted looks like a
    server that is gone, and the watch, which asks the server meanwhile, can end no wait for a pool.
    """
    pool.open()
    until = time.monotonic() + pool.timeout
    number = WATCH.begin(NOTHING)
    try:
        while True:
            try:
                return pool.getconn(min(SLICE, until - time.monotonic()))
            except PoolTimeout:
                WATCH.require()
                if time.monotonic() >= until:
                    raise PoolTimeout(f"all {pool.max_size} connections were busy for {pool.timeout:g} s") from None
    finally:
        WATCH.end(number)
