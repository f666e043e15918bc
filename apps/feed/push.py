"""The one sender of the feed: a row first, where it is no passing thing, then a hint to every web process.

The row is the truth and the hint a convenience: a reader that missed hints reads rows. Hints go by Redis pub/sub, straight and
not through a channel layer: one PUBLISH from any thread, one subscription a web process, whatever the number of sockets.
"""

import functools
import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
import redis
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import override
from psycopg.types.json import Jsonb
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.feed.models import Event
from sokoul import logs
from sokoul.env import ENV
from sokoul.postgres import message
from sokoul.postgres.message import MessagePart

log = logs.logger(__name__)
CHANNEL = "feed"
TOGETHER = "together"  # a hint that carries what passes for several people
AT_ONCE = 100  # messages in one of them
LOOK_AGAIN = "look_again"  # a hint that is for the hubs themselves, and told to nobody
SILENCE = (
    1.0  # seconds without hints after one that Redis did not take: whoever has much to tell does not wait each time
)
_RECORD = "SELECT number, before FROM events_record(%s, %s, %s, %s)"  # a function of migration 0003
# Whoever has recorded holds the lock: the newest is theirs.
_RECORDED = """
SELECT newest.id, greatest(
    (SELECT max(id) FROM events WHERE user_id = %s AND id < newest.id),
    (SELECT max(id) FROM events WHERE user_id IS NULL AND id < newest.id), 0)
FROM (SELECT max(id) AS id FROM events WHERE user_id = %s) newest
"""
NOBODY = 0  # to whom a web process of an earlier version, which does not know the hint, tells it
_silent_until = 0.0
_on_notification: list[Callable[[Event], None]] = []


@functools.cache
def _redis() -> redis.Redis:
    """A connection that Redis has closed is replaced once; one that does not answer is not waited for twice."""
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis.from_url(ENV.redis_url, socket_connect_timeout=0.3, socket_timeout=0.5, retry=retry)


def record(user_id: int | None, type: str, data: dict[str, Any]) -> Event:
    """Write an event for one person, or for everybody (None), and tell the sockets on commit.

    Whoever writes to the same person queues from here until the transaction ends, and a broadcast with everybody: tell people last,
    and several people in the order of their ids.
    """
    event = new(user_id, type, data)
    ((number, before),) = message.send(writing(event))
    tell(event, number, before)
    return event


def new(user_id: int | None, type: str, data: dict[str, Any]) -> Event:
    """The same for who writes it with other rows in one message: `writing`, as its last part `written`, and then `tell`."""
    return Event(user_id=user_id, type=type, data=data, at=timezone.now())


def writing(event: Event) -> MessagePart:
    """What `record` sends."""
    return MessagePart(_RECORD, [event.user_id, event.type, Jsonb(event.data), event.at])


def written(user_id: int) -> MessagePart:
    """The number of the event that was written to this person in the same transaction, and that of the one before it."""
    return MessagePart(_RECORDED, [user_id, user_id])


def tell(event: Event, number: int, before: int) -> None:
    """Once it was sent: have the sockets told on commit. `before`: the newest that its reader had until then, who missed a hint if
    they do not know it."""
    event.pk = number
    told = {"id": number, "type": event.type, "at": event.at, "data": event.data}
    transaction.on_commit(lambda: _hint(event.user_id, told, before))


def on_notification(hook: Callable[[Event], None]) -> None:
    """Have higher floors carry notifications further: called with each, in the transaction that writes it."""
    _on_notification.append(hook)


def _worded(text: str | Callable[[], str]) -> dict[str, Any]:
    if isinstance(text, str):
        return {"text": text}
    texts = {}
    for language, _ in settings.LANGUAGES:
        with override(language):
            texts[language] = text()
    return {"text": texts.pop("en"), "texts": texts}


def notify(user_id: int, code: str, text: str | Callable[[], str], **about: Any) -> Event:
    """Tell one person what happened to what they asked for.

    `text` gives the words in the language that is active: it is asked once for each, so that every reader and every channel has
    the words in its own and none of them has to know what the code means.
    """
    with transaction.atomic():
        event = record(user_id, "notification", {"code": code, **_worded(text), **about})
        for hook in _on_notification:
            hook(event)
    return event


def progress(news: Iterable[tuple[int, dict[str, Any]]]) -> None:
    """Tell people's sockets, by person, what the next message supersedes; nothing is kept.

    Many messages are one hint: a thousand downloads that are told of each second would keep a hunter busy, and every web process.
    """
    told = iter(news)
    while some := list(islice(told, AT_ONCE)):
        _hint(NOBODY, {"type": TOGETHER, "progress": some})


def look_again(user_id: int, *, but: UUID | None = None) -> None:
    """Have every process look now whether this person's sockets may stay open, which each does by itself every few seconds.

    `but`: the sign-in whose sockets are left to that.
    """
    _hint(user_id, {"type": LOOK_AGAIN, "but": but})


def _hint(user_id: int | None, message: dict[str, Any], after: int | None = None) -> None:
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    hint = {"user_id": user_id, "after": after, "message": message}
    try:
        _redis().publish(CHANNEL, orjson.dumps(hint, option=orjson.OPT_UTC_Z))
    except redis.RedisError as error:
        _silent_until = time.monotonic() + SILENCE
        log.warning("no hint sent, sockets will read the rows", error=type(error).__name__)
