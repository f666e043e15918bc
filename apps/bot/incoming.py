"""What Telegram sends, as a typed model on arrival; whatever the bot does not need is left at the door.

Fields as in core.telegram.org/bots/api#update.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from sokoul import logs

log = logs.logger(__name__)
WEBHOOK = "telegram/webhook"  # where they are posted, where a secret is configured
ALLOWED = ["message", "callback_query", "my_chat_member"]
LONGEST_TEXT = 4096
LANGUAGES = ("en", "fr")


class Incoming(BaseModel):
    """Something that a person did: a `message` (text), a `button` (its data), or they blocked the bot (`left`)."""

    kind: Literal["message", "button", "left"]
    key: str
    telegram_id: int
    chat_id: int
    private: bool
    name: str
    language: str = ""
    text: str = ""
    message_id: int = 0
    callback_id: str = ""


class _User(BaseModel):
    id: int
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    language_code: str = ""

    @property
    def name(self) -> str:
        full = f"{self.first_name} {self.last_name}".strip()
        return _clean(f"{full} (@{self.username})" if self.username else full)[:200]

    @property
    def language(self) -> str:
        """en or fr of a tag such as fr-CA (IETF); empty for any other."""
        code = self.language_code.lower()[:2]
        return code if code in LANGUAGES else ""


class _Chat(BaseModel):
    id: int
    type: str = ""


class _Message(BaseModel):
    message_id: int
    date: int = 0
    chat: _Chat
    sender: _User | None = Field(None, alias="from")
    text: str = ""


class _Press(BaseModel):
    id: str
    sender: _User = Field(alias="from")
    message: _Message | None = None
    data: str = ""


class _Member(BaseModel):
    status: str = ""


class _Change(BaseModel):
    chat: _Chat
    sender: _User = Field(alias="from")
    date: int = 0
    new_chat_member: _Member


class _Update(BaseModel):
    update_id: int
    message: _Message | None = None
    callback_query: _Press | None = None
    my_chat_member: _Change | None = None


def read(update: Any) -> Incoming | None:
    """None for what the bot has no use for, and for what is no update at all (which is logged)."""
    try:
        read = _Update.model_validate(update)
    except ValidationError as error:
        log.warning("an update that cannot be read", faults=error.error_count())
        return None
    found = _press(read) or _message(read) or _left(read)
    return found if found and found.telegram_id > 0 else None


def _clean(text: str) -> str:
    """What PostgreSQL can keep: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "").encode(errors="replace").decode()


def _message(update: _Update) -> Incoming | None:
    message = update.message
    if message is None or message.sender is None or message.sender.is_bot:
        return None
    # Update ids may begin anew (another bot, a week of silence): the message's own numbers tell two apart.
    key = f"{update.update_id}:{message.chat.id}:{message.message_id}:{message.date}"
    text = _clean(message.text)[:LONGEST_TEXT]
    return _made("message", key, message.sender, message.chat, text=text)


def _press(update: _Update) -> Incoming | None:
    press = update.callback_query
    if press is None or press.message is None:  # a message too old for Telegram to tell which
        return None
    key = f"{update.update_id}:{_clean(press.id)[:64]}"
    made = _made("button", key, press.sender, press.message.chat, text=_clean(press.data)[:64])
    return made.model_copy(update={"message_id": press.message.message_id, "callback_id": press.id})


def _left(update: _Update) -> Incoming | None:
    change = update.my_chat_member
    if change is None or change.new_chat_member.status != "kicked":
        return None
    key = f"{update.update_id}:{change.chat.id}:left:{change.date}"
    return _made("left", key, change.sender, change.chat)


def _made(kind: Literal["message", "button", "left"], key: str, who: _User, chat: _Chat, text: str = "") -> Incoming:
    return Incoming(
        kind=kind,
        key=key,
        telegram_id=who.id,
        chat_id=chat.id,
        private=chat.type == "private",
        name=who.name,
        language=who.language,
        text=text,
    )
