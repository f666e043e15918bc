"""Custom formats: named findings about a release, each made of conditions, for a profile to give points for.

They match as in Radarr and Sonarr: of the conditions of one kind any has to hold, but where some are required, those
all; and every kind that the format names has to hold. A negated condition holds where it would not.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from apps.downloads.releases import dotnet
from apps.downloads.releases.name import ReleaseName
from apps.downloads.releases.qualities import App, Quality, quality
from apps.downloads.releases.tongues import ORIGINAL, UNKNOWN

GIB = 1 << 30
FLAGS = (
    "freeleech", "halfleech", "double_upload", "golden", "approved", "internal", "scene", "freeleech75", "freeleech25",
    "user_release", "nuked", "subtitles",
)  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """A release, or a file that came of one, as formats look at it.

    size: bytes, 0 where unknown; flags: of FLAGS, as the indexer tells; original_language: of the work, ISO 639-1;
    year: of the work; file_name: where there is a file.
    """

    name: ReleaseName
    size: int = 0
    flags: frozenset[str] = frozenset()
    original_language: str | None = None
    year: int | None = None
    file_name: str | None = None

    @cached_property
    def languages(self) -> frozenset[str]:
        """Those spoken: what the name gives, the work's own where it gives none or says that there are several."""
        spoken = set(self.name.languages)
        if self.original_language and (self.name.multi or not spoken):
            spoken.add(self.original_language)
        return frozenset(spoken or {UNKNOWN})

    @cached_property
    def release_type(self) -> str:
        return release_type(self.name)

    @cached_property
    def without_title(self) -> str:
        """The name with its title hidden, so that a film called “Remux” is none."""
        words = re.findall(r"[^\W_]+", self.name.title)
        spelt = re.compile(r"[\W_]+".join(map(re.escape, words)), re.IGNORECASE)
        found = spelt.search(self.name.raw) if words else None
        if found is None:
            return self.name.raw
        hidden = "A.Movie" if "." in self.name.raw else "A Movie"
        return self.name.raw[: found.start()] + hidden + self.name.raw[found.end() :]

    def texts(self, app: App) -> tuple[str, ...]:
        """What conditions on the release's name are searched in: Radarr hides the title, Sonarr does not."""
        name = self.without_title if app == "radarr" else self.name.raw
        return (name, self.file_name) if self.file_name else (name,)

    def quality(self, app: App) -> Quality:
        return self._radarr if app == "radarr" else self._sonarr

    @cached_property
    def _radarr(self) -> Quality:
        return quality(self.name, "radarr")

    @cached_property
    def _sonarr(self) -> Quality:
        return quality(self.name, "sonarr")


def release_type(name: ReleaseName) -> str:
    """“season_pack”, “multi_episode”, “single_episode”, or “unknown” of what is no series."""
    if name.episodes:
        return "multi_episode" if len(name.episodes) > 1 else "single_episode"
    if name.air_date or name.absolute_episode is not None:
        return "single_episode"
    return "season_pack" if name.seasons else "unknown"


class _Condition(BaseModel):
    """What all conditions have. `holds` tells of a subject; None where it cannot be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(default="", max_length=200)
    negate: bool = False
    required: bool = False


class TextCondition(_Condition):
    """A .NET regular expression, in any case, over the release's name, its group or its edition."""

    kind: Literal["release_title", "release_group", "edition"]
    pattern: str = Field(min_length=1)

    @field_validator("pattern")
    @classmethod
    def _translatable(cls, pattern: str) -> str:
        dotnet.compiled(pattern)
        return pattern

    @cached_property
    def _found(self) -> Callable[[str], bool | None]:
        return dotnet.compiled(self.pattern).found

    def holds(self, subject: Subject, app: App) -> bool | None:
        found = False
        for text in self._texts(subject, app):
            if (seen := self._found(text)) is None:
                return None
            found = found or seen
        return found

    def _texts(self, subject: Subject, app: App) -> tuple[str, ...]:
        if self.kind == "release_title":
            return subject.texts(app)
        text = subject.name.group if self.kind == "release_group" else subject.name.edition
        return (text,) if text is not None else ()


class SourceCondition(_Condition):
    kind: Literal["source"]
    source: str

    def holds(self, subject: Subject, app: App) -> bool:
        return subject.quality(app).source == self.source


class ResolutionCondition(_Condition):
    """Of the quality, in lines; 0 of one that has none."""

    kind: Literal["resolution"]
    resolution: int = Field(ge=0)

    def holds(self, subject: Subject, app: App) -> bool:
        return subject.quality(app).resolution == self.resolution


class ModifierCondition(_Condition):
    kind: Literal["quality_modifier"]
    modifier: str

    def holds(self, subject: Subject, app: App) -> bool:
        return subject.quality(app).modifier == self.modifier


class LanguageCondition(_Condition):
    """language: ISO 639-1, “original” or “unknown”. except_language: any other than that one."""

    kind: Literal["language"]
    language: str
    except_language: bool = False

    def holds(self, subject: Subject, app: App) -> bool:
        wanted = (subject.original_language or ORIGINAL) if self.language == ORIGINAL else self.language
        if self.except_language:
            return bool(subject.languages - {wanted})
        return wanted in subject.languages


class FlagCondition(_Condition):
    """What the indexer says of the release, a word of FLAGS."""

    kind: Literal["indexer_flag"]
    flag: str

    def holds(self, subject: Subject, app: App) -> bool:
        return self.flag in subject.flags


class TypeCondition(_Condition):
    kind: Literal["release_type"]
    release_type: Literal["unknown", "single_episode", "multi_episode", "season_pack"]

    def holds(self, subject: Subject, app: App) -> bool:
        return subject.release_type == self.release_type


class SizeCondition(_Condition):
    """More than the minimum and at most the maximum, in GiB (2^30 bytes)."""

    kind: Literal["size"]
    minimum: float = Field(ge=0)
    maximum: float = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> "SizeCondition":
        if self.maximum <= self.minimum:
            raise ValueError("The maximum has to be more than the minimum.")
        return self

    def holds(self, subject: Subject, app: App) -> bool:
        return self.minimum * GIB < subject.size <= self.maximum * GIB


class YearCondition(_Condition):
    """Both ends belong to it."""

    kind: Literal["year"]
    minimum: int = Field(ge=1)
    maximum: int = Field(ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> "YearCondition":
        if self.maximum < self.minimum:
            raise ValueError("The maximum has to be at least the minimum.")
        return self

    def holds(self, subject: Subject, app: App) -> bool:
        year = subject.name.year or subject.year
        return year is not None and self.minimum <= year <= self.maximum


Condition = Annotated[
    TextCondition
    | SourceCondition
    | ResolutionCondition
    | ModifierCondition
    | LanguageCondition
    | FlagCondition
    | TypeCondition
    | SizeCondition
    | YearCondition,
    Field(discriminator="kind"),
]
# The kinds whose answer costs a search, the dearest last; the others are looked at first.
_DEAR = ("release_group", "edition", "release_title")


class CustomFormat(BaseModel):
    """app: for which application it was written: they name qualities and search names differently."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    app: App = "radarr"
    conditions: tuple[Condition, ...] = Field(min_length=1, max_length=500)

    def matches(self, subject: Subject) -> bool | None:
        """Whether the release is of this format. None where a condition cannot be told: its search took too long."""
        for required, conditions in self._kinds:
            held = self._hold(conditions, subject, required)
            if not held:
                return held
        return True

    def _hold(self, conditions: tuple[Condition, ...], subject: Subject, required: bool) -> bool | None:
        """Whether all hold that are required, or any where none is."""
        for condition in conditions:
            held = condition.holds(subject, self.app)
            if held is None:
                return None
            if (held is not condition.negate) is not required:
                return not required
        return required

    @cached_property
    def _kinds(self) -> tuple[tuple[bool, tuple[Condition, ...]], ...]:
        """The conditions that matter, by kind: where some are required, those, as one of them has to hold anyway."""
        kinds: dict[str, list[Condition]] = {}
        for condition in sorted(self.conditions, key=lambda condition: _cost(condition.kind)):
            kinds.setdefault(condition.kind, []).append(condition)
        required = {kind: tuple(c for c in conditions if c.required) for kind, conditions in kinds.items()}
        return tuple((bool(required[kind]), required[kind] or tuple(kinds[kind])) for kind in kinds)


def _cost(kind: str) -> int:
    return _DEAR.index(kind) + 1 if kind in _DEAR else 0


class ScoredFormat(BaseModel):
    """A custom format and what a profile gives for it, in points."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: CustomFormat
    score: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """formats: those that match; failed: names of those that could not be told."""

    total: int
    formats: tuple[ScoredFormat, ...] = ()
    failed: tuple[str, ...] = ()


def score(subject: Subject, formats: Iterable[ScoredFormat]) -> Score:
    """What the formats are worth together."""
    matching, failed = [], []
    for scored in formats:
        matched = scored.format.matches(subject)
        if matched is None:
            failed.append(scored.format.name)
        elif matched:
            matching.append(scored)
    return Score(sum(scored.score for scored in matching), tuple(matching), tuple(failed))
