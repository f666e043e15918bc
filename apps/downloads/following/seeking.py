"""Searching by itself for what is wanted: as soon as it is out, again after hours, then daily, never too much in an hour.

The relay's chore asks for the jobs; a `Seek` remembers what was tried. It is moved on in the transaction that enqueues its job, so
that neither a crash nor a second relay asks twice.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from pydantic import BaseModel

from apps.downloads import search
from apps.downloads.following import wanted
from apps.downloads.following.models import BetterSeek, Seek
from apps.downloads.following.taking import QUOTA_RETRY, take
from apps.downloads.following.wanted import WHOLE_SEASONS, Unit, wanted_by
from apps.jobs import services as jobs
from apps.media import episodes
from sokoul import logs
from sokoul.env import ENV
from sokoul.errors import SokoulError, TransientError

log = logs.logger(__name__)

HOUR = timedelta(hours=1)
# After the first search, the second and so on; the last one again and again. None is shorter than an hour, so that what was asked
# within one can be counted by rows.
PAUSES = (1, 2, 4, 6, 12, 24)
ATTEMPTS = 3  # of one search, seconds after each other
BURST = 10  # searches asked for at once: people's own should not queue behind hundreds
SCHEDULES = 20  # titles whose dates are read at once
_LOCK = 0x50_4B_30  # of an advisory lock; only a name

# What is wanted and due, once for everybody who wants it. Single episodes wait until their season was searched for whole.
_DUE = f"""
WITH wanted AS {wanted_by(wanted.EVERYBODYS)}, whole AS {WHOLE_SEASONS}
SELECT u.media_id, u.season, u.episode FROM (
    SELECT media_id, season, episode, since FROM wanted w WHERE NOT EXISTS (
        SELECT FROM whole h LEFT JOIN seeks p ON p.media_id = h.media_id AND p.season = h.season AND p.episode IS NULL
        WHERE h.media_id = w.media_id AND h.season = w.season AND (p.searched_at IS NULL OR p.waiting))
    UNION ALL SELECT media_id, season, NULL, since FROM whole) u
LEFT JOIN seeks k ON k.media_id = u.media_id
    AND k.season IS NOT DISTINCT FROM u.season AND k.episode IS NOT DISTINCT FROM u.episode
WHERE (k.id IS NULL OR k.next_at <= %(now)s) AND coalesce(k.waiting, false) = %(waiting)s
GROUP BY 1, 2, 3 ORDER BY coalesce(min(k.tries), 0), max(u.since) DESC, 1, 2, 3 LIMIT %(most)s
"""  # noqa: S608 - constants


class SeekPayload(BaseModel):
    """Job `scout.seek`. `search` false: what was found before is to be started, now that a quota may allow it."""

    seek_id: int
    search: bool = True


def pause(tries: int) -> timedelta:
    """Until the next search after so many, from 1."""
    return timedelta(hours=PAUSES[min(tries, len(PAUSES)) - 1])


def ask(now: datetime) -> int:
    """Enqueue the jobs that are due, so many an hour as FOLLOW_SEARCHES allows; how many. One relay at a time."""
    with transaction.atomic():
        if not alone():
            return 0
        searches = _due(now, min(left(now), BURST), waiting=False)
        for unit in searches:
            _ask(unit, now)
        held_up = _due(now, BURST, waiting=True)
        for unit in held_up:
            _ask_again(unit, now)
    return len(searches) + len(held_up)


def alone() -> bool:
    """Whether nobody else asks for searches until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def left(now: datetime) -> int:
    """How many searches may still be asked for in this hour, be it for what is missing or for something better."""
    lately = [model.objects.filter(asked_at__gt=now - HOUR).count() for model in (Seek, BetterSeek)]
    return ENV.follow_searches - sum(lately)


def _due(now: datetime, most: int, *, waiting: bool) -> list[Unit]:
    if most <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"now": now, "today": now.date(), "most": most, "waiting": waiting})
        return [Unit(*row) for row in cursor.fetchall()]


def _ask(unit: Unit, now: datetime) -> None:
    seek, _ = Seek.objects.get_or_create(
        media_id=unit.media_id, season=unit.season, episode=unit.episode, defaults={"next_at": now}
    )
    seek.tries += 1
    seek.asked_at, seek.next_at = now, now + pause(seek.tries)
    seek.save(update_fields=["tries", "asked_at", "next_at"])
    job_id = uuid.uuid5(uuid.NAMESPACE_OID, f"scout.seek {seek.pk} {seek.tries}")
    jobs.enqueue("scout", "seek", SeekPayload(seek_id=seek.pk), job_id=job_id)


def _ask_again(unit: Unit, now: datetime) -> None:
    found = Seek.objects.filter(media_id=unit.media_id, season=unit.season, episode=unit.episode)
    found.update(next_at=now + QUOTA_RETRY)
    jobs.enqueue("scout", "seek", SeekPayload(seek_id=found.get().pk, search=False))


def run(payload: SeekPayload, attempt: int) -> dict[str, Any]:
    """The body of `scout.seek`: search for all who want it, start what is best. Doing it again starts nothing twice.

    Indexers that stay away for a few attempts cost this try and no dead letter: the next one comes by itself, in an hour.
    """
    seek = Seek.objects.filter(pk=payload.seek_id).first()
    if seek is None:
        return {}
    unit = Unit(seek.media_id, seek.season, seek.episode)
    if unit not in wanted.units_of([unit.media_id]):
        Seek.objects.filter(pk=seek.pk).update(waiting=False)
        return {"wanted": False}
    if payload.search and (reason := _searched(unit, attempt)):
        Seek.objects.filter(pk=seek.pk).update(next_at=timezone.now() + HOUR)
        return {"error": reason}
    taken = take(unit)
    facts: dict[str, Any] = {"searched_at": timezone.now()} if payload.search else {}
    Seek.objects.filter(pk=seek.pk).update(waiting=taken.refused > 0, **facts)
    return vars(taken)


def _searched(unit: Unit, attempt: int) -> str:
    """Why it could not be searched for; empty when it was. TransientError while there are attempts left."""
    try:
        search.run(search.SearchPayload(media_id=unit.media_id, season=unit.season, episode=unit.episode))
    except SokoulError as error:
        if isinstance(error, TransientError) and attempt < ATTEMPTS:
            raise
        log.warning("a followed title could not be searched for", media_id=unit.media_id, reason=error.message)
        return error.message
    with connection.cursor() as cursor:
        cursor.execute(_SEARCHED, {"now": timezone.now(), "media_id": unit.media_id})
    return ""


# Whoever changes several follows locks them in the order of their ids: two who meet would else wait for each other for ever.
_SEARCHED = """
WITH held AS MATERIALIZED (SELECT id FROM follows WHERE media_id = %(media_id)s ORDER BY id FOR NO KEY UPDATE)
UPDATE follows f SET searched_at = %(now)s FROM held WHERE f.id = held.id
"""


# Titles that are followed and whose dates are old or not known. The ages are those of `episodes.is_stale`, which looks again.
_OLD = """
SELECT f.media_id FROM follows f LEFT JOIN schedules s ON s.media_id = f.media_id
WHERE s.read_at IS NULL OR s.read_at < %(over)s
    OR s.read_at < %(running)s AND NOT coalesce(s.over OR s.available_on <= %(today)s, false)
GROUP BY f.media_id ORDER BY min(s.read_at) NULLS FIRST LIMIT %(most)s
"""


def read_schedules(now: datetime) -> int:
    """Ask for the dates of followed titles, where they are old; how many."""
    values: dict[str, Any] = {
        "running": now - episodes.RUNNING, "over": now - episodes.OVER, "today": now.date(), "most": SCHEDULES,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_OLD, values)
        return episodes.ask_for(row[0] for row in cursor.fetchall())


# A film that is there; a series that is over and of which nothing is left to come or to be got.
_END = f"""
WITH held AS MATERIALIZED {wanted.held(wanted.EVERYBODYS.downloads)},
going AS MATERIALIZED (
    SELECT DISTINCT f.id FROM follows f JOIN schedules s ON s.media_id = f.media_id AND s.over
    JOIN episodes e ON e.media_id = f.media_id
    WHERE f.ended_at IS NULL AND {wanted.FOLLOWED}
        AND NOT EXISTS (SELECT FROM held h WHERE h.status = 'Completed' AND {wanted.HOLDS})),
ended AS MATERIALIZED (SELECT f.id FROM follows f WHERE f.ended_at IS NULL AND (
    f.what = 'film' AND EXISTS (
        SELECT FROM downloads d WHERE d.user_id = f.user_id AND d.media_id = f.media_id AND d.copy = {wanted.COPY}
            AND d.status = 'Completed')
    OR f.what <> 'film' AND EXISTS (SELECT FROM schedules s WHERE s.media_id = f.media_id AND s.over)
        AND NOT EXISTS (SELECT FROM going WHERE going.id = f.id))
ORDER BY f.id FOR NO KEY UPDATE OF f)
UPDATE follows f SET ended_at = %(now)s FROM ended WHERE f.id = ended.id
"""  # noqa: S608 - constants
_BEGIN_AGAIN = """
WITH again AS MATERIALIZED (
    SELECT f.id FROM follows f JOIN schedules s ON s.media_id = f.media_id
    WHERE f.ended_at IS NOT NULL AND f.what <> 'film' AND NOT s.over
    ORDER BY f.id FOR NO KEY UPDATE OF f)
UPDATE follows f SET ended_at = NULL FROM again WHERE f.id = again.id
"""


def end(now: datetime) -> int:
    """Mark what has come to its end, and what goes on after all; how many."""
    with connection.cursor() as cursor:
        cursor.execute(_END, {"now": now})
        ended = cursor.rowcount
        cursor.execute(_BEGIN_AGAIN)
        return int(ended + cursor.rowcount)
