"""What a socket is told first: the state that events then change. Higher floors register what they add."""

from collections.abc import Callable
from typing import Any

from apps.feed import replay
from apps.feed.models import Event

UNREAD = 50  # notifications in a snapshot, at most
_providers: dict[str, Callable[[int], list[dict[str, Any]]]] = {}


def provider(name: str, provide: Callable[[int], list[dict[str, Any]]]) -> None:
    """Add `name` to every snapshot: `provide(user_id)` gives its rows."""
    _providers[name] = provide


def unread(user_id: int) -> list[dict[str, Any]]:
    rows = Event.objects.filter(user_id=user_id, type="notification", read_at=None).order_by("-id")[:UNREAD]
    return [{**row.data, "id": row.pk, "at": row.at} for row in rows]


def take(user_id: int) -> dict[str, Any]:
    """The position is read first: whatever changes meanwhile is told as well, and telling twice is harmless."""
    last = replay.position(user_id)
    state = {name: provide(user_id) for name, provide in _providers.items()}
    return {"last_event_id": last, "notifications": unread(user_id), **state}
