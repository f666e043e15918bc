"""Filing: from a finished torrent to files that people find, by hard link, under names made from the title."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.downloads import naming, placing, quotas, recycling, sidecars, upgrading
from apps.downloads.content import File, files_of
from apps.downloads.engine import video
from apps.downloads.engine.metainfo import TorrentFile
from apps.downloads.models import Download, LibraryFile
from apps.media.models import Kind
from sokoul import logs
from sokoul.env import ENV
from sokoul.errors import PermanentError
from sokoul.said import said

log = logs.logger(__name__)
PROBE_SECONDS = 30
SAMPLE_SHARE = 0.1  # of the runtime (SPEC 12)


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
        raise PermanentError(said(lambda: _("This release holds no playable video.")), code="no_video")
    return whole


def _is_sample(film: Video, among: list[Video], runtime: int | None) -> bool:
    """Named so while something longer is there, or shorter than a tenth of the runtime beside a longer file."""
    longest = max(other.duration for other in among)
    if film.duration >= longest:
        return False
    return film.sample or film.duration < SAMPLE_SHARE * max(longest, (runtime or 0) * 60)


def file_download(download_id: int) -> list[LibraryFile]:
    """File what a finished download holds; repeating it after a crash gives the same rows and files.

    Raises PermanentError when there is nothing playable or LINK_MODE forbids a copy, OSError when the disk refuses.
    """
    download = Download.objects.select_related("media").get(pk=download_id)
    with quotas.speaking_to(download.user_id):
        return _file_all(download)


def _file_all(download: Download) -> list[LibraryFile]:
    folder, files = folder_of(download.swarm), files_of(download.pk)
    wanted = _wanted(download, videos(folder, files, download.media.runtime))
    films = {film.index: film for film, _ in wanted}
    paths = {film.index: (folder / film.path, path) for film, path in wanted}

    def row(index: int, path: PurePosixPath, linked: bool) -> LibraryFile:
        return _row(download, films[index], path, linked=linked)

    filed = upgrading.swap(download, paths, row) if upgrading.is_due(download) else _file(download, paths, row)
    for one in filed:
        _file_beside(
            folder, films[one.index].path, PurePosixPath(one.path), files, [film.path for film in films.values()]
        )
    return filed


def _wanted(download: Download, found: list[Video]) -> list[tuple[Video, PurePosixPath]]:
    """Each video with the path that it is to have; extras are left out where they are not wanted."""
    extras = [film for film in found if sidecars.is_extra(film.path)]
    films = [film for film in found if film not in extras]
    if not films or download.media.kind != Kind.MOVIE:
        films, extras = found, []
    paths = naming.names(download.media, [(film.index, _facts(download, film)) for film in films])
    wanted = [(film, paths[film.index]) for film in films]
    if "extras" in ENV.library_extras:
        first = wanted[0][1]
        wanted += [(film, naming.of_extra(first, film.path)) for film in extras]
    return wanted


def _facts(download: Download, film: Video) -> naming.Facts:
    return naming.Facts(
        film.path, film.width, film.height, download.name, download.season, download.episode, film.video_codec,
        film.audio_codec, beside=download.copy != 0,
    )  # fmt: skip


def _file(
    download: Download,
    files: dict[int, tuple[Path, PurePosixPath]],
    row: Callable[[int, PurePosixPath, bool], LibraryFile],
) -> list[LibraryFile]:
    filed = [row(index, *placing.place(source, target)) for index, (source, target) in files.items()]
    with transaction.atomic():
        LibraryFile.objects.bulk_create(filed, ignore_conflicts=True)
    recycling.finish(download.pk)  # of an upgrade that crashed once it was committed
    return filed


def _file_beside(folder: Path, path: str, filed: PurePosixPath, files: list[File], among: list[str]) -> None:
    """Subtitles and notes of a video. The film is there without them: what cannot be filed is logged."""
    sizes = [(file["path"], file["size"]) for file in files]
    for one in sidecars.of(among, sizes, ENV.library_extras).get(path, []):
        try:
            placing.place(folder / one.path, filed.with_name(f"{filed.stem}{one.ending}"))
        except (OSError, PermanentError) as error:
            log.warning("a file beside a video was not filed", path=one.path, error=str(error))


def _row(download: Download, film: Video, path: PurePosixPath, *, linked: bool) -> LibraryFile:
    return LibraryFile(
        user_id=download.user_id, media_id=download.media_id, download_id=download.pk, index=film.index, path=str(path),
        size=film.size, linked=linked, duration=film.duration, width=film.width, height=film.height,
        video_codec=film.video_codec, audio_codec=film.audio_codec,
    )  # fmt: skip
