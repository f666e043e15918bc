"""Episodes and release dates as rows: when something comes out, and since when it can be had. Read from TMDB by jobs."""

import uuid
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from apps.jobs import services as jobs
from apps.media import services, tmdb
from apps.media.models import Episode, Kind, Media, Schedule
from sokoul import logs

log = logs.logger(__name__)

# How old what TMDB said may be: of what still comes out, and of what is all out.
RUNNING, OVER = timedelta(hours=6), timedelta(days=7)
# A film comes to be had at home so long after the cinema, where TMDB names no day.
AFTER_CINEMA = timedelta(days=90)
OVERVIEW_CHARS = 1000
WRITTEN = ["absolute", "title", "overview", "air_date", "tmdb_id"]


def is_stale(schedule: Schedule | None, now: datetime) -> bool:
    """Whether TMDB is to be asked again: sooner while a series runs or a film has not come out."""
    if schedule is None:
        return True
    out = schedule.over or (schedule.available_on is not None and schedule.available_on <= now.date())
    return schedule.read_at < now - (OVER if out else RUNNING)


class Numbers(NamedTuple):
    """Other ways by which an episode, or the episodes of a season, are named; None where it is not known.

    absolute: counted over the series; span: the first and the last of a season, so counted.
    """

    absolute: int | None = None
    span: tuple[int, int] | None = None
    air_date: date | None = None


def numbers(media_id: int, season: int | None, episode: int | None) -> Numbers:
    """How else a season or an episode of it is named, as far as TMDB's schedule was read. One statement."""
    if season is None:
        return Numbers()
    rows = Episode.objects.filter(media_id=media_id, season=season)
    if episode is None:
        first, last = rows.aggregate(first=Min("absolute"), last=Max("absolute")).values()
        return Numbers(span=(first, last) if first is not None else None)
    row = rows.filter(number=episode).first()
    return Numbers(absolute=row.absolute, air_date=row.air_date) if row else Numbers()


def ask_for(media_ids: Iterable[int]) -> int:
    """Have the schedules of these titles read by jobs where they are old, each at most once an hour; how many there are."""
    now, asked = timezone.now(), 0
    for media in Media.objects.filter(pk__in=list(media_ids)).select_related("schedule"):
        if is_stale(getattr(media, "schedule", None), now):
            job_id = uuid.uuid5(uuid.NAMESPACE_OID, f"scout.schedule {media.pk} {now:%Y-%m-%d %H}")
            with transaction.atomic():
                jobs.enqueue("scout", "schedule", {"media_id": media.pk}, job_id=job_id)
            asked += 1
    return asked


def refresh(media_id: int) -> Schedule:
    """Read when a title comes out, if that is not known or old. Doing it twice changes nothing.

    Raises TransientError while TMDB is away, PermanentError (404) for a title that is not here. What TMDB has taken out
    stays as it is.
    """
    media, now = services.get(media_id), timezone.now()
    known = Schedule.objects.filter(media=media).first()
    if known is not None and not is_stale(known, now):
        return known
    facts = _film(media) if media.kind == Kind.MOVIE else _series(media)
    schedule, _ = Schedule.objects.update_or_create(media=media, defaults={**facts, "read_at": now})
    return schedule


def _film(media: Media) -> dict[str, Any]:
    found = tmdb.releases(media.tmdb_id)
    if found is None:
        return {}
    days = {"cinema_on": found.first(1, 2, 3), "digital_on": found.first(4, 6), "physical_on": found.first(5)}
    return {**days, "available_on": available_on(*days.values(), year=media.year)}


def available_on(cinema: date | None, digital: date | None, physical: date | None, *, year: int | None) -> date | None:
    """The first day at home; else some time after the cinema; else, of a known year, when that is over."""
    if home := min((day for day in (digital, physical) if day), default=None):
        return home
    if cinema:
        return cinema + AFTER_CINEMA
    return date(year + 1, 1, 1) if year else None


def _series(media: Media) -> dict[str, Any]:
    found = tmdb.series(media.tmdb_id)
    if found is None:
        return {}
    facts, episodes = found
    _keep(media, {(episode.season_number, episode.episode_number): episode for episode in episodes})
    return {"over": facts.over}


def _keep(media: Media, found: dict[tuple[int, int], tmdb.Episode]) -> None:
    """Write the episodes, and forget those that TMDB has no more; in one transaction, so that nobody sees half of them."""
    counts = {key: count for count, key in enumerate((key for key in sorted(found) if key[0]), 1)}
    rows = [
        Episode(
            media=media, season=season, number=number, absolute=counts.get((season, number)), title=episode.name,
            overview=episode.overview[:OVERVIEW_CHARS], air_date=episode.air_date, tmdb_id=episode.id,
        )
        for (season, number), episode in sorted(found.items())
    ]  # fmt: skip
    with transaction.atomic():
        kept = Episode.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["media", "season", "number"], update_fields=WRITTEN
        )
        Episode.objects.filter(media=media).exclude(pk__in=[row.pk for row in kept]).delete()
