"""What admins do to quality profiles, and what everybody may know of them. Views, pages and commands call these."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads.following import copies
from apps.downloads.profiles import again
from apps.downloads.profiles.holding import points, scored
from apps.downloads.profiles.models import CustomFormat, ProfileFormat, QualityProfile, TitleProfile
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.qualities import App
from apps.downloads.releases.trash import DEFAULT_SET, MOST_POINTS
from apps.media import services as media_services
from sokoul.api import Page, listing
from sokoul.errors import PermanentError, conflict, not_found

MOST_TEXT = 100_000  # as JSON: what was changed goes into the audit trail, whose messages have an end
SETTINGS = tuple(name for name in Profile.model_fields if name not in {"name", "formats"})


class Place(BaseModel):
    """A format and its points; None for what its author gives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    score: int | None = Field(default=None, ge=-MOST_POINTS, le=MOST_POINTS)


class Wish(BaseModel):
    """What an admin wants a profile to be. version: the one that was looked at, so that nobody undoes what they did not see."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=r"\S")
    app: App = "radarr"
    score_set: str = Field(default=DEFAULT_SET, min_length=1, max_length=100)
    settings: dict[str, Any] = Field(default_factory=dict)
    formats: tuple[Place, ...] = Field(default=(), max_length=1_000)
    version: int | None = None


def wish(asked: Mapping[str, Any]) -> tuple[Wish, dict[str, Any]]:
    """(what is wanted, its settings whole). Raises PermanentError (400) that names each field at fault."""
    try:
        wanted = Wish.model_validate(dict(asked))
        rules = Profile.model_validate({**_own(wanted.settings), "name": " ".join(wanted.name.split())})
    except ValidationError as error:
        raise invalid(error) from error
    text = json.dumps(asked, default=str)
    if len(text) > MOST_TEXT:
        raise PermanentError(f"A profile has at most {MOST_TEXT:,} characters.", fields={"settings": ["too long"]})
    if "\\u0000" in text or not _is_whole(text):
        raise PermanentError("No text may hold the character NUL or half a character.", fields={"settings": ["no NUL"]})
    return wanted.model_copy(update={"name": rules.name}), settings_of(rules)


def _is_whole(text: str) -> bool:
    """Whether what this JSON says can be written as UTF-8: no half of a surrogate pair."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def rules_of(asked: Mapping[str, Any]) -> Profile:
    """The profile as it would be, saved nowhere. Raises PermanentError (400) as `wish` does."""
    wanted, settings = wish(asked)
    rows = {row.pk: row for row in CustomFormat.objects.filter(pk__in=[one.id for one in wanted.formats])}
    if unknown := [one.id for one in wanted.formats if one.id not in rows]:
        raise PermanentError(f"There is no custom format {unknown[0]}.", fields={"formats": [f"unknown: {unknown[0]}"]})
    places = [ProfileFormat(format=rows[one.id], score=one.score) for one in wanted.formats]
    scored_formats = tuple(scored(one, wanted.score_set) for one in places)
    return Profile.model_validate({**settings, "name": wanted.name, "formats": scored_formats})


def _own(settings: Mapping[str, Any]) -> dict[str, Any]:
    if taken := {"name", "formats"} & settings.keys():
        raise PermanentError("They stand beside the settings.", fields={name: ["not in settings"] for name in taken})
    return dict(settings)


def settings_of(rules: Profile) -> dict[str, Any]:
    return rules.model_dump(mode="json", include=set(SETTINGS))


def invalid(error: ValidationError) -> PermanentError:
    """Each fault at its field; what concerns the whole at “settings”."""
    fields: dict[str, list[str]] = {}
    for fault in error.errors(include_url=False):
        place = ".".join(str(part) for part in fault["loc"]) or "settings"
        cause = fault.get("ctx", {}).get("error")
        fields.setdefault(place, []).append(str(cause or fault["msg"]))
    place, texts = next(iter(fields.items()))
    return PermanentError(f"{place}: {texts[0]}", fields=fields)


# --- looking ------------------------------------------------------------------------------------------------------------


def names() -> list[dict[str, Any]]:
    """What everybody may choose from, the default first."""
    rows = QualityProfile.objects.order_by("-is_default", "name").values("id", "name", "is_default")
    return [dict(row) for row in rows]


def chosen(text: str) -> int | None:
    """What was chosen in a form's list of `names`; empty for none. PermanentError (404) for what was not in it."""
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise not_found("This quality profile")
    return int(text) if text else None


def listed(page: Page) -> dict[str, Any]:
    """For admins, by name."""
    rows = QualityProfile.objects.order_by("name", "pk")
    counted = rows.annotate(formats_count=Count("places", distinct=True), titles_count=Count("titles", distinct=True))
    fields = ("id", "name", "app", "is_default", "version", "formats_count", "titles_count", "missing")
    found = [{**row, "missing": len(row["missing"])} for row in counted.values(*fields)[page.rows]]
    return listing(found, rows.count(), page)


def formats(page: Page, app: str = "") -> dict[str, Any]:
    """Custom formats by name, with how many profiles use each."""
    rows = CustomFormat.objects.filter(app=app) if app else CustomFormat.objects.all()
    used = rows.annotate(profiles_count=Count("places")).order_by("name", "app")
    found = used.values("id", "name", "app", "identity", "scores", "profiles_count")[page.rows]
    return listing(list(found), rows.count(), page)


def get(profile_id: int) -> QualityProfile:
    return _found(QualityProfile.objects.all(), profile_id)


def shown(profile_id: int) -> dict[str, Any]:
    """All of a profile; what `change` takes, and more."""
    row = get(profile_id)
    return {
        "id": row.pk, "name": row.name, "app": row.app, "score_set": row.score_set, "is_default": row.is_default,
        "version": row.version, "settings": row.settings, "formats": places_of(row),
        "missing": sorted(row.missing.values()),
    }  # fmt: skip


def places_of(row: QualityProfile) -> list[dict[str, Any]]:
    """Its formats, each with its own score, None where it follows the author, and the points that it gives."""
    places = row.places.select_related("format").order_by("position", "pk")
    return [
        {"id": place.format_id, "name": place.format.name, "score": place.score, "points": points(place, row.score_set)}
        for place in places
    ]


# --- changing -----------------------------------------------------------------------------------------------------------


def create(asked: Mapping[str, Any], by: User) -> QualityProfile:
    """Raises PermanentError: 400 by field, 409 for a name that is taken."""
    wanted, settings = wish(asked)
    with _name_free(wanted.name), transaction.atomic():
        row = QualityProfile.objects.create(
            name=wanted.name, app=wanted.app, score_set=wanted.score_set, settings=settings
        )
        place(row, wanted.formats)
        audit.record("profile.created", row.name, by, profile_id=row.pk)
    return row


def change(profile_id: int, asked: Mapping[str, Any], by: User) -> QualityProfile:
    """Raises PermanentError: 400 by field, 404, 409 for a name that is taken or a version that is not the present one.

    What it decided is decided again in the background; saving it as it is changes nothing.
    """
    wanted, settings = wish(asked)
    with _name_free(wanted.name), transaction.atomic():
        row = _locked(profile_id)
        if wanted.version not in {None, row.version}:
            raise conflict(
                _("Somebody has changed this profile meanwhile. Look at it again first."), version=row.version
            )
        before = _state(row)
        row.name, row.app, row.score_set, row.settings = wanted.name, wanted.app, wanted.score_set, settings
        place(row, wanted.formats)
        after = _state(row)
        if before == after:
            return row
        row.version += 1
        row.save()
        again.ask()
        changed = sorted(name for name in after if before.get(name) != after[name])
        old, new = ({name: state.get(name) for name in changed} for state in (before, after))
        audit.record("profile.changed", row.name, by, profile_id=row.pk, before=old, after=new)
    return row


def duplicate(profile_id: int, by: User) -> QualityProfile:
    """Another one with the same rules, called “… (copy)”.

    Raises PermanentError: 404, 409 where somebody takes that name in the same moment.
    """
    with transaction.atomic():
        old = _locked(profile_id)
        name = free_name(f"{old.name[:80]} (copy)")
        with _name_free(name):
            row = QualityProfile.objects.create(name=name, app=old.app, score_set=old.score_set, settings=old.settings)
        rows = [
            ProfileFormat(profile=row, format_id=p.format_id, score=p.score, position=p.position)
            for p in old.places.all()
        ]
        ProfileFormat.objects.bulk_create(rows)
        audit.record("profile.created", row.name, by, profile_id=row.pk, copied=old.name)
    return row


def delete(profile_id: int, by: User) -> None:
    """Titles that used it use the default again, and who kept copies by it the title's own (`copies.let_go`). What it decided is
    kept under no name until that has decided."""
    with transaction.atomic():
        copies.hold(profile_id)
        row = _locked(profile_id)
        copies.let_go(profile_id)
        with connection.cursor() as cursor:
            cursor.execute(_KEEP_FOUND, [row.pk])
        name = row.name
        row.delete()
        again.ask()
        audit.record("profile.deleted", name, by, profile_id=profile_id)


# The releases that only this profile has decided about stay: without them nobody would know what was found for the title.
_KEEP_FOUND = """
UPDATE candidates c SET profile_id = NULL, profile_version = -1 WHERE profile_id = %s AND NOT EXISTS (
    SELECT 1 FROM candidates o WHERE o.media_id = c.media_id AND o.torrent_id = c.torrent_id AND o.profile_id IS NULL
    AND o.season IS NOT DISTINCT FROM c.season AND o.episode IS NOT DISTINCT FROM c.episode)"""


def make_default(profile_id: int | None, by: User) -> None:
    """The profile of all titles that have none of their own; None: the one that is built in. Doing it twice is doing it once."""
    with transaction.atomic():
        # All rows in one order: of two admins who choose at once the later one wins.
        held = list(QualityProfile.objects.select_for_update().order_by("pk").values_list("pk", "name", "is_default"))
        named = {pk: name for pk, name, _default in held}
        if profile_id is not None and profile_id not in named:
            raise not_found("This quality profile")
        before = next((pk for pk, _name, default in held if default), None)
        if before == profile_id:
            return
        QualityProfile.objects.filter(is_default=True).update(is_default=False)
        QualityProfile.objects.filter(pk=profile_id or 0).update(is_default=True)
        again.ask()
        old, new = (named.get(pk or 0, "") for pk in (before, profile_id))
        audit.record("profile.default_changed", new, by, profile_id=profile_id, before=old, after=new)


def use_for_title(media_id: int, profile_id: int | None, by: User) -> None:
    """Have a title use this profile; None: the default. Raises PermanentError (404) for either that is not there."""
    title = media_services.get(media_id)
    with transaction.atomic():
        chosen = hold(profile_id) if profile_id is not None else None
        before = TitleProfile.objects.select_for_update().filter(media=title).select_related("profile").first()
        if (before.profile_id if before else None) == profile_id:
            return
        if chosen is None:
            TitleProfile.objects.filter(media=title).delete()
        else:
            TitleProfile.objects.update_or_create(media=title, defaults={"profile": chosen})
        again.ask(media_id)
        old, new = before.profile.name if before else "", chosen.name if chosen else ""
        audit.record("profile.title_changed", title.title, by, media_id=media_id, before=old, after=new)


def hold(profile_id: int) -> QualityProfile:
    """The profile, which nobody deletes until this transaction ends. PermanentError (404) where it is gone.

    Whoever writes its number somewhere holds it, after the person and before anything else. Else PostgreSQL would look for it on
    commit only: too late to say that it is gone, and in a deadlock with its deletion, which waits for the audit trail's lock.
    """
    return _found(QualityProfile.objects.select_for_update(no_key=True), profile_id)


def of_title(media_id: int) -> int | None:
    """The profile that a title has of its own."""
    return TitleProfile.objects.filter(media_id=media_id).values_list("profile_id", flat=True).first()


# --- parts --------------------------------------------------------------------------------------------------------------


def _locked(profile_id: int) -> QualityProfile:
    return _found(QualityProfile.objects.select_for_update(), profile_id)


def _found(rows: QuerySet[QualityProfile], profile_id: int) -> QualityProfile:
    row = rows.filter(pk=profile_id).first()
    if row is None:
        raise not_found("This quality profile")
    return row


def _state(row: QualityProfile) -> dict[str, Any]:
    """What may change, as the audit trail tells it."""
    scores = {place["name"]: place["score"] for place in places_of(row)}
    return {"name": row.name, "app": row.app, "score_set": row.score_set, **row.settings, "formats": scores}


def place(row: QualityProfile, wanted: Sequence[Place]) -> None:
    """Give the profile these formats and no others, in this order."""
    ids = [one.id for one in wanted]
    known = set(CustomFormat.objects.filter(pk__in=ids).values_list("pk", flat=True))
    if unknown := [number for number in ids if number not in known]:
        raise PermanentError(f"There is no custom format {unknown[0]}.", fields={"formats": [f"unknown: {unknown[0]}"]})
    if len(known) < len(ids):
        raise PermanentError("A format can be given points once only.", fields={"formats": ["twice"]})
    ProfileFormat.objects.filter(profile=row).exclude(format_id__in=ids).delete()
    rows = [
        ProfileFormat(profile=row, format_id=one.id, score=one.score, position=position)
        for position, one in enumerate(wanted)
    ]
    ProfileFormat.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["profile", "format"], update_fields=["score", "position"]
    )


def free_name(wanted: str) -> str:
    """The name, with a number behind it where it is taken."""
    name, number = wanted, 1
    while QualityProfile.objects.filter(name__iexact=name).exists():
        number += 1
        name = f"{wanted} {number}"
    return name


@contextmanager
def _name_free(name: str) -> Iterator[None]:
    """What the database says of a name that somebody else has, in words."""
    try:
        yield
    except IntegrityError as error:
        if "quality_profiles_name_unique" not in str(error):
            raise
        message = _("A quality profile is called “%(name)s” already.") % {"name": name}
        raise PermanentError(message, code="conflict", status=409, fields={"name": ["taken"]}) from error
