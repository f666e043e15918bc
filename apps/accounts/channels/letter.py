"""What a channel is to tell: one notification, or several at once as a digest. Plain text; each medium escapes it itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from apps.accounts.models import User
from apps.feed import notifications
from apps.feed.models import Event

MOST = 20  # notifications that a digest quotes


@dataclass(frozen=True)
class Item:
    """One notification; `about` is what else it holds."""

    id: int
    code: str
    text: str
    at: datetime
    about: dict[str, Any]


@dataclass(frozen=True)
class Letter:
    """Its items are in the order in which they happened, their texts in `language`."""

    language: str
    items: tuple[Item, ...]

    @property
    def heading(self) -> str:
        if len(self.items) == 1:
            return self.items[0].text
        with override(self.language):
            count = len(self.items)
            return ngettext("%(count)d thing happened", "%(count)d things happened", count) % {"count": count}

    @property
    def lines(self) -> list[str]:
        """The notifications of a digest, as many as it quotes; none of a single one, which is its heading."""
        return [item.text for item in self.items[:MOST]] if len(self.items) > 1 else []

    @property
    def rest(self) -> str:
        """How many a digest does not quote, where there are any."""
        if (more := len(self.items) - MOST) <= 0:
            return ""
        with override(self.language):
            return ngettext("… and %(count)d more.", "… and %(count)d more.", more) % {"count": more}

    @property
    def text(self) -> str:
        return "\n".join([self.heading, *(f"• {line}" for line in self.lines), *filter(None, [self.rest])])


def language_of(user: User) -> str:
    return user.language or settings.LANGUAGE_CODE


def letter(language: str, events: Sequence[Event]) -> Letter:
    with override(language):
        return Letter(language, tuple(_item(event) for event in events))


def trial(language: str, at: datetime) -> Letter:
    """What the test button sends."""
    with override(language):
        text = _("This is a test. Notifications from Sokoul arrive here.")
    return Letter(language, (Item(0, "test", text, at, {}),))


def _item(event: Event) -> Item:
    told = notifications.worded(event.data)
    about = {name: value for name, value in told.items() if name not in ("code", "text")}
    return Item(event.pk, str(told.get("code", "")), str(told["text"]), event.at, about)
