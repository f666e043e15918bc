"""How long and how much one client may ask of us (SPEC 16, "Slow clients"). Times in seconds, sizes in bytes."""

import re
from dataclasses import dataclass
from functools import cached_property

MIB = 1024 * 1024
# The picture may have 10 MiB; the form around it needs room of its own.
AVATAR_FORM = 10 * MIB + 64 * 1024


@dataclass(frozen=True)
class BodyLimit:
    """The whole body has `size` bytes at most and is here `seconds` after its headers."""

    size: int
    seconds: float


@dataclass(frozen=True)
class Limits:
    """Every limit of one server process."""

    header_seconds: float = 5.0
    header_size: int = 64 * 1024
    idle_seconds: float = 30.0
    body: BodyLimit = BodyLimit(MIB, 10.0)
    # Full-match patterns of the paths that may send more; the first match wins.
    bodies: tuple[tuple[str, BodyLimit], ...] = (
        (r"((/api/v1)?/user|/app/profile)/avatar/?", BodyLimit(AVATAR_FORM, 60.0)),
        # All that is published for one application is half a megabyte.
        (r"((/api/v1)?/admin/profiles/import|/dashboard/profiles/import)/?", BodyLimit(4 * MIB, 60.0)),
    )
    response_seconds: float = 30.0
    # Requests that wait for a thread: so many, and so long without any request succeeding (a queue that moves, as when 200
    # people sign in at once, is worth waiting in; one that stands, as before a frozen database, is not).
    queue: int = 1000
    queue_seconds: float = 4.0
    # WebSockets: a PING this often, and the end when neither PONG nor message has come this long after one (SPEC 7).
    ping_seconds: float = 30.0
    pong_seconds: float = 30.0
    # A feed's client sends a few bytes; what is longer is answered with an error as long as it is no larger than a request.
    message_size: int = MIB + 64 * 1024
    # A refused body is still read, so that a client which sends before it listens can read why; up to this.
    discard_seconds: float = 10.0
    discard_size: int = 256 * MIB

    @cached_property
    def _bodies(self) -> list[tuple[re.Pattern[str], BodyLimit]]:
        return [(re.compile(pattern), limit) for pattern, limit in self.bodies]

    def body_of(self, path: str) -> BodyLimit:
        return next((limit for pattern, limit in self._bodies if pattern.fullmatch(path)), self.body)
