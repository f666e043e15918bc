"""Better releases of what is there: one that is new and an upgrade by the profile takes its place by itself."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from apps.downloads import services
from apps.downloads.following import cutoff, judging
from apps.downloads.following.taking import Taken, failed_lately
from apps.downloads.following.wanted import Unit
from sokoul import logs
from sokoul.errors import PermanentError

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A complete download of somebody's, and the release that it is of."""

    download_id: int
    user_id: int
    profile_id: int | None
    release: str
    size: int


def held_of(media_ids: Iterable[int]) -> dict[Unit, list[Held]]:
    """What is there of these titles, of whoever follows them with better ones in mind."""
    found: dict[Unit, list[Held]] = defaultdict(list)
    for row in cutoff.held_of(media_ids):
        unit = Unit(row["media_id"], row["season"], row["episode"])
        found[unit].append(Held(*(row[name] for name in ("download_id", "user_id", "profile_id", "release", "size"))))
    return found


def take(unit: Unit, held: Iterable[Held]) -> Taken:
    """Start what is better for each. Twice is once: `services.start` refuses an upgrade of what has one at work.

    What a quota does not allow is left: what is there can be watched.
    """
    taken = Taken()
    for one in held:
        release = judging.best(unit, one.user_id, one.profile_id)
        if release is None or failed_lately(one.user_id, unit, release):
            continue
        if judging.betters(unit.media_id, one.profile_id, one.release, one.size, release):
            _start(unit, one, release.pk, taken)
    return taken


def _start(unit: Unit, held: Held, torrent_id: int, taken: Taken) -> None:
    try:
        services.start(
            held.user_id, unit.media_id, torrent_id=torrent_id, season=unit.season, episode=unit.episode,
            automatic=True, replaces=held.download_id, how="upgrade",
        )  # fmt: skip
    except PermanentError as error:
        if error.code != "quota" and error.status not in (404, 409):
            raise
        taken.refused += error.code == "quota"
    else:
        taken.started += 1
        log.info("a better release is taken", media_id=unit.media_id, season=unit.season, episode=unit.episode)
