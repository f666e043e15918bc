"""Whether the system is well, as somebody above this floor can tell."""

from collections.abc import Callable
from typing import Any

Look = Callable[[], dict[str, dict[str, Any]]]
_look: list[Look] = []


def register(look: Look) -> None:
    """`look()` gives {component: {status: ok or down, latency_ms}} within 3 s."""
    _look[:] = [look]


def components() -> dict[str, dict[str, Any]]:
    return _look[0]() if _look else {}
