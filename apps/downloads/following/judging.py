"""What following asks of the search: whether a release is of a title, what is thought of it, and which one to take."""

from collections.abc import Collection

from django.utils import timezone

from apps.downloads import search
from apps.downloads.following.wanted import Unit
from apps.downloads.models import Torrent
from apps.downloads.profiles import deciding
from apps.downloads.profiles.deciding import Part
from apps.downloads.profiles.holding import holding, of_titles
from apps.downloads.releases import match
from apps.downloads.releases.formats import Subject
from apps.downloads.releases.match import Wanted
from apps.downloads.releases.moment import Circumstances, obstacles
from apps.downloads.releases.name import ReleaseName
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.upgrade import upgrade
from apps.media.models import Media
from sokoul import logs

log = logs.logger(__name__)


def wanted(media: Media) -> Wanted:
    """The title, whatever season or episode. A statement or two: ask once for all releases."""
    return deciding.wanted(Part(media, None, None))


def is_of(asked: Wanted, release: ReleaseName) -> bool:
    """Whether it is of the title."""
    return not match.mismatches(asked, release)


def decide(media: Media, unit: Unit, torrents: list[Torrent]) -> None:
    """Write what is thought of releases for a part of the title, as a search does with what it found: by every profile by which
    somebody has or wants the title."""
    for held in deciding.in_use(media.pk):
        deciding.write(Part(media, unit.season, unit.episode), torrents, held)


def best(unit: Unit, user_id: int, profile_id: int | None) -> Torrent | None:
    """The release that this person is to get now, by that profile or the title's; None where nothing that is known will do, or the
    profile waits for a better one."""
    release = search.best(unit.media_id, unit.season, unit.episode, profile_id, user_id=user_id)
    if release is None:
        return None
    at = Circumstances(now=timezone.now(), published_at=release.published_at)
    waits = obstacles(_subject(release), at, holding(unit.media_id, profile_id).profile)
    if waits:
        log.info(
            "a release has to wait", media_id=unit.media_id, torrent_id=release.pk, why=[one.code for one in waits]
        )
        return None
    return release


def _subject(release: Torrent) -> Subject:
    return Subject(parse(release.title), release.size, frozenset(release.flags))


def profiles_of(chosen: Collection[tuple[int, int | None]]) -> dict[tuple[int, int | None], Profile]:
    """By what it is judged whether something better is looked for than what is there of a title, by that profile or the title's:
    {(media_id, profile_id): profile}. Two statements."""
    return {one: held.profile for one, held in of_titles(chosen).items()}


def betters(media_id: int, profile_id: int | None, current: str, size: int, release: Torrent) -> bool:
    """Whether a release is an upgrade of what is there, of that name and size in bytes, by that profile or the title's."""
    profile = holding(media_id, profile_id).profile
    return upgrade(Subject(parse(current), size), _subject(release), profile) is None
