"""Moving new requests from one web to the other behind the edge: at once, or step by step and back by itself (docs/releasing.md).

Every step is said to the edge and then written down for its next start. Whoever dies in between leaves weights that stand, and goes
on when told the same again.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from django.utils import timezone

from sokoul.edge import Edge, Note, Seen, Side, Sides
from sokoul.errors import PermanentError, conflict

EVERY = 0.5  # seconds between two looks
MINUTE = 60.0  # what a watch judges at once: a spike is not diluted by the quiet before


class Verdict(StrEnum):
    GO = "go"
    BACK = "back"
    HOLD = "hold"  # too little was seen to say


@dataclass(frozen=True)
class Limit:
    """`errors`: percent of the requests that may fail. `least`: requests that have to be seen before a share of them means anything."""

    errors: float = 1.0
    least: int = 10


@dataclass(frozen=True)
class Look:
    """One side since a step began, `seconds` ago. `length`: of the step, in seconds."""

    side: Side
    percent: float
    seconds: float
    length: float
    requests: int
    errors: int
    up: bool

    @property
    def share(self) -> float:
        """Percent of the requests that failed."""
        return 100 * self.errors / self.requests if self.requests else 0.0


class NotWell(PermanentError):
    """A side failed while it was looked at. `taken_back`: whether the other one has all new requests now."""

    def __init__(self, look: Look, *, taken_back: bool) -> None:
        other = look.side.other
        why = f"{look.errors} of {look.requests} requests to {look.side} failed"
        if not look.up:
            why = f"{look.side} does not answer its health check"
        end = f"all new requests go to {other} again" if taken_back else f"{other} does not answer either"
        super().__init__(f"{why}; {end}.", code="not_well")
        self.look, self.taken_back = look, taken_back


# Decisions


def since(before: Seen, now: Seen) -> tuple[int, int]:
    """(requests, errors) of one side between two looks; an edge that restarted meanwhile counts from nothing."""
    if now.requests < before.requests or now.errors < before.errors:
        before = replace(before, requests=0, errors=0)
    return now.requests - before.requests, now.errors - before.errors


def judge(look: Look, limit: Limit) -> Verdict:
    if not look.up:
        return Verdict.BACK
    if look.requests < limit.least:
        return Verdict.HOLD
    return Verdict.BACK if look.share > limit.errors else Verdict.GO


def judge_last(look: Look, limit: Limit) -> Verdict:
    """When a step may last no longer: what was seen decides, however little."""
    return Verdict.BACK if not look.up or look.share > limit.errors else Verdict.GO


def remaining(steps: Sequence[int], percent: float) -> list[int]:
    """Those that a side which has this part already still has to go; its present one once more, from the beginning."""
    return [step for step in steps if step >= percent]


def way_back(sides: Sides, note: Note | None) -> Side:
    """Where requests went before the release. Raises PermanentError where nobody knows."""
    if note:
        return note.side.other
    if sides.whole:
        raise conflict(f"No release was made here: {sides.whole} has all requests. Say `release switch` and the side.")
    raise conflict("Both sides get requests, and no release is written down. Say `release switch` and the side.")


# Steps


def move(edge: Edge, release: Side, percent: int) -> None:
    """Give `percent` of the new requests to the side that a release goes to, and the rest to the other one.

    Written down before and after: an edge that restarts in between is at one of the two, and the way back is known.
    """
    before, note = edge.sides(), edge.note()
    if percent == 100 and not before[release].up:
        raise conflict(f"{release} does not answer its health check at the edge ({before[release].status}).")
    if before.percent(release) != percent:
        note = Note(release, timezone.now())
        edge.save(note)
        edge.weigh({release: percent, release.other: 100 - percent})
    if note:
        edge.save(note)


def back(edge: Edge) -> Side:
    """All new requests to the side that had them before the release, at once; gives that side.

    Raises PermanentError where that side does not answer. An edge that cannot write it down is told of after it was done.
    """
    before, note = edge.sides(), edge.note()
    side = way_back(before, note)
    if not before[side].up:
        raise conflict(f"{side} does not answer its health check at the edge ({before[side].status}): start it first.")
    edge.weigh({side: 100, side.other: 0})
    edge.save(Note(side.other, timezone.now()))
    return side


def canary(edge: Edge, side: Side, steps: Sequence[int], seconds: float, limit: Limit) -> Iterator[Look]:
    """Step by step, each as long as `seconds`, or twice that where too few came; a look each half second.

    Raises NotWell after it went back.
    """
    if not edge.sides()[side].up:
        raise conflict(f"{side} does not answer its health check at the edge. Nothing was changed.")
    for percent in remaining(steps, edge.sides().percent(side)):
        move(edge, side, percent)
        yield from _guarded(edge, side, seconds, limit, patience=2.0)


def watch(edge: Edge, side: Side, seconds: float, limit: Limit) -> Iterator[Look]:
    """As long as `seconds`, a minute at a time. Raises NotWell, after it went back where the other side answers."""
    left = seconds
    while left > 0:
        yield from _guarded(edge, side, min(MINUTE, left), limit, patience=1.0)
        left -= MINUTE


def _guarded(edge: Edge, side: Side, seconds: float, limit: Limit, *, patience: float) -> Iterator[Look]:
    """Looks until the step's time is over, and `patience` times that where less than `limit.least` was seen."""
    begun, first = time.monotonic(), edge.sides()
    while True:
        now = edge.sides()
        if now.percent(side) != first.percent(side):
            raise conflict("Somebody else has moved requests meanwhile: this ends here, and nothing was changed by it.")
        passed = time.monotonic() - begun
        look = Look(side, now.percent(side), passed, seconds, *since(first[side], now[side]), now[side].up)
        yield look
        verdict = judge_last(look, limit) if passed >= seconds * patience else judge(look, limit)
        if verdict is Verdict.BACK:
            raise NotWell(look, taken_back=_taken_back(edge, side))
        if verdict is Verdict.GO and passed >= seconds:
            return
        time.sleep(min(EVERY, seconds))


def _taken_back(edge: Edge, side: Side) -> bool:
    """Not where the other side is down: an answer with faults is better than none."""
    if not edge.sides()[side.other].up:
        return False
    edge.weigh({side: 0, side.other: 100})
    edge.save(Note(side, timezone.now()))
    return True
