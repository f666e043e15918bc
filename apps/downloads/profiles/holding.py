"""Which profile holds for a title: its own, else the default, else the one that is built in. Read once a version."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Case, Q, When
from pydantic import ValidationError

from apps.downloads.profiles.models import ProfileFormat, QualityProfile, TitleProfile
from apps.downloads.releases.formats import CustomFormat, ScoredFormat
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.trash import DEFAULT_SET
from sokoul import logs
from sokoul.errors import PermanentError, not_found

log = logs.logger(__name__)
MOST_KEPT = 64


@dataclass(frozen=True)
class Held:
    """A profile that decides. id None: the one that is built in."""

    id: int | None
    version: int
    name: str
    profile: Profile


BUILT_IN = Held(None, 0, "", Profile())
_kept: dict[int, Held] = {}


def holding(media_id: int, profile_id: int | None = None) -> Held:
    """The profile that was asked for where it is still there, else the title's. Raises PermanentError (500) for a profile that
    cannot be read, so that nothing is chosen by other rules."""
    fitting = Q(pk__in=TitleProfile.objects.filter(media_id=media_id).values("profile_id")) | Q(is_default=True)
    nearest = Case(When(pk=profile_id or 0, then=0), When(is_default=True, then=2), default=1)
    rows = QualityProfile.objects.filter(fitting | Q(pk=profile_id or 0)).order_by(nearest)
    row = rows.values_list("pk", "version").first()
    return _current(*row) if row else BUILT_IN


def of_titles(asked: Collection[tuple[int, int | None]]) -> dict[tuple[int, int | None], Held]:
    """What `holding` gives for each of these titles with the profile that was asked for; two statements, whatever their number."""
    fitting = Q(is_default=True) | Q(pk__in={profile_id for _, profile_id in asked if profile_id is not None})
    rows = QualityProfile.objects.filter(fitting).values_list("pk", "version", "is_default")
    by_id, default = {}, BUILT_IN
    for profile_id, version, is_default in rows:
        by_id[profile_id] = _current(profile_id, version)
        default = by_id[profile_id] if is_default else default
    chosen = TitleProfile.objects.filter(media_id__in={media_id for media_id, _ in asked}).values_list(
        "media_id", "profile_id", "profile__version"
    )
    own = {media_id: _current(profile_id, version) for media_id, profile_id, version in chosen}
    return {one: by_id.get(one[1] or 0) or own.get(one[0], default) for one in asked}


def by_id(profile_id: int) -> Held:
    row = QualityProfile.objects.filter(pk=profile_id).values_list("pk", "version").first()
    if row is None:
        raise not_found("This quality profile")
    return _current(*row)


def _current(profile_id: int, version: int) -> Held:
    held = _kept.get(profile_id)
    if held is None or held.version != version:
        row = QualityProfile.objects.filter(pk=profile_id).first()
        if row is None:
            raise not_found("This quality profile")
        held = Held(row.pk, row.version, row.name, read(row))
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[profile_id] = held
    return held


def read(row: QualityProfile) -> Profile:
    """The row with its formats as rules."""
    places = ProfileFormat.objects.filter(profile=row).select_related("format").order_by("position", "pk")
    try:
        formats = tuple(scored(place, row.score_set) for place in places)
        return Profile.model_validate({**row.settings, "name": row.name, "formats": formats})
    except ValidationError as error:
        log.error("quality profile cannot be read", profile=row.name, error=str(error))
        raise PermanentError(
            f"The quality profile “{row.name}” cannot be read. Save it anew in the dashboard.",
            code="profile",
            status=500,
        ) from error


def scored(place: ProfileFormat, score_set: str) -> ScoredFormat:
    row = place.format
    rules = CustomFormat.model_validate({"name": row.name, "app": row.app, "conditions": row.conditions})
    return ScoredFormat(format=rules, score=points(place, score_set))


def points(place: ProfileFormat, score_set: str) -> int:
    """The profile's own, else what the format's author gives in that set."""
    if place.score is not None:
        return place.score
    published = place.format.scores
    return int(published.get(score_set, published.get(DEFAULT_SET, 0)))
