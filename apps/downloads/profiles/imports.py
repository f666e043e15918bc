"""Taking published custom formats and quality profiles (releases.trash) into rows: a file whole, or not at all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

import orjson
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads.profiles import again
from apps.downloads.profiles.models import CustomFormat, ProfileFormat, QualityProfile
from apps.downloads.profiles.services import free_name, settings_of
from apps.downloads.releases import formats as rules
from apps.downloads.releases import trash
from apps.downloads.releases.qualities import App
from apps.downloads.releases.trash import PublishedFormat, Refused

MAX_BYTES = 2_000_000
MAX_DOCUMENTS = 2_000
APPS: tuple[App, ...] = ("radarr", "sonarr")
_LOCK = 0x50524F46  # one import at a time: what a file finds is what the one before it left
_DECIDING = ("name", "conditions", "scores")  # what of a format may change a decision
Result = Literal["imported", "updated", "unchanged", "refused"]


@dataclass(frozen=True)
class Source:
    """A file by its name, and what is in it: bytes of JSON, or what that says."""

    name: str
    content: bytes | dict[str, Any] | list[Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a document. Of a file that was refused there is one, with the reason: a stable code and a sentence."""

    file: str
    name: str
    kind: Literal["format", "profile", "file"]
    result: Result
    code: str = ""
    reason: str = ""
    missing: tuple[str, ...] = ()


def take(sources: Iterable[Source], by: User | None, app: App | None = None) -> list[Outcome]:
    """Take files, formats before the profiles that ask for them; outcomes in the order of the files. Twice is once.

    app: for which application they were written; else that is what the file's name or folder says.
    """
    ordered = list(enumerate(sources))
    read = [(place, source, _read(source)) for place, source in ordered]
    read.sort(key=lambda one: not _has_formats(one[2]))
    known: dict[App, dict[str, PublishedFormat]] = {}
    outcomes = {
        place: _take_file(source, found, app or app_of(source.name), by, known) for place, source, found in read
    }
    return [outcome for place, _source in ordered for outcome in outcomes[place]]


def app_of(name: str) -> App | None:
    """What the path says, its end first: radarr/cf/hdr.json, sonarr__quality-profiles__web.json."""
    for part in reversed(PurePath(name).parts):
        said = [app for app in APPS if part.lower().startswith(app)]
        if said:
            return said[0]
    return None


def _read(source: Source) -> list[Any] | Refused:
    content = source.content
    if isinstance(content, bytes):
        if len(content) > MAX_BYTES:
            return Refused("too_large", _("The file has more than %(count)d bytes.") % {"count": MAX_BYTES})
        try:
            content = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            return Refused("no_json", _("It is no JSON: %(why)s") % {"why": error})
    documents = content if isinstance(content, list) else [content]
    if not documents or len(documents) > MAX_DOCUMENTS:
        return Refused("malformed", _("A file holds 1 to %(count)d documents.") % {"count": MAX_DOCUMENTS})
    return documents


def _is_format(document: object) -> bool:
    return isinstance(document, dict) and "specifications" in document


def _has_formats(found: list[Any] | Refused) -> bool:
    return isinstance(found, list) and any(_is_format(document) for document in found)


def _take_file(
    source: Source,
    found: list[Any] | Refused,
    app: App | None,
    by: User | None,
    known: dict[App, dict[str, PublishedFormat]],
) -> list[Outcome]:
    name = PurePath(source.name).name[:200]
    try:
        if isinstance(found, Refused):
            raise found
        if app is None:
            raise Refused("unknown_app", _("Neither its name nor its folder says whether it is Radarr's or Sonarr's."))
        with transaction.atomic():
            outcomes = list(_Taking(app, name, known).all(found))
            changed = [outcome.name for outcome in outcomes if outcome.result in {"imported", "updated"}]
            if changed:
                audit.record("profile.imported", name, by, app=app, names=changed[:100], count=len(changed))
        return outcomes
    except IntegrityError:  # somebody was faster, or PostgreSQL knows two letters as one that Python does not
        refusal = Refused("name_taken", _("Something else has one of its names."))
    except Refused as refused:
        refusal = refused
    known.clear()  # what this file brought was taken back
    return [Outcome(name, name, "file", "refused", refusal.code, str(refusal))]


def _storable(document: Any) -> Any:
    """The document as the database keeps it. Refused is raised for what no JSON of PostgreSQL's can hold."""
    try:
        text = orjson.dumps(document)
    except TypeError as error:  # nested too deeply, a number without end, half a character
        raise Refused("malformed", _("It is no plain JSON: %(why)s.") % {"why": error}) from error
    if b"\\u0000" in text:
        raise Refused("malformed", _("A text holds the character NUL."))
    return orjson.loads(text)  # where Python read a number as infinite, it is null


class _Taking:
    """The documents of one file, within its transaction."""

    def __init__(self, app: App, file: str, known: dict[App, dict[str, PublishedFormat]]) -> None:
        self._app, self._file, self._all = app, file, known

    def all(self, documents: list[Any]) -> Iterator[Outcome]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        for document in sorted(map(_storable, documents), key=lambda document: not _is_format(document)):
            if _is_format(document):
                yield self._format(document)
            elif isinstance(document, dict) and {"items", "cutoff"} <= document.keys():
                yield self._profile(document)
            else:
                raise Refused("unknown_document", _("It is neither a custom format nor a quality profile."))

    # Formats

    def _format(self, document: dict[str, Any]) -> Outcome:
        published = trash.read_format(document, self._app)
        fields = {
            "name": published.format.name,
            "identity": _identity(published.identity),
            "conditions": published.format.model_dump(mode="json")["conditions"],
            "scores": dict(published.scores),
            "source": document,
        }
        row = self._format_row(published)
        if row is None:
            row = CustomFormat.objects.create(app=self._app, **fields)
            result: Result = "imported"
        elif all(getattr(row, name) == value for name, value in fields.items()):
            return Outcome(self._file, row.name, "format", "unchanged")
        else:
            CustomFormat.objects.filter(pk=row.pk).update(**fields)
            result = "updated"
            if any(getattr(row, name) != fields[name] for name in _DECIDING):
                _changed(QualityProfile.objects.filter(places__format=row))
        if published.identity:
            self._known()[published.identity] = published
            self._fill(row, published.identity)
        return Outcome(self._file, published.format.name, "format", result)

    def _format_row(self, published: PublishedFormat) -> CustomFormat | None:
        """The one of this identity, else one of this name that has none. Another of that name is in the way."""
        rows = CustomFormat.objects.filter(app=self._app)
        same_name = rows.filter(name__iexact=published.format.name).first()
        row = rows.filter(identity=published.identity).first() if published.identity else None
        in_the_way = same_name is not None and (
            same_name.pk != row.pk if row else bool(same_name.identity and published.identity)
        )
        if in_the_way:
            called = _("Another custom format is called “%(name)s”.")
            raise Refused("name_taken", called % {"name": published.format.name})
        return row or same_name

    def _fill(self, row: CustomFormat, identity: str) -> None:
        """Give the format to the profiles that have been waiting for it."""
        for profile in QualityProfile.objects.filter(app=self._app, missing__has_key=identity):
            last = profile.places.order_by("-position").values_list("position", flat=True).first()
            ProfileFormat.objects.get_or_create(profile=profile, format=row, defaults={"position": (last or 0) + 1})
            QualityProfile.objects.filter(pk=profile.pk).update(
                missing={key: name for key, name in profile.missing.items() if key != identity}
            )
            _changed(QualityProfile.objects.filter(pk=profile.pk))

    def _known(self) -> dict[str, PublishedFormat]:
        """The formats that are there, by identity; read once for all files."""
        if self._app not in self._all:
            rows = CustomFormat.objects.filter(app=self._app).exclude(identity="")
            self._all[self._app] = {row.identity: _published(row) for row in rows}
        return self._all[self._app]

    # Profiles

    def _profile(self, document: dict[str, Any]) -> Outcome:
        published = trash.read_profile(document, self._app, self._known())
        fields = {
            "score_set": published.score_set,
            "settings": settings_of(published.profile),
            "missing": dict(published.missing),
        }
        row = self._profile_row(published.identity, published.profile.name)
        if row is None:
            row = QualityProfile.objects.create(
                name=self._name(published.profile.name), app=self._app, identity=_identity(published.identity), **fields
            )
            self._place(row, published.found)
            result: Result = "imported"
        else:
            placed = self._place(row, published.found)
            same = all(getattr(row, name) == value for name, value in fields.items())
            result = "updated" if placed or not same else "unchanged"
        if result == "updated":
            QualityProfile.objects.filter(pk=row.pk).update(**fields)
            _changed(QualityProfile.objects.filter(pk=row.pk))
        return Outcome(self._file, row.name, "profile", result, missing=tuple(sorted(published.missing.values())))

    def _profile_row(self, identity: str, name: str) -> QualityProfile | None:
        rows = QualityProfile.objects.select_for_update().filter(app=self._app)
        named = Q(identity=identity) if identity else Q(identity="", name__iexact=name)
        return rows.filter(named).first()

    def _name(self, name: str) -> str:
        """The published one; where somebody else has it, with the application's."""
        if not QualityProfile.objects.filter(name__iexact=name).exists():
            return name
        return free_name(f"{name[:80]} ({self._app.title()})")

    def _place(self, row: QualityProfile, identities: tuple[str, ...]) -> bool:
        """Have the profile ask for these formats and no others, keeping the points that somebody gave; whether that is new."""
        ids = dict(CustomFormat.objects.filter(app=self._app, identity__in=identities).values_list("identity", "pk"))
        wanted = [ids[identity] for identity in identities]
        before = {place.format_id: place for place in row.places.all()}
        if before.keys() == set(wanted):
            return False
        row.places.exclude(format_id__in=wanted).delete()
        places = [
            ProfileFormat(
                profile=row, format_id=pk, position=position, score=before[pk].score if pk in before else None
            )
            for position, pk in enumerate(wanted)
        ]
        ProfileFormat.objects.bulk_create(
            places, update_conflicts=True, unique_fields=["profile", "format"], update_fields=["position"]
        )
        return True


def _identity(text: str) -> str:
    if len(text) > 100:
        raise Refused("malformed", "trash_id: " + _("It has more than 100 characters."))
    return text


def _published(row: CustomFormat) -> PublishedFormat:
    taken = rules.CustomFormat.model_validate({"name": row.name, "app": row.app, "conditions": row.conditions})
    return PublishedFormat(row.identity, taken, row.scores)


def _changed(profiles: Any) -> None:
    """They decide otherwise from now on."""
    if profiles.update(version=F("version") + 1):
        again.ask()
