"""The bot of one process: takes updates while it is the leader, answers them, keeps its live messages up to date."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections
from django.utils.translation import override

from apps.accounts import telegram
from apps.bot import client, inbox, leader, live, polling, talking
from apps.bot.handlers.general import ABOUT
from apps.bot.inbox import Taken
from apps.bot.incoming import Incoming
from apps.bot.reply import Reply
from apps.jobs.threads import Threads
from sokoul import logs
from sokoul.errors import SokoulError, TransientError

log = logs.logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

SLOTS = 6  # threads for handlers; the database pool of the process is shared with the notifier
SOON = 1.0  # seconds after which whoever waits is told so
IDLE = 1.0  # seconds between looks for updates that nobody announced
STOP = 4.0  # seconds that answers under way get when the process ends
CLOSE = 2.0  # seconds to let go of the leadership


class Service:
    """`running()` around the life of the process. Nothing that Telegram or PostgreSQL do makes it end."""

    def __init__(self) -> None:
        self._pace = talking.Pace()
        self._busy: dict[int, asyncio.Task[None]] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        self._threads = Threads(SLOTS, "bot")
        client.call(self._begin())
        try:
            yield
        finally:
            with suppress(Exception):
                client.submit(self._end()).result(STOP + CLOSE + 1)
            self._threads.close(0)

    async def _begin(self) -> None:
        self._main = asyncio.get_running_loop().create_task(leader.lead(self._work))

    async def _end(self) -> None:
        """Let what is being answered be answered; what is not done by then is done by the next leader."""
        if self._busy:
            await asyncio.wait(list(self._busy.values()), timeout=STOP)
        self._main.cancel()
        await asyncio.wait({self._main}, timeout=CLOSE)

    async def thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run plain Django on the bounded pool, its connection given back afterwards."""

        def run() -> T:
            close_old_connections()
            try:
                return function(*args, **kwargs)
            finally:
                connections.close_all()

        return await asyncio.wrap_future(self._threads.submit(run))

    async def _work(self, arrived: asyncio.Event) -> None:
        arrived.set()  # what an earlier leader left
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(polling.take_in(self.thread, arrived))
                group.create_task(self._answer_all(arrived))
                group.create_task(live.keep_up(self.thread))
                group.create_task(self._introduce())
        finally:
            for task in self._busy.values():
                task.cancel()
            self._busy.clear()

    async def _introduce(self) -> None:
        """Learn the bot's name, which links need, and tell Telegram what the bot can do; until both are done."""
        while True:
            try:
                bot_id, username = await client.introduce()
                await self.thread(telegram.remember_bot, bot_id, username)
                for language, code in (("en", ""), ("fr", "fr")):
                    with override(language):
                        commands = {name: str(about) for name, about in ABOUT.items()}
                    await client.show_commands(commands, code)
                return
            except SokoulError:  # the one that takes updates in says so
                await asyncio.sleep(polling.PAUSE)

    async def _answer_all(self, arrived: asyncio.Event) -> None:
        chats: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(arrived.wait(), IDLE)
            arrived.clear()
            found = await self.thread(inbox.take, list(self._busy)) if len(self._busy) < inbox.AT_ONCE else []
            for taken in found:
                lock = chats[taken.incoming.chat_id]
                task = asyncio.get_running_loop().create_task(self._in_turn(taken, lock))
                self._busy[taken.id] = task
                task.add_done_callback(partial(self._over, taken.id))
            if len(found) == inbox.AT_ONCE:
                arrived.set()
            if len(chats) > talking.MOST_KNOWN and not self._busy:
                chats.clear()

    def _over(self, update_id: int, task: "asyncio.Task[None]") -> None:
        self._busy.pop(update_id, None)

    async def _in_turn(self, taken: Taken, chat: asyncio.Lock) -> None:
        """What one chat says is answered in order; chats do not wait for each other."""
        async with chat:
            try:
                if taken.attempts <= inbox.ATTEMPTS:
                    await self._answer(taken.incoming)
                else:
                    log.error("an update is given up", update=taken.id)
            except client.Blocked:
                log.info("somebody who blocked the bot is unlinked")
                await self.thread(telegram.unlink_chat, taken.incoming.chat_id, why="the bot was blocked")
            except SokoulError as error:
                log.warning("an answer did not reach Telegram", error=error.message)
            except Exception:
                log.exception("an update could not be answered", update=taken.id)
                return  # it is taken again
            await self.thread(inbox.done, taken.id)

    async def _answer(self, update: Incoming) -> None:
        over = self._pace.over(update.telegram_id)
        if over:
            if over == 1 and update.kind == "message":
                await self._say(update, Reply(talking.slow_down(update)), None)
            return
        work = asyncio.ensure_future(self.thread(talking.answer, update))
        await asyncio.wait({work}, timeout=SOON)
        early = None if work.done() else await self._promise(update)
        if (reply := await work) is not None:
            await self._say(update, reply, early)

    async def _promise(self, update: Incoming) -> int | None:
        """Long work is answered at once and edited when done; gives the message to edit."""
        with suppress(client.Refused, TransientError):
            if update.kind == "button":
                await client.acknowledge(update.callback_id)
                return update.message_id
            if update.private:
                return await client.send(update.chat_id, talking.patience(update))
        return None

    async def _say(self, update: Incoming, reply: Reply, early: int | None) -> None:
        if reply.toast and early is None:
            await client.persist(lambda: client.acknowledge(update.callback_id, reply.toast))
            return
        if reply.toast:  # its clock was stopped before: a press is acknowledged once
            await client.persist(lambda: client.send(update.chat_id, reply.toast))
            return
        if update.kind == "button" and early is None:
            with suppress(client.Refused):  # a press from longer ago than Telegram remembers
                await client.persist(lambda: client.acknowledge(update.callback_id))
        message_id = await client.persist(lambda: self._show(update, reply, early))
        await self.thread(live.follow, update, message_id, reply)

    async def _show(self, update: Incoming, reply: Reply, early: int | None) -> int:
        """Gives the id of the message that says it now, which is the one with the button where one was pressed."""
        changed = update.message_id if update.kind == "button" else early
        if changed is None:
            return await client.send(update.chat_id, reply.text, reply.rows)
        return await client.edit(update.chat_id, changed, reply.text, reply.rows)
