"""What goes into the library beside a video, under its name: `Film.en.srt`, `Film.en.forced.srt`, `Film.nfo`."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from apps.downloads.engine.video import VIDEO
from apps.downloads.releases.parse import parse
from apps.downloads.releases.vocabulary import LANGUAGE_CODES, LANGUAGE_WORDS

SUBTITLES = frozenset({".ass", ".idx", ".smi", ".srt", ".ssa", ".sub", ".sup", ".vtt"})
LARGEST = {".nfo": 1 << 20, ".srt": 20 << 20, ".vtt": 20 << 20, ".ass": 100 << 20, ".ssa": 100 << 20}  # bytes
LARGEST_PICTURES = 500 << 20  # bytes of subtitles that are pictures
_CODES = frozenset({*LANGUAGE_CODES.values(), *LANGUAGE_WORDS.values()})
_FLAGS = {"forced": "forced", "foreign": "forced", "sdh": "sdh", "cc": "sdh", "hi": "sdh"}
_BRAZIL = frozenset({"br", "ptbr", "brazilian"})
_WORD = re.compile(r"[^\W_]+")
EXTRA_FOLDERS = frozenset(
    {
        *("behind the scenes", "bonus", "deleted scenes", "extra", "extras", "featurette", "featurettes", "interviews"),
        *("other", "others", "scenes", "shorts", "special features", "trailer", "trailers"),
    }
)
_EXTRA_NAME = re.compile(r"[-._ ](?:trailer|featurette|behindthescenes|deleted|interview)\d*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """`path` is where it lies; `ending` follows the name of its video: ".en.srt"."""

    path: str
    ending: str


def is_extra(path: str) -> bool:
    """A trailer, a featurette and the like, by its folder within the torrent or its name."""
    pure = PurePosixPath(path)
    folders = {re.sub(r"[\W_]+", " ", part).strip().lower() for part in pure.parts[1:-1]}
    return bool(folders & EXTRA_FOLDERS) or _EXTRA_NAME.search(pure.stem) is not None


def of(videos: Sequence[str], files: Iterable[tuple[str, int]], kinds: Iterable[str]) -> dict[str, list[Sidecar]]:
    """{path of a video: what goes beside it} among `files` (path, bytes); `kinds` are those of LIBRARY_EXTRAS."""
    endings = (SUBTITLES if "subtitles" in kinds else frozenset()) | ({".nfo"} if "nfo" in kinds else frozenset())
    found: dict[str, list[Sidecar]] = {}
    taken: Counter[tuple[str, str]] = Counter()
    for path, size in sorted(files):
        kind = PurePosixPath(path).suffix.lower()
        owner = _owner(path, videos) if kind in endings and 0 < size <= LARGEST.get(kind, LARGEST_PICTURES) else None
        if owner is None:
            continue
        words = "" if kind == ".nfo" else _words(path)
        taken[owner, words + kind] += 1
        number = taken[owner, words + kind]
        found.setdefault(owner, []).append(Sidecar(path, f"{words}{f'.{number}' if number > 1 else ''}{kind}"))
    return found


def _owner(path: str, videos: Sequence[str]) -> str | None:
    """The video whose name it begins with or lies in a folder of; the only one there is; or that of its episode."""
    pure = PurePosixPath(path)
    stems = {video: PurePosixPath(video).stem for video in videos}
    named = [video for video, stem in stems.items() if pure.stem.startswith(stem) or pure.parent.name == stem]
    if named:
        return max(named, key=lambda video: len(stems[video]))
    films = [video for video in videos if not is_extra(video)]
    if len(films) == 1:
        return films[0]
    wanted = _number(pure.stem) or _number(pure.parent.name)
    same = [video for video, stem in stems.items() if wanted and _number(stem) == wanted]
    return same[0] if len(same) == 1 else None


def _number(name: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    read = parse(name)
    return (read.seasons, read.episodes) if read.episodes else None


def _words(path: str) -> str:
    """`.fr.forced` of the words at the end of its name that say a language or what it is for."""
    language, flags = "", set()
    words = [word.lower() for word in _WORD.findall(PurePosixPath(path).stem)]
    for before, word in zip(reversed(["", *words[:-1]]), reversed(words), strict=True):
        if word in _FLAGS and (word != "hi" or _language(before)):  # else it is Hindi
            flags.add(_FLAGS[word])
        elif (code := _language(word)) and language in {"", "pt-BR"}:
            language = "pt-BR" if word in _BRAZIL or language else code
        else:
            break
    return "".join(f".{part}" for part in (language, *sorted(flags)) if part)


def _language(word: str) -> str | None:
    if word in _BRAZIL:
        return "pt"
    return word if word in _CODES else LANGUAGE_WORDS.get(word)


def beside(file: Path) -> list[Path]:
    """What lies in the library under a video's name, the video itself and others left out."""
    if not file.parent.is_dir():
        return []
    named = [entry for entry in file.parent.iterdir() if entry.name.startswith(f"{file.stem}.") and entry.is_file()]
    # What lies under the longer name of another copy is that one's: Film.4K.en.srt beside Film.mkv and Film.4K.mkv.
    others = tuple(f"{entry.stem}." for entry in named if entry.suffix.lower() in VIDEO and entry.stem != file.stem)
    ours = [entry for entry in named if not entry.name.startswith(others)]
    return [entry for entry in sorted(ours) if entry.suffix.lower() in SUBTITLES | {".nfo"} - VIDEO]
