"""Quality profiles: what a person wants of a release besides being the right one."""

from functools import cached_property
from typing import Annotated

from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from apps.downloads.releases.formats import ScoredFormat
from apps.downloads.releases.qualities import known

MB = 1_000_000
MOST_POINTS = 1_000_000_000  # far more than any rule needs, and sums of them are numbers that JSON can say


class Tier(BaseModel):
    """Qualities that are as good as each other, by their names in releases.qualities.

    One that is not allowed only has its place, for a file that is of it already.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    qualities: tuple[str, ...] = Field(min_length=1)
    allowed: bool = True

    @field_validator("qualities")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if not known(name)]:
            raise ValueError(_("No quality is called %(names)s.") % {"names": ", ".join(unknown)})
        return names


Points = Annotated[int, Field(ge=-MOST_POINTS, le=MOST_POINTS)]


class Profile(BaseModel):
    """A quality profile. Ordered tuples name the best first; what they leave out is refused.

    Sizes are megabytes (10^6 bytes) per minute of runtime. Languages are ISO 639-1 codes, or “original”: the work's own.

    minimum_age_minutes: what is younger is not taken by itself; delay_minutes: nor is, for so long, what is below the
    cutoff, for a better one may come (releases.moment).

    Where there are tiers, they decide instead of resolutions and sources; where there are formats, they decide instead of
    codec, colours and sound, and seeders and size only between equals. cutoff: the tier from which on no better one is
    looked for, the best where it is None; the same is cutoff_format_score for formats. prefer_propers: whether a
    corrected release of the same quality is better in itself; else only formats say so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(default="Default", min_length=1, max_length=100)
    resolutions: tuple[str, ...] = ("1080p", "2160p", "720p", "576p", "540p", "480p", "360p")
    sources: tuple[str, ...] = ("BluRay", "WEB-DL", "Remux", "WEBRip", "HDRip", "HDTV", "DVD", "SDTV")
    codecs: tuple[str, ...] = ("H.264", "H.265", "AV1")
    hdr_preferred: bool = False
    languages: tuple[str, ...] = ()
    language_required: bool = False
    min_seeders: int = Field(default=1, ge=0, le=MOST_POINTS)
    min_mb_per_minute: float = Field(default=0, ge=0)
    max_mb_per_minute: float = Field(default=400, gt=0)
    preferred_mb_per_minute: float = Field(default=60, gt=0)
    size_required: bool = False
    refuse_hardcoded: bool = False
    minimum_age_minutes: int = Field(default=0, ge=0, le=525_600)
    delay_minutes: int = Field(default=0, ge=0, le=525_600)
    blocked_words: tuple[str, ...] = ()
    required_words: tuple[str, ...] = ()
    preferred_words: dict[str, Points] = Field(default_factory=dict)
    tiers: tuple[Tier, ...] = ()
    cutoff: str | None = None
    upgrades: bool = True
    formats: tuple[ScoredFormat, ...] = ()
    minimum_format_score: Points = 0
    cutoff_format_score: Points = 10_000
    minimum_upgrade_score: int = Field(default=1, ge=0, le=MOST_POINTS)
    prefer_propers: bool = True

    @model_validator(mode="after")
    def _whole(self) -> "Profile":
        names = [name for tier in self.tiers for name in tier.qualities]
        if len(set(names)) < len(names):
            raise ValueError(_("A quality can be in one tier only."))
        if self.tiers and not any(tier.allowed for tier in self.tiers):
            raise ValueError(_("At least one tier has to be allowed."))
        if self.cutoff is not None and self.cutoff not in [tier.name for tier in self.tiers if tier.allowed]:
            raise ValueError(_("The cutoff has to be an allowed tier."))
        return self

    def tier(self, quality: str) -> Tier | None:
        return self._by_quality.get(quality, (None, 0))[0]

    def place(self, quality: str) -> int:
        """How good a quality is: from 1, more is better; 0 where no tier has it."""
        return self._by_quality.get(quality, (None, 0))[1]

    @cached_property
    def cutoff_place(self) -> int:
        """From which place on no better quality is looked for."""
        if not self.upgrades:
            return 0
        allowed = [tier for tier in self.tiers if tier.allowed and self.cutoff in {None, tier.name}]
        return self.place(allowed[0].qualities[0]) if allowed else 0

    @cached_property
    def _by_quality(self) -> dict[str, tuple[Tier | None, int]]:
        places = enumerate(reversed(self.tiers), 1)
        return {name: (tier, place) for place, tier in places for name in tier.qualities}
