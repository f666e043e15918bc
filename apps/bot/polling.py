"""How updates come in: asked for (no public address needed), or posted to /telegram/webhook where a secret is configured."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol

from apps.bot import client, inbox, incoming
from sokoul import logs
from sokoul.env import ENV, secrets_of
from sokoul.errors import SokoulError, TransientError

log = logs.logger(__name__)
PAUSE = 3.0  # seconds before Telegram is tried again
REFUSED = 30.0  # the same while it refuses the token: its owner has to act
LOOK = 30.0  # seconds between looks whether the secret was changed


class Thread(Protocol):
    def __call__(self, function: Any, *args: Any, **kwargs: Any) -> Awaitable[Any]: ...


class _Complaints:
    """One warning when something begins to go wrong, one line when it is over."""

    def __init__(self) -> None:
        self._last = ""

    def about(self, error: SokoulError) -> None:
        if error.message != self._last:
            log.warning("Telegram does not serve the bot, trying again", error=error.message)
        self._last = error.message

    def over(self) -> None:
        if self._last:
            log.info("Telegram serves the bot again")
        self._last = ""


async def take_in(thread: Thread, arrived: asyncio.Event) -> None:
    """For ever. Raises only what the database does."""
    complaints, housekeeping = _Complaints(), asyncio.get_running_loop().time()
    offset: int | None = None
    posted_with = ""
    await thread(inbox.forget_old)
    while True:
        try:
            secret = next(iter(secrets_of("TELEGRAM_WEBHOOK_SECRET")), "")
            if secret:
                posted_with = await _have_posted(secret, posted_with)
            else:
                if posted_with or offset is None:
                    await client.take_updates_at("", "")
                    posted_with, offset = "", offset or 0
                offset = await _ask(thread, arrived, offset)
            complaints.over()
        except SokoulError as error:
            complaints.about(error)
            await asyncio.sleep(_pause(error))
        now = asyncio.get_running_loop().time()
        if now - housekeeping > 3600:
            housekeeping = now
            await thread(inbox.forget_old)


def _pause(error: SokoulError) -> float:
    """Seconds until Telegram may want to serve us again."""
    if isinstance(error, client.Unauthorized) or not isinstance(error, TransientError):
        return REFUSED
    return max(PAUSE, error.retry_after or 0)


async def _have_posted(secret: str, posted_with: str) -> str:
    if secret != posted_with:
        await client.take_updates_at(f"{ENV.address}/{incoming.WEBHOOK}", secret)
    await asyncio.sleep(LOOK)
    return secret


async def _ask(thread: Thread, arrived: asyncio.Event, offset: int | None) -> int | None:
    """One getUpdates. What it brought is in the database before the next one confirms it."""
    found = await client.updates(offset)
    if not found:
        return offset
    if await thread(inbox.accept, found):
        arrived.set()
    return max((update["update_id"] for update in found), default=0) + 1
