"""What is wanted: what somebody follows that has come out, is neither there nor on its way, and was not declined.

The one place that says so. A download stands for what it was started for, and for what its release says that it holds; a whole
season for the episodes that had aired by then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection
from django.utils import timezone

from apps.media.titles import COLUMNS
from sokoul.api import Page, Statement

# Which episodes a follow is about.
FOLLOWED = """(CASE f.what
    WHEN 'season' THEN e.season = f.season
    WHEN 'future' THEN e.season > 0 AND e.air_date >= f.created_at::date
    WHEN 'film' THEN false
    ELSE e.season > 0 END)"""
# Downloads of the follow's person that hold, or will hold, the episode. One that was cancelled stands for their wish not to.
HOLDING = """FROM downloads d LEFT JOIN torrents r ON r.id = d.torrent_id
    WHERE d.user_id = f.user_id AND d.media_id = f.media_id AND d.phase <> 'failed' AND (
        d.season = e.season
            AND (d.episode = e.number OR d.episode IS NULL AND e.air_date <= d.created_at::date)
        OR r.parsed->'season' @> to_jsonb(e.season)
            AND (r.parsed->'episodes' @> to_jsonb(e.number)
                OR r.parsed->'episodes' = '[]' AND e.air_date <= d.created_at::date))"""
HOLDING_FILM = "FROM downloads d WHERE d.user_id = f.user_id AND d.media_id = f.media_id AND d.phase <> 'failed'"
_DECLINED = """FROM declined n WHERE n.user_id = f.user_id AND n.media_id = f.media_id AND n.season = e.season
    AND (n.episode = e.number OR n.episode IS NULL AND e.air_date <= n.at::date)"""
_DECLINED_FILM = "FROM declined n WHERE n.user_id = f.user_id AND n.media_id = f.media_id"


def wanted_by(people: str) -> str:
    """SQL of what is wanted on %(today)s: user_id, media_id, season, episode, episode_title, since.

    `people`: a condition on the follows f, of this module's own making.
    """
    return f"""(SELECT DISTINCT f.user_id, f.media_id, e.season, e.number AS episode, e.title AS episode_title,
            e.air_date AS since
        FROM follows f JOIN episodes e ON e.media_id = f.media_id
        WHERE {people} AND f.ended_at IS NULL AND {FOLLOWED} AND e.air_date <= %(today)s
            AND NOT EXISTS (SELECT {HOLDING}) AND NOT EXISTS (SELECT {_DECLINED})
        UNION ALL
        SELECT f.user_id, f.media_id, NULL, NULL, '', s.available_on
        FROM follows f JOIN schedules s ON s.media_id = f.media_id
        WHERE {people} AND f.ended_at IS NULL AND f.what = 'film' AND s.available_on <= %(today)s
            AND NOT EXISTS (SELECT {HOLDING_FILM}) AND NOT EXISTS (SELECT {_DECLINED_FILM}))"""  # noqa: S608 - constants


_MINE = "f.user_id = %(user_id)s"
_LISTED = Statement(
    f"""SELECT w.media_id, w.season, w.episode, w.episode_title, w.since, k.searched_at, k.next_at, coalesce(k.tries, 0) AS tries,
        coalesce(k.waiting, false) AS waiting, row_to_json(t) AS media
    FROM {wanted_by(_MINE)} w
    JOIN LATERAL (SELECT {COLUMNS} FROM media m WHERE m.id = w.media_id) t ON true
    LEFT JOIN seeks k ON k.media_id = w.media_id
        AND k.season IS NOT DISTINCT FROM w.season AND k.episode IS NOT DISTINCT FROM w.episode
    ORDER BY w.since DESC, w.media_id, w.season, w.episode""",  # noqa: S608 - constants
    f"SELECT count(*) FROM {wanted_by(_MINE)} w",  # noqa: S608 - constants
)


def listed(user_id: int, page: Page) -> dict[str, Any]:
    """What a person wants and does not have, newest first, with when it was and will be searched for. Two statements."""
    return _LISTED.rows(page, user_id=user_id, today=today())


def listed_json(user_id: int, page: Page) -> dict[str, Any]:
    """The same, to be sent as it is."""
    return _LISTED.json(page, user_id=user_id, today=today())


def today() -> date:
    """Days are TMDB's, which has no hours: what airs in the evening counts from midnight UTC, and is not there to be found."""
    return timezone.now().date()


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """What is got at once: a film (neither season nor episode), a whole season, or an episode."""

    media_id: int
    season: int | None = None
    episode: int | None = None


# A season is got whole where somebody wants all of it, more than one episode, and it is over: the series is, or another season has
# begun, or nothing more came for a month.
WHOLE_SEASONS = """(SELECT w.user_id, w.media_id, w.season, max(w.since) AS since
    FROM wanted w LEFT JOIN schedules s ON s.media_id = w.media_id
    WHERE w.season IS NOT NULL
    GROUP BY w.user_id, w.media_id, w.season, s.over
    HAVING count(*) > 1
        AND count(*) = (SELECT count(*) FROM episodes e WHERE e.media_id = w.media_id AND e.season = w.season)
        AND (s.over OR max(w.since) < %(today)s - 30
            OR EXISTS (SELECT FROM episodes e WHERE e.media_id = w.media_id AND e.season > w.season
                AND e.air_date <= %(today)s)))"""


_UNITS = f"""WITH wanted AS {wanted_by("f.media_id = ANY(%(media_ids)s)")}
SELECT media_id, season, episode, user_id FROM wanted
UNION ALL SELECT media_id, season, NULL, user_id FROM {WHOLE_SEASONS} h ORDER BY user_id"""  # noqa: S608 - constants


def units_of(media_ids: Iterable[int]) -> dict[Unit, list[int]]:
    """Everything that is wanted of these titles, and by whom: people's ids ascend."""
    found: dict[Unit, list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_UNITS, {"media_ids": list(media_ids), "today": today()})
        for media_id, season, episode, user_id in cursor.fetchall():
            found.setdefault(Unit(media_id, season, episode), []).append(user_id)
    return found
