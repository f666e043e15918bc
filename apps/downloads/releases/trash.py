"""Custom formats as the TRaSH Guides and the *arrs themselves publish them, and the guides' quality profiles, taken into ours.

A document does not say for which application it is; whoever imports it does. What cannot be taken is refused whole: a
format that lacks one of its conditions would mean something else.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from django.utils.translation import gettext as _
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from apps.downloads.releases import tongues
from apps.downloads.releases.dotnet import Untranslatable
from apps.downloads.releases.formats import CustomFormat, ScoredFormat
from apps.downloads.releases.profile import Profile, Tier
from apps.downloads.releases.qualities import MODIFIERS, RESOLUTIONS, SOURCES, App, translated

# The *arrs ask for no more than this by themselves; the published profiles leave sizes to another document.
MAX_MB_PER_MINUTE = 2_000
DEFAULT_SET = "default"
MOST_POINTS = 1_000_000  # for one format; the published ones give tens of thousands at most

_FLAGS: Mapping[App, Mapping[int, str]] = {
    "radarr": {
        1: "freeleech", 2: "halfleech", 4: "double_upload", 8: "golden", 16: "approved", 32: "internal", 64: "internal",
        128: "scene", 256: "freeleech75", 512: "freeleech25", 1024: "user_release", 2048: "nuked", 4096: "subtitles",
    },
    "sonarr": {
        1: "freeleech", 2: "halfleech", 4: "double_upload", 8: "internal", 16: "scene", 32: "freeleech75",
        64: "freeleech25", 128: "nuked", 256: "subtitles",
    },
}  # fmt: skip
_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)
_TYPES = dict(enumerate(("unknown", "single_episode", "multi_episode", "season_pack")))


class Refused(ValueError):
    """Why a document cannot be taken: a stable code, and a sentence for people in str()."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class PublishedFormat:
    """A custom format with the name that profiles know it by, and what the guides give for it in each set of scores."""

    identity: str
    format: CustomFormat
    scores: Mapping[str, int]

    def score(self, score_set: str) -> int:
        return self.scores.get(score_set, self.scores.get(DEFAULT_SET, 0))


@dataclass(frozen=True, slots=True)
class PublishedProfile:
    """found: the identities of its formats, in its order; missing: of those that nobody gave, with their names."""

    identity: str
    profile: Profile
    score_set: str
    found: tuple[str, ...]
    missing: Mapping[str, str]


def _as_mapping(fields: object) -> object:
    """The guides write {name: value}, the applications' own answers [{name:, value:}]."""
    if not isinstance(fields, list):
        return fields
    return {
        one["name"]: one.get("value") for one in fields if isinstance(one, dict) and isinstance(one.get("name"), str)
    }


Name = Annotated[StrictStr, Field(pattern=r"\S")]
Points = Annotated[StrictInt, Field(ge=-MOST_POINTS, le=MOST_POINTS)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Specification(_Document):
    name: str = ""
    implementation: str
    negate: bool = False
    required: bool = False
    fields: Annotated[dict[str, Any], BeforeValidator(_as_mapping)] = Field(default_factory=dict)


class _Format(_Document):
    trash_id: str = ""
    trash_scores: dict[str, Points] = Field(default_factory=dict)
    name: Name
    specifications: tuple[_Specification, ...]


class _Item(_Document):
    name: StrictStr
    allowed: bool = False
    items: tuple[StrictStr, ...] = ()


class _Profile(_Document):
    trash_id: str = ""
    name: Name
    trash_score_set: str = Field(default=DEFAULT_SET, max_length=100)
    upgradeAllowed: bool = True
    cutoff: StrictStr
    minFormatScore: StrictInt = 0
    cutoffFormatScore: StrictInt = 10_000
    minUpgradeFormatScore: StrictInt = 1
    language: str = "Any"
    items: tuple[_Item, ...]
    formatItems: dict[str, StrictStr] = Field(default_factory=dict)


def read_format(document: object, app: App) -> PublishedFormat:
    """One custom format, decoded from its JSON. Refused is raised with the reason."""
    published = _checked(_Format, document)
    assert isinstance(published, _Format)
    conditions = [_condition(specification, app) for specification in published.specifications]
    taken = _checked(CustomFormat, {"name": published.name, "app": app, "conditions": conditions})
    assert isinstance(taken, CustomFormat)
    return PublishedFormat(published.trash_id, taken, published.trash_scores)


def read_profile(document: object, app: App, formats: Mapping[str, PublishedFormat]) -> PublishedProfile:
    """One quality profile, decoded from its JSON; formats by identity. Refused is raised with the reason."""
    if isinstance(document, dict) and isinstance(document.get("cutoff"), int):
        raise Refused("numbered", _("It is an application's own profile, whose numbers mean something only there."))
    published = _checked(_Profile, document)
    assert isinstance(published, _Profile)
    score_set = published.trash_score_set
    asked = {identity: name for name, identity in published.formatItems.items()}
    found = {identity: formats[identity] for identity in asked if identity in formats}
    missing = {identity: name for identity, name in asked.items() if identity not in formats}
    settings = {
        "name": published.name,
        "tiers": tuple(_tier(item, app) for item in published.items),
        "cutoff": published.cutoff,
        "upgrades": published.upgradeAllowed,
        "formats": tuple(ScoredFormat(format=one.format, score=one.score(score_set)) for one in found.values()),
        "minimum_format_score": published.minFormatScore,
        "cutoff_format_score": published.cutoffFormatScore,
        "minimum_upgrade_score": published.minUpgradeFormatScore,
        # The guides count corrections by their formats, and ask for this.
        "prefer_propers": False,
        "max_mb_per_minute": MAX_MB_PER_MINUTE,
        **_language(published.language),
    }
    profile = _checked(Profile, settings)
    assert isinstance(profile, Profile)
    return PublishedProfile(published.trash_id, profile, score_set, tuple(found), missing)


def _checked(kind: type[BaseModel], document: object) -> BaseModel:
    """The document as that kind; Refused with the first fault."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, Untranslatable):
            raise Refused(cause.code, str(cause)) from error
        where = ".".join(str(part) for part in fault["loc"]) or _("the document")
        raise Refused("malformed", f"{where}: {cause or _fault(fault)}") from error


def _fault(fault: Mapping[str, Any]) -> str:
    """The commonest in the reader's language; of the others what the library says of them."""
    if fault["type"] == "missing":
        return _("It is missing.")
    return _("It is not as it has to be (%(why)s).") % {"why": fault["msg"]}


def _condition(specification: _Specification, app: App) -> dict[str, Any]:
    """What our condition of that kind is made from."""
    known = _KINDS.get(specification.implementation.removesuffix("Specification"))
    if known is None:
        raise Refused(
            "unknown_condition",
            _("There is no condition of the kind %(name)s.") % {"name": specification.implementation},
        )
    kind, values = known
    return {
        "kind": kind,
        "name": specification.name,
        "negate": specification.negate,
        "required": specification.required,
        **values(specification.fields, app),
    }


def _named(what: str, names: Mapping[int, str], value: object) -> str:
    """The word for a number of the application's."""
    number = int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
    if not isinstance(number, int) or isinstance(number, bool) or number not in names:
        raise Refused(
            "unknown_value",
            _("There is no %(what)s with the number %(number)s.") % {"number": repr(value), "what": what},
        )
    return names[number]


def _text(fields: Mapping[str, Any], app: App) -> dict[str, Any]:
    return {"pattern": fields.get("value")}


def _bounds(fields: Mapping[str, Any], app: App) -> dict[str, Any]:
    return {"minimum": fields.get("min"), "maximum": fields.get("max")}


def _source(fields: Mapping[str, Any], app: App) -> dict[str, Any]:
    return {"source": _named(_("source"), SOURCES[app], fields.get("value"))}


def _resolution(fields: Mapping[str, Any], app: App) -> dict[str, Any]:
    return {
        "resolution": int(_named(_("resolution"), {lines: str(lines) for lines in RESOLUTIONS}, fields.get("value")))
    }


def _modifier(fields: Mapping[str, Any], app: App) -> dict[str, Any]:
    return {"modifier": _named(_("quality modifier"), MODIFIERS, fields.get("value"))}


def _spoken(fields: Mapping[str, Any], app: App) -> dict[str, Any]:
    language = _named(_("language"), tongues.BY_NUMBER[app], fields.get("value"))
    return {"language": language, "except_language": bool(fields.get("exceptLanguage", False))}


def _flag(fields: Mapping[str, Any], app: App) -> dict[str, Any]:
    return {"flag": _named(_("indexer flag"), _FLAGS[app], fields.get("value"))}


def _type(fields: Mapping[str, Any], app: App) -> dict[str, Any]:
    return {"release_type": _named(_("release type"), _TYPES, fields.get("value"))}


_KINDS: Mapping[str, tuple[str, Callable[[Mapping[str, Any], App], dict[str, Any]]]] = {
    "ReleaseTitle": ("release_title", _text),
    "ReleaseGroup": ("release_group", _text),
    "Edition": ("edition", _text),
    "Source": ("source", _source),
    "Resolution": ("resolution", _resolution),
    "QualityModifier": ("quality_modifier", _modifier),
    "Language": ("language", _spoken),
    "IndexerFlag": ("indexer_flag", _flag),
    "ReleaseType": ("release_type", _type),
    "Size": ("size", _bounds),
    "Year": ("year", _bounds),
}


def _tier(item: _Item, app: App) -> Tier:
    names = item.items or (item.name,)
    for name in names:
        if not translated(name, app):
            raise Refused("unknown_quality", _("There is no quality called %(name)s.") % {"name": repr(name)})
    qualities = tuple(ours for name in names for ours in translated(name, app))
    tier = _checked(Tier, {"name": item.name, "qualities": qualities, "allowed": item.allowed})
    assert isinstance(tier, Tier)
    return tier


def _language(name: str) -> dict[str, Any]:
    """What the profile's language asks of releases: “Any” nothing."""
    if name not in tongues.BY_NAME:
        raise Refused("unknown_value", _("There is no language called %(name)s.") % {"name": repr(name)})
    code = tongues.BY_NAME[name]
    return {} if code == tongues.ANY else {"languages": (code,), "language_required": True}
