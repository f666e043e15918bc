"""Looking for secrets in what programs wrote: every test with a whole product ends with it."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
_TOKEN = re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")  # a whole JWT; of a masked one ten characters are left
SHORTEST = 8  # characters: what is shorter may be part of any word


def secrets_of(environment: Mapping[str, str]) -> set[str]:
    """The values of variables that are called like secrets, and the passwords within URLs."""
    found = {value for name, value in environment.items() if _NAMES.search(name) and not name.endswith("_FILE")}
    for name, value in environment.items():
        if name.endswith("_URL") and "@" in value:
            parts = urlsplit(value.split(",")[0])
            found |= {parts.password or "", parts.username or ""} - {"sokoul", ""}
    return {part for value in found for part in re.split(r"[\n,]", value) if len(part) >= SHORTEST}


def leaks(texts: Iterable[str], secrets: Iterable[str]) -> list[str]:
    """Each line that holds a secret or a whole token."""
    known = list(secrets)
    return [
        line
        for text in texts
        for line in text.splitlines()
        if any(secret in line for secret in known) or _TOKEN.search(line)
    ]


def assert_tight(files: Iterable[Path], environment: Mapping[str, str]) -> None:
    found = leaks((file.read_text(errors="replace") for file in files), secrets_of(environment))
    assert not found, f"secrets in logs: {found[:3]}"
