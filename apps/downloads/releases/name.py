"""What a release name says, as typed facts."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class ReleaseName:
    """The facts found in one release name. A fact that the name does not give is None, empty or False.

    raw: the name as it was given, at most 1,024 characters of it.
    title: as a person would write it ("R.I.P.D.", not "R I P D"); of a series, with the year that belongs to it
        ("Some Series 2010"), as the field names series apart.
    alternative_titles: other readings of the title (another script, another language, the number kept as title).
    year: of a film its year; of a series the year in its title, or else the first one that follows.
    seasons, episodes: ascending; a season pack has seasons and no episodes; specials are season 0.
    partial: a part of a season without its episodes' numbers: a half, a disc.
    absolute_episode: the episode counted over the whole series, or written without a season (anime).
    resolution: "480p", "576p", "720p", "1080p", "2160p" (a tier: 1440p counts as 1080p), rarely others.
    source: "WEB-DL", "WEBRip", "BluRay", "HDTV", "SDTV", "DVD", "HDRip", "CAM", "TS", "TC", "SCR", "R5", "WORKPRINT".
    bit_depth: bits; channels: "5.1"; languages, subtitles: ISO 639-1 codes.
    assumed: names of the fields above that were not read but concluded by the customs of the field.
    """

    raw: str = ""
    title: str = ""
    alternative_titles: tuple[str, ...] = ()
    year: int | None = None
    seasons: tuple[int, ...] = ()
    episodes: tuple[int, ...] = ()
    absolute_episode: int | None = None
    air_date: date | None = None
    complete: bool = False
    special: bool = False
    partial: bool = False
    resolution: str | None = None
    source: str | None = None
    remux: bool = False
    codec: str | None = None
    bit_depth: int | None = None
    hdr: tuple[str, ...] = ()
    audio: tuple[str, ...] = ()
    channels: str | None = None
    languages: tuple[str, ...] = ()
    subtitles: tuple[str, ...] = ()
    multi: bool = False
    dubbed: bool = False
    group: str | None = None
    edition: str | None = None
    proper: bool = False
    repack: bool = False
    real: bool = False
    version: int | None = None
    three_d: bool = False
    hardcoded: bool = False
    service: str | None = None
    container: str | None = None
    checksum: str | None = None
    sample: bool = False
    assumed: tuple[str, ...] = ()

    @property
    def season(self) -> int | None:
        """The season where there is exactly one."""
        return self.seasons[0] if len(self.seasons) == 1 else None

    @property
    def is_series(self) -> bool:
        """Whether the name is of an episode, of several or of a season, rather than of a film."""
        return bool(self.seasons or self.episodes or self.air_date or self.absolute_episode is not None)


def to_json(release: ReleaseName) -> dict[str, object]:
    """The facts as JSON types: season is an integer, a list where there are several, or null."""
    facts: dict[str, object] = {}
    for field in ReleaseName.__slots__:
        value = getattr(release, field)
        if field == "seasons":
            facts["season"] = value[0] if len(value) == 1 else list(value) or None
        elif isinstance(value, tuple):
            facts[field] = list(value)
        else:
            facts[field] = value.isoformat() if isinstance(value, date) else value
    return facts
