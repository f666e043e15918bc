"""Jobs of the scout about titles."""

from typing import Any

from pydantic import BaseModel

from apps.jobs.registry import Running, handler
from apps.media import services


class DetailsPayload(BaseModel):
    media_id: int


@handler("scout", "details", DetailsPayload)
def details(payload: DetailsPayload, job: Running) -> dict[str, Any]:
    media = services.refresh_details(payload.media_id)
    return {"media_id": media.pk, "title": media.title}
