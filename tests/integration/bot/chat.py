"""One person's chat with the bot, on the demo's Telegram: what they type and press, and what they see."""

from typing import Any

from django.utils.translation import gettext, override

from tests.demo import Demo
from tests.waiting import until

Message = dict[str, Any]
SHOWN = {"sendMessage", "editMessageText"}
PATIENCE = {"One moment…", "Un instant…"}


def french(text: str, **gaps: str) -> str:
    """What the bot says for an English text to a French speaker."""
    with override("fr"):
        found = gettext(text) % gaps if gaps else gettext(text)
    assert found != text, f"no French for {text!r}"
    return found


class Chat:
    """`who` are fields of the Telegram account: language_code, first_name, username, chat_id, chat_type."""

    def __init__(self, demo: Demo, user_id: int, **who: Any) -> None:
        self.demo, self.user_id, self.who = demo, user_id, who
        self.chat_id = who.get("chat_id", user_id)

    def calls(self, after: int = 0) -> list[dict[str, Any]]:
        """What the bot did in this chat: its messages and edits, oldest first."""
        sent = [call for call in self.demo.telegram_sent(after=after) if call["method"] in SHOWN]
        return [call for call in sent if int(call["params"]["chat_id"]) == self.chat_id]

    def count(self) -> int:
        sent = self.demo.telegram_sent()
        return int(sent[-1]["number"]) if sent else 0

    def messages(self) -> list[Message]:
        """The messages as they stand now, oldest first: text and buttons by their label."""
        found: dict[int, Message] = {}
        for call in self.calls():
            result = call["result"]
            rows = result.get("reply_markup", {}).get("inline_keyboard", [])
            keys = {key["text"]: key["callback_data"] for row in rows for key in row}
            found[result["message_id"]] = {"id": result["message_id"], "text": call["params"]["text"], "keys": keys}
        return [found[number] for number in sorted(found)]

    def type(self, text: str, **more: Any) -> None:
        self.demo.telegram_update(user_id=self.user_id, text=text, **self.who, **more)

    def ask(self, text: str, within: float = 30) -> Message:
        """Say something and wait for the answer, also for one that takes its time."""
        first = self.begin(text, within)
        until(lambda: self.message(first["id"])["text"] not in PATIENCE, within, "the end of waiting")
        return self.message(first["id"])

    def begin(self, text: str, within: float = 30) -> Message:
        """Say something and wait for whatever comes first."""
        after = self.count()
        self.type(text)
        return self.answer(after, within)

    def answer(self, after: int, within: float = 30) -> Message:
        """The message that the first call after number `after` sent or edited."""
        calls = until(lambda: self.calls(after), within, f"an answer to {self.user_id}")
        return self.message(calls[0]["result"]["message_id"])

    def message(self, number: int) -> Message:
        return next(message for message in self.messages() if message["id"] == number)

    def key(self, message: Message, label: str) -> str:
        """The data of the button whose label begins so."""
        current = self.message(message["id"])
        data = next((data for text, data in current["keys"].items() if text.startswith(label)), None)
        assert data, f"no button {label!r} among {list(current['keys'])}"
        return str(data)

    def press(self, message: Message, label: str) -> None:
        self.push(message, self.key(message, label))

    def push(self, message: Message, data: str) -> None:
        self.demo.telegram_update(user_id=self.user_id, callback_data=data, message_id=message["id"], **self.who)

    def toast(self, after: int) -> str:
        """What popped up over a button that was pressed."""

        def popped() -> list[str]:
            calls = self.demo.telegram_sent("answerCallbackQuery", after)
            return [call["params"]["text"] for call in calls if call["params"].get("text")]

        return until(popped, 30, "a toast")[0]

    def wait(self, message: Message, fragment: str, within: float = 40) -> Message:
        """Until the message says `fragment`."""

        try:
            until(lambda: fragment in self.message(message["id"])["text"], within)
        except AssertionError:
            raise AssertionError(f"{fragment!r} is not in {self.message(message['id'])}") from None
        return self.message(message["id"])
