"""The named qualities of the field, as Radarr and Sonarr list them, and which of them a release has."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from apps.downloads.releases.name import ReleaseName

App = Literal["radarr", "sonarr"]


@dataclass(frozen=True, slots=True)
class Quality:
    """A quality by its name in one application, and what its formats ask of it.

    source: one of the words of SOURCES; resolution: lines, 0 where it has none of its own; modifier: a word of MODIFIERS.
    """

    name: str
    source: str = "unknown"
    resolution: int = 0
    modifier: str = "none"


# The numbers under which published custom formats name them.
SOURCES: Mapping[App, Mapping[int, str]] = {
    "radarr": dict(
        enumerate(
            ("unknown", "cam", "telesync", "telecine", "workprint", "dvd", "television", "web", "webrip", "bluray")
        )
    ),
    "sonarr": dict(
        enumerate(("unknown", "television", "television_raw", "web", "webrip", "dvd", "bluray", "bluray_raw"))
    ),
}
MODIFIERS: Mapping[int, str] = dict(enumerate(("none", "regional", "screener", "raw_hd", "disk", "remux")))
RESOLUTIONS = (0, 360, 480, 540, 576, 720, 1080, 2160)


def _list(*qualities: Quality) -> Mapping[str, Quality]:
    return MappingProxyType({quality.name: quality for quality in qualities})


# Worst first, as the applications weigh them where nobody says otherwise.
RADARR = _list(
    Quality("Unknown"),
    Quality("WORKPRINT", "workprint"),
    Quality("CAM", "cam"),
    Quality("TELESYNC", "telesync"),
    Quality("TELECINE", "telecine"),
    Quality("REGIONAL", "dvd", 480, "regional"),
    Quality("DVDSCR", "dvd", 480, "screener"),
    Quality("SDTV", "television", 480),
    Quality("DVD", "dvd"),
    Quality("DVD-R", "dvd", 480, "remux"),
    Quality("WEBDL-480p", "web", 480),
    Quality("WEBRip-480p", "webrip", 480),
    Quality("Bluray-480p", "bluray", 480),
    Quality("Bluray-576p", "bluray", 576),
    Quality("HDTV-720p", "television", 720),
    Quality("WEBDL-720p", "web", 720),
    Quality("WEBRip-720p", "webrip", 720),
    Quality("Bluray-720p", "bluray", 720),
    Quality("HDTV-1080p", "television", 1080),
    Quality("WEBDL-1080p", "web", 1080),
    Quality("WEBRip-1080p", "webrip", 1080),
    Quality("Bluray-1080p", "bluray", 1080),
    Quality("Remux-1080p", "bluray", 1080, "remux"),
    Quality("HDTV-2160p", "television", 2160),
    Quality("WEBDL-2160p", "web", 2160),
    Quality("WEBRip-2160p", "webrip", 2160),
    Quality("Bluray-2160p", "bluray", 2160),
    Quality("Remux-2160p", "bluray", 2160, "remux"),
    Quality("BR-DISK", "bluray", 1080, "disk"),
    Quality("Raw-HD", "television", 1080, "raw_hd"),
)
SONARR = _list(
    Quality("Unknown"),
    Quality("SDTV", "television", 480),
    Quality("WEBRip-480p", "webrip", 480),
    Quality("WEBDL-480p", "web", 480),
    Quality("DVD", "dvd", 480),
    Quality("Bluray-480p", "bluray", 480),
    Quality("Bluray-576p", "bluray", 576),
    Quality("HDTV-720p", "television", 720),
    Quality("HDTV-1080p", "television", 1080),
    Quality("Raw-HD", "television_raw", 1080),
    Quality("WEBRip-720p", "webrip", 720),
    Quality("WEBDL-720p", "web", 720),
    Quality("Bluray-720p", "bluray", 720),
    Quality("WEBRip-1080p", "webrip", 1080),
    Quality("WEBDL-1080p", "web", 1080),
    Quality("Bluray-1080p", "bluray", 1080),
    Quality("Bluray-1080p Remux", "bluray_raw", 1080),
    Quality("HDTV-2160p", "television", 2160),
    Quality("WEBRip-2160p", "webrip", 2160),
    Quality("WEBDL-2160p", "web", 2160),
    Quality("Bluray-2160p", "bluray", 2160),
    Quality("Bluray-2160p Remux", "bluray_raw", 2160),
)
# What Radarr tells apart and Sonarr does not, or calls otherwise. Ours are Radarr's names: they are the finer ones.
_IN_SONARR = {
    "WORKPRINT": "Unknown",
    "CAM": "Unknown",
    "TELESYNC": "Unknown",
    "TELECINE": "Unknown",
    "REGIONAL": "DVD",
    "DVDSCR": "DVD",
    "DVD-R": "DVD",
    "Remux-1080p": "Bluray-1080p Remux",
    "Remux-2160p": "Bluray-2160p Remux",
    "BR-DISK": "Bluray-1080p",
}
# What a person who allows a quality of Sonarr's allows in ours: nobody asks for a preview by asking for a DVD.
_FROM_SONARR = {
    "DVD": ("DVD", "DVD-R"),
    "Bluray-1080p Remux": ("Remux-1080p",),
    "Bluray-2160p Remux": ("Remux-2160p",),
}

_PREVIEWS = {
    "CAM": "CAM", "TS": "TELESYNC", "TC": "TELECINE", "WORKPRINT": "WORKPRINT", "SCR": "DVDSCR", "R5": "REGIONAL",
}  # fmt: skip
_WEB = {"WEB-DL": "WEBDL", "WEBRip": "WEBRip", "HDRip": "WEBRip"}
_WHOLE_DVD = re.compile(r"(?<![^\W_])(?:DVD-?(?:R|[59])|(?:MPEG-?2|untouched)[ ._-].*DVD)(?![^\W_])", re.IGNORECASE)
_WHOLE_DISC = re.compile(
    r"(?<![^\W_])(?:BD-?(?:25|50|66|100|ISO)|(?:COMPLETE|FULL)[ ._-]+(?:UHD[ ._-]+)?Blu-?ray"
    r"|Blu-?ray[ ._-]+(?:ISO|DIS[CK]))(?![^\W_])",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"[xh][ ._]?26[45]|(?<![^\W_])(?:BD|BR)Rip", re.IGNORECASE)
_RAW_HD = re.compile(r"(?<![^\W_])(?:Raw-?HD|MPEG-?2|H[ ._]262)(?![^\W_])", re.IGNORECASE)


def known(name: str) -> bool:
    """Whether it is the name of one of our qualities."""
    return name in RADARR


def translated(name: str, app: App) -> tuple[str, ...]:
    """Our qualities by the application's name for them; empty where it has none of that name."""
    names = _FROM_SONARR.get(name, (name,)) if app == "sonarr" else (name,)
    return names if name in (SONARR if app == "sonarr" else RADARR) else ()


@lru_cache(maxsize=1024)
def quality(release: ReleaseName, app: App = "radarr") -> Quality:
    """The quality of a release, by the application's list."""
    name = _name(release)
    return RADARR[name] if app == "radarr" else SONARR[_IN_SONARR.get(name, name)]


def _name(release: ReleaseName) -> str:
    source, lines = release.source, int((release.resolution or "0").rstrip("p") or 0)
    if source is None:
        return "Unknown"
    if source in _PREVIEWS:
        return _PREVIEWS[source]
    if source in _WEB:
        return f"{_WEB[source]}-{_step(lines, (2160, 1080, 720, 480))}p"
    if source == "DVD":
        whole = release.remux or release.container == "iso" or _WHOLE_DVD.search(release.raw)
        return "DVD-R" if whole else "DVD"
    return _disc(release, lines) if source == "BluRay" else _broadcast(release, lines)


def _disc(release: ReleaseName, lines: int) -> str:
    whole = release.container == "iso" or _WHOLE_DISC.search(release.raw)
    if whole and not release.remux and not _ENCODED.search(release.raw):
        return "BR-DISK"
    if release.remux and (lines >= 1080 or "resolution" in release.assumed):
        return "Remux-2160p" if lines >= 2160 else "Remux-1080p"
    return f"Bluray-{_step(lines, (2160, 1080, 720, 576, 480))}p"


def _broadcast(release: ReleaseName, lines: int) -> str:
    if release.source == "HDTV" and _RAW_HD.search(release.raw):
        return "Raw-HD"
    step = _step(lines, (2160, 1080, 720, 0))
    return f"HDTV-{step}p" if step else "SDTV"


def _step(lines: int, steps: tuple[int, ...]) -> int:
    """The highest of the steps that is reached, else the last."""
    return next((step for step in steps if lines >= step), steps[-1])
