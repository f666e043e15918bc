"""A forgotten password in a browser: from the sign-in page by a real mail to a new password, in light and dark, wide and narrow."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from tests.browser.conftest import NewPage, Watched, sign_in
from tests.factories import PASSWORD
from tests.notifier import Mailbox
from tests.product import Product
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.stack]
NEW = "an entirely new one"


@pytest.fixture
def letters(product: Product) -> Iterator[Mailbox]:
    """The mail server of the whole product, which runs once this is there."""
    box = Mailbox()
    product.start("web", "bot", "relay", EMAIL_URL=f"smtp://127.0.0.1:{box.port}", PUBLIC_URL=product.url)
    yield box
    box.stop()


def link_in(letters: Mailbox) -> str:
    until(lambda: letters.mails, 30, "the mail")
    found = re.search(r"http\S+#\S+", letters.mails[0].get_content())
    assert found
    return found[0]


def picture(page: Page, folder: Path, name: str) -> None:
    """For people to look at."""
    for colours in ("light", "dark"):
        for width in (360, 1280):
            page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.screenshot(path=folder / f"{name}-{colours}-{width}.png", full_page=True)


def test_from_a_forgotten_password_to_a_new_one(
    letters: Mailbox, product: Product, alice: User, page: Page, watched: Watched, tmp_path: Path
) -> None:
    page.goto("/app/login")
    picture(page, tmp_path, "login")
    page.get_by_role("link", name="Forgot your password?").click()
    picture(page, tmp_path, "forgotten")
    page.get_by_label("E-mail address").fill("alice@example.com")
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    picture(page, tmp_path, "asked")

    link = link_in(letters)
    code = urlsplit(link).fragment
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.url} {request.headers}"))
    page.goto(link)
    expect(page.get_by_label("Code from the mail")).to_have_value(code)
    expect(page.get_by_label("New password")).to_be_focused()
    assert page.url == f"{product.url}/app/password/reset", "no code is left in the address"
    picture(page, tmp_path, "reset")
    page.get_by_label("New password").fill(NEW)
    page.get_by_label("Code from the mail").fill("1.wrong")
    page.get_by_role("button", name="Set the new password").click()
    expect(page.get_by_text("This code is wrong, too old, or was used already.")).to_be_visible()
    picture(page, tmp_path, "refused")
    page.get_by_label("Code from the mail").fill(code)
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Set the new password").click()
    expect(page.get_by_text("Your new password is set. Sign in with it.")).to_be_visible()
    picture(page, tmp_path, "done")
    page.get_by_label("E-mail address or user name").fill("alice")
    page.get_by_label("Password").fill(NEW)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: urlsplit(url).path == "/app/")
    secret = code.partition(".")[2]
    assert not [request for request in asked if secret in request], "the code went in no address and no header"
    assert not [name for name in ("web", "bot", "relay") if secret in product.log(name)]


def test_the_back_button_does_not_bring_the_code_back(letters: Mailbox, alice: User, page: Page) -> None:
    page.goto("/app/login")
    page.goto("/app/password/reset#1.secret-code")
    expect(page.get_by_label("Code from the mail")).to_have_value("1.secret-code")
    page.goto("/app/password/forgot")
    page.go_back()
    assert "secret-code" not in page.url


def test_the_profile_changes_what_one_signs_in_with(
    letters: Mailbox, alice: User, new_page: NewPage, watched: Watched, tmp_path: Path
) -> None:
    here, elsewhere = new_page(), new_page()
    sign_in(here, to="/app/profile")
    sign_in(elsewhere, to="/app/profile")
    here.get_by_text("Change my password").first.click()
    picture(here, tmp_path, "profile")
    section = here.locator("details", has_text="All other sign-ins end")
    section.get_by_label("Current password").fill("wrong")
    section.get_by_label("New password").fill(NEW)
    section.get_by_role("button").click()
    expect(here.get_by_text("This is not your current password.")).to_be_visible()
    picture(here, tmp_path, "profile-refused")
    section.get_by_label("Current password").fill(PASSWORD)
    section.get_by_label("New password").fill(NEW)
    watched.expected.append("401")  # the other page's socket ends, and asks for a ticket
    section.get_by_role("button").click()
    expect(here.get_by_text("Your password is changed.")).to_be_visible()
    elsewhere.wait_for_url(lambda url: urlsplit(url).path == "/app/login")
    here.get_by_role("button", name="Sign out everywhere").click()
    expect(here.get_by_text("You are signed out everywhere.")).to_be_visible()


def test_a_lock_is_told_on_the_sign_in_page(
    letters: Mailbox, alice: User, page: Page, watched: Watched, tmp_path: Path
) -> None:
    watched.expected.append("429")
    page.goto("/app/login")
    for _ in range(11):
        page.get_by_label("E-mail address or user name").fill("alice")
        page.get_by_label("Password").fill("wrong")
        with page.expect_navigation():
            page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Too many attempts. Try again in 15 minutes.")).to_be_visible()
    picture(page, tmp_path, "locked")
