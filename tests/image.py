"""What the image is made of and what it runs, read from Dockerfile, .dockerignore and docker-compose.yml; built without an engine.

`lay(folder)` puts there what `docker build` would put into the image; `command(…)` and `environment()` are the image's own.
"""

import fnmatch
import json
import re
import shutil
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("setup", "web", "scout", "hunter", "bot", "relay")
_IGNORE = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def instruction(name: str) -> str:
    """The arguments of the last instruction of that name."""
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)[-1].strip()


def copied() -> list[tuple[str, str]]:
    """(from the build context, to) of the COPY instructions."""
    lines = re.findall(r"^COPY (?!--)(\S+) (\S+)$", DOCKERFILE, re.MULTILINE)
    assert lines
    return lines


def reaches_the_builder(path: str) -> bool:
    """Whether .dockerignore lets this file of the checkout through; the last line that matches decides."""
    allowed = True
    for line in _IGNORE:
        pattern = line.removeprefix("!").removeprefix("**/")
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        names = parts if "**/" in line else above
        if any(fnmatch.fnmatchcase(name, pattern) for name in names):
            allowed = line.startswith("!")
    return allowed


def lay(folder: Path) -> Path:
    """The image's /sokoul, in `folder`."""
    for source, target in copied():
        if target.startswith("/"):
            continue
        path = ROOT / source
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            place = file.relative_to(ROOT).as_posix()
            if file.is_file() and reaches_the_builder(place):
                _copy(file, folder / place)
                # In place of compiling all of it anew: byte code belongs to a source of that size and time.
                if file.suffix == ".py" and (made := Path(cache_from_source(str(file)))).exists():
                    _copy(made, Path(cache_from_source(str(folder / place))))
    return folder


def _copy(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, place)


def environment() -> dict[str, str]:
    """What ENV says, but PATH."""
    pairs = dict(re.findall(r"(\w+)=(\S+)", instruction("ENV")))
    return {name: value for name, value in pairs.items() if name != "PATH"}


def command(service: str) -> list[str]:
    """What a container of that service runs; `python` is the one of the tests."""
    line = [*json.loads(instruction("ENTRYPOINT")), *SERVICES[service]["command"]]
    return [sys.executable if word == "python" else word for word in line]


def probe(service: str) -> list[str]:
    """What its health check runs."""
    kind, *line = SERVICES[service]["healthcheck"]["test"]
    assert kind == "CMD", line
    return [sys.executable if word == "python" else word for word in line]
