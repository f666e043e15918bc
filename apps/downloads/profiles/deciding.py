"""What profiles think of a title's releases: written when they are found or the profile changes, or only told (“what if”)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from psycopg.errors import ForeignKeyViolation

from apps.downloads import blocklist
from apps.downloads.following.models import Follow
from apps.downloads.models import Candidate, Download, Torrent
from apps.downloads.profiles.holding import Held, by_id, holding
from apps.downloads.releases import rank
from apps.downloads.releases.match import Wanted
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.verdict import told
from apps.media import episodes
from apps.media import services as titles
from apps.media.models import Kind, Media
from sokoul.errors import PermanentError, TransientError

MOST_SHOWN = 1_000
MOST_POINTS = 2**31 - 1  # what the column takes
_CHANGED = ["score", "reasons", "rejections", "decided_at", "profile_version"]


@contextmanager
def tried_again_if_deleted() -> Iterator[None]:
    """TransientError where the profile, a release or the title is deleted within: the next try knows of it."""
    try:
        yield
    except IntegrityError as error:
        if not isinstance(error.__cause__, ForeignKeyViolation):
            raise
        raise TransientError("What it decides by or about was deleted meanwhile.") from error
    except PermanentError as error:
        if error.status != 404:
            raise
        raise TransientError(error.message) from error


class Part(NamedTuple):
    """A title, or a season or episode of it."""

    media: Media
    season: int | None
    episode: int | None


def wanted(part: Part) -> Wanted:
    """What is looked for. A statement or two: ask once for all releases of a part."""
    media = part.media
    numbers = episodes.numbers(media.pk, part.season, part.episode)
    return Wanted(
        kind="movie" if media.kind == Kind.MOVIE else "tv",
        title=media.title,
        titles=tuple(filter(None, (media.original_title, *media.titles))),
        year=media.year,
        season=part.season,
        episode=part.episode,
        runtime=media.runtime or None,
        absolute_episode=numbers.absolute,
        absolute_span=numbers.span,
        air_date=numbers.air_date,
        namesakes=titles.namesakes(media),
        original_language=media.original_language or None,
    )


def decide(asked: Wanted, torrent: Torrent, profile: Profile) -> rank.Decision:
    """The one place where a stored release meets a profile."""
    flags = frozenset(torrent.flags)
    return rank.decide(asked, parse(torrent.title), torrent.size, torrent.seeders, profile, flags)


def write(part: Part, torrents: Iterable[Torrent], held: Held) -> int:
    """Write what is thought of each release; gives how many will do. Doing it again refreshes."""
    now, asked, rows = timezone.now(), wanted(part), []
    for torrent in sorted({torrent.pk: torrent for torrent in torrents}.values(), key=lambda torrent: torrent.pk):
        found = decide(asked, torrent, held.profile).to_json()
        if found["score"] is not None:
            found["score"] = max(-MOST_POINTS, min(MOST_POINTS, found["score"]))
        rows.append(
            Candidate(
                media=part.media, season=part.season, episode=part.episode, torrent=torrent, decided_at=now,
                profile_id=held.id, profile_version=held.version, **found,
            )
        )  # fmt: skip
    Candidate.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["media", "torrent", "season", "episode", "profile"],
        update_fields=_CHANGED,
    )
    return sum(row.score is not None for row in rows)


def in_use(media_id: int) -> list[Held]:
    """The profiles whose decisions about a title are kept: its own first, then those by which people have it or follow it."""
    own = holding(media_id)
    got = Download.objects.filter(media_id=media_id, profile__isnull=False).exclude(status="Failed")
    followed = Follow.objects.filter(media_id=media_id, profile__isnull=False)
    ids = set(got.values_list("profile_id", flat=True).union(followed.values_list("profile_id", flat=True)))
    return [own, *(by_id(profile_id) for profile_id in sorted(ids - {own.id}))]


def decide_again(media_id: int) -> int:
    """Decide about all releases that are stored for a title, by the profiles of now; gives how many releases those are.

    What profiles thought that are not in use for it any more goes. The releases keep the day on which they were found.
    """
    media = Media.objects.filter(pk=media_id).first()
    if media is None:
        return 0
    profiles = in_use(media_id)
    with transaction.atomic():
        parts = _parts(media)
        for part, torrents in parts.items():
            for held in profiles:
                write(part, torrents, held)
        kept = [held.id for held in profiles if held.id is not None]
        others = Candidate.objects.filter(media=media).exclude(profile_id__in=kept)
        if any(held.id is None for held in profiles):
            others = others.filter(profile__isnull=False)
        others.delete()
    return sum(len(torrents) for torrents in parts.values())


def _parts(media: Media) -> dict[Part, list[Torrent]]:
    """What was searched for, each with the releases that were found."""
    parts: dict[Part, list[Torrent]] = {}
    rows = Candidate.objects.filter(media=media).select_related("torrent").order_by("torrent_id", "pk")
    for row in rows:
        parts.setdefault(Part(media, row.season, row.episode), []).append(row.torrent)
    return parts


# A title is out of date where a decision about it is not of the profile that holds for it, as that is now.
_STALE = """
SELECT DISTINCT c.media_id FROM candidates c
LEFT JOIN title_profiles t ON t.media_id = c.media_id
LEFT JOIN quality_profiles p ON p.id = coalesce(t.profile_id, (SELECT id FROM quality_profiles WHERE is_default))
WHERE c.media_id > %s AND (c.profile_id IS DISTINCT FROM p.id OR c.profile_version <> coalesce(p.version, 0))
ORDER BY c.media_id LIMIT %s"""


def out_of_date(after: int, most: int) -> list[int]:
    """Titles in the order of their ids, from the one after `after`."""
    with connection.cursor() as cursor:
        cursor.execute(_STALE, [after, most])
        return [row[0] for row in cursor.fetchall()]


@dataclass(frozen=True)
class Opinion:
    """What a profile would think of a release, and the score that is stored, None where it was refused."""

    torrent: Torrent
    decision: rank.Decision
    before: int | None

    @property
    def order(self) -> tuple[bool, int, int, int, str]:
        offer = rank.Offer(self.torrent.title, self.torrent.size, self.torrent.seeders)
        return rank.order(self.decision, offer)


def what_if(media_id: int, profile: Profile, season: int | None = None, episode: int | None = None) -> list[Opinion]:
    """What this profile would decide about the stored releases of a title, the best first; nothing is searched or written.

    What is blocked for everybody is refused, as it would be and is; what people have blocked for themselves is not.
    """
    media = Media.objects.filter(pk=media_id).first()
    if media is None:
        return []
    part, own = Part(media, season, episode), holding(media_id)
    blocks = blocklist.of(media_id, None)
    rows = blocks.mark(Candidate.objects.filter(media=media).select_related("torrent"))
    if season is not None:
        rows = rows.filter(season=season, episode=episode)
    found: dict[int, Any] = {}
    for row in rows.order_by("-torrent__seeders", "pk")[:MOST_SHOWN]:
        if row.torrent_id not in found or row.profile_id == own.id:
            found[row.torrent_id] = row
    asked = cache(wanted)
    opinions = [
        _refused(Opinion(row.torrent, decide(asked(_part_of(part, row)), row.torrent, profile), row.score), blocks, row)
        for row in found.values()
    ]
    return sorted(opinions, key=lambda opinion: opinion.order)


def _refused(opinion: Opinion, blocks: blocklist.Blocks, row: Any) -> Opinion:
    """For being on the blocklist, where it is."""
    if row.blocked_by is None:
        return opinion
    rejections = (blocks.verdict(row.blocked_by), *opinion.decision.rejections)
    return replace(opinion, decision=rank.Decision(None, rejections=rejections), before=None)


def _part_of(part: Part, row: Candidate) -> Part:
    return part if part.season is not None else Part(part.media, row.season, row.episode)


def as_rows(opinions: Iterable[Opinion]) -> list[dict[str, Any]]:
    """For templates and REST, with sentences in the reader's language."""
    return [
        {
            "id": one.torrent.pk,
            "title": one.torrent.title,
            "size": one.torrent.size,
            "seeders": one.torrent.seeders,
            "score": one.decision.score,
            "score_before": one.before,
            "reasons": [told(verdict.to_json()) for verdict in one.decision.reasons],
            "rejections": [told(verdict.to_json()) for verdict in one.decision.rejections],
        }
        for one in opinions
    ]
