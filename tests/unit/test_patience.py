"""When a wait is over, and when our own network is what it waited for."""

import pytest

from apps.downloads import patience
from apps.downloads.claims import Claim
from apps.downloads.patience import Patience
from sokoul.env import ENV

ONE, TWO = {"a"}, {"a", "b"}


def claim(phase: str, age: float = 0, idle: float = 0) -> Claim:
    return Claim(1, 1, 1, "a", phase, "", 1, "", age, idle, 0, "", has_metadata=phase != "metadata")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    return now


def test_a_wait_is_over_after_the_configured_time() -> None:
    waits = Patience()
    assert waits.over(claim("metadata", age=ENV.metadata_timeout), None, unreachable=False) is None
    over = waits.over(claim("metadata", age=ENV.metadata_timeout + 1), None, unreachable=True)
    assert over is not None
    assert (over.code, "the tracker could not be reached" in over.reason) == ("no_metadata", True)
    over = waits.over(claim("downloading", idle=ENV.stall_timeout + 1), None, unreachable=False)
    assert over is not None
    assert (over.code, "no peers" in over.reason) == ("stalled", True)
    assert waits.over(claim("paused", age=1e9, idle=1e9), None, unreachable=False) is None


@pytest.mark.parametrize(
    ("waiting", "heard_at", "which", "cut_off"),
    [
        (TWO, 0, claim("metadata", age=900), True),  # nobody was heard of since it began
        (TWO, 200, claim("metadata", age=900), False),  # somebody was
        (ONE, 0, claim("metadata", age=900), False),  # who waits alone cannot tell
        (TWO, 50, claim("downloading", idle=950), True),  # all peers left when its own did, or a little later
        (TWO, 800, claim("downloading", idle=950), False),
        (ONE, 0, claim("downloading", idle=950), False),
    ],
)
def test_silence_everywhere_is_our_own(
    clock: list[float], waiting: set[str], heard_at: float, which: Claim, cut_off: bool
) -> None:
    waits = Patience()
    clock[0] = heard_at
    waits.heard()
    clock[0] = 1000.0
    assert waits.cut_off(which, waiting) is cut_off
