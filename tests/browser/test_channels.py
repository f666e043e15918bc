"""The page about notifications in a browser: linking Telegram, a webhook with its test, and what is told."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import TelegramBot, User
from tests.browser.conftest import sign_in
from tests.demo import Demo
from tests.integration.bot.chat import Chat
from tests.notifier import Receiver
from tests.product import Product
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.stack]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture
def running(product: Product) -> None:
    """What the page needs, with a bot that has introduced itself."""
    product.start("web", "bot", "relay", WEBHOOK_HOSTS="127.0.0.1")
    until(TelegramBot.objects.exists, 30, "the bot being known")


def test_people_choose_how_they_are_told(
    running: None, alice: User, demo: Demo, receiver: Receiver, page: Page, tmp_path: Path
) -> None:
    sign_in(page, to="/app/profile")
    page.get_by_role("link", name="Notification settings").click()
    page.get_by_role("button", name="Make a link").click()
    address = page.get_by_role("link", name="Open Telegram").get_attribute("href") or ""
    Chat(demo, 77, first_name="Al").ask(f"/start {address.partition('start=')[2]}", 20)
    expect(page.get_by_text("wants to be linked to you")).to_contain_text("Al")
    page.get_by_role("button", name="Yes, that is me").click()
    expect(page.get_by_text("Linked to Al")).to_be_visible()

    page.get_by_text("Add a webhook").click()
    page.get_by_label("Web address that is told by POST").fill(receiver.url)
    page.get_by_role("button", name="Add").first.click()
    expect(page.get_by_text("shown this once")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Test")).click()
    expect(page.get_by_text("It worked just now.")).to_be_visible()
    assert receiver.told()[-1]["code"] == "test"

    box = page.get_by_role("group", name="A download failed").get_by_label("Webhook")
    expect(box).to_be_checked()
    box.uncheck()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("group", name="A download failed").get_by_label("Webhook")).not_to_be_checked()
    expect(page.get_by_role("group", name="A download failed").get_by_label("Telegram")).to_be_checked()
    for width in (390, 1280):  # for people to look at
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=tmp_path / f"{width}.png", full_page=True)
