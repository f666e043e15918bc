"""Telegram as a channel, for every process: its library is loaded where a message is sent."""

from typing import Any

from django.conf import settings

from apps.accounts import telegram
from apps.accounts.channels.letter import Letter
from apps.accounts.channels.models import Channel
from apps.accounts.models import User


def language_of(user: User) -> str:
    """The language that the person speaks with the bot."""
    link = telegram.link_of(user.pk)
    return (link.language if link else "") or settings.LANGUAGE_CODE


def tell(channel: Channel, letter: Letter) -> dict[str, Any]:
    from apps.bot import delivery

    return delivery.deliver(channel.user_id, letter.text)
