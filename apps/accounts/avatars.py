"""A person's picture: read with suspicion, made anew, and kept outside of anything that is served.

What is uploaded is never kept. Its pixels become a square of our own encoding under a name of our own, so nothing that was hidden
in the file (a script behind the picture, where it was taken) is left.
"""

import os
import re
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from apps.accounts import audit, families, identity
from apps.accounts.models import User
from sokoul import logs
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError

log = logs.logger(__name__)
MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 25_000_000  # 100 MB while it is decoded
MAX_SCANS = 64  # of a progressive JPEG, which has about ten; each costs a pass over the whole picture
SIDE = 256
TYPE = "image/webp"
HEADERS = {  # of an answer with a picture: were it ever taken for a page, it could do nothing
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
ORPHAN_SECONDS = 3600
_NAME = re.compile(r"[0-9a-f]{32}\.webp")
_decoding = threading.BoundedSemaphore(1)
PATIENCE = 5.0  # seconds that a picture waits for the one before it

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


def change(user: User, data: bytes) -> User:
    """Take this JPEG or PNG. Raises PermanentError: 400 for anything else, 413 above MAX_BYTES; TransientError: 503 when busy."""
    name = _store(_made_anew(data))
    try:
        return _point_to(user, name)
    except BaseException:
        remove(name)
        raise


def forget(user: User) -> User:
    """Without a picture again."""
    return _point_to(user, "") if user.avatar else user


def _point_to(user: User, name: str) -> User:
    """Whoever dies between the commit and the removal leaves a file that nobody names; `sweep` takes it."""
    with transaction.atomic():
        user = families.locked(user.pk)
        transaction.on_commit(partial(remove, user.avatar))
        user.avatar = name
        user.save(update_fields=["avatar"])
        audit.record("user.changed", user.username, user, fields=["avatar"])
    identity.forget(user.pk)
    return user


def _made_anew(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise PermanentError(_("A picture may have 10 MB. Choose a smaller one."), code="too_large", status=413)
    if data.count(b"\xff\xda") > MAX_SCANS and data.startswith(b"\xff\xd8"):
        raise _unreadable()
    if not _decoding.acquire(timeout=PATIENCE):
        raise TransientError(_("Other pictures are being read. Try again shortly."), retry_after=PATIENCE)
    try:
        return _square(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        text = _("This picture has too many pixels: 25 million are the most. Make it smaller.")
        raise PermanentError(text, code="picture") from None
    except Exception as error:  # a decoder on a stranger's bytes: whatever it stumbles over, it is the picture's fault
        log.info("picture refused", error=type(error).__name__)
        raise _unreadable() from None
    finally:
        _decoding.release()


def _unreadable() -> PermanentError:
    return PermanentError(_("This is no JPEG or PNG picture, or a damaged one. Choose another."), code="picture")


def _square(data: bytes) -> bytes:
    """The middle of the picture, upright, as WebP without any metadata."""
    with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
        image.draft("RGB", (2 * SIDE, 2 * SIDE))  # a large JPEG is decoded at a fraction of its size
        plain = image if image.mode in ("RGB", "RGBA") else image.convert(_mode(image))
        width, height = plain.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        box = (left, top, left + side, top + side)
        small = plain.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)
        small.info = {"exif": exif} if (exif := image.info.get("exif")) else {}
    upright = ImageOps.exif_transpose(small)
    upright.info = {}
    out = BytesIO()
    upright.save(out, "WEBP", quality=85)
    return out.getvalue()


def _mode(image: Image.Image) -> str:
    return "RGBA" if image.has_transparency_data else "RGB"


# Files


@contextmanager
def _folder() -> Iterator[int]:
    """A descriptor of DATA_DIR/uploads/avatars. A link in its place, which could lead anywhere, is refused by OSError."""
    descriptors = [os.open(ENV.data_dir.absolute(), os.O_RDONLY | os.O_DIRECTORY)]
    try:
        for name in ("uploads", "avatars"):
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=descriptors[-1])
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            descriptors.append(os.open(name, flags, dir_fd=descriptors[-1]))
        yield descriptors[-1]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _store(data: bytes) -> str:
    name = f"{uuid.uuid4().hex}.webp"
    try:
        with _folder() as folder:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb") as file:
                file.write(data)
    except OSError as error:
        log.error("a picture cannot be kept", error=error.strerror)
        remove(name)
        raise TransientError(_("The picture cannot be kept now. Try again, or tell the operator.")) from None
    return name


def read(user: User) -> bytes | None:
    """None without one, or where its file is gone."""
    if not _NAME.fullmatch(user.avatar):
        return None
    try:
        with (
            _folder() as folder,
            os.fdopen(os.open(user.avatar, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as file,
        ):
            return file.read()
    except OSError as error:
        log.error("a picture cannot be read", error=error.strerror)
        return None


def remove(name: str) -> None:
    """Once nobody names it; never raises."""
    if _NAME.fullmatch(name):
        with suppress(OSError), _folder() as folder:
            os.unlink(name, dir_fd=folder)


def sweep() -> int:
    """Remove the files that nobody names, left by processes that died; how many. `manage.py setup` does it at each start."""
    folder = Path(ENV.data_dir.absolute()) / "uploads" / "avatars"
    if folder.is_symlink() or not folder.is_dir():
        return 0
    named = set(User.objects.exclude(avatar="").values_list("avatar", flat=True))
    before = time.time() - ORPHAN_SECONDS  # younger ones may be of an upload that is not committed yet
    orphans = [path.name for path in folder.iterdir() if path.name not in named and path.lstat().st_mtime < before]
    for name in orphans:
        remove(name)
    return len(orphans)
