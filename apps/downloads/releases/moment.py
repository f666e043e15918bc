"""Whether this is the moment to take a release that will do: what depends on the hour, the disk, the queue and the library.

`rank` says whether a release will do at all, which stays so; what is said here may be otherwise a minute later, and is not
stored with the release.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from apps.downloads.releases.formats import Subject
from apps.downloads.releases.profile import MB, Profile
from apps.downloads.releases.qualities import quality
from apps.downloads.releases.upgrade import cutoff_met, upgrade
from apps.downloads.releases.verdict import Verdict

TORRENT = "torrent"
GB = 1000 * MB


@dataclass(frozen=True)
class Circumstances:
    """What else is so at `now`. None is: not known, or there is none.

    published_at: of the release; free: bytes of the download folder; available_from: of the work; held: the file that is in the
    library; queued: what is being downloaded for the same thing; same_held, same_queued: whether those came of this very
    release; blocklisted: why it is on the blocklist.
    """

    now: datetime
    published_at: datetime | None = None
    protocol: str = TORRENT
    free: int | None = None
    available_from: date | None = None
    blocklisted: str | None = None
    held: Subject | None = None
    same_held: bool = False
    queued: Subject | None = None
    same_queued: bool = False


def obstacles(release: Subject, at: Circumstances, profile: Profile) -> tuple[Verdict, ...]:
    """Why it is not taken by itself now; empty where nothing speaks against it. A person who asks for it need not care."""
    return (*_never(release, at), *_not_yet(release, at, profile), *_not_beside(release, at, profile))


def _never(release: Subject, at: Circumstances) -> Iterator[Verdict]:
    if at.blocklisted is not None:
        yield Verdict("blocklisted", {"why": at.blocklisted})
    if at.protocol != TORRENT:
        yield Verdict("wrong_protocol", {"found": at.protocol})
    if at.free is not None and release.size > at.free:
        yield Verdict("no_space", {"found": round(at.free / GB, 1), "wanted": round(release.size / GB, 1)})


def _not_yet(release: Subject, at: Circumstances, profile: Profile) -> Iterator[Verdict]:
    if at.available_from is not None and at.now.date() < at.available_from:
        yield Verdict("not_available", {"wanted": at.available_from.isoformat()})
    if at.published_at is None:
        return
    age = max(0, int((at.now - at.published_at).total_seconds() // 60))
    if age < profile.minimum_age_minutes:
        yield Verdict("too_young", {"found": age, "wanted": profile.minimum_age_minutes})
    elif age < profile.delay_minutes and not cutoff_met(release, profile):
        yield Verdict("delayed", {"found": age, "wanted": profile.delay_minutes})


def _not_beside(release: Subject, at: Circumstances, profile: Profile) -> Iterator[Verdict]:
    if at.same_held:
        yield Verdict("already_there")
    elif at.held is not None and (verdict := upgrade(at.held, release, profile)):
        yield verdict
    if at.same_queued:
        yield Verdict("queued")
    elif at.queued is not None and upgrade(at.queued, release, profile):
        names = {"found": quality(release.name).name, "wanted": quality(at.queued.name).name}
        yield Verdict("better_queued", names)
