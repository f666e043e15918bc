"""The raw name made readable: what cannot be seen, file extensions and advertisements of sites taken away."""

import re
import unicodedata

MAX_NAME = 1024

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u00a0\u2000-\u200a\u2028\u2029\u202f\u3000]")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\ufeff]")
_BRACKETS = str.maketrans(
    {"【": "[", "】": "]", "（": "(", "）": ")", "［": "[", "］": "]", "–": "-", "—": "-", "×": "x"}
)
_EXTENSION = re.compile(
    r"\.(mkv|mk3d|mp4|m4v|avi|(?-i:ts)|m2ts|mts|wmv|mov|mpe?g|webm|flv|3gp|vob|iso|ogm|rmvb|strm"
    r"|torrent|nzb|nfo|par2|srt|(?-i:ass|sub|idx))$",
    re.IGNORECASE,
)
# An archive, or one volume of a set. A number alone is an episode's.
_ARCHIVE = re.compile(
    r"(?:\.part\d{1,3})?\.(?:(?P<kind>rar|zip|7z|(?-i:tar|tgz))(?:\.(?:gz|bz2|xz|zst))?(?:\.\d{3})?|(?P<volume>(?-i:[rz]))\d\d)$",
    re.IGNORECASE,
)
_SHORT = {"r": "rar", "z": "zip", "tgz": "tar"}
_WRAPPERS = frozenset({None, "torrent", "nzb", "par2"})  # they say nothing of what is in them
_TLD = (
    r"(?:com|org|net|info|biz|tv|to|me|cc|ws|re|se|si|pl|pt|ru|in|tc|lt|ag|mx|am|io|eu|fr|de|nl|it|es|cz|hu|wf|vip|site"
    r"|xyz|club)"
)
_SITE_PREFIX = re.compile(
    rf"""
    ^\W*(?:
        www?[.\ ,][\w-]+[.\ ][a-z]{{2,9}}(?:[.\ ][a-z]{{2}})?(?=\s*\]?\s+-|\s*\]|\s*$)
        | www?[.\ ,][\w-]+[.\ ]{_TLD}\b
        | [\w-]+\.{_TLD}(?=\s*\]?\s+-\s|\s*\]\s*[\w(])
    )\s*[\])}}]?[\s._-]*
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Between words; but 1x01_02 and Cap.203_205 name more episodes.
_UNDERSCORE = re.compile(r"(?<!x\d\d)(?<!Cap\.\d{3})_")
_SITE = re.compile(rf"(?:^www?\.|\.{_TLD}$|torrents?\b)", re.IGNORECASE)
_SITE_SUFFIX = re.compile(
    rf"[\s._-]*[\[({{]\s*(?:www?\.)?[\w-]+\.{_TLD}\s*[\])}}]\s*$|[\s._-]+www\.[\w-]+\.{_TLD}$", re.IGNORECASE
)


_SIZE_SUFFIX = re.compile(r"[\s._-]+\d+(?:[.,]\d+)?\s?[MG]i?B$", re.IGNORECASE)


def clean(name: str) -> tuple[str, str | None]:
    """The name without noise, and its file extension (lower case, no dot) where it has one that the field knows: of what is in a
    torrent, and of a volume the kind of its archive."""
    text = unicodedata.normalize("NFC", name[:MAX_NAME])
    text = _INVISIBLE.sub("", _CONTROL.sub(" ", text)).translate(_BRACKETS).strip(" \"'")
    if " " not in text and text.count("_") > 1:
        text = _UNDERSCORE.sub(" ", text).strip()
    extension = None
    while (found := _ARCHIVE.search(text) or _EXTENSION.search(text)) is not None:
        if extension in _WRAPPERS:
            extension = _kind(found)
        text = text[: found.start()].rstrip()
    return _SIZE_SUFFIX.sub("", text), extension


def _kind(found: re.Match[str]) -> str:
    if found.re is _ARCHIVE:
        kind = found["volume"] or found["kind"].lower()
        return _SHORT.get(kind, kind)
    return found[1].lower()


def strip_site(text: str) -> str:
    """The text without the address of a site in front or behind."""
    rest = _SITE_PREFIX.sub("", text, count=1)
    rest = rest if rest.strip() else text
    return rest if _is_group(rest) else _SITE_SUFFIX.sub("", rest)


def is_site(text: str) -> bool:
    """Whether a bracket holds the address or name of a site rather than of a group."""
    return _SITE.search(text) is not None


def _is_group(text: str) -> bool:
    """Whether the last bracket names a group after its site: in capitals, as [YTS.MX], or tied on with a dash."""
    opening = max(text.rfind("["), text.rfind("("))
    return opening > 0 and (text[:opening].rstrip(" ").endswith("-") or text[opening:].isupper())
