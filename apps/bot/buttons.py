"""What a button carries: a verb and numbers, signed, for one person and for an hour.

`verb.number.number….minutes.signature`, at most 64 bytes (core.telegram.org/bots/api#inlinekeyboardbutton).
"""

import base64
import hmac
import time
from typing import NamedTuple

from django.conf import settings
from django.utils.crypto import salted_hmac

from sokoul.errors import PermanentError

VALID = 60  # minutes
_SIGNATURE = 9  # bytes: 2^72 tries, each a message to the bot
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Owner(NamedTuple):
    """Who may press: a Telegram account as long as it speaks for this user."""

    telegram_id: int
    user_id: int


class Invalid(PermanentError):
    """Forged, altered, somebody else's, or too old."""


def _write(number: int | None) -> str:
    if number is None:
        return ""
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
        if not number:
            return text


def _signature(owner: Owner, content: str, key: str) -> str:
    value = f"{owner.telegram_id}|{owner.user_id}|{content}"
    digest = salted_hmac("sokoul.bot.buttons", value, key, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest[:_SIGNATURE]).decode()


def _is_signed(owner: Owner, content: str, signature: str) -> bool:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(hmac.compare_digest(signature.encode(), _signature(owner, content, key).encode()) for key in keys)


def sign(owner: Owner, verb: str, *numbers: int | None, now: float | None = None) -> str:
    """`numbers` are not negative; None stays None."""
    until = int((time.time() if now is None else now) / 60) + VALID
    content = ".".join([verb, *map(_write, numbers), _write(until)])
    return f"{content}.{_signature(owner, content, settings.SECRET_KEY)}"


def read(owner: Owner, data: str, now: float | None = None) -> tuple[str, list[int | None]]:
    """(verb, numbers) of a button that this owner may press now; raises Invalid."""
    content, _, signature = data.rpartition(".")
    if not content or not _is_signed(owner, content, signature):
        raise Invalid("no button of yours")
    verb, *numbers, until = content.split(".")
    if int(until, 36) < (time.time() if now is None else now) / 60:
        raise Invalid("too old")
    return verb, [int(number, 36) if number else None for number in numbers]
