"""Messages that keep telling how a search or a download goes, edited until it has ended; also by the next leader."""

import asyncio
import hashlib
from datetime import timedelta
from typing import NamedTuple

from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone
from django.utils.translation import override

from apps.accounts import telegram
from apps.bot import client
from apps.bot.handlers import downloads, releases
from apps.bot.incoming import Incoming
from apps.bot.models import LiveMessage
from apps.bot.polling import Thread
from apps.bot.reply import Reply
from apps.bot.talking import sender_of
from apps.jobs.models import Job
from sokoul import logs
from sokoul.errors import PermanentError, TransientError

log = logs.logger(__name__)
TICK = 0.5  # seconds between looks
AT_ONCE = 20
QUIET = timedelta(seconds=2)  # between two edits of one message
LATER = timedelta(seconds=5)  # after Telegram did not take one
FRESH = timedelta(minutes=30)  # buttons live for twice as long
FOLLOWED = timedelta(days=7)


class Edit(NamedTuple):
    """What a message should say now; `over` when that is the last of it."""

    row: LiveMessage
    reply: Reply
    fingerprint: str
    over: bool


def follow(update: Incoming, message_id: int, reply: Reply) -> None:
    """Have the message kept up to date as its reply asks, in place of whatever it followed before."""
    LiveMessage.objects.filter(chat_id=update.chat_id, message_id__in=[message_id, update.message_id]).delete()
    link = telegram.linked(update.telegram_id)
    if reply.follow is None or link is None:
        return
    target, key = reply.follow
    followed = {
        "user": link.user,
        "job_id": key if target == "job" else None,
        "download_id": int(key) if target == "download" else None,
        "shown": _fingerprint(reply),
        "due_at": timezone.now(),
    }
    LiveMessage.objects.update_or_create(chat_id=update.chat_id, message_id=message_id, defaults=followed)


def _fingerprint(reply: Reply) -> str:
    labels = [[button.text for button in row] for row in reply.rows]
    return hashlib.sha256(f"{reply.text}{labels}".encode()).hexdigest()


def due() -> list[Edit]:
    """Messages that should say something else by now. Those that nobody may read any more are forgotten."""
    now = timezone.now()
    LiveMessage.objects.filter(created_at__lt=now - FOLLOWED).delete()
    rows = LiveMessage.objects.filter(due_at__lte=now).select_related("job", "download").order_by("due_at")[:AT_ONCE]
    edits = []
    for row in rows:
        if (reply := _told(row)) is None:
            row.delete()
            continue
        fingerprint, over = _fingerprint(reply), reply.follow is None
        stale = bool(reply.rows) and now - row.edited_at > FRESH
        if fingerprint != row.shown or stale or over:
            edits.append(Edit(row, reply, fingerprint, over))
        else:
            _look_again(row, QUIET)
    return edits


def _told(row: LiveMessage) -> Reply | None:
    """What a message should say; None where its person or its thing is gone."""
    link = telegram.link_of(row.user_id)
    if link is None or link.chat_id != row.chat_id:
        return None
    sender = sender_of(link.telegram_id, row.chat_id, link.name, "", link)
    try:
        with override(sender.language):
            return downloads.shown(sender, row.download) if row.download else releases.found(sender, _job(row))
    except (ObjectDoesNotExist, PermanentError):
        return None


def _job(row: LiveMessage) -> Job:
    assert row.job is not None  # a constraint of the table
    return row.job


def _look_again(row: LiveMessage, after: timedelta) -> None:
    LiveMessage.objects.filter(pk=row.pk).update(due_at=timezone.now() + after)


def edited(edit: Edit) -> None:
    if edit.over:
        LiveMessage.objects.filter(pk=edit.row.pk).delete()
        return
    now = timezone.now()
    LiveMessage.objects.filter(pk=edit.row.pk).update(shown=edit.fingerprint, edited_at=now, due_at=now + QUIET)


def lost(edit: Edit, *, blocked: bool) -> None:
    """Telegram will never take it: the message was deleted, or its reader blocked the bot."""
    LiveMessage.objects.filter(pk=edit.row.pk).delete()
    if blocked:
        telegram.unlink_chat(edit.row.chat_id, why="the bot was blocked")


async def keep_up(thread: Thread) -> None:
    """For ever. One edit at a time: answers to commands go first through what Telegram allows."""
    while True:
        for edit in await thread(due):
            await _make(thread, edit)
        await asyncio.sleep(TICK)


async def _make(thread: Thread, edit: Edit) -> None:
    row, reply = edit.row, edit.reply
    try:
        await client.edit(row.chat_id, row.message_id, reply.text, reply.rows)
    except PermanentError as error:
        log.info("a message is no longer kept up to date", error=error.message)
        await thread(lost, edit, blocked=isinstance(error, client.Blocked))
    except TransientError as error:
        await thread(_look_again, row, max(LATER, timedelta(seconds=error.retry_after or 0)))
    else:
        await thread(edited, edit)
