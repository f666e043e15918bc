"""The Bot API: the only importer of telegram. One event loop in a thread of its own, one client a process.

Coroutines of this module run on that loop; `submit` and `call` bring them there from any other thread. Whatever Telegram
answers surfaces as Blocked, Refused (both permanent), or TransientError with what it asked to wait.
"""

import asyncio
import atexit
import functools
import logging
import os
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

os.environ.setdefault("PTB_TIMEDELTA", "1")  # read when telegram is imported; RetryAfter warns of its own type without

import uvloop
from telegram import BotCommand, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, Message
from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter, TelegramError, TimedOut
from telegram.ext import AIORateLimiter, ExtBot
from telegram.request import HTTPXRequest, RequestData

from apps.bot import incoming, messages
from apps.bot.reply import Button
from sokoul import logs
from sokoul.env import ENV, secrets_of
from sokoul.errors import PermanentError, TransientError
from sokoul.metrics import sampler

log = logs.logger(__name__)
T = TypeVar("T")
Rows = Sequence[Sequence[Button]]

PATIENCE = 5.0  # seconds for one call, whatever Telegram does meanwhile
LONG_POLL = 25  # seconds that one getUpdates waits for something to happen
CONNECTIONS = 64
LEAVING = 2.0  # seconds for the loop to end its turn
DELAYS = (1.0, 2.0, 4.0)  # seconds before an answer is tried again
LONGEST_WAIT = 60.0  # seconds: whoever is told to wait longer gets no answer
NO_PREVIEW = LinkPreviewOptions(is_disabled=True)

# What these report reaches us as exceptions anyway; the second one would also log what people wrote.
for _name in ("telegram.ext.AIORateLimiter", "telegram.request.BaseRequest"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Blocked(PermanentError):
    """The person blocked the bot, or their account is gone."""


class Refused(PermanentError):
    """Telegram refuses this message; repeating it cannot help."""


class Unauthorized(TransientError):
    """Telegram does not know the token; its owner may correct that."""


class _Request(HTTPXRequest):
    """httpx's time-outs begin anew with each byte; a call has `patience` seconds in all, unless it asks for more."""

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = None,
        write_timeout: Any = None,
        connect_timeout: Any = None,
        pool_timeout: Any = None,
    ) -> tuple[int, bytes]:
        more = float(read_timeout) if isinstance(read_timeout, int | float) else 0.0
        try:
            async with asyncio.timeout(PATIENCE + more):
                return await super().do_request(url, method, request_data, None, None, None, None)
        except TimeoutError:
            raise TimedOut from None


class _Bot(ExtBot[int]):
    async def raw_updates(self, offset: int | None) -> list[dict[str, Any]]:
        """getUpdates as it came: one update that the library cannot read must not keep the others from us."""
        data = {"timeout": LONG_POLL, "offset": offset, "allowed_updates": incoming.ALLOWED}
        found = await self._do_post("getUpdates", data, read_timeout=LONG_POLL)
        return found if isinstance(found, list) else []


class _Client:
    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self.refusals = 0
        self._for: tuple[str, str] | None = None
        self._bot: _Bot | None = None
        self._requests: list[_Request] = []
        self._closing: set[asyncio.Task[None]] = set()
        sampler.watch(self.loop)
        self._thread = threading.Thread(target=self._serve, name="telegram", daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def _end(self) -> None:
        """A thread that is within the loop while the interpreter is taken down may take the process along."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(LEAVING)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def bot(self) -> _Bot:
        """For the token that is configured now; of several, the next one after each refusal."""
        tokens = secrets_of("TELEGRAM_BOT_TOKEN")
        if not tokens:
            raise Unauthorized("TELEGRAM_BOT_TOKEN is not set.")
        wanted = (ENV.telegram_api_url, tokens[self.refusals % len(tokens)])
        if self._bot is None or self._for != wanted:
            self._bot, self._for = self._made(*wanted), wanted
        return self._bot

    def _made(self, url: str, token: str) -> _Bot:
        for old in self._requests:
            task = self.loop.create_task(old.shutdown())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        polling, others = self._requests = [_Request(connection_pool_size=CONNECTIONS) for _ in range(2)]
        return _Bot(token, base_url=url, request=others, get_updates_request=polling, rate_limiter=AIORateLimiter())


@functools.cache
def _client() -> _Client:
    return _Client()


def submit(coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
    """Start a coroutine on the loop, from any thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, _client().loop)


def call(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop and wait for it; never from the loop itself."""
    return submit(coroutine).result()


@contextmanager
def _translated() -> Iterator[None]:
    # The order matters: BadRequest and TimedOut are NetworkErrors too.
    try:
        yield
    except BadRequest as error:
        raise Refused(f"Telegram refuses it: {error.message}") from error
    except Forbidden as error:
        raise Blocked(f"Telegram: {error.message}", status=403) from error
    except RetryAfter as error:
        wait = error.retry_after
        seconds = wait if isinstance(wait, int) else wait.total_seconds()
        raise TransientError(f"Telegram asks to wait {seconds:g} s.", seconds) from error
    except InvalidToken as error:
        _client().refusals += 1
        raise Unauthorized("Telegram does not know the bot's token. Correct TELEGRAM_BOT_TOKEN.") from error
    except TelegramError as error:
        raise TransientError(f"Telegram: {type(error).__name__} {error.message}") from error


def _keyboard(rows: Rows) -> InlineKeyboardMarkup | None:
    if not rows:
        return None
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(key.text, callback_data=key.data) for key in row] for row in rows]
    )


async def introduce() -> tuple[int, str]:
    """(the bot's id, its user name)."""
    with _translated():
        me = await _client().bot().get_me()
        return me.id, str(me.username)


async def updates(offset: int | None) -> list[dict[str, Any]]:
    """What happened from `offset` on, waiting LONG_POLL seconds for something; all before it is confirmed."""
    with _translated():
        return await _client().bot().raw_updates(offset)


async def take_updates_at(url: str, secret: str) -> None:
    """Have updates posted to `url` with `secret`; an empty `url` has them wait for `updates` instead."""
    with _translated():
        if url:
            await _client().bot().set_webhook(url, secret_token=secret, allowed_updates=incoming.ALLOWED)
        else:
            await _client().bot().delete_webhook()


async def show_commands(commands: dict[str, str], language: str) -> None:
    """What Telegram proposes while somebody types; `language` empty for everybody else's."""
    with _translated():
        known = [BotCommand(name, about) for name, about in commands.items()]
        await _client().bot().set_my_commands(known, language_code=language or None)


async def send(chat_id: int, text: str, rows: Rows = ()) -> int:
    """Send a text, in several messages where it is too long; gives the id of the last one, which has the buttons."""
    parts = messages.split(text)
    for number, part in enumerate(parts, 1):
        keyboard = _keyboard(rows) if number == len(parts) else None
        with _translated():
            sent = (
                await _client()
                .bot()
                .send_message(chat_id, part, reply_markup=keyboard, link_preview_options=NO_PREVIEW)
            )
    return sent.message_id


async def edit(chat_id: int, message_id: int, text: str, rows: Rows = ()) -> int:
    """Change a message; what does not fit follows in new ones. Gives the id of the last one."""
    first, *more = messages.split(text)
    keyboard = None if more else _keyboard(rows)
    try:
        with _translated():
            found = (
                await _client()
                .bot()
                .edit_message_text(first, chat_id, message_id, reply_markup=keyboard, link_preview_options=NO_PREVIEW)
            )
    except Refused as error:
        if "not modified" not in error.message:
            raise
        return message_id
    last = found.message_id if isinstance(found, Message) else message_id
    return await send(chat_id, "\n".join(more), rows) if more else last


async def acknowledge(callback_id: str, text: str = "") -> None:
    """Stop the button's clock; `text` (200 characters) pops up and waits to be read."""
    with _translated():
        await (
            _client()
            .bot()
            .answer_callback_query(callback_id, messages.shortened(text, 200) or None, show_alert=bool(text))
        )


async def persist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again while Telegram is away, DELAYS apart or as it asks; raises what the last try did."""
    for delay in DELAYS:
        try:
            return await attempt()
        except TransientError as error:
            wait = error.retry_after or delay
            if wait > LONGEST_WAIT:
                raise
            await asyncio.sleep(wait + random.uniform(0, 0.3))  # noqa: S311 - not all at the same moment
    return await attempt()
