"""The edge's Runtime API (HAProxy's socket EDGE_ADMIN), by which new requests move from one of two webs to the other.

The two sides are the servers `web` (blue) and `web2` (green) of deploy/edge/haproxy.cfg. What was decided is written beside the
socket, where the edge reads it when it starts.
"""

import csv
import json
import os
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from sokoul.errors import PermanentError, TransientError

BACKENDS = ("web", "sockets", "streams")
NOTE = "# sokoul: "  # a comment to HAProxy
PATIENCE = 5.0  # seconds for one answer


class Side(StrEnum):
    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> "Side":
        return Side.GREEN if self is Side.BLUE else Side.BLUE

    @property
    def server(self) -> str:
        """Its name in the edge's configuration."""
        return "web" if self is Side.BLUE else "web2"


@dataclass(frozen=True)
class Seen:
    """One side as the edge sees it. `weight`: its part of new requests, as a number between 0 and 256.

    `requests` and `errors` are counted from the edge's start on. An error: an answer of 5xx, a connection that failed, an answer that
    broke off, or an attempt whose request the edge gave to the other side because this one refused it.
    """

    weight: int
    up: bool
    status: str
    requests: int
    errors: int
    url: str = ""


@dataclass(frozen=True)
class Sides:
    blue: Seen
    green: Seen

    def __getitem__(self, side: Side) -> Seen:
        return self.blue if side is Side.BLUE else self.green

    def percent(self, side: Side) -> float:
        """Its part of new requests while both are up."""
        total = self.blue.weight + self.green.weight
        return 100 * self[side].weight / total if total else 0.0

    @property
    def whole(self) -> Side | None:
        """The side that all new requests go to, if it is one."""
        return next((side for side in Side if self.percent(side) == 100), None)


@dataclass(frozen=True)
class Note:
    """Which side a release goes to, or went to, and when requests were moved last. The other side is the way back."""

    side: Side
    at: datetime


class Edge:
    def __init__(self, path: Path) -> None:
        self.path, self.state = path, path.with_name(f"{path.name}.state")

    def ask(self, command: str) -> str:
        """What HAProxy answers. Several commands are separated by `;`. Raises PermanentError or TransientError where it does not."""
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(PATIENCE)
                link.connect(str(self.path))
                link.sendall(f"{command}\n".encode())
                return b"".join(iter(lambda: link.recv(65536), b"")).decode()
        except FileNotFoundError:
            raise PermanentError(f"There is no socket of the edge at {self.path}. Is EDGE_ADMIN set for it?") from None
        except PermissionError:
            raise PermanentError(f"The edge's socket {self.path} is not for this user.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise TransientError(f"The edge does not answer at {self.path} ({type(error).__name__}).") from error

    def sides(self) -> Sides:
        rows = counted(self.ask("show stat"))
        addresses = urls(self.ask("show servers state web"))
        try:
            found = {side: seen(rows, side, addresses.get(side.server, "")) for side in Side}
        except KeyError as missing:
            raise PermanentError(f"The edge has no server {missing}. Set EDGE_WEB_2 for it.") from None
        return Sides(found[Side.BLUE], found[Side.GREEN])

    def weigh(self, weights: Mapping[Side, int]) -> None:
        """Repeating it changes nothing. Raises PermanentError where the edge refuses, TransientError where it does not answer."""
        if refused := self.ask("; ".join(weighing(self.sides(), weights))).strip():
            raise PermanentError(f"The edge refused the weights: {refused.splitlines()[0]}")

    def note(self) -> Note | None:
        """What was written last; None where there is nothing, or nothing that can be read."""
        try:
            lines = self.state.read_text().splitlines()
            [text] = [line.removeprefix(NOTE) for line in lines if line.startswith(NOTE)]
            data = json.loads(text)
            return Note(Side(data["side"]), datetime.fromisoformat(data["at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, note: Note) -> None:
        """Have the edge begin with the weights of now when it starts again. Raises PermanentError."""
        version, names, *rows = self.ask("show servers state").strip().splitlines()
        about = NOTE + json.dumps({"side": note.side, "at": note.at.isoformat()})
        try:
            _replace(self.state, "\n".join((version, names, about, *rows, "")))
        except OSError as error:
            text = f"{self.state} cannot be written ({error.strerror}): when the edge restarts, it will not know what was decided."
            raise PermanentError(text) from error


def weighing(now: Sides, weights: Mapping[Side, int]) -> list[str]:
    """Commands that raise the one side before the other is lowered, so that at no moment nobody gets requests."""
    return [
        f"set server {backend}/{side.server} weight {weights[side]}"
        for side in sorted(Side, key=lambda side: now[side].weight - weights[side])
        for backend in BACKENDS
    ]


def counted(stat: str) -> dict[tuple[str, str], dict[str, str]]:
    """`show stat` by (backend, server)."""
    rows = csv.DictReader(stat.removeprefix("# ").splitlines())
    return {(row["pxname"], row["svname"]): row for row in rows}


def urls(state: str) -> dict[str, str]:
    """Where each server is, by its name, of `show servers state`: by the name that the configuration gives its host, if any."""
    _, names, *rows = state.strip().splitlines()
    found = [dict(zip(names.removeprefix("# ").split(), row.split(), strict=True)) for row in rows]
    return {row["srv_name"]: f"http://{_host(row)}:{row['srv_port']}" for row in found}


def _host(row: Mapping[str, str]) -> str:
    host = row["srv_fqdn"] if row["srv_fqdn"] != "-" else row["srv_addr"]
    return f"[{host}]" if ":" in host else host


def seen(rows: Mapping[tuple[str, str], Mapping[str, str]], side: Side, url: str = "") -> Seen:
    """Raises KeyError where the edge does not know the side."""
    own = [rows[backend, side.server] for backend in BACKENDS]

    def total(*columns: str) -> int:
        return sum(int(row[column] or 0) for row in own for column in columns)

    status = own[0]["status"]
    errors = total("hrsp_5xx", "econ", "eresp", "wretr")
    return Seen(int(own[0]["uweight"]), status.startswith("UP"), status, total("lbtot"), errors, url)


def _replace(path: Path, text: str) -> None:
    """Whole or not at all; the edge is another user, who has to be able to read it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
