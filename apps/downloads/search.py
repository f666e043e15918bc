"""Searching releases: from a title to ranked candidates. The scout's job, and what views, pages and the bot ask."""

import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import BigIntegerField, Case, F, QuerySet, Subquery, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import BaseModel

from apps.downloads import blocklist, indexers, offered
from apps.downloads.models import Candidate, QualityProfile, TitleProfile, Torrent
from apps.downloads.profiles import deciding
from apps.downloads.profiles.holding import holding
from apps.downloads.releases.choice import is_single, pick
from apps.downloads.releases.spelling import same_title
from apps.downloads.releases.verdict import told
from apps.jobs import services as jobs
from apps.jobs.models import Job, Status
from apps.media import episodes
from apps.media import services as media_services
from apps.media.models import Kind, Media
from sokoul import logs
from sokoul.api import Page, listing
from sokoul.errors import PermanentError, TransientError
from sokoul.said import Said, all_said, here, said, texts_of

log = logs.logger(__name__)

STALE = timedelta(days=1)
MOST_CONSIDERED = 500
QUALITY = (
    "season", "episodes", "complete", "resolution", "source", "remux", "codec", "bit_depth", "hdr", "audio", "channels",
    "languages", "subtitles", "multi", "group", "edition", "proper", "repack",
)  # fmt: skip
_BEST_FIRST = (F("score").desc(nulls_last=True), F("torrent__seeders").desc(), F("id"))


class SearchPayload(BaseModel):
    """Job `scout.search`: a title by its id or by words, or a season or episode of it.

    profile_id: the quality profile that a download was started with; None is the one that the title uses.
    """

    media_id: int | None = None
    query: str = ""
    season: int | None = None
    episode: int | None = None
    download_id: int | None = None
    profile_id: int | None = None


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

    Gives {media_id, season, episode, found, accepted, warnings, warning_texts}. Raises TransientError while a provider is away, and
    where the title or a profile is deleted meanwhile; PermanentError when no title fits or no indexer is configured.
    """
    media_id = payload.media_id if payload.media_id is not None else title_of(payload.query)
    media = media_services.refresh_details(media_id)
    if payload.season is not None and media.kind == Kind.TV:
        _learn_numbers(media.pk)
    offers, warnings = indexers.search_all(_wish(media, payload.season, payload.episode))
    torrents = offered.keep(offers, media.pk)
    with deciding.tried_again_if_deleted():
        accepted = _decide(media, torrents, payload.season, payload.episode, payload.profile_id)
    log.info("releases searched", media_id=media.pk, found=len(torrents), accepted=accepted, warnings=warnings)
    return {
        "media_id": media.pk,
        "season": payload.season,
        "episode": payload.episode,
        "found": len(torrents),
        "accepted": accepted,
        "warnings": warnings,
        "warning_texts": [texts_of(warning) for warning in warnings],
    }


def warnings_of(result: dict[str, Any]) -> list[str]:
    """Of what a search has left (`run`), in the language that is active."""
    warnings = result.get("warnings") or []
    texts = result.get("warning_texts") or [{}] * len(warnings)
    return [here(Said(warning, told)) for warning, told in zip(warnings, texts, strict=False)]


def _learn_numbers(media_id: int) -> None:
    """Days and counts of the episodes, by which some releases name them; without them fewer releases are known."""
    try:
        with deciding.tried_again_if_deleted():
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
        raise TransientError(said(lambda: _("TMDB does not answer, so the title cannot be looked up.")))
    if not exact and not titles:
        nothing = said(lambda: _("No film or series is called “%(words)s”.") % {"words": query})
        raise PermanentError(nothing, code="not_found", status=404)
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
        tmdb_id=media.tmdb_id,
    )


def _decide(
    media: Media, torrents: list[Torrent], season: int | None, episode: int | None, profile_id: int | None = None
) -> int:
    """Write what is thought of each release for this title, drop what nobody offers any more; gives how many will do.

    The profiles that are in use for the title and the one that was asked for decide: the title's list is by its own.
    """
    part = deciding.Part(media, season, episode)
    asked = holding(media.pk, profile_id)
    profiles = {held.id: held for held in (*deciding.in_use(media.pk), asked)}
    with transaction.atomic():
        accepted = {held.id: deciding.write(part, torrents, held) for held in profiles.values()}
        searched = Candidate.objects.filter(media=media, season=season, episode=episode)
        searched.filter(torrent__seen_at__lt=timezone.now() - STALE).delete()
    return accepted[asked.id]


def releases_of(
    media_id: int, page: Page, season: int | None = None, episode: int | None = None, *, user_id: int | None = None
) -> dict[str, Any]:
    """The releases of a title, accepted ones first by score, rejected ones after with their rejections.

    With a season only what was found when it (and the episode) was searched for. One row a release, by the profile that the
    title uses, or by whichever decided last where that has not yet. What is on the blocklist of `user_id`, or of everybody, is
    rejected for that. Three statements. 404 for an unknown title.
    """
    blocks = blocklist.of(media_id, user_id)
    found = Candidate.objects.filter(media_id=media_id)
    if season is not None:
        found = found.filter(season=season, episode=episode)
    window = _window(_own_first(found, media_id).distinct("torrent_id"), blocks, page)
    total = window[0].total if window else found.values("torrent_id").distinct().count()
    if not total:
        media_services.get(media_id)
    rows = {
        row["pk"]: row for row in Candidate.objects.filter(pk__in=[place.id for place in window]).values("pk", *_FIELDS)
    }
    there = (place for place in window if place.id in rows)  # another search may have dropped one since
    return listing([blocks.refuse(release_json(rows[place.id]), place.blocked_by) for place in there], total, page)


class _Place(NamedTuple):
    """A decision on a page; `total` of all pages."""

    id: int
    blocked_by: int | None
    total: int


# What the order needs of a release is looked up one by one: without OFFSET 0, PostgreSQL would join, for which it reads all releases
# that there are once a title has many.
_WINDOW = """
SELECT decided.id, release.blocked_by, count(*) OVER ()
FROM ({decided}) decided CROSS JOIN LATERAL ({release} OFFSET 0) release
ORDER BY CASE WHEN release.blocked_by IS NULL THEN decided.score END DESC NULLS LAST, release.seeders DESC, decided.id
LIMIT {limit:d} OFFSET {start:d}
"""


def _window(decided: QuerySet[Candidate], blocks: blocklist.Blocks, page: Page) -> list[_Place]:
    """Where the decisions of a page stand, the best first and what is blocked among the rejected ones."""
    release = blocks.mark_torrents(Torrent.objects.filter(pk=RawSQL("decided.torrent_id", ())))
    inner, of_decided = decided.values("id", "torrent_id", "score").query.sql_with_params()
    lateral, of_release = release.values("seeders", "blocked_by").query.sql_with_params()
    sql = _WINDOW.format(decided=inner, release=lateral, limit=page.limit, start=page.rows.start)
    with connection.cursor() as cursor:
        cursor.execute(sql, (*of_decided, *of_release))
        return [_Place(*row) for row in cursor.fetchall()]


def _own_first(rows: QuerySet[Candidate], media_id: int) -> QuerySet[Candidate]:
    """By release; of each the decision of the profile that the title uses before those of others, each the best first."""
    chosen = TitleProfile.objects.filter(media_id=media_id).values("profile_id")
    default = QualityProfile.objects.filter(is_default=True).values("pk")
    own = Coalesce(Subquery(chosen[:1]), Subquery(default[:1]), output_field=BigIntegerField())
    is_own = (When(profile_id=F("own"), then=0), When(profile__isnull=True, own__isnull=True, then=0))
    return rows.annotate(own=own).order_by(
        "torrent_id", Case(*is_own, default=1), F("score").desc(nulls_last=True), "id"
    )


_OF_TORRENT = ("title", "indexer", "indexers", "size", "seeders", "peers", "published_at", "parsed")
_FIELDS = (
    "torrent_id",
    "score",
    "reasons",
    "rejections",
    "profile__name",
    *(f"torrent__{name}" for name in _OF_TORRENT),
)


def release_json(row: dict[str, Any]) -> dict[str, Any]:
    """The one JSON shape of a release; `id` is what /downloads/start takes as torrent_id. Sentences in the active language."""
    shown = {"id": row["torrent_id"], "score": row["score"], "profile": row["profile__name"]}
    shown |= {name: row[f"torrent__{name}"] for name in _OF_TORRENT if name != "parsed"}
    shown |= {name: [told(entry) for entry in row[name]] for name in ("reasons", "rejections")}
    parsed = row["torrent__parsed"] if isinstance(row["torrent__parsed"], dict) else {}
    return shown | {name: parsed.get(name) for name in QUALITY}


def best(
    media_id: int,
    season: int | None,
    episode: int | None,
    profile_id: int | None = None,
    *,
    user_id: int | None = None,
    seen_since: datetime | None = None,
    anew: bool = True,
) -> Torrent | None:
    """The release to take by the profile that was asked for, else the title's; None when nothing that was found will do, or
    was seen since then.

    The first by score that releases.choice.pick lets pass. Nothing is taken that is on the blocklist of `user_id` or of everybody.
    `anew` False: what the profile of now has not decided about yet is not known; to decide may take long, so whoever holds
    somebody's row asks so.
    """
    fit = _decided(media_id, season, episode, profile_id, anew=anew).filter(score__isnull=False)
    rows = blocklist.of(media_id, user_id).mark(fit).filter(blocked_by__isnull=True)
    if seen_since is not None:
        rows = rows.filter(torrent__seen_at__gte=seen_since)
    found = rows.order_by(*_BEST_FIRST).select_related("torrent", "media")[:MOST_CONSIDERED]
    taken = pick(found, _is_single, season, episode)
    return taken.torrent if taken else None


def _is_single(candidate: Candidate) -> bool:
    return candidate.media.kind == Kind.TV and is_single(candidate.torrent.parsed)


def _decided(
    media_id: int, season: int | None, episode: int | None, profile_id: int | None, *, anew: bool = True
) -> QuerySet[Candidate]:
    """What the profile of now thinks of what was found; where something else is stored, it decides first, if `anew`."""
    held = holding(media_id, profile_id)
    found = Candidate.objects.filter(media_id=media_id, season=season, episode=episode)
    rows = found.filter(profile_id=held.id, profile_version=held.version)
    if anew and found.exists() and not rows.exists():
        deciding.decide_again(media_id)
    return rows


def rejections_of(
    media_id: int, season: int | None, episode: int | None, profile_id: int | None = None, *, user_id: int | None = None
) -> list[str]:
    """Why nothing will do, for people: each sentence once, of the releases that were looked at."""
    blocks = blocklist.of(media_id, user_id)
    rows = blocks.mark(_decided(media_id, season, episode, profile_id))
    if rows.filter(score__isnull=False, blocked_by__isnull=True).exists():
        return [said(lambda: _("Only single episodes were found, no release of the whole season."))]
    ordered = rows.order_by(F("blocked_by").asc(nulls_last=True), F("torrent__seeders").desc(), "id")
    found = list(ordered.values("rejections", "blocked_by")[:20])

    def sentences() -> list[str]:
        refused = [blocks.refuse(row, row["blocked_by"])["rejections"] for row in found]
        return [str(told(entry)["sentence"]) for rejections in refused for entry in rejections]

    return list(dict.fromkeys(all_said(sentences)))


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
