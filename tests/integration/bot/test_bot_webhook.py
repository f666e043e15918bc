"""Updates by webhook: only with the secret, kept at once, answered by the bot process."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from apps.bot.models import Update
from sokoul import env
from tests.product import Product

SECRET = "a-secret_for-Telegram"
PATH = "/telegram/webhook"
HELP = {
    "update_id": 7,
    "message": {
        "message_id": 3,
        "date": 1,
        "text": "/help",
        "from": {"id": 1001, "is_bot": False, "first_name": "Al"},
        "chat": {"id": 1001, "type": "private"},
    },
}
Post = Callable[..., int]


@pytest.fixture
def post(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """Posts an update as Telegram does; gives the status."""
    monkeypatch.setattr(env, "_LAST_SEEN", {})  # what a process was once given it keeps
    monkeypatch.setenv("TELEGRAM_WEBHOOK_SECRET", SECRET)
    env.reread()
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)

    def send(body: Any = HELP, secret: str | None = SECRET) -> int:
        headers = {} if secret is None else {"X-Telegram-Bot-Api-Secret-Token": secret}
        return client.post(PATH, body, content_type="application/json", headers=headers).status_code

    yield send
    monkeypatch.undo()
    env.reread()


def test_an_update_is_kept_once_and_answered_200_each_time(post: Post) -> None:
    assert [post(), post()] == [200, 200]
    assert Update.objects.get().body["text"] == "/help"


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", SECRET[:-1], "é"])
def test_without_the_secret_nothing_is_taken(post: Post, secret: str | None) -> None:
    assert post(secret=secret) == 403
    assert not Update.objects.exists()


def test_the_secret_is_compared_in_constant_time(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        asked.append((one, other))
        return False

    monkeypatch.setattr("apps.bot.views.hmac.compare_digest", compare)
    assert post(secret="anything") == 403
    assert asked == [(b"anything", SECRET.encode())]


@pytest.mark.parametrize(
    "body", ["", "no json", "[]", "null", "{}", '{"update_id": 1}', '{"update_id": 2, "message": 3}']
)
def test_what_is_no_use_is_answered_200_or_it_would_come_for_ever(post: Post, body: str) -> None:
    assert post(body) == 200
    assert not Update.objects.exists()


def test_without_a_secret_configured_there_is_no_webhook(db: None) -> None:
    assert Client().post(PATH, HELP, content_type="application/json").status_code == 404


def test_only_posts(post: Post) -> None:
    assert Client().get(PATH).status_code == 405


@pytest.mark.stack
def test_commands_come_by_webhook_and_by_polling_again_without_it(product: Product) -> None:
    from tests.integration.bot.chat import Chat

    demo, chat = product.demo, Chat(product.demo, 1003)
    product.start("web", "bot", TELEGRAM_WEBHOOK_SECRET=SECRET, PUBLIC_URL=product.url)
    demo.wait_sent(lambda call: call["method"] == "setWebhook", timeout=30)
    assert "not linked" in chat.ask("/help")["text"]
    assert not [row for row in demo.requests("telegram") if row["path"] == "getUpdates"]
    assert SECRET not in product.log("web") + product.log("bot")
    assert product.stop("bot") == 0
    product.start("bot")
    demo.wait_sent(lambda call: call["method"] == "deleteWebhook", timeout=30)
    assert "Unknown" in chat.ask("/dance")["text"]
