"""What is new at the indexers, taken where it is wanted: sooner than any search, and one request for everything."""

import uuid
from collections import defaultdict
from datetime import datetime
from functools import cache
from typing import Any

from django.db import transaction

from apps.downloads import indexers, offered
from apps.downloads.following import bettering, judging, wanted
from apps.downloads.following.models import Follow
from apps.downloads.following.taking import Taken, take
from apps.downloads.following.titles import Titles
from apps.downloads.following.wanted import Unit
from apps.downloads.indexers import Offer
from apps.downloads.models import Torrent
from apps.downloads.releases.name import ReleaseName
from apps.downloads.releases.parse import parse
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.media.models import Episode, Kind, Media
from sokoul import logs
from sokoul.env import ENV
from sokoul.errors import SokoulError

log = logs.logger(__name__)


def ask(now: datetime) -> int:
    """Have what is new looked at, once in each RSS_MINUTES, however many ask; 0 while nobody follows anything."""
    if not Follow.objects.exists():
        return 0
    job_id = uuid.uuid5(uuid.NAMESPACE_OID, f"scout.rss {now.timestamp() // (60 * ENV.rss_minutes):.0f}")
    if Job.objects.filter(pk=job_id).exists():  # only so that the relay's log tells of new ones; `enqueue` looks itself
        return 0
    with transaction.atomic():
        jobs.enqueue("scout", "rss", {}, job_id=job_id)
    return 1


def read() -> dict[str, Any]:
    """The body of `scout.rss`: {new, wanted, started, refused, upgrades}. Doing it again starts nothing twice.

    Indexers that are away make no dead letter: the next look comes by itself.
    """
    try:
        offers, _ = indexers.latest()
    except SokoulError as error:
        log.warning("what is new could not be looked at", reason=error.message)
        return {"error": error.message}
    told = {"new": len(offers), **_taken(offers)}
    indexers.note_newest(offers)  # last: who dies before looks as far back again
    return told


def _taken(offers: list[Offer]) -> dict[str, Any]:
    medias = {media.pk: media for media in Media.objects.filter(follows__isnull=False).distinct()}
    followed = _Followed(medias)
    found = [offer for offer in offers if followed.of(parse(offer.title))]
    held = _held(offered.keep(found), followed) if found else {}
    media_ids = {unit.media_id for unit in held}
    wishes, there = wanted.units_of(media_ids), bettering.held_of(media_ids)
    total, better = Taken(), 0
    units = sorted((unit for unit in held if unit in wishes or unit in there), key=_order)
    for unit in units:
        try:
            judging.decide(medias[unit.media_id], unit, held[unit])
            taken = take(unit)
            total.started += taken.started
            total.refused += taken.refused
            better += bettering.take(unit, there.get(unit, [])).started
        except SokoulError as error:  # as of a profile that cannot be read: other titles go on
            log.error("what is new of a title could not be taken", media_id=unit.media_id, reason=error.message)
    return {"wanted": sum(unit in wishes for unit in units), **vars(total), "upgrades": better}


def _order(unit: Unit) -> tuple[int, int, int]:
    """Whole seasons before their episodes."""
    return (unit.media_id, unit.season or 0, -1 if unit.episode is None else unit.episode)


class _Followed:
    """The titles that somebody follows. What is asked about one is asked once, however many releases claim to be of it."""

    def __init__(self, medias: dict[int, Media]) -> None:
        self._medias, self._titles, self._wanted = medias, Titles(medias.values()), cache(judging.wanted)

    def of(self, release: ReleaseName) -> list[Media]:
        """Those that the release is of."""
        near = [self._medias[number] for number in sorted(self._titles.of(release))]
        return [media for media in near if judging.is_of(self._wanted(media), release)]


def _held(torrents: list[Torrent], followed: _Followed) -> dict[Unit, list[Torrent]]:
    """What these releases hold of titles that somebody follows."""
    held: dict[Unit, list[Torrent]] = defaultdict(list)
    for torrent in torrents:
        release = parse(torrent.title)
        for media in followed.of(release):
            for unit in _units(media, release):
                held[unit].append(torrent)
    return held


def _units(media: Media, release: ReleaseName) -> list[Unit]:
    """What a release holds of a title: a film, whole seasons, or episodes, however it counts them."""
    if media.kind == Kind.MOVIE:
        return [Unit(media.pk)]
    if release.seasons and "season" not in release.assumed:
        numbers: tuple[int | None, ...] = release.episodes or (None,)
        return [Unit(media.pk, season, number) for season in release.seasons for number in numbers]
    known = Episode.objects.filter(media=media)
    if release.air_date:
        known = known.filter(air_date=release.air_date)
    else:
        known = known.filter(absolute__in=release.episodes or (release.absolute_episode or -1,))
    return [Unit(media.pk, episode.season, episode.number) for episode in known]
