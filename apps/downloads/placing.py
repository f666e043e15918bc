"""Putting a file into the library: by hard link or copy as LINK_MODE says, never over what lies there."""

import errno
import filecmp
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import alarms
from apps.accounts.channels import preferences
from sokoul import logs
from sokoul.env import ENV
from sokoul.errors import PermanentError
from sokoul.said import said

log = logs.logger(__name__)
STAGING = ".staging"  # below the library: on its file system, and hidden from what else reads it
preferences.offer(
    "library_copied", gettext_lazy("Files are copied into the library, for no hard link is possible (admins)")
)
# What says that no link can be there, rather than that the disk is full or forbidden.
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def place(source: Path, target: PurePosixPath) -> tuple[PurePosixPath, bool]:
    """(where it lies in the library now, whether that is a link).

    Doing it twice gives the same file, and so does the same film downloaded anew when somebody else wants it. Another file of
    that name is never overwritten: the new one gets a number. Raises PermanentError where LINK_MODE forbids a copy.
    """
    for name in numbered(target):
        file = ENV.library / name
        if file.exists():
            if is_same(source, file):
                return name, file.samefile(source)
            continue
        staged = stage(source)
        try:
            os.link(staged, file)
        except FileExistsError:  # somebody else's, since the look
            continue
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            staged.rename(file)
        finally:
            staged.unlink(missing_ok=True)
        return name, file.samefile(source)
    raise AssertionError("numbered() ends by raising")


def numbered(target: PurePosixPath) -> Iterator[PurePosixPath]:
    """`Film.mkv`, `Film (2).mkv` and so on, their folder being there."""
    (ENV.library / target).parent.mkdir(parents=True, exist_ok=True)
    yield target
    for number in range(2, 1000):
        yield target.with_name(f"{target.stem} ({number}){target.suffix}")
    text = said(lambda: _("There are too many files named %(name)s in the library already.") % {"name": target.name})
    raise PermanentError(text, code="crowded")


def is_same(source: Path, file: Path) -> bool:
    """Whether `file` is `source`, or its copy."""
    return file.samefile(source) or filecmp.cmp(source, file, shallow=False)


def stage(source: Path) -> Path:
    """The file on the library's file system, under a name of its own, to be renamed into its place."""
    staged = ENV.library / STAGING / uuid.uuid4().hex
    staged.parent.mkdir(parents=True, exist_ok=True)
    if ENV.link_mode != "copy":
        try:
            os.link(source, staged)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            _refuse_or_tell(error)
        else:
            return staged
    try:
        shutil.copy2(source, staged)
    except OSError:
        staged.unlink(missing_ok=True)
        raise
    return staged


def _refuse_or_tell(error: OSError) -> None:
    """A copy takes the room a second time: never without a word."""
    if ENV.link_mode == "refuse":
        raise PermanentError(
            said(
                lambda: _(
                    "No hard link can be made from the download folder into the library, and LINK_MODE forbids copies."
                )
            ),
            code="no_hard_link",
        )
    log.warning("copied, for a hard link is impossible here", error=error.strerror)
    alarms.tell_admins(
        "library_copied",
        lambda: _(
            "Files are copied into the library and take their room twice: no hard link can be made from DOWNLOAD_DIR to "
            "LIBRARY_DIR. Put both on one file system, or set LINK_MODE."
        ),
    )


def prune(folder: Path) -> None:
    """Remove the folder and those above it as far as they are empty, up to the library."""
    while folder != ENV.library and folder.is_relative_to(ENV.library):
        try:
            folder.rmdir()
        except OSError:  # not empty, or gone
            return
        folder = folder.parent
