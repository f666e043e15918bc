"""Searching releases: from a title to ranked candidates. The scout's job, and what views, pages and the bot ask."""

import time
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, OuterRef, Subquery
from django.utils import timezone
from pydantic import BaseModel

from apps.downloads import indexers, offered
from apps.downloads.models import Candidate, Torrent
from apps.downloads.releases import rank
from apps.downloads.releases.choice import is_single, pick
from apps.downloads.releases.match import Wanted
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.spelling import same_title
from apps.jobs import services as jobs
from apps.jobs.models import Job, Status
from apps.media import episodes
from apps.media import services as media_services
from apps.media.models import Kind, Media
from sokoul import logs
from sokoul.api import Page, listing
from sokoul.errors import PermanentError, TransientError

log = logs.logger(__name__)

STALE = timedelta(days=1)
MOST_CONSIDERED = 500
QUALITY = (
    "season", "episodes", "complete", "resolution", "source", "remux", "codec", "bit_depth", "hdr", "audio", "channels",
    "languages", "subtitles", "multi", "group", "edition", "proper", "repack",
)  # fmt: skip
_BEST_FIRST = (F("score").desc(nulls_last=True), F("torrent__seeders").desc(), F("id"))


class SearchPayload(BaseModel):
    """Job `scout.search`: a title by its id or by words, or a season or episode of it."""

    media_id: int | None = None
    query: str = ""
    season: int | None = None
    episode: int | None = None
    download_id: int | None = None


def request_search(
    user_id: int | None,
    media_id: int | None = None,
    season: int | None = None,
    episode: int | None = None,
    query: str = "",
) -> Job:
    """Ask the scout for releases of a title, given by id or by words. Raises PermanentError: 400, or 404 for the id."""
    if (media_id is None) == (not query):
        raise PermanentError("Give either query or media_id.", fields={"media_id": ["either this or query"]})
    if episode is not None and season is None:
        raise PermanentError("An episode needs its season.", fields={"season": ["needed with episode"]})
    if media_id is not None:
        media_services.get(media_id)
    payload = {
        "media_id": media_id,
        "query": media_services.clean_query(query) if query else "",
        "season": season,
        "episode": episode,
    }
    with transaction.atomic():
        return jobs.enqueue("scout", "search", payload, user_id=user_id)


def run(payload: SearchPayload) -> dict[str, Any]:
    """The body of `scout.search`: details, indexers, match, rank, rows. Doing it again refreshes.

    Gives {media_id, season, episode, found, accepted, warnings}. Raises TransientError while a provider is away,
    PermanentError when no title fits or no indexer is configured.
    """
    media_id = payload.media_id if payload.media_id is not None else title_of(payload.query)
    media = media_services.refresh_details(media_id)
    if payload.season is not None and media.kind == Kind.TV:
        _learn_numbers(media.pk)
    offers, warnings = indexers.search_all(_wish(media, payload.season, payload.episode))
    torrents = offered.keep(offers)
    accepted = _decide(media, torrents, payload.season, payload.episode)
    log.info("releases searched", media_id=media.pk, found=len(torrents), accepted=accepted, warnings=warnings)
    return {
        "media_id": media.pk,
        "season": payload.season,
        "episode": payload.episode,
        "found": len(torrents),
        "accepted": accepted,
        "warnings": warnings,
    }


def _learn_numbers(media_id: int) -> None:
    """Days and counts of the episodes, by which some releases name them; without them fewer releases are known."""
    try:
        episodes.refresh(media_id)
    except (TransientError, PermanentError) as error:
        log.warning("searched without the schedule", media_id=media_id, reason=error.message)


def title_of(query: str) -> int:
    """The id of the title that the words mean best: the same title, with the year where one is given, else the first."""
    found = media_services.search_titles(query)
    titles = found["results"]
    exact = [media for media in titles if _is_called(media, query)]
    if not exact and (dated := media_services.split_year(query)):
        found = media_services.search_titles(dated[0])
        of_year = [media for media in found["results"] if media["year"] == dated[1]]
        exact = [media for media in of_year if _is_called(media, dated[0])] or of_year
    if not exact and found["degraded"]:
        raise TransientError("TMDB does not answer, so the title cannot be looked up.")
    if not exact and not titles:
        raise PermanentError(f"No film or series is called “{query}”.", code="not_found", status=404)
    return int((exact or titles)[0]["id"])


def _is_called(media: dict[str, Any], name: str) -> bool:
    return same_title(media["title"], name) or same_title(media["original_title"], name)


def _wish(media: Media, season: int | None, episode: int | None) -> indexers.Wish:
    return indexers.Wish(
        kind=Kind(media.kind),
        title=media.title,
        original_title=media.original_title,
        year=media.year,
        season=season,
        episode=episode,
        imdb_id=media.imdb_id,
    )


def _wanted(media: Media, season: int | None, episode: int | None) -> Wanted:
    numbers = episodes.numbers(media.pk, season, episode)
    return Wanted(
        kind="movie" if media.kind == Kind.MOVIE else "tv",
        title=media.title,
        titles=tuple(filter(None, (media.original_title, *media.titles))),
        year=media.year,
        season=season,
        episode=episode,
        runtime=media.runtime or None,
        absolute_episode=numbers.absolute,
        absolute_span=numbers.span,
        air_date=numbers.air_date,
        namesakes=media_services.namesakes(media),
    )


def _decide(media: Media, torrents: list[Torrent], season: int | None, episode: int | None) -> int:
    """Write what is thought of each release for this title, drop what nobody offers any more; gives how many will do."""
    wanted, profile, now = _wanted(media, season, episode), Profile(), timezone.now()
    decided = []
    for torrent in torrents:
        decision = rank.decide(wanted, parse(torrent.title), torrent.size, torrent.seeders, profile)
        decided.append(
            Candidate(
                media=media, torrent=torrent, season=season, episode=episode, decided_at=now, **decision.to_json()
            )
        )
    decided.sort(key=lambda candidate: candidate.torrent_id)
    with transaction.atomic():
        Candidate.objects.bulk_create(
            decided,
            update_conflicts=True,
            unique_fields=["media", "torrent", "season", "episode"],
            update_fields=["score", "reasons", "rejections", "decided_at"],
        )
        searched = Candidate.objects.filter(media=media, season=season, episode=episode)
        searched.filter(decided_at__lt=now - STALE).delete()
    return sum(candidate.score is not None for candidate in decided)


def releases_of(media_id: int, page: Page, season: int | None = None, episode: int | None = None) -> dict[str, Any]:
    """The releases of a title, accepted ones first by score, rejected ones after with their rejections.

    With a season only what was found when it (and the episode) was searched for. One row a release. Two statements.
    404 for an unknown title.
    """
    rows = Candidate.objects.filter(media_id=media_id)
    if season is not None:
        rows = rows.filter(season=season, episode=episode)
    best = Candidate.objects.filter(media_id=media_id, torrent_id=OuterRef("torrent_id"))
    if season is not None:
        best = best.filter(season=season, episode=episode)
    rows = rows.filter(pk=Subquery(best.order_by(F("score").desc(nulls_last=True), "id").values("pk")[:1]))
    total = rows.count()
    if not total:
        media_services.get(media_id)
    window = rows.order_by(*_BEST_FIRST).values(*_FIELDS)[page.rows]
    return listing([release_json(row) for row in window], total, page)


_OF_TORRENT = ("title", "indexer", "indexers", "size", "seeders", "peers", "published_at", "parsed")
_FIELDS = ("torrent_id", "score", "reasons", "rejections", *(f"torrent__{name}" for name in _OF_TORRENT))


def release_json(row: dict[str, Any]) -> dict[str, Any]:
    """The one JSON shape of a release; `id` is what /downloads/start takes as torrent_id."""
    told = {"id": row["torrent_id"]}
    told |= {name: row[f"torrent__{name}"] for name in _OF_TORRENT if name != "parsed"}
    told |= {name: row[name] for name in ("score", "reasons", "rejections")}
    parsed = row["torrent__parsed"] if isinstance(row["torrent__parsed"], dict) else {}
    return told | {name: parsed.get(name) for name in QUALITY}


def best(media_id: int, season: int | None, episode: int | None) -> Torrent | None:
    """The release to take; None when nothing that was found will do.

    The first by score that releases.choice.pick lets pass.
    """
    rows = Candidate.objects.filter(media_id=media_id, season=season, episode=episode, score__isnull=False)
    fit = rows.order_by(*_BEST_FIRST).select_related("torrent", "media")[:MOST_CONSIDERED]
    taken = pick(fit, _is_single, season, episode)
    return taken.torrent if taken else None


def _is_single(candidate: Candidate) -> bool:
    return candidate.media.kind == Kind.TV and is_single(candidate.torrent.parsed)


def rejections_of(media_id: int, season: int | None, episode: int | None) -> list[str]:
    """Why nothing will do, for people: each sentence once, of the releases that were looked at."""
    rows = Candidate.objects.filter(media_id=media_id, season=season, episode=episode)
    if rows.filter(score__isnull=False).exists():
        return ["Only single episodes were found, no release of the whole season."]
    found = rows.order_by(F("torrent__seeders").desc(), "id").values_list("rejections", flat=True)[:20]
    return list(dict.fromkeys(entry["sentence"] for rejections in found for entry in rejections))


def wait_for(job: Job, seconds: float) -> Job:
    """The job as it is once it has ended, or after `seconds`. Holds neither a transaction nor a connection meanwhile."""
    end, pause = time.monotonic() + seconds, 0.05
    while job.status not in (Status.COMPLETED, Status.FAILED) and time.monotonic() < end:
        if not connection.in_atomic_block:
            connection.close()
        time.sleep(min(pause, max(0.0, end - time.monotonic())))
        pause = min(pause * 1.5, 0.5)
        job.refresh_from_db()
    return job
