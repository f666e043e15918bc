"""Picture, sound, source and wrapping of a release, from the part of its name behind the title."""

import re
from dataclasses import dataclass

from apps.downloads.releases.vocabulary import any_of


def _word(words: str) -> re.Pattern[str]:
    """Finds any of the words, on its own and in any case; “~” is an optional separator."""
    return re.compile(f"(?<![^\\W_])(?:{any_of(words)})(?![^\\W_])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the picture comes from. remux: the disc's own streams, untouched."""

    name: str | None
    remux: bool = False


_RESOLUTION = re.compile(
    r"(?<!\d)(240|360|480|540|576|720|1080|1440|2160|4320)0?[pi](?:\d\d)?(?![^\W_])", re.IGNORECASE
)
_GLUED = re.compile(r"(?:BD|HD|Blu-?ray|to|M)(480|576|720|1080|2160)p?(?!\d)", re.IGNORECASE)
_PIXELS = re.compile(r"(?<!\d)(\d{3,4})(?:[x*]|\sx\s)(\d{3,4})(?!\d)", re.IGNORECASE)
_BARE = re.compile(
    r"(?<![^\W_])(720|1080|2160)(?=[ ._-]+(?:[xh][ ._]?26|HEVC|WEB|Blu|BD|HDTV|AAC|DTS|Hi10))", re.IGNORECASE
)
_FOUR_K = _word("(?:DS|BD)?4K m?UHD Ultra~HD UHDBD(?:Rip)? UHDRemux UHD~TV")
_FULL_HD = _word("FHD Full~HD")
_TIERS = {"1440p": "1080p", "240p": "360p", "4320p": "2160p"}

_REMUX = re.compile(r"(?<![^\W_])(?:BD|UHD|Blu-?ray|Hybrid|4K)?[ ._-]?Remux(?![^\W_])", re.IGNORECASE)
# In order: the first that is found anywhere decides.
_SOURCES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("CAM", _word("(?:HD|HQ)?~CAM~(?:Rip|Rp)?")),
    ("TS", _word("HD~TS(?:Rip)? (?:HD)?TELESYNC P(?:re)?-?DVD(?:Rip)? TSRip (?-i:TS)")),
    ("TC", _word("HD~TC(?:Rip)? (?:HD)?TELECINE (?-i:TC)")),
    ("SCR", _word("(?:DVD|BD|WEB|HD|BR|VHS)?~SCR(?:EENER)?")),
    ("WORKPRINT", _word("WORK~PRINT")),
    ("R5", _word("(?-i:R5)")),
    ("WEBRip", _word("WEB[-._\\s]{0,2}(?:HD)?Rip WEB~(?:Mux|Cap) WEB-?DL-?Rip")),
    ("WEB-DL", _word("WEB~DL(?:~Mux)? WEB~U?HD DLMux (?:Amazon|Netflix|iTunes|Maxdome|HBOMax|Disney|Sky|Joyn)U?[HS]D")),
    (
        "BluRay",
        _word(r"""
            (?:[mu]|UHD|mUHD)?Blu~Ray(?:Rip|Mux|\d{3,4}p)? (?:UHD)?BD~(?:Rip|RipMux|Mux|Light|Remux|25|50|66|100|ISO|\d{3,4}p)?
            BR~(?:Rip(?:Mux)?|Mux) HD~DVD(?:Rip)? UHDRemux UHD2BD UHD~Rip
        """),
    ),
    ("WEB-DL", _word("WEB")),
    ("HDTV", _word("[AU]?HD~TV(?:Rip|Mux)? HTDV")),
    ("HDRip", _word("HD~Rip")),
    ("SDTV", _word("[PS]DTV DSR(?:ip)? TV~Rip DTH(?:Rip)? DVB(?:Rip)? SAT~Rip VHS(?:Rip)?")),
    ("DVD", _word(r"DVD(?:~(?:Rip|R|Mux|5|9|ISO))? DVD\d?\w{0,3} NTSC PAL")),
)
_HIGH = re.compile(r"(?<![^\W_])(?:HR|HD)[ ._](?:WS[ ._])?[PS]DTV", re.IGNORECASE)

_CODECS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("H.266", re.compile(r"[xh][ ._]?266(?!\d)|\bVVC\b", re.IGNORECASE)),
    ("H.265", re.compile(r"[xh][ ._]?265(?!\d)|HEVC", re.IGNORECASE)),
    ("H.264", re.compile(r"[xh][ ._]?264(?!\d)|(?<![^\W_])AVC(?![^\W_])|Hi10P?", re.IGNORECASE)),
    ("AV1", _word("AV1")),
    ("VP9", _word("VP9")),
    ("VC-1", _word("VC-?1")),
    ("XviD", _word("X-?viD")),
    ("DivX", _word(r"DivX\d?")),
    ("MPEG-2", _word("MPEG-?2 H~262")),
)
_TEN_BIT = re.compile(r"(?<!\d)10[ ._-]?bits?(?![^\W_])|Hi10|(?<![^\W_])10b(?![^\W_])|HEVC10", re.IGNORECASE)
_BITS = re.compile(r"(?<!\d)(8|12)[ ._-]?bits?(?![^\W_])", re.IGNORECASE)
_HDR: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("DV", _word("DV DoVi Dolby~Vision")),
    ("HDR10+", re.compile(r"HDR10(?:\+|P(?![^\W_])|[ ._-]?Plus)", re.IGNORECASE)),
    ("HDR10", _word(r"HDR10(?!\+|~Plus)")),
    ("HDR", _word("HDR")),
    ("HLG", _word("HLG")),
    ("SDR", _word("SDR")),
)
_AUDIO: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("Atmos", re.compile(r"Atmos|(?<![^\W_])DDPA", re.IGNORECASE)),
    ("TrueHD", re.compile(r"True[ ._-]?HD", re.IGNORECASE)),
    ("DTS:X", _word("DTS~X")),
    ("DTS-HD MA", re.compile(r"DTS[ ._-]?(?:HD|HR)?[ ._-]?MA(?![^\W_])|DTSHD-?MA", re.IGNORECASE)),
    ("DTS-HD", _word("DTS~HD(?!~MA)(?:~HRA?)? DTS~HRA?(?!~MA)")),
    ("DTS", _word("DTS(?:~ES|D)?(?!~(?:HD|X|MA|HR))")),
    (
        "DDP",
        re.compile(
            r"(?<![^\W_])(?:DDPA?|DD\+|E-?AC-?3D?)(?=[^a-z]|$)|Dolby[ ._]Digital[ ._]Plus|DD[ ._]Plus", re.IGNORECASE
        ),
    ),
    (
        "DD",
        re.compile(
            r"(?<![^\W_]|E)(?<!E-)(?:DD(?=\d|[ ._]\d|\b)(?!\+|[ ._]Plus)|AC-?3D?(?![^\W_]))|Dolby[ ._]Digital(?![ ._]Plus)",
            re.IGNORECASE,
        ),
    ),
    ("AAC", re.compile(r"(?<![^\W_])(?:HE-?)?AAC(?=[^a-z]|$)", re.IGNORECASE)),
    ("FLAC", re.compile(r"(?<![^\W_])FLAC(?=[^a-z]|$)", re.IGNORECASE)),
    ("PCM", re.compile(r"(?<![^\W_])L?PCM(?=[^a-z]|$)", re.IGNORECASE)),
    ("Opus", _word("Opus")),
    ("MP3", _word("MP3")),
)
_CHANNELS = re.compile(r"(?<!\d)([1-9])[ ._]([012])(?=ch|\W|_|$)|(?<!\d)([1268])ch(?![^\W_])", re.IGNORECASE)
_SERVICES: dict[str, str] = {
    "AMZN": "Amazon", "AMAZON": "Amazon", "AMAZONHD": "Amazon", "NF": "Netflix", "NETFLIX": "Netflix",
    "NETFLIXHD": "Netflix", "DSNP": "Disney+", "DSNY": "Disney", "DISNEYHD": "Disney+", "HMAX": "HBO Max", "MAX": "Max",
    "HBOMAXHD": "HBO Max", "HBO": "HBO", "ATVP": "Apple TV+", "ATV": "Apple TV+", "PCOK": "Peacock", "HULU": "Hulu",
    "CR": "Crunchyroll", "IP": "BBC iPlayer", "IT": "iTunes", "ITUNES": "iTunes", "ITUNESHD": "iTunes", "ALL4": "All 4",
    "CRAV": "Crave", "PMTP": "Paramount+", "STAN": "Stan", "MA": "Movies Anywhere", "BCORE": "Bravia Core",
    "ROKU": "Roku", "TUBI": "Tubi", "MUBI": "Mubi", "CC": "Criterion Channel", "MAXDOMEHD": "Maxdome", "STRP": "Star+",
    "RED": "YouTube", "VMEO": "Vimeo", "NOW": "Now", "SHO": "Showtime", "STZ": "Starz", "AE": "A&E", "ADN": "ADN",
    "HIDIVE": "Hidive",
}  # fmt: skip
_SERVICE = re.compile(
    r"(?<![^\W_])("
    + "|".join(sorted((*_SERVICES, "iP", "iT"), key=len, reverse=True))
    + r")(?=[ ._-]+(?:UHD[ ._-])?(?:Hybrid[ ._-])?(?:SDR[ ._-])?WEB|(?<=HD)(?![^\W_]))"
)


def find_resolution(text: str) -> str | None:
    """The resolution as a tier of the field: 480p, 576p, 720p, 1080p, 2160p."""
    if found := _RESOLUTION.search(text) or _GLUED.search(text) or _BARE.search(text):
        resolution = f"{found[1]}p"
        return _TIERS.get(resolution, resolution)
    for found in _PIXELS.finditer(text):
        if int(found[1]) >= 320:
            return _by_pixels(int(found[1]), int(found[2]))
    if _FOUR_K.search(text):
        return "2160p"
    return "1080p" if _FULL_HD.search(text) else None


def _by_pixels(width: int, height: int) -> str:
    tiers = ((3000, 1700, "2160p"), (1800, 1000, "1080p"), (1200, 700, "720p"), (1000, 576, "576p"))
    return next((name for wide, high, name in tiers if width >= wide or height >= high), "480p")


def find_source(text: str, container: str | None) -> Source:
    """The source that the text names. A bare remux is of a disc."""
    remux = _REMUX.search(text) is not None
    name = next((name for name, pattern in _SOURCES if pattern.search(text)), None)
    if name in {"SDTV", "HDTV"} and _HIGH.search(text):
        name = "HDTV"
    if name is None and (remux or container in {"m2ts", "mts"}):
        name = "BluRay"
    return Source(name, remux and name in {"BluRay", "DVD", "HDTV"})


def find_codec(text: str) -> str | None:
    return next((name for name, pattern in _CODECS if pattern.search(text)), None)


def find_bit_depth(text: str) -> int | None:
    if _TEN_BIT.search(text):
        return 10
    found = _BITS.search(text)
    return int(found[1]) if found else None


def find_hdr(text: str) -> tuple[str, ...]:
    return tuple(name for name, pattern in _HDR if pattern.search(text))


def find_audio(text: str) -> tuple[str, ...]:
    return tuple(name for name, pattern in _AUDIO if pattern.search(text))


def find_channels(text: str) -> str | None:
    found = _CHANNELS.search(text)
    if found is None:
        return None
    return {"1": "1.0", "2": "2.0", "6": "5.1", "8": "7.1"}[found[3]] if found[3] else f"{found[1]}.{found[2]}"


def find_service(text: str) -> str | None:
    """The streaming service, read only where it stands before its WEB."""
    found = _SERVICE.search(text)
    return _SERVICES[found[1].upper()] if found else None


def assume(
    source: Source, resolution: str | None, text: str, codec: str | None, container: str | None
) -> tuple[str | None, str | None]:
    """(source, resolution) completed by the customs of the field, where the name leaves one out.

    A resolution alone is of a broadcast; a disc without one is 720p when encoded, 1080p when untouched and 480p when
    encoded with an old codec; WEB and HDTV without one are 480p, but 720p where their tags stand in brackets.
    """
    name = source.name
    if name is None and resolution is not None:
        return "HDTV", resolution
    if resolution is not None or name is None:
        return name, resolution
    old = codec in {"XviD", "DivX"}
    if name == "BluRay":
        rip = re.search(r"(?:BD|BR)Rip", text, re.IGNORECASE)
        untouched = (
            source.remux
            or container == "iso"
            or re.search(r"complete|untouched|\biso\b|[ ._-]AVC|VC-?1|BD(?:25|50|66|100)", text, re.IGNORECASE)
        )
        return name, "480p" if old or rip else "1080p" if untouched else "720p"
    if name in {"WEB-DL", "WEBRip"}:
        return name, "720p" if re.match(r"\s*\[?WEB\]", text, re.IGNORECASE) else "480p"
    if name == "HDTV":
        return name, "720p" if _HIGH.search(text) or re.search(
            r"\[HDTV|HD[ ._]TV|^\s*HDTV\]", text, re.IGNORECASE
        ) else "480p"
    return name, "480p" if name in {"SDTV", "DVD"} else None
