"""What the notifier runs for this app."""

from typing import Any

from pydantic import BaseModel

from apps.jobs.registry import Running, failed, handler


class TelegramPayload(BaseModel):
    """Job `notifier.telegram`: bring one notification to its person's Telegram."""

    event_id: int


@handler("notifier", "telegram", TelegramPayload)
def deliver(payload: TelegramPayload, job: Running) -> dict[str, Any]:
    from apps.bot import delivery  # every worker loads this module, only the notifier needs Telegram's library

    return delivery.deliver(payload.event_id)


@failed("notifier", "telegram")
def undelivered(payload: TelegramPayload, job: Running, reason: str) -> str:
    """Nobody is notified of a notification that did not arrive: the web shows it anyway."""
    return ""
