"""What is there of what somebody follows, but not as good as the profile asks for."""

from typing import Any

from django.db import connection

from apps.downloads.following import judging
from apps.downloads.following.wanted import FOLLOWED
from apps.downloads.releases.formats import Subject
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.qualities import quality
from apps.downloads.releases.upgrade import cutoff_met
from sokoul.api import Page, listing

MOST = 2000  # downloads that are looked at, newest first: their names are judged one by one

# Complete downloads of what is followed with better ones in mind (all but `missing`).
_HELD = f"""
SELECT d.id AS download_id, d.media_id, d.season, d.episode, d.completed_at, coalesce(nullif(r.title, ''), d.name) AS release,
    coalesce(nullif(r.size, 0), d.bytes_total) AS size, m.title, m.year, m.slug
FROM downloads d JOIN media m ON m.id = d.media_id LEFT JOIN torrents r ON r.id = d.torrent_id
WHERE d.user_id = %(user_id)s AND d.status = 'Completed' AND EXISTS (
    SELECT FROM follows f WHERE f.user_id = d.user_id AND f.media_id = d.media_id AND f.what <> 'missing' AND (
        f.what = 'film' OR d.season IS NULL
        OR EXISTS (SELECT FROM episodes e WHERE e.media_id = d.media_id AND e.season = d.season
            AND (d.episode IS NULL OR e.number = d.episode) AND {FOLLOWED})))
ORDER BY d.completed_at DESC, d.id DESC LIMIT %(most)s
"""  # noqa: S608 - constants


def unmet(user_id: int) -> list[dict[str, Any]]:
    """Downloads of a person that a better release is looked for, newest first, with `quality`. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD, {"user_id": user_id, "most": MOST})
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    profiles = {media_id: judging.profile_of(media_id) for media_id in {row["media_id"] for row in rows}}
    return [{**row, **facts} for row in rows if (facts := _short_of(row, profiles[row["media_id"]]))]


def _short_of(row: dict[str, Any], profile: Profile) -> dict[str, Any] | None:
    """What it is instead; None where the profile is content."""
    subject = Subject(parse(row["release"]), row["size"])
    return None if cutoff_met(subject, profile) else {"quality": quality(subject.name).name}


def listed(user_id: int, page: Page) -> dict[str, Any]:
    found = unmet(user_id)
    return listing(found[page.rows], len(found), page)
