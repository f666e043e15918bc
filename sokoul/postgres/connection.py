"""The connection that every component uses: it waits under watch, and logs in as DATABASE_URL says now."""

import functools
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import PQGen

from sokoul.postgres import login
from sokoul.postgres.watch import WATCH

RV = TypeVar("RV")


class Connection(psycopg.Connection[Any]):
    @classmethod
    def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
        plain = {name: value for name, value in parameters.items() if name not in ("user", "password")}
        return login.connected(functools.partial(super().connect, conninfo, **plain))

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        number = WATCH.begin(self.pgconn.socket)
        try:
            return super().wait(gen, *args, **kwargs)
        finally:
            WATCH.end(number)
