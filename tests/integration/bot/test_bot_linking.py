"""A Telegram account is linked by a code that goes from the web to the bot and is confirmed on the web."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts import telegram as links
from apps.accounts.models import AuditEntry, TelegramBot, TelegramCode, TelegramLink, User
from apps.feed.models import Event
from tests.cast import Api
from tests.demo import Demo
from tests.integration.bot.chat import Chat, french
from tests.integration.bot.conftest import ALICE, MALLORY
from tests.waiting import until

Clients = Callable[[User | None], Api]
NONE = {"state": "none", "telegram_id": None, "name": ""}


@pytest.fixture
def known_bot(db: None) -> None:
    links.remember_bot(42, "sokoul_bot")


def code_of(user: User) -> str:
    return links.offer(user)[0].partition("start=")[2]


def somebody(telegram_id: int = ALICE, name: str = "Al") -> links.Asked:
    return links.Asked(telegram_id, telegram_id, name, "fr")


def test_the_whole_way(bot: None, telegram: Demo, api: Clients, alice: User) -> None:
    web, chat = api(alice), Chat(telegram, ALICE, first_name="Al", username="al_tg", language_code="fr")
    assert web.get("/user/telegram").json() == NONE
    assert web.post("/user/telegram/confirm").status_code == 404, "nobody asked yet"
    until(TelegramBot.objects.exists, what="the bot introducing itself")
    offer = web.post("/user/telegram/link").json()
    address, _, code = offer["url"].partition("?start=")
    assert address == "https://t.me/sokoul_demo_bot"
    assert offer["expires_at"].endswith("Z")

    almost = "Almost there. Go back to your profile on the web and confirm that this account is yours."
    assert chat.ask(f"/start {code}")["text"] == french(almost)
    asked = {"telegram_id": ALICE, "name": "Al (@al_tg)"}
    assert web.get("/user/telegram").json() == {"state": "asked", **asked}
    stranger = chat.ask("/mylist")["text"]
    assert "Telegram" in stranger, "not before it is confirmed"

    assert web.post("/user/telegram/confirm").status_code == 204
    assert web.get("/user/telegram").json() == {"state": "linked", **asked}
    assert chat.ask("/mylist")["text"] != stranger
    linked = "You are linked as %(name)s. Send /help to see what I can do."
    assert chat.ask("/start")["text"] == french(linked, name="alice")
    assert Event.objects.get(type="notification").data["code"] == "telegram_linked"

    assert web.delete("/user/telegram").status_code == 204
    assert web.delete("/user/telegram").status_code == 204, "twice is fine"
    assert web.get("/user/telegram").json() == NONE
    assert chat.ask("/mylist")["text"] == stranger
    actions = list(AuditEntry.objects.order_by("id").values_list("action", "actor_id", "ip"))
    assert actions == [("telegram.linked", alice.pk, "127.0.0.1"), ("telegram.unlinked", alice.pk, "127.0.0.1")]


@pytest.mark.parametrize("brought", ["wrong", "used", "old", "replaced", "deactivated"])
def test_a_code_that_is_no_good_is_answered(
    bot: None, telegram: Demo, known_bot: None, alice: User, brought: str
) -> None:
    code = code_of(alice)
    if brought == "used":
        assert links.ask(code, somebody(MALLORY))
    elif brought == "old":
        TelegramCode.objects.update(expires_at=timezone.now())
    elif brought == "replaced":
        code_of(alice)
    elif brought == "deactivated":
        User.objects.filter(pk=alice.pk).update(is_active=False)
    answer = Chat(telegram, ALICE).ask(f"/start {'x' * 43 if brought == 'wrong' else code}")["text"]
    assert "used up or too old" in answer
    assert not TelegramCode.objects.filter(telegram_id=ALICE).exists()


@pytest.mark.parametrize("text", ["/start", "/start ", "/START", "/start@sokoul_demo_bot"])
def test_start_without_a_code_says_how_to_link(bot: None, telegram: Demo, text: str) -> None:
    until(TelegramBot.objects.exists, what="the bot introducing itself")
    assert "not linked yet" in Chat(telegram, ALICE).ask(text)["text"]


def test_a_code_in_a_group_links_nobody(bot: None, telegram: Demo, known_bot: None, alice: User) -> None:
    group = Chat(telegram, ALICE, chat_id=-77, chat_type="group")
    assert "private chat" in group.ask(f"/start {code_of(alice)}")["text"]
    assert links.state(alice.pk) == NONE


def test_without_a_bot_no_link_is_made(api: Clients, alice: User) -> None:
    answer = api(alice).post("/user/telegram/link")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "30"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/user/telegram"),
        ("delete", "/user/telegram"),
        ("post", "/user/telegram/link"),
        ("post", "/user/telegram/confirm"),
    ],
)
def test_strangers_may_not(api: Clients, method: str, path: str) -> None:
    assert api(None).request(method, path).status_code == 401


def test_the_code_is_hashed_at_rest(known_bot: None, alice: User) -> None:
    code, row = code_of(alice), TelegramCode.objects.get()
    stored: list[Any] = [getattr(row, field.attname) for field in TelegramCode._meta.concrete_fields]
    assert code not in map(str, stored)
    assert len(code) <= 64
    assert timedelta(minutes=9) < row.expires_at - timezone.now() <= timedelta(minutes=10)


def test_confirming_replaces_the_account_that_was_linked(known_bot: None, alice: User) -> None:
    for telegram_id in (ALICE, ALICE + 50):
        assert links.ask(code_of(alice), somebody(telegram_id))
        links.confirm(alice)
    assert TelegramLink.objects.get().telegram_id == ALICE + 50


def test_an_account_speaks_for_one_person_only(known_bot: None, api: Clients, alice: User, bob: User) -> None:
    for user in (alice, bob):
        assert links.ask(code_of(user), somebody())
    links.confirm(alice)
    answer = api(bob).post("/user/telegram/confirm")
    assert answer.status_code == 409
    assert "/unlink" in answer.json()["detail"]
    assert links.linked(ALICE) == TelegramLink.objects.get(user=alice)


def test_an_old_question_cannot_be_confirmed(known_bot: None, api: Clients, alice: User) -> None:
    assert links.ask(code_of(alice), somebody())
    TelegramCode.objects.update(expires_at=timezone.now())
    assert api(alice).post("/user/telegram/confirm").status_code == 404
    assert links.state(alice.pk) == NONE


def test_the_chosen_language_comes_along(known_bot: None, alice: User, bob: User) -> None:
    User.objects.filter(pk=alice.pk).update(language="en")
    alice.refresh_from_db()
    for telegram_id, user in ((ALICE, alice), (MALLORY, bob)):
        assert links.ask(code_of(user), somebody(telegram_id))
        links.confirm(user)
    assert [link.language for link in TelegramLink.objects.order_by("telegram_id")] == ["en", "fr"]


def test_who_blocks_the_bot_is_unlinked(bot: None, telegram: Demo, link: Callable[..., Chat], alice: User) -> None:
    chat = link(alice)
    private = {"id": ALICE, "type": "private", "first_name": "Al"}
    member = {"user": {"id": 1, "is_bot": True, "first_name": "S"}}
    change = {
        "chat": private,
        "from": {"id": ALICE, "is_bot": False, "first_name": "Al"},
        "date": 1,
        "old_chat_member": {**member, "status": "member"},
        "new_chat_member": {**member, "status": "kicked", "until_date": 0},
    }
    telegram.telegram_update(my_chat_member=change)
    until(lambda: not TelegramLink.objects.exists(), what="being unlinked")
    assert not chat.messages()
