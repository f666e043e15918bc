"""Which files of a torrent are films to play, and which only pose as one."""

import re
from pathlib import PurePosixPath

from apps.downloads.engine.metainfo import MetaInfo, TorrentFile

VIDEO = frozenset(
    {
        *(".3gp", ".asf", ".avi", ".divx", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
        *(".ogm", ".ogv", ".rmvb", ".ts", ".vob", ".webm", ".wmv"),
    }
)
# What a double click runs, on any system that somebody may keep a library on.
EXECUTABLE = frozenset(
    {
        *(".apk", ".app", ".bat", ".cmd", ".com", ".cpl", ".dll", ".dmg", ".exe", ".gadget", ".hta", ".inf", ".jar"),
        *(".js", ".jse", ".lnk", ".msc", ".msi", ".msp", ".pif", ".pkg", ".ps1", ".psm1", ".reg", ".run", ".scf"),
        *(".scr", ".sh", ".sys", ".url", ".vb", ".vbe", ".vbs", ".ws", ".wsf", ".wsh"),
    }
)
_SAMPLE = re.compile(r"(?:^|[\W_])sample(?:$|[\W_])", re.IGNORECASE)


def is_executable(file: TorrentFile) -> bool:
    """By the last extension, as systems do: "Film.mkv.exe" is a program, and so is "Film.mkv .scr "."""
    return _extension(file) in EXECUTABLE


def is_video(file: TorrentFile) -> bool:
    return _extension(file) in VIDEO


def is_sample(file: TorrentFile) -> bool:
    """By name alone: "sample.mkv", "film-sample.mkv", "Sample/film.mkv"; never the torrent's own folder."""
    path = PurePosixPath(file.path)
    return any(_SAMPLE.search(part) for part in (*path.parts[1:-1], path.stem))


def playable(meta: MetaInfo) -> tuple[TorrentFile, ...]:
    """Video files that are no samples, the largest first; all samples where there is nothing else."""
    videos = sorted((file for file in meta.files if is_video(file) and file.size), key=lambda file: -file.size)
    return tuple(file for file in videos if not is_sample(file)) or tuple(videos)


def impostors(meta: MetaInfo) -> tuple[TorrentFile, ...]:
    """Programs that somebody would start as the film: named like one ("Film.mkv.exe"), or larger than every video."""
    largest = max((file.size for file in meta.files if is_video(file)), default=0)
    programs = [file for file in meta.files if is_executable(file)]
    return tuple(file for file in programs if file.size > largest or _named_like_video(file))


def _named_like_video(file: TorrentFile) -> bool:
    return any(suffix.strip().lower() in VIDEO for suffix in PurePosixPath(file.path).suffixes[:-1])


def _extension(file: TorrentFile) -> str:
    return PurePosixPath(file.path.strip(" .\u200b\u202e")).suffix.strip().lower()
