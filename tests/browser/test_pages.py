"""What only a browser can tell of the pages: keys, what runs and what does not, colours and widths, the socket."""

import re
from datetime import timedelta
from pathlib import Path

import av
import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.accounts.models import Channel, TelegramCode, User
from apps.downloads.models import Candidate, Download, LibraryFile, Phase, Torrent, TorrentState
from apps.feed import push
from apps.media.models import Favorite, Media, Watch
from tests.browser.conftest import DESKTOP, DIED, NewPage, Watched, register, sign_in
from tests.demo import Demo
from tests.factories import PASSWORD
from tests.product import Product
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.stack]
EVIL = "<img src=x onerror=alert(1)>"
PAGES = [
    "/app/", "/app/?q=img", "/app/titles/{media}", "/app/downloads", "/app/library", "/app/play/{download}/0", "/app/favourites",
    "/app/history", "/app/notifications", "/app/profile", "/app/profile/notifications", "/app/nothing",
]  # fmt: skip


def mpeg4_film(file: Path) -> None:
    """Two seconds in a codec that browsers play the sound of only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w", format="mp4") as film:
        video, audio = film.add_stream("mpeg4", rate=10), film.add_stream("aac", rate=48_000)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([128]) * plane.buffer_size)
            frame.pts = number
            film.mux(video.encode(frame))
        for number in range(94):
            sound = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            for channel in sound.planes:
                channel.update(bytes(channel.buffer_size))
            sound.rate, sound.pts = 48_000, number * 1024
            film.mux(audio.encode(sound))
        film.mux(video.encode(None))
        film.mux(audio.encode(None))


class Rows:
    """A title with everything that hangs on it, each text hostile."""

    def __init__(self, user: User, library: Path) -> None:
        mpeg4_film(library / "Movies/film.mp4")
        size = (library / "Movies/film.mp4").stat().st_size
        now = timezone.now()
        self.media = Media.objects.create(
            tmdb_id=1,
            kind="movie",
            title=EVIL,
            overview=EVIL * 20,
            genres=[EVIL],
            slug="evil",
            year=2001,
            details_at=now,
        )
        torrent = Torrent.objects.create(
            key="url:1", title=EVIL, download_url="http://indexer/1", indexer=EVIL, indexers=[EVIL], size=1, seen_at=now
        )
        why = [{"code": "cam", "sentence": EVIL}]
        Candidate.objects.create(media=self.media, torrent=torrent, rejections=why, decided_at=now)
        self.download = Download.objects.create(
            user=user, media=self.media, name=EVIL, phase=Phase.DONE, status="Completed", torrent=torrent
        )
        TorrentState.objects.create(download=self.download, files=[{"index": 0, "path": "film.mp4", "size": size}])
        LibraryFile.objects.create(
            user=user, media=self.media, download=self.download, index=0, path="Movies/film.mp4", size=size, duration=2,
            video_codec="mpeg4", audio_codec="aac",
        )  # fmt: skip
        Download.objects.create(user=user, media=self.media, phase=Phase.FAILED, status="Failed", reason=EVIL)
        Favorite.objects.create(user=user, media=self.media)
        Watch.objects.create(user=user, media=self.media, position=1, duration=2, watched_at=now)
        push.notify(user.pk, "download_failed", EVIL, media_id=self.media.pk)
        Channel.objects.create(
            user=user,
            kind="webhook",
            target=f"https://{'long-' * 30}.example/",
            secret="s",
            confirmed_at=now,
            error=EVIL,
        )
        Channel.objects.create(user=user, kind="email", target=user.email)
        TelegramCode.objects.create(
            user=user, digest="d", expires_at=now + timedelta(hours=1), used_at=now, telegram_id=7, chat_id=7, name=EVIL
        )

    def paths(self) -> list[str]:
        return [path.format(media=self.media.pk, download=self.download.pk) for path in PAGES]


@pytest.fixture
def rows(product: Product, alice: User) -> Rows:
    return Rows(alice, product.library)


def test_a_codec_that_the_browser_cannot_show_is_told_in_words(product: Product, rows: Rows, page: Page) -> None:
    product.start("web")
    sign_in(page, to=f"/app/play/{rows.download.pk}/0")
    expect(page.locator("#trouble")).to_contain_text("plays the sound but cannot show this picture (MPEG4)")
    until(lambda: page.evaluate("() => document.getElementById('video').readyState") >= 1)
    assert page.evaluate("() => document.getElementById('video').videoWidth") == 0
    expect(page.locator("#trouble")).to_be_visible()
    link = page.get_by_role("link", name="Get the file")
    assert link.get_attribute("href") == f"/downloads/{rows.download.pk}/files/0/stream"


def focused(page: Page) -> tuple[str, bool]:
    """(what has the focus, whether one sees that it has)."""
    name, ring = page.evaluate(
        """() => {
            const element = document.activeElement;
            const drawn = element.matches(".kinds input") ? element.nextElementSibling : element;
            const style = getComputedStyle(drawn);
            return [element.getAttribute("aria-label") || element.innerText || element.value || element.tagName,
                    style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
        }"""
    )
    return str(name), bool(ring)


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until the wanted thing has the focus; each stop must be visible as one."""
    for _ in range(60):
        page.keyboard.press("Tab")
        name, ring = focused(page)
        assert ring, f"the focus is not seen on {name!r}"
        if re.search(wanted, name):
            return
    raise AssertionError(f"{wanted!r} was not reached by Tab")


def test_all_of_it_by_keyboard(product: Product, alice: User, page: Page) -> None:
    product.start()
    page.goto("/app/library")
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{product.url}/app/library")
    page.keyboard.press("Tab")
    assert focused(page) == ("Skip to the content", True)
    page.keyboard.press("/")  # from a page without a search field to the one that has it
    page.wait_for_url(f"{product.url}/app/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("/tram")  # here it is a character
    page.get_by_role("searchbox").press("Home")
    page.keyboard.press("Delete")
    expect(page.get_by_role("link", name="The Last Night Tram")).to_be_visible()
    tab_to(page, "The Last Night Tram")
    page.keyboard.press("Enter")
    page.wait_for_url("**/app/titles/**")
    tab_to(page, "^Favourite: ")
    page.keyboard.press("Enter")
    expect(page.locator('.title-head [aria-pressed="true"]')).to_be_focused()  # it keeps the focus while it is replaced
    tab_to(page, "Find releases")
    page.keyboard.press("Enter")
    expect(page.locator("li.release").first).to_be_visible()
    tab_to(page, "^Why")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Resolution 1080p.").first).to_be_visible()
    page.keyboard.press("Shift+Tab")
    assert focused(page)[0].startswith("Download this")
    page.keyboard.press("Enter")
    page.wait_for_url("**/app/downloads")
    expect(page.get_by_text("In your library, sharing it with others")).to_be_visible()
    tab_to(page, "^Delete")
    page.keyboard.press("Enter")
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Delete “The Last Night Tram” from your library?")
    expect(question.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    assert list(product.library.rglob("*.mp4"))
    page.get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Cancelled by you.")).to_be_visible()
    until(lambda: not list(product.library.rglob("*.mp4")), what="the file leaving the library")


def test_the_buttons_of_a_running_download(product: Product, demo: Demo, page: Page, watched: Watched) -> None:
    watched.expected = ["409"]  # removing what is still being cleared away, which is told in words
    demo.set_rate(100_000)  # it is cancelled before it ends, however slow the browser is
    product.start()
    register(page)
    page.goto("/app/?q=tram")
    page.get_by_role("link", name="The Last Night Tram").click()
    page.get_by_role("button", name="Download the best").click()
    expect(page.get_by_text("Downloading", exact=True)).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Downloading", exact=True)).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled by you.")).to_be_visible()

    def removed() -> bool:
        page.evaluate("() => document.querySelector('button[id^=remove-]')?.click()")
        return page.locator("article.download").count() == 0

    until(removed, within=30, what="the cancelled download leaving the list")


def test_the_page_finds_its_way_back_to_a_server_that_was_killed(
    product: Product, demo: Demo, page: Page, watched: Watched
) -> None:
    watched.expected = [*DIED, "WebSocket", "503"]
    demo.set_rate(100_000)
    product.start()
    register(page)
    page.goto("/app/?q=tram")
    page.get_by_role("link", name="The Last Night Tram").click()
    page.get_by_role("button", name="Download the best").click()
    expect(page.get_by_text("Downloading", exact=True)).to_be_visible()
    page.evaluate("() => { window.stayed = true; }")
    product.kill("web")
    expect(page.get_by_text("Live updates are interrupted")).to_be_visible()
    demo.set_rate(0)
    product.start("web")
    expect(page.get_by_text("Live updates are interrupted")).to_be_hidden()
    expect(page.get_by_text("In your library, sharing it with others")).to_be_visible()
    expect(page.locator("#bell")).to_contain_text("1 not read")
    assert page.evaluate("() => window.stayed")


def brightness(page: Page) -> int:
    """Of the page's ground, 0 to 765."""
    colour = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


# Words on buttons that are torn in two.
TORN = """() => [...document.querySelectorAll('button, .button')].flatMap(button => [...button.childNodes]).filter(node => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return node.nodeType === Node.TEXT_NODE && /^\\s*\\S+\\s*$/.test(node.data) && range.getClientRects().length > 1;
}).map(node => node.data)"""


# Names of the bar at the foot that are cut off.
CUT = """() => [...document.querySelectorAll('.nav a span')].filter(name => name.scrollWidth > name.clientWidth)
    .map(name => name.textContent)"""


def test_every_page_fits_its_screen_in_light_and_dark(
    product: Product, rows: Rows, page: Page, watched: Watched, tmp_path: Path
) -> None:
    watched.expected = ["404 (Not Found)"]
    product.start("web")
    sign_in(page)
    for path in rows.paths():
        page.goto(path)
        for width, height in ((320, 640), (390, 844), (800, 900), (DESKTOP["width"], DESKTOP["height"])):
            page.set_viewport_size({"width": width, "height": height})
            wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{path} is {wide} px too wide at {width}"
            assert page.evaluate(TORN) == [], (path, width)
            assert page.evaluate(CUT) == [], (path, width)
            page.emulate_media(color_scheme="dark" if width in (390, 800) else "light")
            assert (brightness(page) < 200) == (width in (390, 800)), path
            if width in (390, DESKTOP["width"]):  # for people to look at
                page.screenshot(path=tmp_path / f"{width}-{path.strip('/').replace('/', '-')}.png")


def test_the_person_s_own_choice_of_colours_stays(product: Product, new_page: NewPage) -> None:
    product.start("web")
    page = new_page(color_scheme="light")
    page.goto("/app/login")
    button = page.get_by_role("button", name="Light or dark")

    assert brightness(page) > 384
    button.click()
    assert button.get_attribute("title") == "Colours: light"
    button.click()
    assert button.get_attribute("title") == "Colours: dark"
    assert brightness(page) < 200
    page.goto("/app/register")
    assert brightness(page) < 200


def test_a_french_browser_gets_french(product: Product, rows: Rows, new_page: NewPage) -> None:
    product.start("web")
    page = new_page(locale="fr-FR")
    page.goto("/app/downloads")
    expect(page.get_by_role("heading", name="Content de vous voir")).to_be_visible()
    page.get_by_label("Adresse e-mail ou nom d’utilisateur").fill("alice")
    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.get_by_role("button", name="Se connecter").click()
    expect(page.get_by_role("heading", name="Téléchargements")).to_be_visible()
    expect(page.get_by_role("button", name="Réessayer")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(CUT) == []


def test_the_api_s_own_page_runs_under_its_policy(product: Product, page: Page) -> None:
    product.start("web")
    page.goto("/docs")
    expect(page.get_by_text("/downloads/start").first).to_be_visible()
