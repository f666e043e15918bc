"""Names of files that every file system takes, and the templates that they are made from.

A template is a path with tokens in braces: "Movies/{title} ({year})/{title} ({year}) - {quality}". Numbers may say how many
digits they have: {season:02}. Braces that are meant are doubled: {{imdb-{imdb}}}.
"""

import re
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

MAX_NAME_BYTES = 200  # file systems take 255; leave room for " (2)", ".en.forced" and the ending
MAX_FOLDERS = 8
_FORBIDDEN = {ord(char): " " for char in '<>:"/\\|?*'} | dict.fromkeys(range(32), " ")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\s*\..*)?", re.IGNORECASE)
_NUMBERS = frozenset({"year", "season", "episode"})
_COMMON = frozenset(
    {"title", "original_title", "year", "imdb", "tmdb", "quality", "source", "video", "audio", "group", "edition"}
)
KNOWN = {"movie": _COMMON, "episode": _COMMON | {"season", "episode"}}
_EMPTY = "\x00"  # stands where a token has no value
_BRACKETS = re.compile(rf"[(\[{{][^()\[\]{{}}{_EMPTY}]*{_EMPTY}[^()\[\]{{}}]*[)\]}}]")
_LEADING = re.compile(rf"^\s*{_EMPTY}(?:\s*[-._]\s*|\s+)?")
_SEPARATED = re.compile(rf"(?:\s*[-._]\s*|\s+)?{_EMPTY}")
Value = str | int | tuple[int, ...] | None


def clean(name: str, limit: int = MAX_NAME_BYTES) -> str:
    """A name that ext4, NTFS and SMB take: no separators, nothing invisible, no dots or spaces at the ends, none of the names
    that Windows keeps to itself, a bounded length."""
    text = unicodedata.normalize("NFC", name.translate(_FORBIDDEN))
    seen = "".join(char for char in text if unicodedata.category(char) not in {"Cc", "Cf", "Cs"})
    tidy = " ".join(seen.split()).strip(". ")
    tidy = f"_{tidy}" if _RESERVED.fullmatch(tidy) else tidy
    return _cut(tidy, limit) or "Untitled"


def _cut(text: str, limit: int) -> str:
    return text.encode()[:limit].decode(errors="ignore").rstrip(". ") if len(text.encode()) > limit else text


@dataclass(frozen=True, slots=True)
class Template:
    """`parts`: of each folder and, last, of the file without its ending: (text before, token, format) as `string` reads it."""

    parts: tuple[tuple[tuple[str, str | None, str], ...], ...]

    @classmethod
    def read(cls, text: str, kind: str) -> "Template":
        """Of a `kind` of KNOWN. Raises ValueError with what is wrong, in words."""
        components = text.split("/")
        if len(text) > 500 or len(components) > MAX_FOLDERS or "\\" in text:
            raise ValueError(f"must be a path with / between at most {MAX_FOLDERS} names")
        template = cls(tuple(_part(component, kind) for component in components))
        template._check(kind)
        return template

    def _check(self, kind: str) -> None:
        """Two films must not get one name, nor two episodes."""
        last, everywhere = _tokens(self.parts[-1:]), _tokens(self.parts)
        if not everywhere & {"title", "original_title"}:
            raise ValueError("must hold {title} or {original_title}")
        if kind == "movie" and not last & {"title", "original_title"}:
            raise ValueError("must hold {title} or {original_title} in the name of the file")
        if kind == "episode" and not {"season", "episode"} <= last:
            raise ValueError("must hold {season} and {episode} in the name of the file")

    def holds(self, token: str) -> bool:
        return token in _tokens(self.parts)

    def render(self, values: Mapping[str, Value]) -> PurePosixPath:
        """Always a path of clean names, whatever the values hold. A token without value takes its brackets, or the dash before
        it, along; a folder of nothing is left out."""
        *folders, file = [_render(part, values) for part in self.parts]
        return PurePosixPath(*(folder for folder in folders if folder), file or "Untitled")


def _tokens(parts: tuple[tuple[tuple[str, str | None, str], ...], ...]) -> set[str]:
    return {token for part in parts for _, token, _ in part if token}


def _part(component: str, kind: str) -> tuple[tuple[str, str | None, str], ...]:
    try:
        read = list(string.Formatter().parse(component))
    except ValueError:
        raise ValueError("has a brace that is not closed; {{ and }} stand for braces") from None
    literal = "".join(text for text, *_ in read)
    if not component.strip(". ") or read[0][0].startswith("."):
        raise ValueError("must be a relative path without empty names, and none may begin with a dot")
    if literal.translate(_FORBIDDEN) != literal:
        raise ValueError('must not hold any of < > : " | ? *')
    return tuple((text, _token(token, spec or "", turn, kind), spec or "") for text, token, spec, turn in read)


def _token(token: str | None, spec: str, turn: str | None, kind: str) -> str | None:
    if token is None:
        return None
    if token not in KNOWN[kind] or turn:
        known = ", ".join(f"{{{name}}}" for name in sorted(KNOWN[kind]))
        raise ValueError(f"does not know {{{token}}}; there are {known}")
    if spec and not (token in _NUMBERS and re.fullmatch(r"0?[1-4]", spec)):
        raise ValueError(f"{{{token}:{spec}}} is no form that it can have; {{season:02}} is one")
    return token


def _render(part: tuple[tuple[str, str | None, str], ...], values: Mapping[str, Value]) -> str:
    shown = {token: _shown(values.get(token), spec) for _, token, spec in part if token}
    while len((name := _joined(part, shown)).encode()) > MAX_NAME_BYTES:
        longest = max(shown, key=lambda token: len(shown[token].encode()), default=None)
        if longest is None or len(shown[longest]) <= 1:
            break
        excess = len(name.encode()) - MAX_NAME_BYTES
        shown[longest] = _cut(shown[longest], max(1, len(shown[longest].encode()) - excess))
    return clean(name) if name.strip(". ") else ""


def _joined(part: tuple[tuple[str, str | None, str], ...], shown: Mapping[str, str]) -> str:
    text = "".join(before + (shown[token] or _EMPTY if token else "") for before, token, _ in part)
    while _EMPTY in text:
        text = _SEPARATED.sub("", _LEADING.sub("", _BRACKETS.sub("", text)))
    return text


def _shown(value: Value, spec: str) -> str:
    """Several episodes are written 01E02, so that S{season:02}E{episode:02} gives S01E01E02."""
    if isinstance(value, tuple):
        return "E".join(format(number, spec) for number in value)
    if isinstance(value, int):
        return format(value, spec)
    return clean(value) if value and value.strip() else ""


def _valid(kind: str) -> AfterValidator:
    def check(text: str) -> str:
        Template.read(text, kind)
        return text

    return AfterValidator(check)


MovieTemplate = Annotated[str, _valid("movie")]
EpisodeTemplate = Annotated[str, _valid("episode")]


def _extras(value: object) -> object:
    """`none` says that there are none, which an empty value cannot: it means unset."""
    names = value.split(",") if isinstance(value, str) else value
    return [] if value == "none" else [str(name).strip() for name in names] if isinstance(names, list) else names


Extras = Annotated[list[Literal["subtitles", "nfo", "extras"]], BeforeValidator(_extras)]
