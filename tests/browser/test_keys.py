"""API keys in a browser: made, shown once, copied, used and deleted."""

import httpx
import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from tests.browser.conftest import sign_in
from tests.product import Product

pytestmark = [pytest.mark.browser, pytest.mark.stack]


@pytest.fixture
def running(product: Product) -> None:
    product.start("web")


def test_a_person_makes_uses_and_deletes_a_key(running: None, alice: User, product: Product, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, to="/app/profile")
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("What is it for?").fill("television & <b>radio</b>")
    page.get_by_label("It lasts").select_option("90 days")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_text("shown this once")).to_contain_text("television & <b>radio</b>")
    expect(page.get_by_text("never used")).to_be_visible()
    key = page.locator("#key").text_content() or ""
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    url = f"{product.url}/user/profile"
    assert httpx.get(url, headers={"X-API-Key": key}).json()["username"] == "alice"
    page.reload()
    expect(page.get_by_text("last used just now")).to_be_visible()
    assert key not in page.content()
    page.get_by_role("button", name="Delete: television").click()
    page.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text("last used")).to_have_count(0)
    assert httpx.get(url, headers={"X-API-Key": key}).status_code == 401
