"""`make up` as a process for tests: started as a terminal would, watched through stack.json, ended as a person would."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from sokoul.stack.processes import started_at
from sokoul.stack.state import Part
from tests.waiting import until

ROOT = Path(__file__).parent.parent
STANDIN = Path(__file__).parent / "integration" / "standins" / "up.py"
COMPONENTS = ["postgres", "valkey", "nats", "web", "scout", "hunter", "bot", "relay"]


def clean_environment(data_dir: Path, **more: str) -> dict[str, str]:
    """What a person with an empty configuration has."""
    documented = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    own = {name: value for name, value in os.environ.items() if name not in documented and not name.startswith("MAKE")}
    return {**own, "DOTENV": os.devnull, "DATA_DIR": str(data_dir), **more}


class Up:
    """One `up` in a process group of its own, as a terminal would start it, with standard input closed."""

    def __init__(self, data_dir: Path, command: list[str] | None = None, root: Path = ROOT, **variables: str) -> None:
        self.data_dir = data_dir
        self.output = data_dir.with_name(f"{data_dir.name}.out")
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                command or [sys.executable, str(STANDIN)],
                cwd=root,
                env=clean_environment(data_dir, PYTHONPATH=str(root), **variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def announced(self, within: float = 100) -> "Up":
        deadline = time.monotonic() + within
        while "Sokoul is ready" not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, f"not ready within {within:g} s:\n{self.said}"
            time.sleep(0.02)
        return self

    def ready(self) -> "Up":
        """With stand-ins: all of them have come so far as to notice signals."""
        self.announced()
        until(lambda: sum(line.endswith("started") for line in self.diary()) >= 7, what="the start of all programs")
        return self

    def stack(self) -> dict[str, Part]:
        parts: dict[str, Part] = json.loads((self.data_dir / "run" / "stack.json").read_text())
        return parts

    def pid(self, name: str) -> int:
        pid = self.stack()[name]["pid"]
        assert pid is not None
        return pid

    def url(self, name: str) -> str:
        return str(self.stack()[name]["url"])

    def diary(self) -> list[str]:
        return (self.data_dir / "diary").read_text().splitlines()

    def replaced(self, name: str, old: int) -> bool:
        pid = self.stack()[name]["pid"]
        return pid != old and started_at(pid or 0) is not None

    def send(self, number: signal.Signals) -> None:
        """As a terminal does: to the whole group."""
        os.killpg(self.process.pid, number)

    def wait(self) -> int:
        return self.process.wait(60)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        with suppress(ProcessLookupError):
            self.send(number)
        self.wait()


def everyone(data_dir: Path) -> list[int]:
    """Every living process that has to do with this installation: by its environment, its command line or its folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                traces = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                if str(data_dir).encode() in traces or (entry / "cwd").readlink().is_relative_to(data_dir):
                    found.append(int(entry.name))
    return found
