"""The Telegram Bot API, as far as a bot that talks, edits and takes button presses uses it (core.telegram.org/bots/api)."""

import asyncio
import contextlib
import http.client
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sokoul.demo import keys, markup
from sokoul.demo.chats import Chats
from sokoul.demo.web import Request, Response, Router, json_response

Json = dict[str, Any]
MAX_TEXT = 4096
MAX_CALLBACK_DATA = 64
RETRY_SECONDS = 1.0
BOT: Json = {"id": keys.BOT_ID, "is_bot": True, "first_name": "Sokoul demo", "username": "sokoul_demo_bot"}
DESCRIPTIONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden: bot was blocked by the user",
    404: "Not Found",
    409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    429: "Too Many Requests",
    502: "Bad Gateway",
}


class ApiError(Exception):
    """A call that Telegram refuses: HTTP status, and its whole description."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code


def bad_request(what: str) -> ApiError:
    return ApiError(400, f"Bad Request: {what}")


def refusal(code: int, description: str, parameters: Json | None = None) -> Response:
    body: Json = {"ok": False, "error_code": code, "description": description}
    return json_response(body | ({"parameters": parameters} if parameters else {}), code)


def failure(code: int, retry_after: int | None = None) -> Response:
    """What Telegram sends along with an HTTP status; seconds to wait come in the body, as with the real one."""
    description = DESCRIPTIONS.get(code, "Internal Server Error")
    if retry_after is None:
        return refusal(code, description)
    response = refusal(code, f"{description}: retry after {retry_after}", {"retry_after": retry_after})
    response.headers["retry-after"] = str(retry_after)
    return response


def decoded(value: Any) -> Any:
    """A parameter that is JSON: as it is in a JSON body, as text in a form; raises ApiError when the text is no JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise bad_request("can't parse JSON parameter") from None


def boolean(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "1")


def whole(params: Json, name: str, default: int = 0) -> int:
    """A parameter as an integer, `default` when it is missing; raises ApiError when it is none."""
    try:
        return int(params.get(name, default))
    except (TypeError, ValueError):
        raise bad_request(f"{name} must be an integer") from None


class Telegram:
    def __init__(self, chats: Chats) -> None:
        self._chats = chats
        self._poll = 0
        self._methods: dict[str, Callable[[Json], Awaitable[Any]]] = {
            "getme": self.get_me,
            "getupdates": self.get_updates,
            "sendmessage": self.send_message,
            "editmessagetext": self.edit_text,
            "editmessagereplymarkup": self.edit_markup,
            "deletemessage": self.delete_message,
            "sendphoto": self.send_photo,
            "sendchataction": self.confirm,
            "answercallbackquery": self.confirm,
            "setmycommands": self.set_commands,
            "getmycommands": self.get_commands,
            "deletemycommands": self.delete_commands,
            "setmydescription": self.confirm,
            "setmyshortdescription": self.confirm,
            "setchatmenubutton": self.confirm,
            "setwebhook": self.set_webhook,
            "deletewebhook": self.delete_webhook,
            "getwebhookinfo": self.webhook_info,
        }

    def add_routes(self, router: Router) -> None:
        router.add("GET", "/telegram{rest:/?}", self.page)
        router.add("*", "/telegram/bot{token}/{method}", self.call)

    async def page(self, _: Request) -> Response:
        """A chat with the bot for people at this machine, who have no Telegram here."""
        return Response((Path(__file__).parent / "chat.html").read_bytes(), 200, "text/html; charset=utf-8")

    async def call(self, request: Request) -> Response:
        """One API call: {ok, result} or {ok, error_code, description}; every accepted one is remembered for the tests."""
        name = request.args["method"]
        if request.args["token"] != keys.TELEGRAM_TOKEN:
            return failure(401)
        method = self._methods.get(name.lower())
        if method is None:
            return failure(404)
        try:
            params = request.fields()
            result = await method(params)
        except ApiError as error:
            return refusal(error.code, str(error))
        except ValueError:
            return refusal(400, "Bad Request: can't parse the body")
        if name.lower() not in ("getupdates", "getme"):
            self._chats.record(name, params, result)
        return json_response({"ok": True, "result": result})

    async def get_me(self, _: Json) -> Json:
        abilities = {"can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}
        return {**BOT, **abilities, "can_connect_to_business": False, "has_main_web_app": False}

    async def get_updates(self, params: Json) -> list[Json]:
        if self._chats.webhook:
            use = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
            raise ApiError(409, f"Conflict: {use}")
        self._poll += 1
        mine = self._poll
        await self._chats.wake()
        limit = min(max(whole(params, "limit", 100), 1), 100)
        allowed = decoded(params.get("allowed_updates", [])) or []
        offset = whole(params, "offset")
        deadline = asyncio.get_running_loop().time() + min(max(whole(params, "timeout"), 0), 50)
        async with self._chats.changed:
            while not (found := self._chats.waiting(offset, limit, allowed)):
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    return []
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._chats.changed.wait(), left)
                if mine != self._poll:
                    raise ApiError(409, DESCRIPTIONS[409])
        return found

    def _chat(self, params: Json) -> Json:
        chat = whole(params, "chat_id")
        if chat == 0:
            raise bad_request("chat not found")
        if chat in self._chats.blocked:
            raise ApiError(403, DESCRIPTIONS[403])
        return {"id": chat, "type": "private" if chat > 0 else "group", "first_name": "Somebody"}

    def _content(self, params: Json, name: str = "text") -> Json:
        """Text, entities and buttons of a message to send."""
        text, entities = str(params.get(name, "")), decoded(params.get("entities", [])) or []
        if str(params.get("parse_mode", "")).upper() == "HTML":
            try:
                text, entities = markup.parse(text)
            except markup.MarkupError as error:
                raise bad_request(f"can't parse entities: {error}") from None
        if not text.strip() and name == "text":
            raise bad_request("message text is empty")
        if markup.utf16(text) > MAX_TEXT:
            raise bad_request("message is too long")
        content: Json = {name: text, **({"entities": entities} if entities else {})}
        return content | self._buttons(params)

    def _buttons(self, params: Json) -> Json:
        shown = decoded(params.get("reply_markup"))
        if not shown:
            return {}
        for button in (button for row in shown.get("inline_keyboard", []) for button in row):
            if len(str(button.get("callback_data", "")).encode()) > MAX_CALLBACK_DATA:
                raise bad_request("BUTTON_DATA_INVALID")
            if not button.get("text"):
                raise bad_request("inline keyboard button text is empty")
        return {"reply_markup": shown} if "inline_keyboard" in shown else {}

    async def send_message(self, params: Json) -> Json:
        return self._deliver(self._chat(params), self._content(params))

    async def send_photo(self, params: Json) -> Json:
        photo = {"file_id": "demo-photo", "file_unique_id": "demo", "width": 90, "height": 90}
        return self._deliver(self._chat(params), {"photo": [photo], **self._content(params, "caption")})

    def _deliver(self, chat: Json, content: Json) -> Json:
        message = {
            "message_id": self._chats.message_id(),
            "from": BOT,
            "chat": chat,
            "date": self._chats.now(),
            **content,
        }
        self._chats.messages[chat["id"], message["message_id"]] = message
        return message

    def _own(self, params: Json, action: str) -> Json:
        """A message that the bot sent before."""
        chat = self._chat(params)
        message = self._chats.messages.get((chat["id"], whole(params, "message_id")))
        if message is None:
            raise bad_request(f"message to {action} not found")
        if message["from"]["id"] != BOT["id"]:
            raise bad_request("message can't be edited")
        return message

    async def edit_text(self, params: Json) -> Json:
        message = self._own(params, "edit")
        return self._edit(message, self._content(params), ("text", "entities", "reply_markup"))

    async def edit_markup(self, params: Json) -> Json:
        return self._edit(self._own(params, "edit"), self._buttons(params), ("reply_markup",))

    def _edit(self, message: Json, content: Json, names: tuple[str, ...]) -> Json:
        if all(message.get(name) == content.get(name) for name in names):
            same = "specified new message content and reply markup are exactly the same as a current content"
            raise bad_request(f"message is not modified: {same} and reply markup of the message")
        for name in names:
            message.pop(name, None)
        message.update(content, edit_date=self._chats.now())
        return dict(message)

    async def delete_message(self, params: Json) -> bool:
        message = self._own(params, "delete")
        del self._chats.messages[message["chat"]["id"], message["message_id"]]
        return True

    async def confirm(self, _: Json) -> bool:
        return True

    async def set_commands(self, params: Json) -> bool:
        self._chats.commands[str(params.get("language_code", ""))] = decoded(params.get("commands", []))
        return True

    async def get_commands(self, params: Json) -> Any:
        return self._chats.commands.get(str(params.get("language_code", "")), [])

    async def delete_commands(self, params: Json) -> bool:
        self._chats.commands.pop(str(params.get("language_code", "")), None)
        return True

    async def set_webhook(self, params: Json) -> bool:
        """Unlike the real one it takes http addresses too: a demo has no certificate."""
        url = str(params.get("url", ""))
        if url and urlsplit(url).scheme not in ("http", "https"):
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        if boolean(params.get("drop_pending_updates")):
            self._chats.updates.clear()
        self._chats.webhook.clear()
        if url:
            allowed = decoded(params.get("allowed_updates", [])) or []
            self._chats.webhook.update(url=url, secret=str(params.get("secret_token", "")), allowed_updates=allowed)
        await self._chats.wake()
        return True

    async def delete_webhook(self, params: Json) -> bool:
        return await self.set_webhook({"drop_pending_updates": params.get("drop_pending_updates")})

    async def webhook_info(self, _: Json) -> Json:
        hook = self._chats.webhook
        info: Json = {"url": hook.get("url", ""), "has_custom_certificate": False}
        info["pending_update_count"] = len(self._chats.updates)
        if hook:
            info |= {"max_connections": 40, "allowed_updates": hook["allowed_updates"]}
        return info | {name: hook[name] for name in ("last_error_date", "last_error_message") if name in hook}

    async def deliver_forever(self) -> None:
        """Post waiting updates to the webhook, oldest first, each until it is taken with a 2xx answer."""
        while True:
            async with self._chats.changed:
                await self._chats.changed.wait_for(lambda: self._chats.webhook and self._chats.updates)
            update, hook = self._chats.updates[0], dict(self._chats.webhook)
            try:
                status = await asyncio.to_thread(post, hook["url"], hook["secret"], update)
                problem = "" if 200 <= status < 300 else f"Wrong response from the webhook: {status}"
            except OSError as error:
                problem = f"Connection failed: {error.strerror or error}"
            if not problem:
                self._chats.updates = [u for u in self._chats.updates if u["update_id"] != update["update_id"]]
            elif self._chats.webhook:
                self._chats.webhook.update(last_error_date=self._chats.now(), last_error_message=problem)
                await asyncio.sleep(RETRY_SECONDS)


def post(url: str, secret: str, update: Json) -> int:
    """Deliver one update; answers the HTTP status, raises OSError."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=10)
    headers = {"content-type": "application/json", **({"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {})}
    try:
        connection.request("POST", parts.path or "/", json.dumps(update).encode(), headers)
        return connection.getresponse().status
    except http.client.HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from error
    finally:
        connection.close()
