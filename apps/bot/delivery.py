"""Bringing notifications to Telegram, inside a job of the notifier."""

from typing import Any

from apps.accounts import telegram
from apps.accounts.channels.door import Door
from apps.bot import client
from sokoul import logs

log = logs.logger(__name__)
_door = Door()


def deliver(user_id: int, text: str) -> dict[str, Any]:
    """Send a text to a person's Telegram. Gives what became of it: {message_id} or {dropped}.

    Raises TransientError while Telegram is away, Snooze for as long as it asks to wait.
    """
    link = telegram.link_of(user_id)
    if link is None:
        return {"dropped": "nobody is linked"}
    try:
        with _door.open():
            return {"message_id": client.call(client.send(link.chat_id, text))}
    except client.Refused as error:
        log.warning("Telegram refuses a notification", about_user=user_id, error=error.message)
        return {"dropped": error.message}
    except client.Blocked as error:
        telegram.unlink_chat(link.chat_id, why="the bot was blocked")
        return {"dropped": error.message}
