"""A network and a mount namespace of our own, where the machine allows them: what is broken there is broken for nobody else.

Inside there is only a loopback interface; nftables drops and redirects packets, and files of the machine (/etc/hosts) are
covered by ours. Root needs no more than `unshare`; for an ordinary user it makes a user namespace in which the capabilities
over the other two are kept.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.schedule import Ability

MARK = "SOKOUL_CHAOS_INSIDE"
AS_ROOT = ("unshare", "--net", "--mount")
AS_USER = ("unshare", "--user", "--map-current-user", "--net", "--mount", "--keep-caps")


def enter(module: str, arguments: Sequence[str]) -> None:
    """Run `python -m module arguments` again inside, in place of this process; returns where that is impossible, or done."""
    if MARK in os.environ:
        return
    prefix = AS_ROOT if os.geteuid() == 0 else AS_USER
    inside = _works([*prefix, "ip", "link", "set", "lo", "up"])
    command = [sys.executable, "-m", module, *arguments]
    os.environ[MARK] = "1" if inside else ""
    if inside:
        os.execvp(prefix[0], [*prefix, *command])


def prepare() -> set[Ability]:
    """Make the namespace usable; what can be broken in it."""
    if not os.environ.get(MARK):
        return set()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    able: set[Ability] = {"disks", "hosts"}
    if shutil.which("nft") and _works(["nft", "list", "ruleset"]):
        able.add("network")
    return able


def cover(path: Path, by: Path) -> None:
    """Have `by` stand in the place of a file of the machine, in this namespace only."""
    subprocess.run(["mount", "--bind", str(by), str(path)], check=True)


def disk(folder: Path, mebibytes: int) -> None:
    """A small disk of its own at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "tmpfs", str(folder)], check=True)


def resize(folder: Path, kibibytes: int) -> bool:
    """Make that disk so large; False where more than that lies on it."""
    return _works(["mount", "-o", f"remount,size={kibibytes}k", str(folder)])


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
