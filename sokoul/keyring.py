"""The ring of JWT secrets where it is kept: the first line signs, all verify, an old one goes when its last token has expired.

A secret made here ends in the second of its birth (`….1795478400`): so it is known since when the one below it signs no more.
"""

import itertools
import os
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from sokoul.env import read_dotenv
from sokoul.errors import PermanentError
from sokoul.stack.processes import write_private
from sokoul.stack.state import dotenv_line

NAME = "JWT_SECRET"
REFRESH_SECONDS = 7 * 86_400  # how long a refresh token lives (apps.accounts.tokens.LIFETIMES)
MARGIN = 3600  # seconds until surely every process signs with the new one
_BORN = re.compile(r"\.(\d{10})$")


@dataclass(frozen=True)
class Place:
    """Where the ring stands: the lines of a file, or one line of a dotenv file."""

    path: Path
    dotenv: bool

    def read(self) -> list[str]:
        text = read_dotenv(self.path).get(NAME, "") if self.dotenv else self.path.read_text(encoding="utf-8")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def write(self, ring: list[str]) -> None:
        """At once and whole; owner and mode stay as they are. Raises OSError."""
        before = self.path.stat()
        write_private(self.path, self._with(ring))
        os.chown(self.path, before.st_uid, before.st_gid)
        self.path.chmod(before.st_mode & 0o777)

    def _with(self, ring: list[str]) -> str:
        if not self.dotenv:
            return "\n".join(ring) + "\n"
        line = dotenv_line(NAME, "\n".join(ring))
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return "\n".join(line if re.match(rf"\s*(export\s+)?{NAME}=", old) else old for old in lines) + "\n"


def find(data_dir: Path) -> Place:
    """Where JWT_SECRET comes from, in the order in which `sokoul.env` reads. Raises PermanentError where it cannot be written."""
    own = Path(os.environ.get("DOTENV") or ".env")
    for layer, path in (
        (dict(os.environ), None),
        (read_dotenv(own), own),
        (read_dotenv(data_dir / ".env"), data_dir / ".env"),
    ):
        if file := layer.get(f"{NAME}_FILE"):
            return Place(Path(file), dotenv=False)
        if layer.get(NAME) and path is None:
            raise PermanentError(
                f"{NAME} stands in the environment, which nobody can change from here. Put it into a file, set {NAME}_FILE "
                "to that file instead, restart once, and run this again."
            )
        if layer.get(NAME) and path:
            return Place(path, dotenv=True)
    raise PermanentError(f"{NAME} is not set anywhere. `make up` makes one; .env.example says how to set your own.")


def fresh(now: float | None = None) -> str:
    return f"{secrets.token_urlsafe(48)}.{int(time.time() if now is None else now)}"


def born(secret: str) -> int | None:
    """Unix seconds; None for one that was not made here."""
    found = _BORN.search(secret)
    return int(found[1]) if found else None


def needed(ring: list[str], now: float | None = None) -> list[str]:
    """Those that may still be asked to verify: all down to the first whose successor is older than any living token."""
    now = time.time() if now is None else now
    kept = ring[:1]
    for newer, secret in itertools.pairwise(ring):
        since = born(newer)
        if since is not None and since + REFRESH_SECONDS + MARGIN < now:
            break
        kept.append(secret)
    return kept
