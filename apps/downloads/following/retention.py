"""What leaves the library by itself, where a person has said so for what they follow. Off unless they have.

Only what was downloaded while the title was followed goes, and only by the rule of that follow: the last so many episodes of a series
stay, a film goes some days after it was watched to its end.
"""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads import quotas, services
from apps.downloads.following.follows import follow_json
from apps.downloads.following.models import Follow, What
from apps.downloads.following.wanted import COPY, FOLLOWED
from sokoul import logs
from sokoul.errors import PermanentError, forbidden, not_found

log = logs.logger(__name__)

MOST = 50  # downloads that one look removes
WATCHED = 0.9  # of its duration, from where a film counts as watched
MOST_KEPT, MOST_DAYS = 1000, 3650

# Single episodes that are there beyond the newest so many of the follow; a season that was got whole stays.
_OLD_EPISODES = f"""
SELECT x.follow_id, x.user_id, x.download_id FROM (
    SELECT f.id AS follow_id, f.user_id, f.keep_last, d.id AS download_id,
        dense_rank() OVER (PARTITION BY f.id ORDER BY d.season DESC, d.episode DESC) AS place
    FROM follows f JOIN downloads d ON d.user_id = f.user_id AND d.media_id = f.media_id AND d.copy = {COPY}
    JOIN episodes e ON e.media_id = d.media_id AND e.season = d.season AND e.number = d.episode
    WHERE f.keep_last IS NOT NULL AND d.status = 'Completed' AND {FOLLOWED}
) x JOIN downloads d ON d.id = x.download_id JOIN follows f ON f.id = x.follow_id
WHERE x.place > x.keep_last AND d.created_at >= f.created_at LIMIT %(most)s
"""  # noqa: S608 - constants
_WATCHED_FILMS = f"""
SELECT f.id, f.user_id, d.id FROM follows f
JOIN downloads d ON d.user_id = f.user_id AND d.media_id = f.media_id AND d.copy = {COPY}
    AND d.status = 'Completed' AND d.created_at >= f.created_at
JOIN watch_history w ON w.user_id = f.user_id AND w.media_id = f.media_id
WHERE f.keep_days IS NOT NULL AND w.position >= %(watched)s * w.duration AND w.watched_at >= d.completed_at
    AND w.watched_at < %(now)s - f.keep_days * interval '1 day' LIMIT %(most)s
"""  # noqa: S608 - constants


def keep(user: User, follow_id: int, *, last: int | None, days: int | None) -> dict[str, Any]:
    """Say what is to stay of something that is followed; None for everything. PermanentError: 400, 403, 404."""
    with transaction.atomic():
        quotas.hold(user.pk)
        follow = Follow.objects.select_related("media", "profile").filter(pk=follow_id).first()
        if follow is None:
            raise not_found("This follow")
        if follow.user_id != user.pk:
            raise forbidden()
        _check(follow, last, days)
        before = {"keep_last": follow.keep_last, "keep_days": follow.keep_days}
        after = {"keep_last": last, "keep_days": days}
        if before != after:
            Follow.objects.filter(pk=follow.pk).update(**after)
            about = {"media_id": follow.media_id, "before": before, "after": after}
            audit.record("follow.retention_changed", follow.media.title, user, **about)
    return {**follow_json(follow), **after}


def _check(follow: Follow, last: int | None, days: int | None) -> None:
    """Who wants every episode cannot want the older ones gone: they would be got to be removed."""
    if follow.what != What.FUTURE and last is not None:
        raise PermanentError(
            "Only of new episodes the last ones can be kept.", fields={"keep_last": ["only with future"]}
        )
    if follow.what != What.FILM and days is not None:
        raise PermanentError("Only a film leaves after it was watched.", fields={"keep_days": ["only of a film"]})


def clear(now: datetime) -> int:
    """Remove what is to go, each as its person would; how many. Doing it again removes nothing more."""
    found: list[tuple[int, int, int]] = []
    with connection.cursor() as cursor:
        cursor.execute(_OLD_EPISODES, {"most": MOST})
        found += cursor.fetchall()
        cursor.execute(_WATCHED_FILMS, {"now": now, "watched": WATCHED, "most": MOST})
        found += cursor.fetchall()
    return sum(_remove(*row) for row in dict.fromkeys(found))


def _remove(follow_id: int, user_id: int, download_id: int) -> int:
    try:
        services.cancel(user_id, download_id, files=True, how="retention")
    except PermanentError as error:  # its person was faster
        log.info("not removed", download_id=download_id, reason=error.message)
        return 0
    log.info("removed by a rule of retention", download_id=download_id, follow_id=follow_id)
    return 1
