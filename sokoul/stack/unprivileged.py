"""How PostgreSQL runs when we are root, which it refuses.

Best in a user namespace in which root is nobody: no file changes its owner. Where the machine forbids those (some
containers), as the user nobody, with data and a copy of the programs under /var/lib, because nobody cannot enter every
folder that root can. An ordinary user needs none of this.
"""

import functools
import os
import shutil
import subprocess
from pathlib import Path

_NOBODY = 65534
_IN_NAMESPACE = ["unshare", "-U", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}", "--"]
# Changing the user clears the parent-death signal, so it is set again on the way.
_AS_NOBODY = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--pdeathsig=QUIT", "--"]
_ELSEWHERE = Path("/var/lib/sokoul")


@functools.cache
def prefix() -> list[str]:
    """What goes before a command of PostgreSQL's."""
    if os.geteuid() != 0:
        return []
    return _AS_NOBODY if must_live_elsewhere() else _IN_NAMESPACE


@functools.cache
def must_live_elsewhere() -> bool:
    if os.geteuid() != 0:
        return False
    tried = subprocess.run([*_IN_NAMESPACE, "true"], capture_output=True, check=False)  # noqa: S603 - our own words
    return tried.returncode != 0


def home(folder: Path, identity: str) -> Path:
    """Where the data of the server in `folder` lies: there, or under /var/lib by the server's random identity."""
    return _ELSEWHERE / identity / "private" if must_live_elsewhere() else folder


def make_home(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    give(path)


def give(path: Path) -> None:
    """Let nobody own it, where it is nobody who uses it."""
    if must_live_elsewhere():
        os.chown(path, _NOBODY, _NOBODY)


def programs(home: Path, installed: Path, version: str) -> Path:
    """The folder of PostgreSQL's programs: as installed, or a copy that nobody can reach. Beside it lie its libraries."""
    if not must_live_elsewhere():
        return installed / "pginstall" / "bin"
    copy = home.with_name(f"programs-{version}")
    if not copy.exists():
        draft = copy.with_name("programs.new")
        shutil.rmtree(draft, ignore_errors=True)
        for part in (installed / "pginstall", installed.with_name(f"{installed.name}.libs")):
            shutil.copytree(part, draft / part.relative_to(installed.parent), symlinks=True)
        for folder in (_ELSEWHERE, copy.parent, draft, draft / installed.name):
            folder.chmod(0o755)
        draft.replace(copy)
    return copy / installed.name / "pginstall" / "bin"
