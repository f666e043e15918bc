"""Whether this is the moment to take a release that will do: what depends on the hour.

`rank` says whether a release will do at all, which stays so; what is said here may be otherwise a minute later, and is not
stored with the release. What is there or on its way already, not out yet, or too large for the disk never comes this far:
following wants nothing of it, and the hunter looks at the disk itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from apps.downloads.releases.formats import Subject
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.upgrade import cutoff_met
from apps.downloads.releases.verdict import Verdict


@dataclass(frozen=True)
class Circumstances:
    """What else is so at `now`. published_at: of the release; None where that is not known."""

    now: datetime
    published_at: datetime | None = None


def obstacles(release: Subject, at: Circumstances, profile: Profile) -> tuple[Verdict, ...]:
    """Why it is not taken by itself now; empty where nothing speaks against it. A person who asks for it need not care."""
    return tuple(_not_yet(release, at, profile))


def _not_yet(release: Subject, at: Circumstances, profile: Profile) -> Iterator[Verdict]:
    if at.published_at is None:
        return
    age = max(0, int((at.now - at.published_at).total_seconds() // 60))
    if age < profile.minimum_age_minutes:
        yield Verdict("too_young", {"found": age, "wanted": profile.minimum_age_minutes})
    elif age < profile.delay_minutes and not cutoff_met(release, profile):
        yield Verdict("delayed", {"found": age, "wanted": profile.delay_minutes})
