"""What happened to what a person asked for: the bell of the web, and the list behind it."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language

from apps.feed.models import Event
from sokoul import damage
from sokoul.api import Page, listing

MOST_COUNTED = 100  # the bell does not tell more


def worded(data: dict[str, Any]) -> dict[str, Any]:
    """What a notification holds, its text in the language that is active; English where there is no other."""
    texts = data.get("texts", {})
    rest = {name: value for name, value in data.items() if name != "texts"}
    return {**rest, "text": texts.get((get_language() or "en")[:2], data.get("text", ""))}


def listed(user_id: int, page: Page) -> dict[str, Any]:
    """Notifications, newest first: id, at, read, code, text and what each is about."""
    mine = Event.objects.filter(user_id=user_id, type="notification")
    rows = mine.order_by("-id").values("id", "at", "read_at", "data")[page.rows]
    entries = damage.readable(rows, _entry, Event._meta.db_table, lambda row: row["id"])
    return listing(list(entries), mine.count(), page)


def _entry(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**worded(row["data"]), "id": row["id"], "at": row["at"], "read": row["read_at"] is not None}


def unread(user_id: int) -> int:
    """How many were not read yet; MOST_COUNTED stands for that many or more."""
    return Event.objects.filter(user_id=user_id, type="notification", read_at=None)[:MOST_COUNTED].count()


def mark_read(user_id: int, ids: Iterable[int] | None = None) -> int:
    """Mark these as read, or all; gives how many were unread until now."""
    mine = Event.objects.filter(user_id=user_id, type="notification", read_at=None)
    if ids is not None:
        mine = mine.filter(pk__in=list(ids))
    return mine.update(read_at=timezone.now())
