"""Which files of a torrent are films to play, and which only pose as one."""

import re
import unicodedata
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
        *(".apk", ".app", ".appimage", ".bat", ".chm", ".cmd", ".com", ".cpl", ".deb", ".desktop", ".dll", ".dmg"),
        *(".exe", ".gadget", ".hta", ".inf", ".jar", ".js", ".jse", ".lnk", ".msc", ".msi", ".msp", ".mst", ".pif"),
        *(".pkg", ".ps1", ".psm1", ".py", ".reg", ".rpm", ".run", ".scf", ".scr", ".sh", ".sys", ".url", ".vb"),
        *(".vbe", ".vbs", ".ws", ".wsc", ".wsf", ".wsh", ".xll"),
        # What asks once at most: packages of programs, shortcuts to them, disks and machines that hold some.
        *(".appinstaller", ".application", ".appref-ms", ".appx", ".appxbundle", ".command", ".jnlp", ".library-ms"),
        *(".msix", ".msixbundle", ".settingcontent-ms", ".vhd", ".vhdx", ".website", ".wsb"),
    }
)
ARCHIVE = frozenset(
    {
        *(
            ".7z",
            ".ace",
            ".arj",
            ".bz2",
            ".cab",
            ".gz",
            ".lzh",
            ".rar",
            ".tar",
            ".tbz2",
            ".tgz",
            ".xz",
            ".zip",
            ".zipx",
        ),
        ".zst",
    }
)
_VOLUME = re.compile(r"\.(?:[r-z]\d{2}|\d{3})")  # film.r00, film.z01, film.7z.001
LARGEST_SAMPLE = 200 << 20  # bytes
_SAMPLE = re.compile(r"(?:^|[\W_])sample(?:$|[\W_])", re.IGNORECASE)


def is_executable(file: TorrentFile) -> bool:
    """By the last extension, as systems do: "Film.mkv.exe" is a program, and so is "Film.mkv .scr "."""
    return ending(file.path) in EXECUTABLE or PurePosixPath(_plain(file.path)).name.strip().lower() in EXECUTABLE


def is_archive(file: TorrentFile) -> bool:
    """A packed file, or one volume of a set of them."""
    extension = ending(file.path)
    return extension in ARCHIVE or _VOLUME.fullmatch(extension) is not None


def is_video(file: TorrentFile) -> bool:
    return ending(file.path) in VIDEO


def is_sample(file: TorrentFile) -> bool:
    """By name alone: "sample.mkv", "film-sample.mkv", "Sample/film.mkv"; never the torrent's own folder."""
    path = PurePosixPath(file.path)
    return any(_SAMPLE.search(part) for part in (*path.parts[1:-1], path.stem))


def playable(meta: MetaInfo) -> tuple[TorrentFile, ...]:
    """Video files that are no samples, the largest first; all samples where there is nothing else."""
    videos = sorted((file for file in meta.files if is_video(file) and file.size), key=lambda file: -file.size)
    return tuple(file for file in videos if not is_sample(file)) or tuple(videos)


def only_samples(meta: MetaInfo) -> bool:
    """Whether every video is called a sample and is as small as one: a film may have the word in its title."""
    videos = [file for file in meta.files if is_video(file)]
    return bool(videos) and all(is_sample(file) and file.size < LARGEST_SAMPLE for file in videos)


def programs(meta: MetaInfo) -> tuple[TorrentFile, ...]:
    """What is never fetched, whatever lies beside it."""
    return tuple(file for file in meta.files if is_executable(file))


def impostors(meta: MetaInfo) -> tuple[TorrentFile, ...]:
    """Programs that somebody would start as the film: named like one ("Film.mkv.exe"), or larger than every video."""
    largest = max((file.size for file in meta.files if is_video(file)), default=0)
    return tuple(file for file in programs(meta) if file.size > largest or _named_like_video(file))


def _named_like_video(file: TorrentFile) -> bool:
    return any(suffix.strip().lower() in VIDEO for suffix in PurePosixPath(_plain(file.path)).suffixes[:-1])


def ending(path: str) -> str:
    """The extension that a file has to whoever opens it, in small letters: what is filed is called by that alone."""
    return PurePosixPath(_plain(path)).suffix.strip().lower()


def _plain(path: str) -> str:
    """Without what no eye sees (Unicode's format characters), and without the dots and spaces that Windows drops at the end."""
    seen = "".join(char for char in path if unicodedata.category(char) != "Cf")
    return re.sub(r"[.\s]+$", "", seen)
