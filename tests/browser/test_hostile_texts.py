"""Texts that are a script, a tag or a trick, in every place that others can write to: shown as they are, and nothing else.

Each payload is a way out of one context (an element, an attribute, a script, a style, a template, an address). They come in by
the API, by the pages' forms, and as what providers said (titles, releases, names at Telegram); Chromium looks at each page.
"""

import uuid
from collections.abc import Iterable
from urllib.parse import quote

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from apps.accounts import audit
from apps.accounts.models import Channel, TelegramLink, User
from apps.downloads.models import STATUS_OF, Candidate, Download, LibraryFile, Phase, Torrent, TorrentState
from apps.feed import push
from apps.jobs.models import Job
from apps.media.models import Favorite, Media, Watch
from tests.browser.conftest import NewPage, Watched, sign_in
from tests.demo import Demo
from tests.factories import make_user
from tests.product import Product
from tests.web import token_of

pytestmark = [pytest.mark.browser, pytest.mark.stack]
# As many as a list shows on one page.
PAYLOADS = [
    "<script>alert('xss')</script>",
    "</script><script>alert('xss')</script>",
    "<img src=x onerror=alert('xss')>",
    "<svg/onload=alert('xss')>",
    "<svg><script href=data:,alert('xss')></script></svg>",
    "\"><img src=x onerror=alert('xss')>",
    "' autofocus onfocus=alert('xss') x='",
    '" onmouseover=alert(\'xss\') style="position:fixed;inset:0" x="',
    "`onload=alert('xss')`",
    "<a href=\"javascript:alert('xss')\">click</a>",
    "javascript:alert('xss')//",
    "<iframe srcdoc=\"<script>parent.alert('xss')</script>\"></iframe>",
    "<math><mi xlink:href=\"data:x,<script>alert('xss')</script>\">x</mi></math>",
    "<details open ontoggle=alert('xss')>x</details>",
    "<form action=//evil.example><button autofocus>x</button></form>",
    '<base href=//evil.example/><meta http-equiv=refresh content="0;url=//evil.example">',
    "<style>*{display:none}</style><link rel=stylesheet href=//evil.example/x.css>",
    "<div hx-get=/app/ hx-trigger=load hx-on:load=alert('xss') x-data x-init=alert('xss')>x</div>",
    "{{ 7*7 }}{% debug %}${7*7}#{7*7}<%= 7*7 %>",
    "&lt;script&gt;alert('xss')&lt;/script&gt;&#60;img src=x&#62;",
    "<!--><script>alert('xss')</script--><![CDATA[x]]>",
    "%3Cscript%3Ealert('xss')%3C/script%3E +ADw-script+AD4-",
    "\u202e\u2066<b>gpj.exe</b>\u2028\u2029 é́́́ 🎬 \x1b[31m",
    "'; DROP TABLE users; -- =cmd|' /C calc'!A0 \\\";alert('xss');//",
]
# What a payload would have left behind: an element of it, or a handler.
TRACES = """() => [...document.querySelectorAll(
    'script:not([src]):not([type="application/json"]), iframe, base, meta[http-equiv], main svg script, math, img[src="x"], [srcdoc],' +
    'form[action*="evil"], link[href*="evil"], [href^="javascript:"], style:not([id]):not([data-emotion])'
)].map(element => element.outerHTML).concat([...document.querySelectorAll('*')].filter(element =>
    [...element.attributes].some(attribute => /^on|^hx-on/.test(attribute.name) && attribute.value.includes('xss'))
).map(element => element.outerHTML))"""


class Rows:
    """All that can belong to one person, once for each payload."""

    def __init__(self, user: User) -> None:
        now = timezone.now()
        for number, text in enumerate(PAYLOADS):
            media = Media.objects.create(
                tmdb_id=number, kind="movie", title=text, overview=text * 2, genres=[text], slug=f"slug-{number}", year=2001,
                details_at=now,
            )  # fmt: skip
            self.media = media
            Favorite.objects.create(user=user, media=media)
            Watch.objects.create(user=user, media=media, position=1, duration=2, watched_at=now)
            torrent = Torrent.objects.create(
                key=f"url:{number}", title=text, download_url="http://indexer/1", indexer=text[:100], indexers=[text], size=1,
                seen_at=now,
            )  # fmt: skip
            self._download(user, media, Phase.FAILED, name=text, reason=text, torrent=torrent)
            done = self._download(user, media, Phase.DONE, name=text, torrent=torrent)
            TorrentState.objects.create(download=done, files=[{"index": 0, "path": f"{text}.mp4", "size": 1}])
            LibraryFile.objects.create(
                user=user, media=media, download=done, index=0, path=f"Movies/{number}.mp4", size=1, duration=2,
                video_codec=text[:20], audio_codec="aac",
            )  # fmt: skip
            push.notify(user.pk, "download_failed", text, media_id=media.pk)
            Job.objects.create(worker="scout", kind="search", user=user, status="Failed", attempts=4, error=text,
                               request_id=f"click-{number}", finished_at=now)  # fmt: skip
        for text, torrent in zip(PAYLOADS, Torrent.objects.order_by("pk"), strict=True):
            why = [{"code": "cam", "sentence": text}]
            Candidate.objects.create(media=self.media, torrent=torrent, rejections=why, decided_at=now)
        for number, text in enumerate(PAYLOADS[:4]):
            Channel.objects.create(
                user=user, kind="webhook", target=f"https://{number}.example/{quote(text)}", secret="s", confirmed_at=now,
                error=text,
            )  # fmt: skip

        firsts = [model.objects.order_by("pk")[0] for model in (Media, Torrent, Download, Candidate)]
        firsts.append(Job.objects.get(request_id="click-0"))
        self.places = [f"{row._meta.app_label}/{row._meta.model_name}/{row.pk}" for row in firsts]

    def _download(self, user: User, media: Media, phase: Phase, **fields: object) -> Download:
        return Download.objects.create(
            user=user, media=media, phase=phase, status=STATUS_OF[phase], target=uuid.uuid4().hex, **fields
        )


@pytest.fixture
def rows(alice: User) -> Rows:
    return Rows(alice)


def look(page: Page, path: str, texts: Iterable[str]) -> None:
    """The page shows the texts (of one field, the same text may be shown cut), and holds nothing that they would have made."""
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 200, path
    page.wait_for_load_state("networkidle")
    said = page.evaluate(
        "() => document.body.textContent + [...document.querySelectorAll('input')].map(i => i.value).join()"
    )
    missing = [text for text in texts if text not in said]
    assert not missing, (path, missing)
    assert page.evaluate(TRACES) == [], path


def test_a_person_s_pages_show_every_text_and_run_none(
    product: Product, demo: Demo, rows: Rows, page: Page, watched: Watched
) -> None:
    watched.expected = ["404 (Not Found)", "503 (Service"]  # pictures that are not there
    product.start("web")
    sign_in(page)
    for path in (
        "/app/favourites",
        "/app/history",
        "/app/library",
        "/app/notifications",
        f"/app/titles/{rows.media.pk}",
    ):
        look(page, path, PAYLOADS)
    look(page, "/app/downloads", PAYLOADS[-12:])  # each has two rows
    look(page, "/app/downloads?page=2", PAYLOADS[:12])
    look(page, "/app/profile/notifications", PAYLOADS[:4])
    for text in PAYLOADS:
        look(page, f"/app/?q={quote(text)}", [text])


@pytest.fixture
def bearer(admin: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_of(admin)}"}


def test_what_people_write_is_shown_to_others_as_text(
    product: Product, alice: User, bearer: dict[str, str], new_page: NewPage
) -> None:
    """Announcements and messages by the socket, as they come."""
    product.start("web")
    page = new_page()
    sign_in(page)
    # What is announced before its snapshot is part of that. (htmx keeps things there, too, from the page's first moment.)
    page.wait_for_function("() => Object.keys(sessionStorage).some(key => key.startsWith('sokoul.last_event'))")
    page.evaluate("""() => { window.told = []; for (const kind of ['broadcast', 'message']) document.addEventListener(
        `sokoul:${kind}`, () => window.told.push(document.getElementById('toasts').textContent)); }""")
    for number, text in enumerate(PAYLOADS, 1):
        for path, body in (("broadcast", {"text": text}), ("messages", {"user_id": alice.pk, "text": text})):
            assert product.http.post(f"/admin/{path}", json=body, headers=bearer).status_code == 200
        page.wait_for_function("most => window.told.length >= most", arg=2 * number)
        assert text in page.evaluate("() => document.body.textContent")
        assert page.evaluate(TRACES) == []


@pytest.fixture
def strangers(product: Product, alice: User) -> None:
    """Names that strangers chose: of an account that nobody has, at Telegram, as an address of mail."""
    for number, text in enumerate(PAYLOADS):
        audit.record("auth.login_failed", target=text)
        make_user(f"evil-{number}", email=f'"{quote(text)}<b>{number}"@example.com')
    TelegramLink.objects.create(user=alice, telegram_id=7, chat_id=7, name=PAYLOADS[0])


def test_the_dashboard_shows_every_text_and_runs_none(
    product: Product, demo: Demo, admin: User, rows: Rows, strangers: None, new_page: NewPage
) -> None:
    product.start("web")
    page = new_page()
    sign_in(page, "admin", "/dashboard/")
    for path in ("jobs/job/", "media/media/", "downloads/torrent/", "downloads/candidate/", "accounts/auditentry/"):
        look(page, f"/dashboard/{path}", PAYLOADS)
    look(page, "/dashboard/downloads/download/", PAYLOADS)
    look(page, "/dashboard/accounts/user/", ["<b>0", "<b>23"])
    for place in rows.places:
        look(page, f"/dashboard/{place}/change/", PAYLOADS[:1])
    look(page, "/dashboard/requests/click-3/", [PAYLOADS[3]])
    for text in PAYLOADS[::4]:
        look(page, f"/dashboard/media/media/?q={quote(text)}", [text])
        look(page, f"/dashboard/jobs/job/?kind={quote(text)}", [])
    look(page, f"/dashboard/requests/?id={quote(PAYLOADS[0])}", [])
