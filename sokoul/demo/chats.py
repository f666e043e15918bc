"""The people's side of the demo Telegram: updates that wait for the bot, messages that it sent, who blocked it."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
FIRST_UPDATE = 700_000_001


class Chats:
    """All state of the demo bot. Times are Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._next_update = FIRST_UPDATE
        self._next_message = 1
        self.changed = asyncio.Condition()
        self.updates: list[Json] = []
        self.messages: dict[tuple[int, int], Json] = {}
        self.sent: list[Json] = []
        self.blocked: set[int] = set()
        self.webhook: Json = {}
        self.commands: Json = {}

    async def reset(self) -> None:
        """Forget everything; numbers go on, so that nothing old is taken for new."""
        for kept in (self.updates, self.messages, self.sent, self.blocked, self.webhook, self.commands):
            kept.clear()
        await self.wake()

    async def wake(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def now(self) -> int:
        return int(self._clock())

    def message_id(self) -> int:
        self._next_message += 1
        return self._next_message - 1

    def record(self, method: str, params: Json, result: Any) -> None:
        """Remember a call of the bot's; `number` counts them from 1."""
        number = self.sent[-1]["number"] + 1 if self.sent else 1
        self.sent.append({"number": number, "method": method, "params": params, "result": result, "at": self._clock()})

    async def inject(self, body: Json) -> Json:
        """Something that a person does, as a whole update or in short: {user_id, text} or {user_id, callback_data, message_id};
        also first_name, username, language_code, chat_id, chat_type. Answers the update."""
        update: Json = {"update_id": self._next_update}
        self._next_update += 1
        if "message" in body or "callback_query" in body or "my_chat_member" in body:
            update.update({name: value for name, value in body.items() if name != "update_id"})
        elif "callback_data" in body:
            update["callback_query"] = self._press(body)
        else:
            update["message"] = self._say(body)
        self.updates.append(update)
        await self.wake()
        return update

    def _user(self, body: Json) -> Json:
        user: Json = {
            "id": int(body.get("user_id", 1001)),
            "is_bot": False,
            "first_name": body.get("first_name", "Alice"),
        }
        user |= {name: body[name] for name in ("last_name", "username") if name in body}
        return user | {"language_code": body.get("language_code", "en")}

    def _chat(self, body: Json) -> Json:
        user = self._user(body)
        kind = body.get("chat_type", "private")
        chat: Json = {"id": int(body.get("chat_id") or user["id"]), "type": kind}
        if kind != "private":
            return chat | {"title": body.get("title", "A group")}
        return chat | {name: user[name] for name in ("first_name", "last_name", "username") if name in user}

    def _say(self, body: Json) -> Json:
        text = str(body.get("text", ""))
        chat = self._chat(body)
        message: Json = {
            "message_id": self.message_id(),
            "from": self._user(body),
            "chat": chat,
            "date": self.now(),
            "text": text,
        }
        if command := re.match(r"/\w+(@\w+)?", text):
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(command[0])}]
        self.messages[chat["id"], message["message_id"]] = message
        return message

    def _press(self, body: Json) -> Json:
        chat = self._chat(body)
        number = int(body.get("message_id", 0))
        shown = self.messages.get((chat["id"], number))
        return {
            "id": str(4_000_000_000_000_000_000 + self._next_update),
            "from": self._user(body),
            "message": shown or {"message_id": number, "chat": chat, "date": 0},
            "chat_instance": str(chat["id"] * 7919),
            "data": str(body["callback_data"]),
        }

    def waiting(self, offset: int, limit: int, allowed: list[str]) -> list[Json]:
        """Updates from `offset` on (negative: that many from the end); those before it are confirmed and forgotten."""
        first = self.updates[offset]["update_id"] if offset < 0 and len(self.updates) >= -offset else offset
        self.updates = [update for update in self.updates if update["update_id"] >= first]
        wanted = [update for update in self.updates if not allowed or any(kind in update for kind in allowed)]
        return wanted[:limit]
