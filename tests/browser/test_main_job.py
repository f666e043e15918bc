"""The main job as a person does it: register, search, look at the releases, download, see the bar move, play, come back."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from playwright.sync_api import Page, expect

from tests.audited import assert_audited
from tests.browser.conftest import register
from tests.demo import Demo
from tests.product import Product
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.stack]
TRAM = "The Last Night Tram"
GOOD = "The.Last.Night.Tram.2015.1080p.WEB-DL.AAC2.0.H.264-MAREE"
CAM = "The.Last.Night.Tram.2015.HDCAM.x264-QUAI"


def video(page: Page, what: str) -> float:
    """A number of the player's; -1 while the page is not there yet."""
    value: float = page.evaluate(f"() => document.getElementById('video')?.{what} ?? -1")
    return value


def saw_the_bar_move(page: Page) -> list[float]:
    """Values of the bar as they came, while this page stayed open: nothing but the socket changes them."""
    page.evaluate("() => { window.stayed = true; }")
    seen: list[float] = []

    def three() -> bool:
        bar = page.locator("progress.bar")
        if bar.count() and (value := bar.first.evaluate("bar => bar.value")) not in seen:
            seen.append(value)
        return len([value for value in seen if 0 < value < 100]) >= 3

    until(three, within=30, what="three different values of the bar")
    assert page.evaluate("() => window.stayed")
    return [value for value in seen if 0 < value < 100]


def test_the_main_job(product: Product, page: Page, demo: Demo) -> None:
    product.start()
    register(page)

    page.get_by_role("searchbox").press_sequentially("tram")  # found while typing, without pressing anything
    page.get_by_role("link", name=TRAM).click()
    expect(page.get_by_role("heading", name=TRAM, level=1)).to_be_visible()
    poster = page.locator(".title-poster img")
    until(lambda: poster.evaluate("picture => picture.naturalWidth") > 0, what="the poster")

    page.get_by_role("button", name="Find releases").click()
    good = page.locator("li.release", has_text=GOOD)
    good.get_by_text(re.compile(r"^Why \d+ points$")).click()
    expect(good.get_by_text("Source WEB-DL.")).to_be_visible()
    cam = page.locator("li.release", has_text=CAM)
    expect(cam.get_by_text("It was filmed in a cinema (CAM).")).to_be_visible()
    expect(cam.get_by_role("button")).to_have_count(0)

    demo.set_rate(300_000)
    good.get_by_role("button", name="Download this").click()
    page.wait_for_url("**/app/downloads")
    seen = saw_the_bar_move(page)
    assert seen == sorted(seen)
    assert page.locator('[data-n="rate"]').inner_text().endswith("B/s")

    # It plays while it is still being downloaded.
    page.get_by_role("link", name="Watch while it downloads").click()
    page.wait_for_url("**/app/play/**")
    until(lambda: video(page, "videoWidth") > 0, within=30, what="a picture of the unfinished film")
    expect(page.get_by_text("Downloading", exact=True)).to_be_visible()
    demo.set_rate(0)
    expect(page.get_by_text("In your library, sharing it with others")).to_be_visible()  # told by the socket
    expect(page.locator("#bell")).to_contain_text("1 not read")

    page.get_by_role("link", name="Library").click()
    page.get_by_role("link", name=TRAM).click()
    page.wait_for_url("**/app/play/**")
    until(lambda: video(page, "readyState") >= 1, what="the film's metadata")
    page.evaluate("() => { document.getElementById('video').currentTime = 36; }")
    page.locator("#video").focus()
    page.keyboard.press("Space")
    until(lambda: video(page, "currentTime") > 37.5 and video(page, "videoWidth") == 640, what="the film playing")

    page.get_by_role("link", name="Library").click()  # leaves in the middle
    expect(page.get_by_text(re.compile(r"^Continue at 0:(3[6-9]|[45]\d)$"))).to_be_visible()  # a click may take seconds
    page.get_by_role("link", name=TRAM).click()
    page.wait_for_url("**/app/play/**")
    until(lambda: video(page, "currentTime") > 37, what="the place where it was left")
    expect(page.get_by_text(re.compile(r"^Continued at 0:(3[7-9]|[45]\d)\.$"))).to_be_visible()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text(re.compile(r"0:(3[7-9]|[45]\d) of 1:04"))).to_be_visible()
    with ThreadPoolExecutor(1) as thread:  # while Playwright is open, Django takes this one for asynchronous code
        thread.submit(look_at_the_trail).result()


def look_at_the_trail() -> None:
    try:
        assert_audited("alice")
    finally:
        connections.close_all()
