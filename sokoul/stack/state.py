"""What one installation keeps of itself under its DATA_DIR, so that two DATA_DIRs are two installations.

`.env` holds generated secrets and addresses, for the next start and for an operator's commands; `run/ports.json` the
ports that were chosen; `run/stack.json` where every part is; `run/lock` is held by the one `up` that may run.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from sokoul.env import read_dotenv
from sokoul.stack.processes import free_port, is_free, started_at, write_private


def dotenv_line(name: str, value: str) -> str:
    """As `sokoul.env.read_dotenv` reads it; a ring of secrets has several lines."""
    return f'{name}="{value}"'.replace("\n", "\\n")


class Part(TypedDict):
    """One component in stack.json: pid of the program itself (None when it is not ours or down), url with credentials."""

    pid: int | None
    url: str | None


class AlreadyRunningError(Exception):
    """Another `up` holds this DATA_DIR; the text names its process, if that is known yet."""


class Installation:
    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.run = self.data_dir / "run"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold this installation; raises AlreadyRunningError. The kernel lets go of it when the process ends, however."""
        self._make_folders()
        with (self.run / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = self.holder()
                raise AlreadyRunningError(f" (process {pid})" if pid else "") from None
            file.truncate(0)
            file.write(f"{os.getpid()} {started_at(os.getpid())}\n")
            file.flush()
            yield

    def _make_folders(self) -> None:
        """Others on this machine may pass through DATA_DIR, since players read `library` and `downloads` in it, and list nothing.

        One that was there before stays as its owner made it. `run` has our ports and passwords.
        """
        if not self.data_dir.exists():
            self.data_dir.mkdir(parents=True)
            self.data_dir.chmod(0o711)
        self.run.mkdir(exist_ok=True)
        self.run.chmod(0o700)

    def is_locked(self) -> bool:
        try:
            with (self.run / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True

    def holder(self) -> int | None:
        """Process id of the `up` that runs now; never one that merely inherited a dead one's number."""
        try:
            pid, _, moment = (self.run / "lock").read_text().strip().partition(" ")
        except FileNotFoundError:
            return None
        return int(pid) if pid and started_at(int(pid)) == moment else None

    def port(self, name: str, preferred: int | None = None) -> int:
        """A port for `name`, the same one at every start as long as nobody else has taken it."""
        path = self.run / "ports.json"
        known: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        wanted = [port for port in (known.get(name), preferred) if port]
        port = next((port for port in wanted if is_free(port, "0.0.0.0")), None) or free_port()  # noqa: S104 - only asked
        if known.get(name) != port:
            write_private(path, json.dumps({**known, name: port}))
        return port

    def generated(self) -> dict[str, str]:
        """What the last start filled in."""
        return read_dotenv(self.data_dir / ".env")

    def write_environment(self, values: Mapping[str, str]) -> None:
        head = "# Written by `make up` at every start. Your own settings belong in .env or the environment, which win."
        lines = [head, *(dotenv_line(name, value) for name, value in values.items())]
        write_private(self.data_dir / ".env", "\n".join(lines) + "\n")

    def write_stack(self, parts: Mapping[str, Part]) -> None:
        write_private(self.run / "stack.json", json.dumps(parts, indent=2))

    def stack(self) -> dict[str, Part]:
        try:
            parts: dict[str, Part] = json.loads((self.run / "stack.json").read_text())
        except FileNotFoundError:
            return {}
        return parts
