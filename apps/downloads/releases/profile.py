"""Quality profiles: what a person wants of a release besides being the right one."""

from pydantic import BaseModel, ConfigDict, Field

MB = 1_000_000


class Profile(BaseModel):
    """A quality profile. Ordered tuples name the best first; what they leave out is refused.

    Sizes are megabytes (10^6 bytes) per minute of runtime. Languages are ISO 639-1 codes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="Default", min_length=1, max_length=100)
    resolutions: tuple[str, ...] = ("1080p", "2160p", "720p", "576p", "540p", "480p", "360p")
    sources: tuple[str, ...] = ("BluRay", "WEB-DL", "Remux", "WEBRip", "HDRip", "HDTV", "DVD", "SDTV")
    codecs: tuple[str, ...] = ("H.264", "H.265", "AV1")
    hdr_preferred: bool = False
    languages: tuple[str, ...] = ()
    language_required: bool = False
    min_seeders: int = Field(default=1, ge=0)
    min_mb_per_minute: float = Field(default=0, ge=0)
    max_mb_per_minute: float = Field(default=400, gt=0)
    preferred_mb_per_minute: float = Field(default=60, gt=0)
    blocked_words: tuple[str, ...] = ()
    required_words: tuple[str, ...] = ()
    preferred_words: dict[str, int] = Field(default_factory=dict)
