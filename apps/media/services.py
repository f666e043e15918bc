"""What exists, what people like, what they watched: views, pages, bot, commands and workers call these."""

import re
import time
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.jobs import services as jobs
from apps.media import cache, tmdb
from apps.media.models import Favorite, Kind, Media, Watch
from apps.media.titles import COLUMNS, FIELDS, keep, learn, media_json
from sokoul import logs
from sokoul.api import Page, Statement, listing
from sokoul.errors import PermanentError, TransientError, not_found

log = logs.logger(__name__)

SEARCH_SECONDS = 5.0  # SPEC 6: TMDB slower than that is answered without it
QUERY_CHARS = 200
DETAILS_AGE = timedelta(days=7)
BIGINT = 2**63
MOST_NAMESAKES = 50
LONGEST_SECONDS = 10 * 86_400
_DATED = re.compile(r"^(.*\S)\s+\(?((?:18|19|20|21)\d\d)\)?$")


def clean_query(query: str) -> str:
    """The text that is searched for; PermanentError (400) when it is empty, too long or holds what no title does."""
    text = " ".join(query.split())
    if not text:
        raise PermanentError("Say what to search for.", fields={"query": ["must not be empty"]})
    if len(text) > QUERY_CHARS or "\x00" in text:
        fault = f"at most {QUERY_CHARS} characters, none of them NUL"
        raise PermanentError(f"The query must have {fault}.", fields={"query": [fault]})
    return text


def split_year(query: str) -> tuple[str, int] | None:
    """("Inception", 2010) of "Inception 2010" or "Inception (2010)"; None where no year ends the text."""
    found = _DATED.match(query)
    return (found[1], int(found[2])) if found else None


def kind_of(name: str) -> Kind | None:
    """`movie`, `tv` or nothing (both); 400 for anything else."""
    if name and name not in Kind.values:
        raise PermanentError("kind must be movie or tv.", fields={"kind": ["movie or tv"]})
    return Kind(name) if name else None


def search_titles(query: str, kind: str = "", page: int = 1, deadline: float = SEARCH_SECONDS) -> dict[str, Any]:
    """{results, page, limit, total, degraded}: titles as TMDB finds them, within `deadline` seconds.

    `degraded` marks an older answer, or titles that are known here, while TMDB is slow or away. Raises PermanentError (400).
    """
    text, wanted = clean_query(query), kind_of(kind)
    if not 1 <= page <= tmdb.MAX_PAGE:
        raise PermanentError(
            f"page must be a whole number from 1 to {tmdb.MAX_PAGE}.", fields={"page": [f"1 to {tmdb.MAX_PAGE}"]}
        )
    key = cache.key_of(text, kind, page, tmdb.language())
    cached, fresh = cache.load(key)
    if cached and fresh:
        return cached
    try:
        found, whole = _search_tmdb(text, wanted, page, deadline)
    except (TransientError, PermanentError) as error:
        log.warning("search without TMDB", reason=error.message, cached=cached is not None)
        return {**(cached or _search_here(text, wanted, page)), "degraded": True}
    if whole:
        cache.save(key, found)
    return found


def _shape(results: list[dict[str, Any]], total: int, page: int) -> dict[str, Any]:
    return {**listing(results, total, Page(page, tmdb.PAGE_SIZE)), "degraded": False}


def _search_tmdb(text: str, kind: Kind | None, page: int, deadline: float) -> tuple[dict[str, Any], bool]:
    """(the page, whether nothing was missing for it)."""
    end = time.monotonic() + deadline
    found = tmdb.search(text, kind, page, deadline)
    if not found.results and page == 1 and (dated := split_year(text)):
        found = _of_year(tmdb.search(dated[0], kind, page, max(0.1, end - time.monotonic())), dated[1])
    kinds = {Kind(row.media_type) for row in found.results}
    names = {kind: tmdb.genre_names(kind, max(0.1, end - time.monotonic())) for kind in kinds}
    rows = keep(found.results, names)
    return _shape([media_json(row) for row in rows], found.total, page), all(names.values())


def _of_year(found: tmdb.SearchPage, year: int) -> tmdb.SearchPage:
    """TMDB takes a year only for one kind at a time, and not within the text."""
    rows = [row for row in found.results if row.year == year]
    return tmdb.SearchPage(results=rows, total=len(rows))


def _search_here(text: str, kind: Kind | None, page: int) -> dict[str, Any]:
    rows = Media.objects.filter(title__icontains=text)
    if kind:
        rows = rows.filter(kind=kind)
    total = rows.count()
    window = rows.order_by("-popularity", "id").values(*FIELDS)[Page(page, tmdb.PAGE_SIZE).rows]
    return _shape([media_json(row) for row in window], total, page)


def get(media_id: int) -> Media:
    """The row; 404 where there is none."""
    media = Media.objects.filter(pk=media_id).first() if 0 <= media_id < BIGINT else None
    if media is None:
        raise not_found("This title")
    return media


def namesakes(media: Media) -> tuple[int, ...]:
    """Years of other works of this title and kind, as far as they are known here: a search for the title keeps them all."""
    others = Media.objects.filter(kind=media.kind, title__iexact=media.title).exclude(pk=media.pk)
    years = others.exclude(year=None).order_by("year").values_list("year", flat=True).distinct()
    return tuple(year for year in years[:MOST_NAMESAKES] if year is not None)


def details(media_id: int) -> dict[str, Any]:
    """One title as JSON; details that are old are asked for by a job, at most one a title and hour."""
    row = Media.objects.filter(pk=media_id).values(*FIELDS, "details_at").first() if 0 <= media_id < BIGINT else None
    if row is None:
        raise not_found("This title")
    if is_stale(row["details_at"]):
        _ask_for_details(media_id)
    return media_json(row)


def is_stale(details_at: Any) -> bool:
    return details_at is None or details_at < timezone.now() - DETAILS_AGE


def _ask_for_details(media_id: int) -> None:
    job_id = uuid.uuid5(uuid.NAMESPACE_OID, f"scout.details {media_id} {timezone.now():%Y-%m-%d %H}")
    with transaction.atomic():
        jobs.enqueue("scout", "details", {"media_id": media_id}, job_id=job_id)


def refresh_details(media_id: int) -> Media:
    """Read TMDB's details into the row when they are missing or a week old. Doing it twice changes nothing.

    Raises TransientError while TMDB is away, PermanentError (404) for a title that is not here. A title that TMDB has
    taken out stays as it is.
    """
    media = get(media_id)
    if not is_stale(media.details_at):
        return media
    found = tmdb.details(Kind(media.kind), media.tmdb_id)
    if found is None:
        Media.objects.filter(pk=media_id).update(details_at=timezone.now())
        return media
    learn(media, found)
    return media


def _existing(media_id: int) -> None:
    if not (0 <= media_id < BIGINT and Media.objects.filter(pk=media_id).exists()):
        raise not_found("This title")


def add_favorite(user_id: int, media_id: int) -> tuple[dict[str, Any], bool]:
    """(the favourite as JSON, whether it is new); 404 for an unknown title."""
    _existing(media_id)
    try:
        favorite, new = Favorite.objects.get_or_create(user_id=user_id, media_id=media_id)
    except IntegrityError:  # the title went away between the look and the insert
        raise not_found("This title") from None
    return {"media_id": media_id, "created_at": favorite.created_at}, new


def remove_favorite(user_id: int, media_id: int) -> None:
    """Afterwards it is no favourite, whatever it was before."""
    if 0 <= media_id < BIGINT:
        Favorite.objects.filter(user_id=user_id, media_id=media_id).delete()


_FAVORITES = Statement(
    f"""SELECT {COLUMNS}, favorite.created_at AS favorited_at
    FROM (SELECT id FROM favorites WHERE user_id = %(user_id)s ORDER BY created_at DESC, id DESC {{window}}) page
    JOIN favorites favorite USING (id) JOIN media m ON m.id = favorite.media_id
    ORDER BY favorite.created_at DESC, favorite.id DESC""",  # noqa: S608 - constants
    "SELECT count(*) FROM favorites WHERE user_id = %(user_id)s",
)


def favorites(user_id: int, page: Page) -> dict[str, Any]:
    """A person's favourites as titles with `favorited_at`, newest first."""
    return _FAVORITES.rows(page, user_id=user_id)


def favorites_json(user_id: int, page: Page) -> dict[str, Any]:
    """The same, to be sent as it is."""
    return _FAVORITES.json(page, user_id=user_id)


def watched_to(user_id: int, media_id: int, position: float, duration: float) -> dict[str, Any]:
    """Remember how far somebody came (seconds); 404 for an unknown title, 400 for a position beyond the end."""
    if not 0 <= position <= duration + 1 or duration <= 0:
        raise PermanentError(
            "position must lie between 0 and duration.", fields={"position": ["0 to duration, in seconds"]}
        )
    if duration > LONGEST_SECONDS:
        raise PermanentError("Nothing lasts that long.", fields={"duration": [f"at most {LONGEST_SECONDS} seconds"]})
    _existing(media_id)
    position = min(position, duration)
    watch = Watch(user_id=user_id, media_id=media_id, position=position, duration=duration, watched_at=timezone.now())
    try:
        Watch.objects.bulk_create(
            [watch],
            update_conflicts=True,
            unique_fields=["user", "media"],
            update_fields=["position", "duration", "watched_at"],
        )
    except IntegrityError:
        raise not_found("This title") from None
    return _watch_json({name: getattr(watch, name) for name in ("media_id", "position", "duration", "watched_at")})


def _watch_json(row: dict[str, Any]) -> dict[str, Any]:
    names = ("media_id", "position", "duration", "watched_at")
    return {**{name: row[name] for name in names}, "progress": round(100 * row["position"] / row["duration"], 2)}


_HISTORY = Statement(
    f"""SELECT watch.media_id, watch.position, watch.duration, watch.watched_at,
        round(100 * watch.position::numeric / watch.duration::numeric, 2)::float AS progress,
        (SELECT to_json(its) FROM (SELECT {COLUMNS}) its) AS media
    FROM (SELECT id FROM watch_history WHERE user_id = %(user_id)s ORDER BY watched_at DESC, id DESC {{window}}) page
    JOIN watch_history watch USING (id) JOIN media m ON m.id = watch.media_id
    ORDER BY watch.watched_at DESC, watch.id DESC""",  # noqa: S608 - constants
    "SELECT count(*) FROM watch_history WHERE user_id = %(user_id)s",
)


def history(user_id: int, page: Page) -> dict[str, Any]:
    """What a person watched, newest first; position and duration in seconds, progress in percent."""
    return _HISTORY.rows(page, user_id=user_id)


def history_json(user_id: int, page: Page) -> dict[str, Any]:
    """The same, to be sent as it is."""
    return _HISTORY.json(page, user_id=user_id)


def position_of(user_id: int, media_id: int) -> float:
    """Seconds into the title at which a person stopped; 0 when they never watched it."""
    found = Watch.objects.filter(user_id=user_id, media_id=media_id).values_list("position", flat=True).first()
    return found or 0.0


def is_favorite(user_id: int, media_id: int) -> bool:
    return Favorite.objects.filter(user_id=user_id, media_id=media_id).exists()


def favorites_among(user_id: int, media_ids: Iterable[int]) -> set[int]:
    """Which of these titles a person likes; one statement."""
    rows = Favorite.objects.filter(user_id=user_id, media_id__in=list(media_ids))
    return set(rows.values_list("media_id", flat=True))


def positions(user_id: int, media_ids: Iterable[int]) -> dict[int, tuple[float, float]]:
    """{title: (position, duration)} in seconds, of those that a person began to watch; one statement."""
    rows = Watch.objects.filter(user_id=user_id, media_id__in=list(media_ids))
    return {
        media_id: (position, duration)
        for media_id, position, duration in rows.values_list("media_id", "position", "duration")
    }
