"""Searching for something better than what is there: rarely by itself, with pauses that grow, or when its person asks.

What is new is looked at anyway (`rss`); this finds what was offered before, or while nobody looked. A `BetterSeek` remembers what was
tried, and is moved on in the transaction that enqueues its job, so that neither a crash nor a second relay asks twice.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import BaseModel

from apps.downloads import search, services
from apps.downloads.following import bettering, cutoff, seeking
from apps.downloads.following.models import BetterSeek
from apps.downloads.following.wanted import Unit
from apps.downloads.models import Download
from apps.downloads.refusals import season_unknown
from apps.jobs import services as jobs
from apps.jobs.models import Job
from sokoul import logs
from sokoul.env import ENV
from sokoul.errors import SokoulError, TransientError, conflict

log = logs.logger(__name__)

DAY = timedelta(days=1)
SETTLED = DAY  # what has just come was the best that a search could find
PAUSES = (2, 4, 8, 16, 32)  # days after the first search, the second and so on; the last one again and again
SHARE = 10  # one in so many of the searches of an hour, at most: what is missing goes first
LOOKED_AT = 200  # downloads that one look judges
AGAIN = 600  # seconds within which asking again by hand is the same search

_SAME = (
    "k.media_id = d.media_id AND k.season IS NOT DISTINCT FROM d.season AND k.episode IS NOT DISTINCT FROM d.episode"
)
_DUE = cutoff.held_by(
    """(d.completed_at IS NULL OR d.completed_at < %(settled)s) AND (k.id IS NULL OR k.next_at <= %(now)s)
    AND (d.season IS NOT NULL OR m.kind = 'movie')
    AND NOT EXISTS (SELECT FROM downloads u WHERE u.replaces_id = d.id AND u.status IN ('Pending', 'Running'))""",
    joins=f"LEFT JOIN better_seeks k ON {_SAME}",
    order="coalesce(k.tries, 0), d.media_id DESC, d.season, d.episode, d.id",  # what belongs together stands together
)


class BetterPayload(BaseModel):
    """Job `scout.better`: for everybody who has what a `BetterSeek` is about, or for one download whose person asked."""

    seek_id: int | None = None
    download_id: int | None = None


def pause(tries: int) -> timedelta:
    """Until the next search after so many, from 1."""
    return PAUSES[min(tries, len(PAUSES)) - 1] * DAY


def ask(now: datetime) -> int:
    """Enqueue the searches that are due, as far as the hour's share goes; how many. One relay at a time."""
    with transaction.atomic():
        if not seeking.alone():
            return 0
        mine = max(1, ENV.follow_searches // SHARE) - BetterSeek.objects.filter(asked_at__gt=now - seeking.HOUR).count()
        left = min(mine, seeking.left(now))
        asked = 0
        for unit, is_short in _due(now).items() if left > 0 else ():
            if not is_short:
                _look_again(unit, now)
            elif asked < left:
                _ask(unit, now)
                asked += 1
    return asked


def _due(now: datetime) -> dict[Unit, bool]:
    """What is there and due, what was tried least first; and whether a profile of those who have it asks for better."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"now": now, "settled": now - SETTLED, "most": LOOKED_AT})
        rows = cutoff.read(cursor)
    due = dict.fromkeys(map(_unit, rows), False)
    if len(rows) == LOOKED_AT and len(due) > 1:
        due.popitem()  # of which some may have been cut off
    return due | {unit: True for unit in _short(rows) if unit in due}


def _short(rows: list[dict[str, Any]]) -> Iterator[Unit]:
    """Title by title, so that one whose profile cannot be read keeps no other waiting."""
    for media_id, of_title in groupby(rows, lambda row: row["media_id"]):
        try:
            yield from map(_unit, cutoff.short(of_title))
        except SokoulError as error:
            log.error("what is there of a title could not be judged", media_id=media_id, reason=error.message)


def _unit(row: dict[str, Any]) -> Unit:
    return Unit(row["media_id"], row["season"], row["episode"])


def _look_again(unit: Unit, now: datetime) -> None:
    """It is good enough now; profiles may change."""
    BetterSeek.objects.update_or_create(**_keys(unit), defaults={"next_at": now + DAY})


def _ask(unit: Unit, now: datetime) -> None:
    seek, _made = BetterSeek.objects.get_or_create(**_keys(unit), defaults={"next_at": now})
    seek.tries += 1
    seek.asked_at, seek.next_at = now, now + pause(seek.tries)
    seek.save(update_fields=["tries", "asked_at", "next_at"])
    job_id = uuid.uuid5(uuid.NAMESPACE_OID, f"scout.better {seek.pk} {seek.tries}")
    jobs.enqueue("scout", "better", BetterPayload(seek_id=seek.pk), job_id=job_id)


def _keys(unit: Unit) -> dict[str, Any]:
    return {"media_id": unit.media_id, "season": unit.season, "episode": unit.episode}


def request(user_id: int, download_id: int) -> Job:
    """Search for something better than a complete download now, because its person asks; again within ten minutes is the same
    search. PermanentError: 403, 404, 409 where it is not complete, has an upgrade at work, or nobody knows what to search for.
    """
    download = services.owned(user_id, download_id)
    if download.status != "Completed":
        raise conflict(_("Something better is looked for once it is in your library."), phase=download.phase)
    if not services.searchable(download):
        raise season_unknown(download)
    if download.upgrades.filter(status__in=["Pending", "Running"]).exists():
        raise conflict(_("A better release of it is being downloaded already."), phase=download.phase)
    moment = timezone.now().timestamp() // AGAIN
    job_id = uuid.uuid5(uuid.NAMESPACE_OID, f"scout.better by hand {download.pk} {moment:.0f}")
    with transaction.atomic():
        return jobs.enqueue("scout", "better", BetterPayload(download_id=download.pk), user_id=user_id, job_id=job_id)


def run(payload: BetterPayload, attempt: int) -> dict[str, Any]:
    """The body of `scout.better`: {started, refused} by quotas. Doing it again starts nothing twice.

    Indexers that stay away for a few attempts cost this try and no dead letter, where nobody asked for it.
    """
    unit, held = _of_download(payload.download_id) if payload.download_id else _of_seek(payload.seek_id or 0)
    if unit is None or not held:
        return {"started": 0, "refused": 0}
    try:
        search.run(search.SearchPayload(**_keys(unit)))
    except SokoulError as error:
        if payload.download_id or (isinstance(error, TransientError) and attempt < seeking.ATTEMPTS):
            raise
        log.warning("something better could not be searched for", media_id=unit.media_id, reason=error.message)
        return {"error": error.message}
    return vars(bettering.take(unit, held))


def _of_seek(seek_id: int) -> tuple[Unit | None, list[bettering.Held]]:
    seek = BetterSeek.objects.filter(pk=seek_id).first()
    if seek is None:
        return None, []
    unit = Unit(seek.media_id, seek.season, seek.episode)
    return unit, bettering.held_of([unit.media_id]).get(unit, [])


def _of_download(download_id: int) -> tuple[Unit | None, list[bettering.Held]]:
    row = Download.objects.select_related("torrent").filter(pk=download_id, status="Completed").first()
    if row is None:
        return None, []
    release, size = (row.torrent.title, row.torrent.size) if row.torrent else ("", 0)
    held = bettering.Held(row.pk, row.user_id, row.profile_id, release or row.name, size or row.bytes_total)
    return Unit(row.media_id, row.season, row.episode), [held]
