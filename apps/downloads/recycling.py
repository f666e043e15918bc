"""The recycle bin: what a better release replaced, kept for RECYCLE_DAYS in LIBRARY_DIR/.recycle/<upgrade>/.

While an upgrade is filed its bin is called <upgrade>.pending and is the way back. What a crash left of it is mended by `sweep`:
the rows decide which way, for they changed in one transaction.
"""

import errno
import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from django.db import transaction

from apps.downloads.models import Download, LibraryFile, Phase
from apps.downloads.placing import STAGING, prune
from sokoul import logs
from sokoul.env import ENV

log = logs.logger(__name__)
BIN = ".recycle"
COMING = ".coming"  # in a pending bin: {path in the library: inode}
DAY = 86_400


def bin_of(upgrade_id: int) -> Path:
    return ENV.library / BIN / str(upgrade_id)


def _pending(upgrade_id: int) -> Path:
    return ENV.library / BIN / f"{upgrade_id}.pending"


def keep(upgrade_id: int, path: str) -> None:
    """Link a file of the library into the pending bin; move it where the file system has no links. What is there stays."""
    file, kept = ENV.library / path, _pending(upgrade_id) / path
    if kept.exists() or not file.exists():
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, kept)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        file.rename(kept)


def announce(upgrade_id: int, files: Mapping[str, Path]) -> None:
    """{path: file}: where in the library these will be renamed to, so that an upgrade that is undone leaves none of them."""
    pending = _pending(upgrade_id)
    pending.mkdir(parents=True, exist_ok=True)
    (pending / COMING).write_text(json.dumps({path: file.stat().st_ino for path, file in files.items()}))


def finish(upgrade_id: int) -> None:
    """The upgrade is committed: what it replaced leaves the library, unless a row still names it. Twice is once."""
    pending, done = _pending(upgrade_id), bin_of(upgrade_id)
    if not pending.is_dir():
        return
    for kept in _files(pending):
        path = str(kept.relative_to(pending))
        file = ENV.library / path
        if file.exists() and file.samefile(kept) and not LibraryFile.objects.filter(path=path).exists():
            file.unlink(missing_ok=True)
            prune(file.parent)
    (pending / COMING).unlink(missing_ok=True)
    os.utime(pending)  # its days begin now
    pending.rename(done)
    if not ENV.recycle_days:
        _delete(done)


def _undo(pending: Path) -> None:
    """The upgrade is not committed and never will be: what it set aside goes back to its place."""
    log.warning("an upgrade that came to no end is undone", bin=pending.name)
    _remove_new(pending / COMING)
    for kept in _files(pending):
        file = ENV.library / kept.relative_to(pending)
        if file.exists() and file.samefile(kept):  # rename(2) does nothing between two names of one file
            kept.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            kept.replace(file)
        prune(kept.parent)
    prune(pending)


def _remove_new(coming: Path) -> None:
    """What was renamed into the library, if it is that still and nobody's. A list that was half written names nothing yet."""
    try:
        announced = json.loads(coming.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        announced = {}
    for path, inode in announced.items():
        file = ENV.library / path
        if file.exists() and file.stat().st_ino == inode and not LibraryFile.objects.filter(path=path).exists():
            file.unlink(missing_ok=True)
            prune(file.parent)
    coming.unlink(missing_ok=True)


def sweep() -> int:
    """Mend what crashes left, and delete what was kept long enough; how many bins were deleted."""
    folder = ENV.library / BIN
    swept = 0
    for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
        name, _, pending = entry.name.partition(".")
        if not name.isdecimal():
            continue
        with suppress(FileNotFoundError):  # another relay was faster
            if pending:
                _mend(int(name), entry)
            elif time.time() - entry.stat().st_mtime > ENV.recycle_days * DAY:
                _delete(entry)
                swept += 1
    _sweep_staging()
    return swept


def _mend(upgrade_id: int, pending: Path) -> None:
    """Held against the hunter, which is left alone while it files."""
    with transaction.atomic():
        upgrade = Download.objects.select_for_update(no_key=True, of=("self",)).filter(pk=upgrade_id).first()
        if upgrade is not None and upgrade.phase == Phase.FILING:
            return
        paths = [str(kept.relative_to(pending)) for kept in _files(pending)]
        committed = LibraryFile.objects.filter(download_id=upgrade_id).exists()
        if not committed and LibraryFile.objects.filter(path__in=paths).exists():
            _undo(pending)
        else:
            finish(upgrade_id)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path != folder / COMING]


def _delete(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    prune(folder.parent)


def _sweep_staging() -> None:
    """What a crash left half copied. What is being filed now is younger than a day; what cannot go stops nothing else."""
    for file in (ENV.library / STAGING).glob("*"):
        with suppress(FileNotFoundError):  # another relay was faster
            if time.time() - file.lstat().st_ctime > DAY:
                _unstage(file)


def _unstage(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:  # a folder is nothing that Sokoul ever put there
        log.warning("something that lies in the staging folder stays there", name=file.name, error=error.strerror)
