"""One bot process at a time talks with Telegram: whoever holds an advisory lock in PostgreSQL, on a connection of its own.

The lock ends with its connection, so a leader that is killed is followed within FOLLOW seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import psycopg
from django.db import DatabaseError, InterfaceError, connections

from apps.bot import inbox
from sokoul import logs

log = logs.logger(__name__)
LOCK = 0x50_4B_20  # only a name, and nobody else's
FOLLOW = 2.0  # seconds between tries to become the leader, and between looks whether we still are
PATIENCE = 5.0  # seconds for PostgreSQL to answer
Connection = psycopg.AsyncConnection[Any]
_LIBPQ = ("dbname", "user", "password", "host", "port", "application_name")


async def _connect() -> Connection:
    known = connections["default"].get_connection_params()
    options = {name: known[name] for name in _LIBPQ if name in known}
    return await psycopg.AsyncConnection.connect(**options, autocommit=True, connect_timeout=int(PATIENCE))


async def _leads(connection: Connection) -> bool:
    async with asyncio.timeout(PATIENCE):
        answer = await connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        row = await answer.fetchone()
    return bool(row and row[0])


async def _watch(connection: Connection, arrived: asyncio.Event) -> None:
    """Raises when the connection, and so the lock, is gone. Sets `arrived` when a process says that updates wait."""
    async with asyncio.timeout(PATIENCE):
        await connection.execute(f"LISTEN {inbox.CHANNEL}")
    while True:
        async for _ in connection.notifies(timeout=FOLLOW, stop_after=1):
            arrived.set()
        async with asyncio.timeout(PATIENCE):
            await connection.execute("SELECT 1")


async def lead(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `work(arrived)` for as long as this process is the leader, again and again, until cancelled."""
    clock, quiet_until = asyncio.get_running_loop().time, 0.0
    while True:
        try:
            await _term(work)
        except* (psycopg.Error, DatabaseError, InterfaceError, TimeoutError, OSError) as group:
            if clock() > quiet_until:  # once an outage, and not once a try
                log.warning("the bot waits for the database", error=_words(group))
            quiet_until = clock() + FOLLOW + 2 * PATIENCE
        except* Exception as group:
            log.error("the bot broke down and begins anew", exc_info=group)
        await asyncio.sleep(FOLLOW)


def _words(group: BaseExceptionGroup[Any]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


async def _term(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    connection = await _connect()
    try:
        while not await _leads(connection):  # noqa: ASYNC110 - another process's lock: there is no event to wait for
            await asyncio.sleep(FOLLOW)
        log.info("this bot talks with Telegram")
        arrived = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(_watch(connection, arrived))
            group.create_task(_as_coroutine(work, arrived))
    finally:
        with suppress(Exception):
            async with asyncio.timeout(1):
                await connection.close()


async def _as_coroutine(work: Callable[[asyncio.Event], Awaitable[None]], arrived: asyncio.Event) -> None:
    await work(arrived)
