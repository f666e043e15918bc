"""The page where people choose how they are told, and link their Telegram account."""

import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from apps.accounts import telegram
from apps.accounts.channels import mail, preferences
from apps.accounts.channels.models import Channel, Kind, Preference
from apps.accounts.models import TelegramCode, TelegramLink, User
from apps.feed import push
from apps.jobs.models import Job
from tests.integration.channels.conftest import make
from tests.notifier import Receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]
HTMX = {"HX-Request": "true"}
PAGE = "/app/profile/notifications"
POSTS = ["channels/add", "channels/1/remove", "channels/1/test", "channels/1/confirm", "preferences", "telegram/link",
         "telegram/confirm", "telegram/refuse", "telegram/unlink"]  # fmt: skip


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice, "apps.accounts.authentication.EmailOrUsernameBackend")
    return client


def text_of(response: Any) -> str:
    assert isinstance(response, HttpResponse)
    return response.content.decode()


def asked(user: User, number: int = 77, name: str = "<b>Al</b>") -> None:
    telegram.remember_bot(42, "sokoul_bot")
    code = telegram.offer(user)[0].partition("start=")[2]
    assert telegram.ask(code, telegram.Asked(number, number, name, "fr"))


@pytest.mark.parametrize("path", [PAGE, "/app/profile/telegram", "/app/profile/preferences"])
def test_a_stranger_is_led_to_the_door(db: None, path: str) -> None:
    assert Client().get(path)["Location"] == f"/app/login?next={path}"


@pytest.mark.parametrize("path", POSTS)
def test_no_stranger_and_no_foreign_page_changes_anything(alice: User, path: str) -> None:
    make(alice, Kind.WEBHOOK, target="https://example.com/", secret="s")
    answer = Client().post(f"/app/profile/{path}", {"kind": "email"})
    assert answer["Location"].startswith("/app/login")
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, "apps.accounts.authentication.EmailOrUsernameBackend")
    assert client.post(f"/app/profile/{path}", {"kind": "email"}).status_code == 403
    assert Channel.objects.count() == 1


def test_somebody_else_s_channel_cannot_be_touched(browser: Client, mallory: User) -> None:
    hers = make(mallory, Kind.WEBHOOK, target="https://hidden.example/", secret="s")
    for verb in ("remove", "test", "confirm"):
        assert browser.post(f"/app/profile/channels/{hers.pk}/{verb}", {"code": "x"}, headers=HTMX).status_code == 403
    assert "hidden.example" not in text_of(browser.get(PAGE))
    assert Channel.objects.exists()


def test_a_webhook_is_added_shown_once_and_removed(browser: Client, receiver: Receiver) -> None:
    added = browser.post("/app/profile/channels/add", {"kind": "webhook", "target": receiver.url}, headers=HTMX)
    channel = Channel.objects.get()
    assert channel.secret in text_of(added)
    assert added["HX-Trigger"] == "sokoul:channels"
    page = text_of(browser.get(PAGE))
    assert channel.secret not in page
    assert "s3cret-path" not in page
    assert f"http://{receiver.host}/…" in page
    removed = browser.post(f"/app/profile/channels/{channel.pk}/remove")
    assert (removed.status_code, removed["Location"]) == (302, PAGE)
    assert not Channel.objects.exists()


def test_what_is_refused_is_said_beside_the_button(browser: Client) -> None:
    answer = browser.post("/app/profile/channels/add", {"kind": "webhook", "target": "http://127.0.0.1/"}, headers=HTMX)
    assert answer.status_code == 400
    assert "private network" in text_of(answer)
    for bad in ({"kind": "pigeon"}, {"kind": "webhook", "target": "x" * 501}, {}):
        assert browser.post("/app/profile/channels/add", bad, headers=HTMX).status_code == 400


def test_the_link_of_the_mail_fills_in_the_code(browser: Client, alice: User) -> None:
    channel = make(alice, Kind.EMAIL, target=alice.email)
    Channel.objects.update(confirmed_at=None)
    code = mail.code_for(channel)
    page = text_of(browser.get(PAGE, {"channel": channel.pk, "code": code}))
    assert f'value="{code}"' in page
    assert Channel.objects.get().confirmed_at is None, "looking confirms nothing"
    browser.post(f"/app/profile/channels/{channel.pk}/confirm", {"code": code}, headers=HTMX)
    assert Channel.objects.get().confirmed_at is not None


def test_a_test_is_watched_until_its_end(browser: Client, alice: User) -> None:
    channel = make(alice, Kind.EMAIL, target=alice.email)
    part = text_of(browser.post(f"/app/profile/channels/{channel.pk}/test", headers=HTMX))
    assert f'data-job="{Job.objects.get().pk}"' in part
    Channel.objects.update(error="<b>It</b> answered 500.")
    assert "&lt;b&gt;It&lt;/b&gt; answered 500." in text_of(browser.get(PAGE, headers=HTMX))


def test_boxes_are_silences(browser: Client, alice: User) -> None:
    make(alice, Kind.EMAIL, target=alice.email)
    Preference.objects.create(user=alice, kind=Kind.WEBHOOK, code="job_failed")
    page = text_of(browser.get("/app/profile/preferences", headers=HTMX))
    boxes = re.findall(r'value="(email:\w+)" checked', page)
    assert len(boxes) == len(preferences.codes())
    assert "webhook:" not in page, "only what the person has"
    wanted = [box for box in boxes if "download_failed" not in box]
    browser.post("/app/profile/preferences", {"shown": ["email"], "wanted": wanted}, headers=HTMX)
    silences = set(Preference.objects.values_list("kind", "code"))
    assert silences == {("email", "download_failed"), ("webhook", "job_failed")}, "what had no box stays"


def test_telegram_is_linked_on_the_page(browser: Client, alice: User) -> None:
    assert "Make a link" in text_of(browser.get(PAGE))
    assert browser.post("/app/profile/telegram/link", headers=HTMX).status_code == 503
    telegram.remember_bot(42, "sokoul_bot")
    part = text_of(browser.post("/app/profile/telegram/link", headers=HTMX))
    found = re.search(r'href="https://t\.me/sokoul_bot\?start=([\w-]+)"', part)
    assert found is not None
    waiting = text_of(browser.get("/app/profile/telegram?waiting=1", headers=HTMX))
    assert "every 4s" in waiting
    assert "Make a link" not in waiting, "the link stays in sight"

    assert telegram.ask(found[1], telegram.Asked(77, 77, "<b>Al</b>", "fr"))
    answer = browser.get("/app/profile/telegram?waiting=1", headers=HTMX)
    assert answer["HX-Retarget"] == "#telegram"
    assert "&lt;b&gt;Al&lt;/b&gt;" in text_of(answer)
    assert "(number 77)" in text_of(answer)
    assert not TelegramLink.objects.exists(), "asking is not enough"
    linked = text_of(browser.post("/app/profile/telegram/confirm", headers=HTMX))
    assert "Linked to" in linked
    assert Channel.objects.get(user=alice).kind == Kind.TELEGRAM
    browser.post("/app/profile/telegram/unlink", headers=HTMX)
    assert not TelegramLink.objects.exists()
    assert not Channel.objects.exists()


def test_who_is_somebody_else_is_refused_and_who_is_linked_stays(browser: Client, alice: User) -> None:
    asked(alice, 66)
    telegram.confirm(alice)
    asked(alice, 77)
    assert "(number 77)" in text_of(browser.get(PAGE))
    part = text_of(browser.post("/app/profile/telegram/refuse", headers=HTMX))
    assert "Linked to" in part
    assert TelegramLink.objects.get().telegram_id == 66
    assert not TelegramCode.objects.exists()
    assert browser.post("/app/profile/telegram/dance", headers=HTMX).status_code == 404


def test_without_scripts_the_link_comes_as_a_notice(browser: Client, alice: User) -> None:
    telegram.remember_bot(42, "sokoul_bot")
    answer = browser.post("/app/profile/telegram/link")
    assert answer["Location"] == PAGE
    assert "https://t.me/sokoul_bot?start=" in text_of(browser.get(PAGE))


def test_the_bell_speaks_the_reader_s_language(browser: Client, alice: User) -> None:
    asked(alice)
    telegram.confirm(alice)
    push.notify(alice.pk, "test", "Only in English")
    assert "speaks for alice now" in text_of(browser.get("/app/notifications"))
    User.objects.update(language="fr")
    page = text_of(browser.get("/app/notifications"))
    assert "parle maintenant pour alice" in page
    assert "&lt;b&gt;Al&lt;/b&gt;" in page
    assert "Only in English" in page


def test_the_page_is_french_in_french(browser: Client, alice: User) -> None:
    make(alice, Kind.EMAIL, target=alice.email)
    User.objects.update(language="fr")
    page = text_of(browser.get(PAGE))
    assert "Réglages des notifications" in page
    assert "Un téléchargement a échoué" in page
