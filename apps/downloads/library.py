"""Filing: from a finished torrent to files that people find, by hard link, under names made from the title."""

import errno
import filecmp
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from django.db import transaction

from apps.downloads.content import File, files_of
from apps.downloads.engine import video
from apps.downloads.engine.metainfo import TorrentFile
from apps.downloads.models import Download, LibraryFile
from apps.downloads.releases.parse import parse
from apps.media.models import Kind, Media
from sokoul import logs
from sokoul.env import ENV
from sokoul.errors import PermanentError

log = logs.logger(__name__)
PROBE_SECONDS = 30
SAMPLE_SHARE = 0.1  # of the runtime (SPEC 12)
MAX_NAME_BYTES = 200  # file systems take 255; leave room for " (2)" and the ending
_FORBIDDEN = {ord(char): " " for char in '<>:"/\\|?*'} | dict.fromkeys(range(32))


@dataclass(frozen=True, slots=True)
class Video:
    """A playable file of a torrent. Seconds, pixels, bytes."""

    index: int
    path: str
    size: int
    duration: float
    width: int
    height: int
    video_codec: str
    audio_codec: str
    sample: bool = False


def folder_of(swarm: str) -> Path:
    """Where the files of a swarm are downloaded."""
    return ENV.downloads / swarm


def probe(file: Path) -> dict[str, Any] | None:
    """What the file holds, None when it is no video. In a process of its own: strangers made this file.

    Raises OSError where it cannot be read, and where the answer took so long that it says nothing of the file (a hunter that
    was frozen meanwhile). One whose decoding never ends exhausts its processor time long before that, and is no video.
    """
    file.open("rb").close()
    command = [sys.executable, "-m", "apps.downloads.probe", str(file)]
    try:
        answer = subprocess.run(  # noqa: S603 - a list, no shell
            command, capture_output=True, timeout=PROBE_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
        found = json.loads(answer.stdout or b"null")
    except json.JSONDecodeError:
        return None
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error
    return found if isinstance(found, dict) else None


def videos(folder: Path, files: list[File], runtime: int | None) -> list[Video]:
    """The playable videos, samples left out; `runtime` in minutes. Raises PermanentError when there is none."""
    found = []
    for file in (TorrentFile(**file) for file in files):
        if video.is_video(file) and (facts := probe(folder / file.path)):
            found.append(Video(file.index, file.path, file.size, sample=video.is_sample(file), **facts))
    whole = [film for film in found if not _is_sample(film, found, runtime)]
    if not whole:
        raise PermanentError("This release holds no playable video.", code="no_video")
    return whole


def _is_sample(film: Video, among: list[Video], runtime: int | None) -> bool:
    """Named so while something longer is there, or shorter than a tenth of the runtime beside a longer file."""
    longest = max(other.duration for other in among)
    if film.duration >= longest:
        return False
    return film.sample or film.duration < SAMPLE_SHARE * max(longest, (runtime or 0) * 60)


def clean(name: str) -> str:
    """A name that every file system takes: no separators, no control characters, no trailing dots, a bounded length."""
    name = " ".join(name.translate(_FORBIDDEN).split()).strip(". ")
    while len(name.encode()) > MAX_NAME_BYTES:
        name = name[:-1].rstrip(". ")
    return name or "Untitled"


def names(media: Media, download: Download, found: list[Video]) -> dict[int, PurePosixPath]:
    """{file index: path below the library}. Films: `Movies/Title (Year)/Title (Year) - 1080p.mkv`;
    series: `Series/Title (Year)/Season 01/Title - S01E02.mkv`."""
    title = clean(f"{media.title} ({media.year})" if media.year else media.title)
    paths: dict[int, PurePosixPath] = {}
    for number, film in enumerate(sorted(found, key=lambda film: film.path), 1):
        ending = PurePosixPath(film.path).suffix.lower()
        part = f" - part {number}" if len(found) > 1 else ""
        if media.kind == Kind.MOVIE:
            paths[film.index] = PurePosixPath("Movies", title, f"{title} - {_height(film)}{part}{ending}")
        else:
            season, stem = _episode(media, download, film)
            paths[film.index] = PurePosixPath("Series", title, season, f"{stem}{ending}")
    return paths


def _height(film: Video) -> str:
    """The usual name of a picture's size: a wide film of 1920 by 800 is still 1080p."""
    for width, height in ((3000, 2160), (1800, 1080), (1200, 720), (700, 480)):
        if film.width >= width or film.height >= height:
            return f"{height}p"
    return f"{film.height}p"


def _episode(media: Media, download: Download, film: Video) -> tuple[str, str]:
    """The season's folder and the file's name without its ending."""
    read = parse(PurePosixPath(film.path).stem)
    season = read.seasons[0] if read.seasons else download.season
    episodes = read.episodes or ((download.episode,) if download.episode is not None else ())
    if season is None or not episodes:
        return "Extras", clean(PurePosixPath(film.path).stem)
    code = f"S{season:02d}" + "".join(f"E{episode:02d}" for episode in episodes)
    return f"Season {season:02d}", f"{clean(media.title)} - {code}"


def place(source: Path, target: PurePosixPath) -> tuple[PurePosixPath, bool]:
    """Link (or, across file systems, copy) `source` into the library; (where it lies now, whether it is a link).

    Doing it twice gives the same file, and so does the same film downloaded anew when somebody else wants it. Another file of
    that name is never overwritten: the new one gets a number.
    """
    for number in range(1, 1000):
        name = target if number == 1 else target.with_stem(f"{target.stem} ({number})")
        file = ENV.library / name
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, file)
        except FileExistsError:
            if file.samefile(source) or filecmp.cmp(source, file, shallow=False):
                return name, file.samefile(source)
        except OSError as error:
            log.warning("copied, for a hard link is impossible here", error=error.strerror)
            _copy(source, file)
            return name, False
        else:
            return name, True
    raise PermanentError(f"There are too many files named {target.name} in the library already.", code="crowded")


def _copy(source: Path, file: Path) -> None:
    partial = file.with_name(f".{file.name}.partial")
    shutil.copy2(source, partial)
    partial.replace(file)


def file_download(download_id: int) -> list[LibraryFile]:
    """File what a finished download holds; repeating it after a crash gives the same rows and files.

    Raises PermanentError when there is nothing playable, OSError when the disk refuses.
    """
    download = Download.objects.select_related("media").get(pk=download_id)
    folder = folder_of(download.swarm)
    found = videos(folder, files_of(download_id), download.media.runtime)
    paths = names(download.media, download, found)
    filed = []
    for film in found:
        path, linked = place(folder / film.path, paths[film.index])
        filed.append(_row(download, film, path, linked=linked))
    with transaction.atomic():
        LibraryFile.objects.bulk_create(filed, ignore_conflicts=True)
    return filed


def _row(download: Download, film: Video, path: PurePosixPath, *, linked: bool) -> LibraryFile:
    return LibraryFile(
        user_id=download.user_id, media_id=download.media_id, download_id=download.pk, index=film.index, path=str(path),
        size=film.size, linked=linked, duration=film.duration, width=film.width, height=film.height,
        video_codec=film.video_codec, audio_codec=film.audio_codec,
    )  # fmt: skip
