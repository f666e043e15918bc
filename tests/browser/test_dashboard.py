"""The dashboard in a browser: every page in light, dark and on a phone; what lives moves; nothing asks another host."""

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.jobs.models import Job
from tests.browser.conftest import DESKTOP, DIED, NewPage, Watched, sign_in
from tests.product import Product
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.stack]
PHONE = {"width": 390, "height": 844}
EVIL = "<img src=x onerror=alert(1)>"
PAGES = (
    "", "requests/", "requests/click-1/", "downloads/download/", "jobs/job/", "dlq/", "media/media/", "downloads/torrent/",
    "downloads/candidate/", "downloads/indexer/", "profiles/", "profiles/new/", "profiles/import/", "indexers/",
    "accounts/user/", "accounts/auditentry/", "settings/",
)  # fmt: skip


@pytest.fixture
def failed(alice: User) -> Job:
    ended = {"status": "Failed", "attempts": 4, "error": f"No such title {EVIL}", "finished_at": timezone.now()}
    return Job.objects.create(worker="scout", kind="search", user=alice, request_id="click-1", **ended)


@pytest.mark.parametrize(
    ("scheme", "viewport"), [("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE)], ids=["light", "dark", "phone"]
)
def test_every_page_stands(
    product: Product, admin: User, failed: Job, new_page: NewPage, scheme: str, viewport: dict[str, Any]
) -> None:
    product.start("web")
    page = new_page(color_scheme=scheme, viewport=viewport)
    sign_in(page, "admin", "/dashboard/")
    for path in (*PAGES, f"accounts/user/{failed.user_id}/change/"):
        answer = page.goto(f"/dashboard/{path}")
        assert answer is not None
        assert answer.status == 200, path
        if not path:
            expect(page.locator("li[data-part=web]")).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= viewport["width"], path
    page.goto("/dashboard/accounts/user/")
    page.locator("tr", has_text="alice").locator("input[name=_selected_action]").check()
    page.locator("select[name=action]").select_option("deactivate")
    page.locator("button[name=index]").click()
    expect(page.get_by_role("button", name="Yes, deactivate them")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= viewport["width"]
    page.get_by_role("link", name="No, go back").click()
    page.goto("/dashboard/requests/click-1/")
    expect(page.get_by_text("scout.search failed")).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    dark = page.evaluate("() => document.documentElement.classList.contains('dark')")
    assert dark == (scheme == "dark")


def test_the_overview_moves_by_itself_and_says_when_it_cannot(
    product: Product, admin: User, page: Page, watched: Watched
) -> None:
    product.start("web")
    sign_in(page, "admin", "/dashboard/")
    expect(page.locator("li[data-part=web] .dash-state")).to_have_text("ok")
    expect(page.locator("li[data-part=scout] .dash-state")).to_have_text("down")
    for chart in ("jobs", "requests", "rate", "queues"):
        until(lambda name=chart: page.evaluate(f"() => !!Chart.getChart('chart-{name}')"), what=f"the chart of {chart}")  # type: ignore[misc]
    product.start("scout")
    expect(page.locator("li[data-part=scout] .dash-state")).to_have_text("ok")
    watched.expected += DIED
    product.kill("web")
    expect(page.get_by_text("These figures are old")).to_be_visible()
    product.start("web")
    expect(page.get_by_text("These figures are old")).to_be_hidden()


def test_an_indexer_is_tested_and_a_person_made_moderator(
    product: Product, admin: User, alice: User, page: Page
) -> None:
    product.start("web")
    sign_in(page, "admin", "/dashboard/indexers/")
    page.get_by_role("button", name="Test").last.click()
    expect(page.get_by_text("It answers, and has 2 torrent indexers switched on.")).to_be_visible()
    page.goto("/dashboard/accounts/user/")
    page.get_by_role("link", name="alice", exact=True).click()
    page.get_by_label("Role").select_option("moderator")
    page.get_by_label("Gigabytes kept").fill("1.5")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Tick this to go on.")).to_be_visible()
    page.get_by_label("Confirm").check()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Audit trail").click()
    expect(page.get_by_text("user.role_changed")).to_be_visible()
    page.get_by_role("button", name="Verify the whole trail").click()
    expect(page.get_by_text("The chain is whole")).to_be_visible()
