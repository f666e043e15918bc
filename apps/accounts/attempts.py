"""Tries at what could be guessed: so many in any so many seconds, counted in PostgreSQL, across processes and without Redis.

A try takes its place before it is made, so that of fifty at once exactly as many are made as there are places. Whoever turns
out to be right gives the place back. Times are the database's.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection, transaction
from django.utils.translation import ngettext

from apps.accounts.models import Attempt
from sokoul.errors import PermanentError

DAY = 86_400  # seconds; no limit looks back further
_OLD_AT_ONCE = 20  # rows that a try removes in passing, many times what it adds

# By the same lower() that finds an account: letters that only PostgreSQL folds would give a name more tries than its own.
_KEY = "encode(sha256(convert_to(lower(%s), 'UTF8')), 'hex')"
_NEWEST = """
SELECT count(*), extract(epoch FROM min(at) - statement_timestamp())
FROM (SELECT at FROM attempts WHERE scope = %s AND key = %s AND at > statement_timestamp() - make_interval(secs => %s)
      ORDER BY at DESC LIMIT %s) newest
"""
_INSERT = "INSERT INTO attempts (scope, key, at) VALUES (%s, %s, statement_timestamp()) RETURNING id"
# An array is made once; the rows of an IN may be asked for again and again, by some plans, and be others each time.
_FORGET = """
DELETE FROM attempts WHERE id = ANY(ARRAY(
    SELECT id FROM attempts WHERE at < statement_timestamp() - make_interval(secs => %s)
    ORDER BY at LIMIT %s FOR UPDATE SKIP LOCKED))
"""


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


def _take(tries: Iterable[Try]) -> list[Place] | float:
    """The places, else the seconds until there are some."""
    with transaction.atomic(), connection.cursor() as cursor:
        keyed = [(each, _key(each.whose)) for each in tries]
        _queue({_lock(each.limit, key) for each, key in keyed})
        places, wait = [], 0.0
        for each, key in keyed:
            cursor.execute(_NEWEST, [each.limit.scope, key, each.limit.seconds, each.limit.most])
            count, oldest = cursor.fetchone()
            if count >= each.limit.most:
                wait = max(wait, each.limit.seconds + float(oldest), 1.0)
            places.append(count + 1 >= each.limit.most)
        if wait:
            return wait
        cursor.execute(_FORGET, [DAY, _OLD_AT_ONCE])
        return [Place(_insert(each.limit, key), each, last) for (each, key), last in zip(keyed, places, strict=True)]


def _key(whose: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_KEY}", [whose.replace("\0", "")])
        return str(cursor.fetchone()[0])


def _lock(limit: Limit, key: str) -> int:
    """The number of its advisory lock; two-key ones, and the few small numbers of others, are out of the way."""
    return int.from_bytes(hashlib.sha256(f"{limit.scope} {key}".encode()).digest()[:8], "big", signed=True)


def _queue(locks: set[int]) -> None:
    """Behind whoever counts the same, in one order for everybody, until the transaction ends."""
    with connection.cursor() as cursor:
        for lock in sorted(locks):
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])


def _insert(limit: Limit, key: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [limit.scope, key])
        return int(cursor.fetchone()[0])


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
    Attempt.objects.filter(pk__in=[place.id for place in places]).delete()


def clear(limit: Limit, *whose: str) -> None:
    """Whoever it is has all tries again."""
    keys = {_key(text) for text in whose}
    with transaction.atomic():
        _queue({_lock(limit, key) for key in keys})  # two that remove the same rows would wait for each other
        Attempt.objects.filter(scope=limit.scope, key__in=keys).delete()
