"""Signing in with more than a password, in a browser: a second factor from its QR code on, and a provider there and back."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pyotp
import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from tests.browser.conftest import Watched, sign_in
from tests.factories import PASSWORD
from tests.oidc_provider import CLIENT, SECRET, Provider
from tests.product import Product

pytestmark = [pytest.mark.browser, pytest.mark.stack]


@pytest.fixture
def idp(product: Product) -> Iterator[Provider]:
    """With the web of the product, which knows it."""
    running = Provider()
    product.start(
        "web", PUBLIC_URL=product.url, OIDC_ISSUER=running.issuer, OIDC_CLIENT_ID=CLIENT, OIDC_CLIENT_SECRET=SECRET,
        OIDC_NAME="Castle", OIDC_SIGN_UP="true",
    )  # fmt: skip
    yield running
    running.stop()


def picture(page: Page, folder: Path, name: str) -> None:
    """For people to look at."""
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)


def test_a_second_factor_from_its_first_code_to_the_next_sign_in(
    idp: Provider, alice: User, page: Page, tmp_path: Path
) -> None:
    sign_in(page, to="/app/profile")
    page.get_by_role("link", name="Second factor").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("img", name="QR code with the key below").locator("svg")).to_be_visible()
    app = pyotp.TOTP(page.locator("#totp-key").inner_text())
    picture(page, tmp_path, "begun")
    page.get_by_label("Six digits").fill(app.now())
    page.get_by_role("button", name="Switch it on").click()
    recovery = page.locator("#recovery-codes").inner_text().split()
    assert len(recovery) == 10
    picture(page, tmp_path, "recovery")

    page.goto("/app/profile")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_label("E-mail address or user name").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    picture(page, tmp_path, "step")
    page.get_by_label("Code of your authenticator app").fill("000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("not right")).to_be_visible()
    page.get_by_label("Code of your authenticator app").fill(app.at(time.time() + 30))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: urlsplit(url).path == "/app/")


def test_a_provider_there_and_back_and_linked(
    idp: Provider, alice: User, page: Page, watched: Watched, tmp_path: Path
) -> None:
    page.goto("/app/profile/oidc")  # led to the sign-in page, and back here by the provider
    picture(page, tmp_path, "door")
    page.get_by_role("link", name="Sign in with Castle").click()
    page.get_by_role("button", name="Yes, it is me").click()
    expect(page.get_by_text("only way into your account")).to_be_visible()
    page.goto("/app/profile")
    expect(page.get_by_text("carol@example.com")).to_be_visible()
    page.get_by_role("button", name="Sign out", exact=True).click()

    idp.person = {**idp.person, "sub": "another", "email": "al@castle.example"}
    sign_in(page, to="/app/profile/oidc")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Link").click()
    page.get_by_role("button", name="Yes, it is me").click()
    expect(page.get_by_text("al@castle.example opens your account.")).to_be_visible()
    picture(page, tmp_path, "linked")
    page.get_by_role("button", name="Unlink").click()
    expect(page.get_by_role("button", name="Link")).to_be_visible()
    away = f"request to another host: {idp.issuer}"
    watched.faults = [fault for fault in watched.faults if not fault.startswith(away)]
