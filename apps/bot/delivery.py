"""Bringing notifications to Telegram, inside a job of the notifier."""

import threading
import time
from typing import Any

from django.utils.translation import override

from apps.accounts import telegram
from apps.bot import client, notifying
from apps.bot.models import Delivery
from apps.bot.talking import sender_of
from apps.feed.models import Event
from apps.jobs.registry import Snooze
from sokoul import logs
from sokoul.errors import TransientError

log = logs.logger(__name__)
SILENCE = 1.0  # seconds without tries after one that Telegram did not answer


class _Door:
    """While Telegram is silent one delivery at a time tries: the notifier's other work must not wait behind it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent_until = 0.0
        self._silent = self._tried = False

    def enter(self) -> None:
        """Raises Snooze where somebody else is finding out whether Telegram is back."""
        with self._lock:
            wait = self._silent_until - time.monotonic()
            if self._silent and (wait > 0 or self._tried):
                raise Snooze(max(wait, SILENCE))
            self._tried = self._silent

    def leave(self, *, silent: bool) -> None:
        with self._lock:
            self._silent, self._tried = silent, False
            self._silent_until = time.monotonic() + SILENCE if silent else 0.0


_door = _Door()


def deliver(event_id: int) -> dict[str, Any]:
    """Tell one notification to whom it is for, once. Gives what became of it.

    Raises TransientError while Telegram is away, Snooze for as long as it asks to wait.
    """
    event = Event.objects.filter(pk=event_id).first()
    link = telegram.link_of(event.user_id) if event and event.user_id else None
    if event is None or link is None:
        return {"dropped": "nobody is linked"}
    if Delivery.objects.filter(event=event).exists():
        return {"dropped": "delivered before"}
    with override(sender_of(link.telegram_id, link.chat_id, link.name, "", link).language):
        text = notifying.words(event, link)
    try:
        message_id = _send(link.chat_id, text)
    except client.Refused as error:
        log.warning("Telegram refuses a notification", event_id=event_id, error=error.message)
        return {"dropped": error.message}
    except client.Blocked as error:
        telegram.unlink_chat(link.chat_id, why="the bot was blocked")
        return {"dropped": error.message}
    Delivery.objects.get_or_create(event=event, defaults={"message_id": message_id})
    return {"message_id": message_id}


def _send(chat_id: int, text: str) -> int:
    _door.enter()
    silent = False
    try:
        return client.call(client.send(chat_id, text))
    except TransientError as error:
        silent = error.retry_after is None
        if error.retry_after:
            raise Snooze(error.retry_after) from error
        raise
    finally:
        _door.leave(silent=silent)
