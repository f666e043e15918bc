"""Events as rows: what a reader missed."""

from datetime import timedelta
from typing import Any

import orjson
from django.db.models import Max, Q
from django.utils import timezone

from apps.feed.models import Event

KEPT = timedelta(hours=24)  # how far back a replay goes (SPEC 7)
MOST = 1000  # events of one replay; whoever missed more starts from a snapshot


def text_of(message: dict[str, Any]) -> str:
    return orjson.dumps(message, option=orjson.OPT_UTC_Z).decode()


def known(user_id: int, event_id: int) -> bool:
    """Whether a replay from this event would be complete: it is this reader's, and young enough."""
    return (
        Event.objects.filter(Q(user_id=user_id) | Q(user_id=None), pk=event_id, at__gt=timezone.now() - KEPT).exists()
        and Event.objects.filter(Q(user_id=user_id) | Q(user_id=None), pk__gt=event_id)[:MOST].count() < MOST
    )


def after(user_id: int, event_id: int) -> list[tuple[int, str]]:
    """(id, message) of everything that this reader should have seen since, in order."""
    rows = Event.objects.filter(Q(user_id=user_id) | Q(user_id=None), pk__gt=event_id).order_by("pk")[:MOST]
    return [(row.pk, text_of({"id": row.pk, "type": row.type, "at": row.at, "data": row.data})) for row in rows]


def newest(user_ids: list[int]) -> tuple[dict[int, int], int]:
    """({person: id of the newest own event}, id of the newest broadcast): who may have missed a hint."""
    recent = Event.objects.filter(at__gt=timezone.now() - timedelta(minutes=2))
    own = recent.filter(user_id__in=user_ids).values_list("user_id").annotate(newest=Max("id"))
    everybody = recent.filter(user_id=None).aggregate(newest=Max("id"))["newest"]
    return dict(own), int(everybody or 0)
