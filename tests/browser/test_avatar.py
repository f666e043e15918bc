"""One's picture in a browser: seen before it is sent, then in the head of every page."""

from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from apps.accounts.models import User
from tests.browser.conftest import sign_in
from tests.product import Product

pytestmark = [pytest.mark.browser, pytest.mark.stack]


@pytest.fixture
def running(product: Product) -> None:
    product.start("web")


def file(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def test_a_person_chooses_sees_and_removes_a_picture(running: None, alice: User, page: Page) -> None:
    out = BytesIO()
    Image.new("RGB", (400, 300), (10, 120, 120)).save(out, "PNG")
    sign_in(page, to="/app/profile")
    preview = page.get_by_role("img", name="Your picture")
    expect(preview).to_be_hidden()
    page.locator("#file").set_input_files(file("me.png", out.getvalue()))
    expect(preview).to_be_visible()
    assert (preview.get_attribute("src") or "").startswith("data:image/png")
    page.get_by_role("button", name="Use this picture").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    head = page.locator("header img.face")
    expect(head).to_be_visible()
    expect(head).to_have_js_property("naturalWidth", 256)
    page.locator("#file").set_input_files(file("me.png", b"<script>alert(1)</script>"))
    page.get_by_role("button", name="Use this picture").click()
    expect(page.get_by_text("This is no JPEG or PNG picture")).to_be_visible()
    expect(head).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(head).to_have_count(0)
