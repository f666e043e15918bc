"""Files that leave the library with the rows that named them.

The rows go first, or a file would be shown that is not there. What is left to do then is a job of the same transaction: it is done at
once on commit, and once more by a hunter in case the process died before, or on the way.
"""

from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.utils import timezone
from pydantic import BaseModel

from apps.downloads import placing, sidecars
from apps.downloads.models import Download, LibraryFile, Phase
from apps.jobs import services as jobs
from apps.jobs.registry import Snooze
from sokoul.env import ENV

LATER = timedelta(minutes=1)
BUSY = 30.0  # seconds
Mark = tuple[int, int]  # a file's inode and when it was written: a new one may be given the inode of one that went


class ForgetPayload(BaseModel):
    """Job `hunter.forget`: {path below the library: which file it was} of those that no row named any more. What has come there since
    stays."""

    files: dict[str, Mark]


def forget(download_id: int) -> None:
    """Take a download's files out of the library, with what lies beside them; a file that another row still names stays on disk."""
    mine = LibraryFile.objects.filter(download_id=download_id)
    paths = set(mine.values_list("path", flat=True))
    mine.delete()
    payload = ForgetPayload(files=_marks(paths - _named(paths)))
    if payload.files:
        jobs.enqueue("hunter", "forget", payload, run_at=timezone.now() + LATER)
        transaction.on_commit(lambda: _remove(payload.files), robust=True)


def run(payload: ForgetPayload) -> dict[str, int]:
    """The body of `hunter.forget`; the job may run twice. Raises Snooze while something is being filed: its rows come after its files."""
    if Download.objects.filter(phase=Phase.FILING).exists():
        raise Snooze(BUSY)
    return {"removed": _remove(payload.files)}


def _named(paths: set[str]) -> set[str]:
    return set(LibraryFile.objects.filter(path__in=paths).values_list("path", flat=True))


def _marks(paths: set[str]) -> dict[str, Mark]:
    """Of those that are there, and of the subtitles and notes beside them: of no film they are of no use."""
    films = [ENV.library / path for path in sorted(paths)]
    files = [file for film in films for file in (film, *sidecars.beside(film))]
    marks = {str(file.relative_to(ENV.library)): _mark(file) for file in files}
    return {path: mark for path, mark in marks.items() if mark}


def _mark(file: Path) -> Mark | None:
    """Of a link its own; None where there is nothing."""
    try:
        found = file.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _remove(files: dict[str, Mark]) -> int:
    """Gives how many there were."""
    count, named = 0, _named(set(files))
    for path, mark in files.items():
        file = ENV.library / path
        if path not in named and _mark(file) == mark:
            file.unlink(missing_ok=True)
            count += 1
        placing.prune(file.parent)
    return count
