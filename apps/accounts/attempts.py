"""Tries at what could be guessed: so many in any so many seconds, counted in PostgreSQL, across processes and without Redis.

A try takes its place before it is made, so that of fifty at once exactly as many are made as there are places. Whoever turns
out to be right gives the place back. Times are the database's.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection
from django.utils.translation import ngettext

from sokoul.errors import PermanentError

DAY = 86_400  # seconds; no limit looks back further
_OLD_AT_ONCE = 20  # rows that a try removes in passing, many times what it adds

# Which limits a statement is about. The key is made by the same lower() that finds an account: letters that only PostgreSQL
# folds would give a name more tries than its own.
_TRIES = """
SELECT number, scope, encode(sha256(convert_to(lower(whose), 'UTF8')), 'hex') AS key, most, seconds
FROM unnest(%(scopes)s::text[], %(whose)s::text[], %(most)s::int[], %(seconds)s::int[])
    WITH ORDINALITY AS tries(scope, whose, most, seconds, number)
"""
# Behind whoever counts the same, in one order for everybody, until the transaction ends. Two-key advisory locks, and the few small
# numbers of others, are out of the way of these. What comes after is a statement of its own: it has to see what those before wrote.
_QUEUE = f"""
SELECT pg_advisory_xact_lock(number) FROM (
    SELECT DISTINCT ('x' || left(encode(sha256(convert_to(scope || ' ' || key, 'UTF8')), 'hex'), 16))::bit(64)::bigint AS number
    FROM ({_TRIES}) tries ORDER BY number) queue;
"""  # noqa: S608 - our own words
_TAKE = f"""
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
counted AS MATERIALIZED (
    SELECT tries.*, newest.count, extract(epoch FROM newest.oldest - now) AS oldest
    FROM moment CROSS JOIN ({_TRIES}) tries CROSS JOIN LATERAL (
        SELECT count(*), min(at) AS oldest FROM (
            SELECT at FROM attempts
            WHERE attempts.scope = tries.scope AND attempts.key = tries.key AND at > now - make_interval(secs => tries.seconds)
            ORDER BY at DESC LIMIT tries.most) latest
    ) newest),
room AS (SELECT now FROM moment WHERE NOT EXISTS (SELECT FROM counted WHERE count >= most)),
taken AS (INSERT INTO attempts (scope, key, at) SELECT scope, key, now FROM counted CROSS JOIN room RETURNING id, scope, key),
old AS MATERIALIZED (
    SELECT id FROM attempts, room WHERE at < now - make_interval(secs => %(day)s)
    ORDER BY at LIMIT %(old)s FOR UPDATE OF attempts SKIP LOCKED),
forgotten AS (DELETE FROM attempts USING old WHERE attempts.id = old.id)
SELECT taken.id, count, oldest FROM counted LEFT JOIN taken USING (scope, key) ORDER BY number
"""  # noqa: S608 - our own words
_GIVE_BACK = "DELETE FROM attempts WHERE id = ANY(%(ids)s);"
_CLEAR = f"""
DELETE FROM attempts USING ({_TRIES}) tries WHERE attempts.scope = tries.scope AND attempts.key = tries.key;
"""  # noqa: S608 - our own words
_LOSABLE = "SELECT set_config('synchronous_commit', 'off', true);"


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
    """The places, else the seconds until there are some. One message to PostgreSQL, whose statements are one transaction.

    Where it is a transaction of its own it does not wait for the disk: whatever is answered to a try that was wrong is written
    after it, and takes it to the disk; what a crash of PostgreSQL forgets are tries of its last moments that nobody heard of.
    """
    losable = "" if connection.in_atomic_block else _LOSABLE
    rows = _about(f"{losable}{_QUEUE}{_TAKE}", tries, day=DAY, old=_OLD_AT_ONCE)
    waits = [
        max(each.limit.seconds + float(oldest), 1.0)
        for each, (_id, count, oldest) in zip(tries, rows, strict=True)
        if count >= each.limit.most
    ]
    if waits:
        return max(waits)
    return [Place(id_, each, count + 1 >= each.limit.most) for each, (id_, count, _) in zip(tries, rows, strict=True)]


def _about(statements: str, tries: Sequence[Try], **values: Any) -> list[tuple[Any, ...]]:
    """The rows of the last of them."""
    values["scopes"] = [each.limit.scope for each in tries]
    values["whose"] = [each.whose.replace("\0", "") for each in tries]
    values["most"] = [each.limit.most for each in tries]
    values["seconds"] = [each.limit.seconds for each in tries]
    with connection.cursor() as cursor:
        cursor.execute(statements, values)
        while cursor.nextset():
            pass
        return list(cursor.fetchall()) if cursor.description else []


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
    forget(places)


def clear(limit: Limit, *whose: str) -> None:
    """Whoever it is has all tries again."""
    forget((), [Try(limit, text) for text in whose])


def forget(back: Iterable[Place], anew: Sequence[Try] = ()) -> None:
    """Give these places back, and all tries to whoever these limits are for: one message, and one transaction of its own at least.

    Two that remove the same rows would wait for each other: they queue.
    """
    ids = [place.id for place in back]
    statements = (_GIVE_BACK if ids else "") + (f"{_QUEUE}{_CLEAR}" if anew else "")
    if statements:
        _about(statements, anew, ids=ids)
