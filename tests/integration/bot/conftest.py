"""The bot in this process, talking with the demo's Telegram."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Channel, TelegramLink, User
from tests.demo import Demo
from tests.integration.bot.chat import Chat
from tests.notifier import working
from tests.providers import providers

__all__ = ["providers"]
ALICE, BOB, MALLORY = 1001, 1002, 1003


@pytest.fixture
def telegram(transactional_db: None, nats: str, providers: Demo, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """The demo's Telegram, and a bot that loses no time over its failures."""
    from apps.bot import client, leader, polling

    monkeypatch.setattr(client, "DELAYS", (0.05, 0.05, 0.05))
    monkeypatch.setattr(polling, "PAUSE", 0.2)
    monkeypatch.setattr(leader, "FOLLOW", 0.2)
    return providers


@pytest.fixture
def start_bot(telegram: Demo) -> Iterator[Callable[[], Any]]:
    """Starts a bot; gives what stops it. The end of the test stops all."""
    from apps.bot.service import Service

    with ExitStack() as all_of_them:

        def start() -> Callable[[], None]:
            one = ExitStack()
            one.enter_context(Service().running())
            all_of_them.callback(one.close)
            return one.close

        yield start


@pytest.fixture
def bot(start_bot: Callable[[], Any]) -> None:
    start_bot()


@pytest.fixture
def notifier(telegram: Demo, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A notifier in this process, on an empty queue, and the relay, which brings back what waits in its row."""
    yield from working(monkeypatch)


@pytest.fixture
def link(telegram: Demo) -> Callable[..., Chat]:
    """Links a user to a Telegram account and gives their chat."""

    def linked(user: User, telegram_id: int = ALICE, **who: Any) -> Chat:
        TelegramLink.objects.create(user=user, telegram_id=telegram_id, chat_id=telegram_id, name=user.username)
        Channel.objects.create(user=user, kind="telegram", confirmed_at=timezone.now())
        return Chat(telegram, telegram_id, **who)

    return linked
