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
from django.db import connection, transaction
from django.utils.translation import override
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.feed.models import Event
from sokoul import logs
from sokoul.env import ENV

log = logs.logger(__name__)
CHANNEL = "feed"
TOGETHER = "together"  # a hint that carries what passes for several people
AT_ONCE = 100  # messages in one of them
LOOK_AGAIN = "look_again"  # a hint that is for the hubs themselves, and told to nobody
SILENCE = (
    1.0  # seconds without hints after one that Redis did not take: whoever has much to tell does not wait each time
)
# Two-key advisory locks live apart from one-key ones; both numbers are only names.
_EVERYBODY, _ONE = 0x50_4B_01, 0x50_4B_02
NOBODY = 0  # to whom a web process of an earlier version, which does not know the hint, tells it
_silent_until = 0.0
_on_notification: list[Callable[[Event], None]] = []


@functools.cache
def _redis() -> redis.Redis:
    """A connection that Redis has closed is replaced once; one that does not answer is not waited for twice."""
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis.from_url(ENV.redis_url, socket_connect_timeout=0.3, socket_timeout=0.5, retry=retry)


def _order(user_id: int | None) -> None:
    """Make ids ascend in commit order for every reader: writers to one person queue, a broadcast queues with everybody.

    The lock is held until the transaction ends: tell people last, and several people in the order of their ids.
    """
    with connection.cursor() as cursor:
        if user_id is None:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_EVERYBODY])
        else:
            cursor.execute(
                "SELECT pg_advisory_xact_lock_shared(%s), pg_advisory_xact_lock(%s, %s)",
                [_EVERYBODY, _ONE, user_id % 2**31],
            )


def record(user_id: int | None, type: str, data: dict[str, Any]) -> Event:
    """Write an event for one person, or for everybody (None), and tell the sockets on commit."""
    with transaction.atomic():
        _order(user_id)
        after = _newest(user_id)
        event = Event.objects.create(user_id=user_id, type=type, data=data)
        message = {"id": event.pk, "type": type, "at": event.at, "data": data}
        transaction.on_commit(lambda: _hint(user_id, message, after))
    return event


def _newest(user_id: int | None) -> int:
    """The event before this one, as its reader sees it (None: the broadcast before): who was not told that missed a hint."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest((SELECT max(id) FROM events WHERE user_id = %s),"
            " (SELECT max(id) FROM events WHERE user_id IS NULL), 0)",
            [user_id],
        )
        return int(cursor.fetchone()[0])


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
