"""The calendar: what comes out of what a person follows, day by day, and whether it is there."""

from datetime import date, timedelta
from typing import Any

from django.db import connection

from apps.downloads.following.wanted import FOLLOWED, HOLDING_FILM, HOLDS, MINE, held
from sokoul.errors import PermanentError

MOST_DAYS = 400
MOST = 2000  # entries of one answer

# 2 there, 1 on its way, 0 neither; what was cancelled counts as neither.
_BEST = "max(CASE d.status WHEN 'Completed' THEN 2 WHEN 'Failed' THEN 0 ELSE 1 END)"
_ENTRIES = f"""
WITH held AS MATERIALIZED {held(MINE.downloads)}
SELECT x.day, x.kind, x.season, x.episode, x.episode_title, x.overview, x.read_at, max(x.state) AS state,
    m.id AS media_id, m.title, m.slug, m.runtime
FROM (
    SELECT e.air_date AS day, 'episode' AS kind, e.media_id, e.season, e.number AS episode, e.title AS episode_title, e.overview,
        s.read_at, CASE h.status WHEN 'Completed' THEN 2 WHEN 'Pending' THEN 1 WHEN 'Running' THEN 1 ELSE 0 END AS state
    FROM follows f JOIN episodes e ON e.media_id = f.media_id LEFT JOIN schedules s ON s.media_id = f.media_id
    LEFT JOIN held h ON {HOLDS}
    WHERE f.user_id = %(user_id)s AND {FOLLOWED} AND e.air_date BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT day.on, day.kind, f.media_id, NULL, NULL, '', '', s.read_at, coalesce((SELECT {_BEST} {HOLDING_FILM}), 0)
    FROM follows f JOIN schedules s ON s.media_id = f.media_id
    CROSS JOIN LATERAL (VALUES ('cinema', s.cinema_on), ('digital', s.digital_on), ('physical', s.physical_on)) day (kind, "on")
    WHERE f.user_id = %(user_id)s AND f.what = 'film' AND day.on BETWEEN %(first)s AND %(last)s
) x JOIN media m ON m.id = x.media_id
GROUP BY 1, 2, 3, 4, 5, 6, 7, m.id ORDER BY x.day, m.title, m.id, x.season, x.episode, x.kind LIMIT %(most)s
"""  # noqa: S608 - constants
STATES = ("missing", "coming", "here")


def entries(user_id: int, first: date, last: date) -> list[dict[str, Any]]:
    """What comes out from `first` to `last`, both included: day, kind (episode, cinema, digital, physical), media_id, title, slug,
    season, episode, episode_title, overview, runtime, state. One statement.

    `state`: `here`, `coming` (being downloaded), `missing`, or `later` for what is not out here. PermanentError (400) for too long a time.
    """
    if last < first or last - first > timedelta(days=MOST_DAYS):
        fault = f"0 to {MOST_DAYS} days after first"
        raise PermanentError(f"last must be {fault}.", fields={"last": [fault]})
    values: dict[str, Any] = {"user_id": user_id, "first": first, "last": last, "most": MOST}
    with connection.cursor() as cursor:
        cursor.execute(_ENTRIES, values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def told(entry: dict[str, Any], today: date) -> dict[str, Any]:
    """An entry as the API and the page tell it."""
    out = entry["day"] <= today and entry["kind"] != "cinema"  # what is shown in cinemas is not missed at home
    state = "later" if not out and not entry["state"] else STATES[entry["state"]]
    kept = {name: value for name, value in entry.items() if name != "read_at"}
    return {**kept, "state": state, "code": code_of(entry)}


def code_of(entry: dict[str, Any]) -> str:
    """S01E02; empty for a film."""
    return f"S{entry['season']:02d}E{entry['episode']:02d}" if entry["season"] is not None else ""
