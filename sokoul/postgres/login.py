"""As whom we connect: DATABASE_URL's user and password as they are now, for both may change while we run (SPEC 4)."""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

import psycopg

from sokoul import env, logs

log = logs.logger(__name__)
C = TypeVar("C")


class Login(NamedTuple):
    user: str
    password: str


def _of(url: str) -> Login | None:
    try:
        parts = urlsplit(url)
    except ValueError:  # a file that is half written
        return None
    return Login(unquote(parts.username), unquote(parts.password or "")) if parts.username else None


_accepted: list[Login] = []  # the last one that the server took


def connected(connect: Callable[..., C]) -> C:
    """What `connect(user=, password=)` gives. Raises its OperationalError.

    The file and the role cannot change in the same moment. So when the server refuses, what the file says by now is tried, and
    what was accepted last: whichever was changed first, nobody notices.
    """
    first = _of(env.current("DATABASE_URL"))
    if first is None:  # a role without a name: PostgreSQL's own ways of finding out
        return connect()
    try:
        return _accept(connect, first)
    except psycopg.OperationalError:
        for other in dict.fromkeys([_of(env.latest("DATABASE_URL")), *_accepted]):
            if other is not None and other != first:
                with suppress(psycopg.OperationalError):
                    return _accept(connect, other)
        raise


def _accept(connect: Callable[..., C], login: Login) -> C:
    connection = connect(user=login.user, password=login.password)
    if _accepted != [login]:
        if _accepted:
            log.info("PostgreSQL took another password", user=login.user)
        _accepted[:] = [login]
    return connection
