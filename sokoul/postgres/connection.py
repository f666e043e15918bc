"""The connection that every component uses: it waits under watch."""

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from sokoul.postgres.watch import WATCH

RV = TypeVar("RV")


class Connection(psycopg.Connection[Any]):
    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        number = WATCH.begin(self.pgconn.socket)
        try:
            return super().wait(gen, *args, **kwargs)
        finally:
            WATCH.end(number)
