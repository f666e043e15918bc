"""Jobs of the scout about titles."""

from typing import Any

from pydantic import BaseModel

from apps.jobs.registry import Running, handler
from apps.media import episodes, services
from apps.media.models import Kind
from sokoul import moments


class DetailsPayload(BaseModel):
    media_id: int


@handler("scout", "details", DetailsPayload)
def details(payload: DetailsPayload, job: Running) -> dict[str, Any]:
    media = services.refresh_details(payload.media_id)
    if media.kind == Kind.TV:  # its page offers seasons to follow
        episodes.refresh(media.pk)
    return {"media_id": media.pk, "title": media.title}


class SchedulePayload(BaseModel):
    media_id: int


@handler("scout", "schedule", SchedulePayload)
def schedule(payload: SchedulePayload, job: Running) -> dict[str, Any]:
    read = episodes.refresh(payload.media_id)
    return {"media_id": read.media_id, "read_at": moments.written(read.read_at)}
