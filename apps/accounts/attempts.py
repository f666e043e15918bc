"""Tries at what could be guessed: so many in any so many seconds, counted in PostgreSQL, across processes and without Redis.

A try takes its place before it is made, so that of fifty at once exactly as many are made as there are places. Whoever turns
out to be right gives the place back. Times are the database's.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection
from django.utils.translation import ngettext

from sokoul.errors import PermanentError
from sokoul.postgres import message
from sokoul.postgres.message import MessagePart

DAY = 86_400  # seconds; no limit looks back further
_OLD_AT_ONCE = 20  # rows that a try removes in passing, many times what it adds

# Functions of migration 0011.
_TAKE = "SELECT * FROM attempts_take(%s::text[], %s::text[], %s::int[], %s::int[], %s, %s)"
_FORGET = "SELECT attempts_forget(%s::bigint[], %s::text[], %s::text[])"
_LOSABLE = MessagePart("SELECT set_config('synchronous_commit', 'off', true)")


@dataclass(frozen=True)
class Limit:
    """`most` tries in any `seconds`, at most a DAY; `scope` keeps it apart from the others."""

    scope: str
    most: int
    seconds: int


class Try(NamedTuple):
    """`whose`: the name, address or number that the limit is for; kept as a digest only, upper and lower case alike."""

    limit: Limit
    whose: str


class Place(NamedTuple):
    """What a try has taken. `last`: the next one is refused, unless this or an earlier one is given back."""

    id: int
    of: Try
    last: bool


def take(*tries: Try) -> list[Place]:
    """A place in each of these limits, or in none: PermanentError (429) where one of them is full."""
    taken = _take(tries)
    if isinstance(taken, float):
        raise _too_many(taken)
    return taken


def first(limit: Limit, whose: str) -> bool:
    """Whether there was a place, now taken: for what is to happen so often and no more, instead of refusing it."""
    return not isinstance(_take([Try(limit, whose)]), float)


def _take(tries: Sequence[Try]) -> list[Place] | float:
    """The places, else the seconds until there are some.

    Where it is a transaction of its own it does not wait for the disk: whatever is answered to a try that was wrong is written
    after it, and takes it to the disk; what a crash of PostgreSQL forgets are tries of its last moments that nobody heard of.
    """
    limits = [each.limit for each in tries]
    values = [*_named(tries), [limit.most for limit in limits], [limit.seconds for limit in limits], DAY, _OLD_AT_ONCE]
    rows = message.send(*([] if connection.in_atomic_block else [_LOSABLE]), MessagePart(_TAKE, values))
    waits = [
        max(limit.seconds + oldest, 1.0)
        for limit, (_id, count, oldest) in zip(limits, rows, strict=True)
        if count >= limit.most
    ]
    if waits:
        return float(max(waits))
    return [Place(id_, each, count + 1 >= each.limit.most) for each, (id_, count, _) in zip(tries, rows, strict=True)]


def _named(tries: Sequence[Try]) -> list[list[str]]:
    """Their scopes, and whose they are."""
    return [[each.limit.scope for each in tries], [each.whose.replace("\0", "") for each in tries]]


def _too_many(wait: float) -> PermanentError:
    """In whole minutes, also in Retry-After: what is told about one name must not differ from what is told about another."""
    minutes = math.ceil(wait / 60)
    text = ngettext(
        "Too many attempts. Try again in %(count)d minute.",
        "Too many attempts. Try again in %(count)d minutes.",
        minutes,
    ) % {"count": minutes}
    return PermanentError(text, code="too_many_attempts", status=429, retry_after=minutes * 60)


def give_back(places: Iterable[Place]) -> None:
    message.send(forgetting(places))


def clear(limit: Limit, *whose: str) -> None:
    """Whoever it is has all tries again."""
    message.send(forgetting((), [Try(limit, text) for text in whose]))


def forgetting(back: Iterable[Place], anew: Sequence[Try] = ()) -> MessagePart:
    """Gives these places back, and all tries to whoever these limits are for.

    Two that remove the same rows would wait for each other: they queue.
    """
    return MessagePart(_FORGET, [[place.id for place in back], *_named(anew)])
