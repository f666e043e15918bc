"""Puts the files of a release on disk: copies of the rendered clips, made unique and brought to size, and small extras."""

import hashlib
import random
import shutil
from pathlib import Path

from sokoul.demo.releases import Part, Release

CHUNK = 1 << 20
NFO = """\
  {name}

  A miniature film of the Sokoul demo catalogue.
  Made by the project itself, free to give away.
"""
SUBTITLES = """\
1
00:00:01,000 --> 00:00:04,000
{text}

2
00:00:05,000 --> 00:00:09,000
♪
"""
# What a Windows program begins with: DOS header, its famous sentence, and the PE mark.
EXECUTABLE = (
    b"MZ"
    + bytes(58)
    + b"\x80\x00\x00\x00"
    + b"\x00" * 14
    + b"This program cannot be run in DOS mode.\r\n$"
    + bytes(7)
    + b"PE\0\0"
)
CLIP_FILES = {"film": "film.mp4", "film-mkv": "film.mkv", "sample": "sample.mp4"}


def clips_needed(release: Release) -> set[str]:
    """Names of the clip files (of the release's title) that its content is copied from."""
    return {CLIP_FILES[part.source] for part in release.parts if part.source in CLIP_FILES}


def filler(label: bytes, size: int, suffix: str) -> tuple[bytes, int]:
    """What to append to a video so that it becomes unique and `size` bytes longer: (bytes, zeros after them).

    MP4: a `free` box (ISO/IEC 14496-12, 8.1.2). Matroska: a Void element with an eight-byte length (RFC 8794, 11.3.2).
    """
    if suffix == ".mkv":
        content = max(len(label), size - 9)
        return b"\xec" + (content | 1 << 56).to_bytes(8, "big") + label, content - len(label)
    content = max(len(label), size - 8)
    return (content + 8).to_bytes(4, "big") + b"free" + label, content - len(label)


def write_video(path: Path, clip: Path, label: str, size: int) -> None:
    """A copy of the clip of at least `size` bytes; what is added takes no room on disk."""
    shutil.copyfile(clip, path)
    have = path.stat().st_size
    data, zeros = filler(label.encode(), size - have, path.suffix)
    with path.open("ab") as file:
        file.write(data)
        file.truncate(have + len(data) + zeros)


def write_random(path: Path, label: str, size: int, start: bytes = b"") -> None:
    """`size` bytes that look random and are always the same for a label."""
    source = random.Random(label)  # noqa: S311
    with path.open("wb") as file:
        file.write(start[:size])
        left = size - len(start)
        while left > 0:
            file.write(source.randbytes(min(CHUNK, left)))
            left -= CHUNK


def write_part(path: Path, part: Part, release: Release, clips: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    label = f"{release.name}/{part.path}"
    if part.source in CLIP_FILES:
        write_video(path, clips / CLIP_FILES[part.source], label, part.size)
    elif part.source == "nfo":
        path.write_text(NFO.format(name=release.name), encoding="utf-8")
    elif part.source == "subtitles":
        path.write_text(SUBTITLES.format(text=path.stem), encoding="utf-8")
    else:
        write_random(path, label, part.size, EXECUTABLE if part.source == "executable" else b"")


def write(release: Release, folder: Path, clips: Path) -> Path:
    """Write all files of a release below `folder`; returns what its torrent is made of: a folder or a single file."""
    root = folder / release.name if release.folder else folder
    for part in release.parts:
        write_part(root / part.path, part, release, clips)
    return root if release.folder else root / release.parts[0].path


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
