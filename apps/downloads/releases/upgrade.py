"""Whether a release is better than the file that is there already, by the profile, and why not.

The rules are those of Radarr and Sonarr: quality first, up to the cutoff; then, of the same quality, a correction; then
the score of the custom formats, up to the one at which the profile is content.
"""

from dataclasses import dataclass

from apps.downloads.releases.formats import Subject, score
from apps.downloads.releases.name import ReleaseName
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.qualities import quality
from apps.downloads.releases.verdict import Verdict


def upgrade(current: Subject, candidate: Subject, profile: Profile) -> Verdict | None:
    """None where the candidate is an upgrade, else why it is none. Whether it is acceptable at all, `rank.decide` says."""
    better = _place(candidate.name, profile) - _place(current.name, profile)
    if better:
        return _by_quality(current, candidate, profile, better > 0)
    if profile.prefer_propers and _named(candidate.name) == _named(current.name):
        newer, older = revision(candidate.name), revision(current.name)
        if newer > older:
            return _by_group(current.name, candidate.name)
        if newer < older:
            return _no_better(current.name, candidate.name)
    return _by_formats(current, candidate, profile)


def cutoff_met(current: Subject, profile: Profile) -> bool:
    """Whether nothing better is looked for: neither in quality nor, of the same, in custom formats."""
    if _place(current.name, profile) < _cutoff(profile):
        return False
    return not profile.formats or not profile.upgrades or worth(current, profile) >= profile.cutoff_format_score


@dataclass(frozen=True, slots=True)
class Goal:
    """What a profile is content with: a quality by its name, and points of its formats, None where they do not count."""

    quality: str
    score: int | None


def goal(profile: Profile) -> Goal:
    """What `cutoff_met` asks for."""
    score = profile.cutoff_format_score if profile.formats and profile.upgrades else None
    if profile.tiers:
        return Goal(profile.cutoff or next(tier.name for tier in profile.tiers if tier.allowed), score)
    source = next(iter(profile.sources), None)
    best = ReleaseName(
        resolution=next(iter(profile.resolutions), None),
        source="BluRay" if source == "Remux" else source,
        remux=source == "Remux",
    )
    return Goal(_named(best), score)


def revision(name: ReleaseName) -> tuple[int, int]:
    """How often it was corrected: what is called REAL before everything, then PROPER, REPACK or a version."""
    version = name.version or 1
    return int(name.real), version + 1 if name.proper or name.repack else version


def _place(name: ReleaseName, profile: Profile) -> int:
    """How good the quality is, more is better; by resolution, then source, where the profile has no tiers."""
    if profile.tiers:
        return profile.place(quality(name).name)
    source = "Remux" if name.remux else name.source
    return (len(profile.sources) + 1) * _height(name.resolution, profile.resolutions) + _height(source, profile.sources)


def _height(value: str | None, places: tuple[str, ...]) -> int:
    return len(places) - places.index(value) if value in places else 0


def _cutoff(profile: Profile) -> int:
    if profile.tiers or not profile.upgrades:
        return profile.cutoff_place
    return (len(profile.sources) + 1) * len(profile.resolutions) + len(profile.sources)


def _named(name: ReleaseName) -> str:
    return quality(name).name


def worth(subject: Subject, profile: Profile) -> int:
    """The points of its custom formats."""
    return score(subject, profile.formats).total


def _by_quality(current: Subject, candidate: Subject, profile: Profile, better: bool) -> Verdict | None:
    if not better:
        return _no_better(current.name, candidate.name)
    if not profile.upgrades:
        return Verdict("upgrades_not_allowed")
    if _place(current.name, profile) >= _cutoff(profile):
        return Verdict("cutoff_met", {"found": _named(current.name), "wanted": profile.cutoff or profile.tiers[0].name})
    return None


def _by_group(current: ReleaseName, candidate: ReleaseName) -> Verdict | None:
    """A group repacks its own release; a proper corrects anybody's."""
    if not candidate.repack or (candidate.group and candidate.group.lower() == (current.group or "").lower()):
        return None
    return Verdict("other_group", {"found": candidate.group or "?", "wanted": current.group or "?"})


def _by_formats(current: Subject, candidate: Subject, profile: Profile) -> Verdict | None:
    if not profile.formats:
        return _no_better(current.name, candidate.name)
    held = worth(current, profile)
    gain = worth(candidate, profile) - held
    if gain <= 0:
        return Verdict("not_an_upgrade", {"found": held + gain, "wanted": held})
    if not profile.upgrades:
        return Verdict("upgrades_not_allowed")
    if held >= profile.cutoff_format_score:
        return Verdict("cutoff_met", {"found": held, "wanted": profile.cutoff_format_score})
    if gain < profile.minimum_upgrade_score:
        return Verdict("upgrade_too_small", {"found": gain, "wanted": profile.minimum_upgrade_score})
    return None


def _no_better(current: ReleaseName, candidate: ReleaseName) -> Verdict:
    return Verdict("not_an_upgrade", {"found": _named(candidate), "wanted": _named(current)})
