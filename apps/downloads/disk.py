"""Room on the download disk."""

import errno
import shutil
from pathlib import Path

from sokoul.env import ENV

RESERVE = 1.05  # a torrent needs a little more than its content


class Disk:
    """The file system of DOWNLOAD_DIR, which is made where it is missing."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or ENV.downloads
        self.folder.mkdir(parents=True, exist_ok=True)

    def has_room(self, size: int) -> bool:
        """Whether `size` further bytes fit."""
        return shutil.disk_usage(self.folder).free > size * RESERVE

    @staticmethod
    def is_full(error: OSError) -> bool:
        return error.errno in {errno.ENOSPC, errno.EDQUOT}

    def clear(self, folder: Path) -> None:
        """Remove the folder of one swarm; nothing outside of the download folder is ever touched."""
        if folder.parent == self.folder:
            shutil.rmtree(folder, ignore_errors=True)
