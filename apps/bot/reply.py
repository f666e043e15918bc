"""What a handler knows of the person, and what it says back."""

from dataclasses import dataclass, field

from apps.accounts.models import User
from apps.bot.buttons import Owner, sign


@dataclass(frozen=True)
class Button:
    """`data` is what comes back when it is pressed."""

    text: str
    data: str


@dataclass(frozen=True)
class Sender:
    """Who speaks: a Telegram account in its private chat, and the user it is linked to (None: nobody)."""

    telegram_id: int
    chat_id: int
    name: str
    language: str
    user: User | None = None

    @property
    def person(self) -> User:
        """The linked user; only for what the unlinked cannot reach."""
        assert self.user is not None
        return self.user

    def button(self, text: str, verb: str, *numbers: int | None) -> Button:
        """A button that only this person can press."""
        return Button(text, sign(Owner(self.telegram_id, self.person.pk), verb, *numbers))


@dataclass(frozen=True)
class Reply:
    """Plain text (never markup: what people type and titles hold shows as it is) and rows of buttons.

    `follow` is ("job" or "download", its id): what the message goes on to tell of. `toast` is shown over the chat instead, where a
    button was pressed and its message should stay.
    """

    text: str = ""
    rows: list[list[Button]] = field(default_factory=list)
    follow: tuple[str, str] | None = None
    toast: str = ""
