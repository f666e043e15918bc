"""A headless Chromium that reaches nothing but this machine, and pages that watch themselves.

Playwright keeps an event loop in the main thread while it is open, which Django takes for asynchronous code with connections
of its own. So it is open only within a test, and rows are made by fixtures that come before it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.factories import PASSWORD
from tests.product import Product

FLAGS = [
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-first-run",
]
WAIT = 30_000  # milliseconds that a page may take for anything
expect.set_options(timeout=WAIT)
# What the console says of requests to a server that was killed: it was gone, or had them in hand.
DIED = [
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "ERR_INCOMPLETE_CHUNKED_ENCODING",
    "htmx:",
]
DESKTOP: ViewportSize = {"width": 1280, "height": 860}


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    assert found, "the browser tests need Chromium: sudo apt-get install chromium"
    return found


@pytest.fixture
def browser(product: Product) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
        running = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield running
        running.close()


@dataclass
class Watched:
    """What pages did that they must not do; `check` fails the test for it. `expected`: parts of console texts that are fine."""

    host: str
    expected: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self._heard(message.type, f"{message.text} at {message.location}"))
        page.on("pageerror", lambda error: self.faults.append(f"error on the page: {error}"))
        page.on("request", lambda request: self._asked(request.url))
        page.on("dialog", self._asked_by_dialog)

    def _heard(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not any(part in text for part in self.expected):
            self.faults.append(f"console {kind}: {text}")

    def _asked(self, url: str) -> None:
        if urlsplit(url).netloc != self.host and not url.startswith(("data:", "blob:")):
            self.faults.append(f"request to another host: {url}")

    def _asked_by_dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def check(self) -> None:
        assert self.faults == []


NewPage = Callable[..., Page]


@pytest.fixture
def watched(product: Product) -> Iterator[Watched]:
    """Fails the test when a page wrote an error to the console, opened a dialog or asked another host."""
    watching = Watched(urlsplit(product.url).netloc)
    yield watching
    watching.check()


@pytest.fixture
def new_page(browser: Browser, product: Product, watched: Watched) -> Iterator[NewPage]:
    """Opens a page of a person of its own; keywords are those of Playwright's new_context."""
    contexts: list[BrowserContext] = []

    def open_page(**options: Any) -> Page:
        settings = {"base_url": product.url, "locale": "en-GB", "viewport": DESKTOP, **options}
        contexts.append(browser.new_context(**settings))
        contexts[-1].set_default_timeout(WAIT)
        page = contexts[-1].new_page()
        watched.watch(page)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: NewPage) -> Page:
    return new_page()


def sign_in(page: Page, name: str = "alice", to: str = "/app/") -> None:
    """With the password of the cast; ends where the person wanted to go."""
    page.goto(to)
    page.get_by_label("E-mail address or user name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: urlsplit(url).path == urlsplit(to).path)


def register(page: Page, name: str = "alice") -> None:
    """Open an account on the page, as a person does; ends on the search."""
    page.goto("/app/register")
    page.get_by_label("E-mail address").fill(f"{name}@example.com")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Open the account").click()
    page.wait_for_url(lambda url: urlsplit(url).path == "/app/")
