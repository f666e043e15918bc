"""What is wanted: what somebody follows that has come out, is neither there nor on its way, and was not declined.

The one place that says so. A download stands for what it was started for, and for what its release says that it holds; a whole
season for the episodes that had aired by then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

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
# Which copy a follow is about, as downloads number them (`Download.copy`).
COPY = "coalesce(f.profile_id, 0)"
HOLDS = f"""h.user_id = f.user_id AND h.media_id = f.media_id AND h.copy = {COPY} AND h.season = e.season
    AND (h.episode = e.number OR h.episode IS NULL AND e.air_date <= h.day)"""
HOLDING_FILM = f"""FROM downloads d WHERE d.user_id = f.user_id AND d.media_id = f.media_id AND d.copy = {COPY}
    AND d.phase <> 'failed'"""


class Whose(NamedTuple):
    """Conditions on the follows f and on the downloads d, of this package's own making."""

    follows: str
    downloads: str


# An array is looked up in the index; a person's downloads of what they do not follow, of which there may be 100,000, are not read.
OF_FOLLOWED = "d.user_id = %(user_id)s AND d.media_id = ANY(ARRAY(SELECT o.media_id FROM follows o WHERE o.user_id = %(user_id)s))"
MINE = Whose("f.user_id = %(user_id)s", OF_FOLLOWED)
OF_TITLES = Whose("f.media_id = ANY(%(media_ids)s)", "d.media_id = ANY(%(media_ids)s)")
EVERYBODYS = Whose("true", "EXISTS (SELECT FROM follows o WHERE o.user_id = d.user_id AND o.media_id = d.media_id)")


def held(downloads: str) -> str:
    """SQL of what downloads hold, or will hold, of series: user_id, media_id, copy, season, episode (null: all that had aired on
    that day), day, status. One that was cancelled stands for its person's wish not to. In rows, so that joins can hash them.
    """
    return f"""(SELECT d.user_id, d.media_id, d.copy, d.season, d.episode, d.created_at::date AS day, d.status
        FROM downloads d WHERE {downloads} AND d.phase <> 'failed' AND d.season IS NOT NULL
        UNION ALL
        SELECT d.user_id, d.media_id, d.copy, s.number::int, e.number::int, d.created_at::date, d.status
        FROM downloads d JOIN torrents r ON r.id = d.torrent_id
        CROSS JOIN LATERAL jsonb_array_elements_text(CASE jsonb_typeof(r.parsed->'season')
            WHEN 'array' THEN r.parsed->'season' WHEN 'number' THEN jsonb_build_array(r.parsed->'season') ELSE '[]' END
        ) s (number)
        LEFT JOIN LATERAL jsonb_array_elements_text(r.parsed->'episodes') e (number) ON true
        WHERE {downloads} AND d.phase <> 'failed' AND jsonb_typeof(r.parsed->'episodes') = 'array')"""  # noqa: S608 - constants


_DECLINED = f"""FROM declined n WHERE n.user_id = f.user_id AND n.media_id = f.media_id AND n.copy = {COPY} AND n.season = e.season
    AND (n.episode = e.number OR n.episode IS NULL AND e.air_date <= n.at::date)"""
_DECLINED_FILM = f"FROM declined n WHERE n.user_id = f.user_id AND n.media_id = f.media_id AND n.copy = {COPY}"


def wanted_by(whose: Whose) -> str:
    """SQL of what is wanted on %(today)s: user_id, media_id, copy, season, episode, episode_title, since."""
    return f"""(WITH held AS MATERIALIZED {held(whose.downloads)}
        SELECT DISTINCT f.user_id, f.media_id, {COPY} AS copy, e.season, e.number AS episode, e.title AS episode_title, e.air_date AS since
        FROM follows f JOIN episodes e ON e.media_id = f.media_id
        WHERE {whose.follows} AND f.ended_at IS NULL AND {FOLLOWED} AND e.air_date <= %(today)s
            AND NOT EXISTS (SELECT FROM held h WHERE {HOLDS}) AND NOT EXISTS (SELECT {_DECLINED})
        UNION ALL
        SELECT f.user_id, f.media_id, {COPY}, NULL, NULL, '', s.available_on
        FROM follows f JOIN schedules s ON s.media_id = f.media_id
        WHERE {whose.follows} AND f.ended_at IS NULL AND f.what = 'film' AND s.available_on <= %(today)s
            AND NOT EXISTS (SELECT {HOLDING_FILM}) AND NOT EXISTS (SELECT {_DECLINED_FILM}))"""  # noqa: S608 - constants


_LISTED = Statement(
    f"""SELECT w.media_id, w.season, w.episode, w.episode_title, w.since, k.searched_at, k.next_at, coalesce(k.tries, 0) AS tries,
        coalesce(k.waiting, false) AS waiting, p.id AS profile_id, p.name AS profile, row_to_json(t) AS media
    FROM (SELECT * FROM {wanted_by(MINE)} wanted ORDER BY since DESC, media_id, season, episode, copy {{window}}) w
    JOIN LATERAL (SELECT {COLUMNS} FROM media m WHERE m.id = w.media_id) t ON true
    LEFT JOIN quality_profiles p ON p.id = w.copy
    LEFT JOIN seeks k ON k.media_id = w.media_id
        AND k.season IS NOT DISTINCT FROM w.season AND k.episode IS NOT DISTINCT FROM w.episode
    ORDER BY w.since DESC, w.media_id, w.season, w.episode, w.copy""",  # noqa: S608 - constants
    f"SELECT count(*) FROM {wanted_by(MINE)} w",  # noqa: S608 - constants
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
WHOLE_SEASONS = """(SELECT w.user_id, w.media_id, w.copy, w.season, max(w.since) AS since
    FROM wanted w LEFT JOIN schedules s ON s.media_id = w.media_id
    WHERE w.season IS NOT NULL
    GROUP BY w.user_id, w.media_id, w.copy, w.season, s.over
    HAVING count(*) > 1
        AND count(*) = (SELECT count(*) FROM episodes e WHERE e.media_id = w.media_id AND e.season = w.season)
        AND (s.over OR max(w.since) < %(today)s - 30
            OR EXISTS (SELECT FROM episodes e WHERE e.media_id = w.media_id AND e.season > w.season
                AND e.air_date <= %(today)s)))"""


_UNITS = f"""WITH wanted AS {wanted_by(OF_TITLES)}
SELECT media_id, season, episode, user_id, nullif(copy, 0) AS profile_id FROM wanted
UNION ALL SELECT media_id, season, NULL, user_id, nullif(copy, 0) FROM {WHOLE_SEASONS} h
ORDER BY user_id, profile_id NULLS FIRST"""  # noqa: S608 - constants


class Wish(NamedTuple):
    """Who wants something, and by which profile; None: by the one that the title uses."""

    user_id: int
    profile_id: int | None


def units_of(media_ids: Iterable[int]) -> dict[Unit, list[Wish]]:
    """Everything that is wanted of these titles, and by whom: people's ids ascend."""
    found: dict[Unit, list[Wish]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_UNITS, {"media_ids": list(media_ids), "today": today()})
        for media_id, season, episode, *wish in cursor.fetchall():
            found.setdefault(Unit(media_id, season, episode), []).append(Wish(*wish))
    return found
