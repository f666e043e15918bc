"""What is there of what somebody follows, but not as good as the profile asks for."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from apps.downloads.following import judging
from apps.downloads.following.wanted import COPY, FOLLOWED, OF_FOLLOWED
from apps.downloads.releases.formats import Subject
from apps.downloads.releases.name import ReleaseName
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.qualities import quality
from apps.downloads.releases.upgrade import cutoff_met, goal, worth
from sokoul.api import Page, listing

MOST = 1000  # downloads that are looked at, newest first: their names are judged one by one


def held_by(people: str, *, joins: str = "", order: str = "d.completed_at DESC NULLS LAST, d.id DESC") -> str:
    """SQL of complete downloads of what is followed with better ones in mind (all but `missing`), newest first unless told.

    `people`: a condition on the downloads d and what else is joined, of this package's own making like the rest.
    """
    return f"""
SELECT d.id AS download_id, d.user_id, d.profile_id, p.name AS profile, d.media_id, d.season, d.episode, d.completed_at,
    coalesce(nullif(r.title, ''), d.name) AS release, coalesce(nullif(r.size, 0), d.bytes_total) AS size,
    m.title, m.year, m.slug
FROM downloads d JOIN media m ON m.id = d.media_id LEFT JOIN torrents r ON r.id = d.torrent_id
    LEFT JOIN quality_profiles p ON p.id = d.profile_id {joins}
WHERE {people} AND d.status = 'Completed' AND EXISTS (
    SELECT FROM follows f WHERE f.user_id = d.user_id AND f.media_id = d.media_id AND {COPY} = d.copy
    AND f.what <> 'missing' AND (
        f.what = 'film' OR d.season IS NULL
        OR EXISTS (SELECT FROM episodes e WHERE e.media_id = d.media_id AND e.season = d.season
            AND (d.episode IS NULL OR e.number = d.episode) AND {FOLLOWED})))
ORDER BY {order} LIMIT %(most)s
"""  # noqa: S608 - constants


_HELD = held_by(OF_FOLLOWED)
_HELD_OF = held_by("d.media_id = ANY(%(media_ids)s)")


def read(cursor: CursorWrapper) -> list[dict[str, Any]]:
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def held_of(media_ids: Iterable[int]) -> list[dict[str, Any]]:
    """What is there of these titles, of everybody who follows them with better ones in mind."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD_OF, {"media_ids": list(media_ids), "most": MOST})
        return read(cursor)


def unmet(user_id: int) -> list[dict[str, Any]]:
    """Downloads of a person that a better release is looked for, newest first, with what it is and what
    the profile wants (`_short_of`). Three statements."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD, {"user_id": user_id, "most": MOST})
        rows = read(cursor)
    return [_told(row) for row in short(rows)]


def short(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of `held_by` of which a better release is looked for, with `quality`: what it is instead. Two statements."""
    rows = list(rows)
    profiles = judging.profiles_of({_judge(row) for row in rows})
    return [{**row, **facts} for row in rows if (facts := _short_of(row, profiles[_judge(row)]))]


def _judge(row: dict[str, Any]) -> tuple[int, int | None]:
    return row["media_id"], row["profile_id"]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "user_id"}


@lru_cache(maxsize=4096)
def _named(release: str) -> ReleaseName:
    """What is there has the same name at the next look."""
    return parse(release)


def _short_of(row: dict[str, Any], profile: Profile) -> dict[str, Any] | None:
    """What it is, and what is wanted by which profile; None where that is content. Points where they count."""
    subject = Subject(_named(row["release"]), row["size"])
    if cutoff_met(subject, profile):
        return None
    wanted = goal(profile)
    return {
        "quality": quality(subject.name).name,
        "score": None if wanted.score is None else worth(subject, profile),
        "wanted_quality": wanted.quality,
        "wanted_score": wanted.score,
        "profile": profile.name,
    }


def listed(user_id: int, page: Page) -> dict[str, Any]:
    found = unmet(user_id)
    return listing(found[page.rows], len(found), page)
