"""The demo Telegram Bot API, spoken to by python-telegram-bot as the product's bot speaks to the real one."""

import asyncio
import datetime
import http.server
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from telegram import Bot, BotCommand, InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.constants import ParseMode
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.ext import Application, CommandHandler, ContextTypes

from tests.demo import Demo


@pytest.fixture
async def bot(demo: Demo) -> AsyncIterator[Bot]:
    env = demo.env()
    async with Bot(env["TELEGRAM_BOT_TOKEN"], base_url=env["TELEGRAM_API_URL"]) as bot:
        yield bot


async def test_a_bot_introduces_itself_and_a_wrong_token_is_refused(demo: Demo, bot: Bot) -> None:
    assert (bot.username, bot.first_name) == ("sokoul_demo_bot", "Sokoul demo")
    stranger = Bot("123:wrong", base_url=demo.env()["TELEGRAM_API_URL"])
    with pytest.raises(InvalidToken):
        await stranger.initialize()
    await stranger.shutdown()


async def test_updates_are_polled_confirmed_and_waited_for(demo: Demo, bot: Bot) -> None:
    assert await bot.get_updates(timeout=0) == ()
    waiting = asyncio.create_task(bot.get_updates(timeout=20))
    start = time.monotonic()
    await asyncio.to_thread(demo.telegram_update, user_id=7, text="/start abc", first_name="Bob", language_code="fr")
    [update] = await waiting
    assert time.monotonic() - start < 5
    assert update.message is not None
    assert update.message.from_user is not None
    assert (update.message.text, update.message.chat.id, update.message.from_user.language_code) == (
        "/start abc",
        7,
        "fr",
    )
    assert update.message.entities[0].type == "bot_command"
    assert [u.update_id for u in await bot.get_updates(timeout=0)] == [update.update_id]
    assert await bot.get_updates(offset=update.update_id + 1, timeout=0) == ()
    assert await bot.get_updates(timeout=0) == ()


async def test_a_second_poller_ends_the_first(demo: Demo, bot: Bot) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=20))
    env = demo.env()
    async with Bot(env["TELEGRAM_BOT_TOKEN"], base_url=env["TELEGRAM_API_URL"]) as second:
        while not first.done():
            await second.get_updates(timeout=0)
    with pytest.raises(Conflict):
        await first


async def test_messages_are_sent_edited_and_deleted(demo: Demo, bot: Bot) -> None:
    buttons = InlineKeyboardMarkup([[InlineKeyboardButton("Download", callback_data="get:1")]])
    message = await bot.send_message(7, "<b>Ox</b> &amp; co", parse_mode=ParseMode.HTML, reply_markup=buttons)
    assert (message.text, message.entities[0].type, message.reply_markup) == ("Ox & co", "bold", buttons)
    edited = await bot.edit_message_text("Done", chat_id=7, message_id=message.message_id)
    assert isinstance(edited, type(message))
    assert (edited.text, edited.reply_markup) == ("Done", None)
    with pytest.raises(BadRequest, match="not modified"):
        await bot.edit_message_text("Done", chat_id=7, message_id=message.message_id)
    assert await bot.delete_message(7, message.message_id)
    with pytest.raises(BadRequest, match="not found"):
        await bot.edit_message_text("Again", chat_id=7, message_id=message.message_id)
    methods = [call["method"] for call in demo.telegram_sent()]
    assert methods == ["sendMessage", "editMessageText", "deleteMessage"]
    assert (
        demo.wait_sent(lambda call: call["params"].get("text") == "Done")["result"]["message_id"] == message.message_id
    )


async def test_a_button_press_comes_with_its_message(demo: Demo, bot: Bot) -> None:
    buttons = InlineKeyboardMarkup([[InlineKeyboardButton("Ox", callback_data="title:9")]])
    message = await bot.send_message(7, "Which?", reply_markup=buttons)
    demo.telegram_update(user_id=7, callback_data="title:9", message_id=message.message_id)
    [update] = await bot.get_updates(timeout=0)
    assert update.callback_query is not None
    assert update.callback_query.data == "title:9"
    assert update.callback_query.message is not None
    assert update.callback_query.message.message_id == message.message_id
    assert await update.callback_query.answer("ok")
    assert demo.telegram_sent("answerCallbackQuery")[0]["params"]["text"] == "ok"


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "empty"), ("x" * 4097, "too long"), ("<img src=x>", "unsupported start tag"), ("<b>open", "end tag")],
)
async def test_a_bad_text_is_refused_in_telegrams_words(bot: Bot, text: str, problem: str) -> None:
    with pytest.raises(BadRequest, match=problem):
        await bot.send_message(7, text, parse_mode=ParseMode.HTML)


async def test_a_button_that_carries_too_much_is_refused(bot: Bot) -> None:
    markup = InlineKeyboardMarkup([[InlineKeyboardButton("x", callback_data="é" * 33)]])
    with pytest.raises(BadRequest, match=r"(?i)button_data_invalid"):
        await bot.send_message(7, "x", reply_markup=markup)


async def test_somebody_who_blocked_the_bot_gets_nothing(demo: Demo, bot: Bot) -> None:
    demo.telegram_block(7)
    with pytest.raises(Forbidden, match="blocked by the user"):
        await bot.send_message(7, "hello")
    demo.telegram_block(7, False)
    await bot.send_message(7, "hello")


async def test_flood_control_says_how_long_to_wait(demo: Demo, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    demo.misbehave("telegram", "status", code=429, retry_after=3, times=1, path_prefix="sendMessage")
    with pytest.raises(RetryAfter) as caught:
        await bot.send_message(7, "hello")
    assert caught.value.retry_after == datetime.timedelta(seconds=3)
    assert (await bot.send_message(7, "hello")).text == "hello"
    demo.misbehave("telegram", "cut", times=1)
    with pytest.raises(NetworkError):
        await bot.send_message(7, "lost")
    assert demo.telegram_sent("sendMessage")[-1]["params"]["text"] == "lost"


async def test_commands_and_pictures(demo: Demo, bot: Bot) -> None:
    assert await bot.set_my_commands([BotCommand("search", "Find a film")], language_code="en")
    assert (await bot.get_my_commands(language_code="en"))[0].command == "search"
    photo = await bot.send_photo(7, b"\xff\xd8\xff\xe0 picture", caption="<i>Ox</i>", parse_mode=ParseMode.HTML)
    assert (photo.caption, len(photo.photo)) == ("Ox", 1)
    assert demo.telegram_sent("sendPhoto")[0]["params"]["photo"]["size"] == 12


async def test_an_unknown_method_is_not_found(demo: Demo) -> None:
    env = demo.env()
    answer = demo.http.post(f"{env['TELEGRAM_API_URL']}{env['TELEGRAM_BOT_TOKEN']}/sendSmell", json={})
    assert (answer.status_code, answer.json()["description"]) == (404, "Not Found")


@pytest.fixture
def hook() -> Iterator[tuple[str, list[tuple[str | None, dict[str, Any]]]]]:
    """A web server that takes updates: its address, and (secret, update) of each. The first is refused with 500."""
    taken: list[tuple[str | None, dict[str, Any]]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            taken.append((self.headers["X-Telegram-Bot-Api-Secret-Token"], body))
            self.send_response(500 if len(taken) == 1 else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", taken
        server.shutdown()
        thread.join()


async def test_updates_go_to_a_webhook_until_they_are_taken(
    demo: Demo, bot: Bot, hook: tuple[str, list[tuple[str | None, dict[str, Any]]]]
) -> None:
    url, taken = hook
    assert await bot.set_webhook(url, secret_token="made-up")
    with pytest.raises(Conflict, match="webhook is active"):
        await bot.get_updates(timeout=0)
    update = await asyncio.to_thread(demo.telegram_update, user_id=7, text="hi")
    deadline = time.monotonic() + 10
    while (await bot.get_webhook_info()).pending_update_count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert taken == [("made-up", update), ("made-up", update)]
    assert (await bot.get_webhook_info()).last_error_message == "Wrong response from the webhook: 500"
    assert await bot.delete_webhook()
    assert (await bot.get_webhook_info()).url == ""


async def test_a_whole_application_polls_and_answers(demo: Demo) -> None:
    env = demo.env()
    application = Application.builder().token(env["TELEGRAM_BOT_TOKEN"]).base_url(env["TELEGRAM_API_URL"]).build()

    async def start(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        assert update.message is not None
        await update.message.reply_text("Hello")

    application.add_handler(CommandHandler("start", start))
    async with application:
        assert application.updater is not None
        await application.start()
        await application.updater.start_polling(timeout=5)
        await asyncio.to_thread(demo.telegram_update, user_id=7, text="/start")
        await asyncio.to_thread(demo.wait_sent, lambda call: call["params"].get("text") == "Hello")
        await application.updater.stop()
        await application.stop()


async def test_a_page_lets_people_at_this_machine_talk_to_the_bot(demo: Demo) -> None:
    page = demo.http.get("/telegram")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    own = {"Origin": demo.url}
    assert (
        demo.http.post("/control/telegram/update", json={"user_id": 7, "text": "/help"}, headers=own).status_code == 201
    )
