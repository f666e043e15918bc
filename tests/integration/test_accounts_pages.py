"""The sign-in, sign-up and sign-out pages, with their session and their CSRF tokens."""

import re
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from django.test import Client

from apps.accounts import services
from apps.accounts.models import AuditEntry, User
from tests.factories import PASSWORD
from tests.wishes import make_media


@pytest.fixture
def browser(db: None) -> Client:
    return Client()


def signed_in(browser: Client) -> int | None:
    return int(browser.session["_auth_user_id"]) if "_auth_user_id" in browser.session else None


@pytest.mark.parametrize("name", ["alice", "Alice@Example.com"])
def test_signing_in(browser: Client, alice: User, name: str) -> None:
    assert browser.get("/app/login").status_code == 200
    answer = browser.post("/app/login", {"username": name, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/app/")
    assert signed_in(browser) == alice.pk
    assert AuditEntry.objects.get().action == "auth.login"


@pytest.mark.parametrize("name", ["alice", "nobody", "'; DROP TABLE users; --"])
def test_a_refused_sign_in_says_so(browser: Client, alice: User, name: str) -> None:
    answer = browser.post("/app/login", {"username": name, "password": "wrong"})
    assert answer.status_code == 200
    assert b"do not belong together" in answer.content
    assert signed_in(browser) is None
    row = AuditEntry.objects.get()
    assert (row.action, row.target) == ("auth.login_failed", name)


def test_a_name_is_shown_escaped(browser: Client) -> None:
    answer = browser.post("/app/login", {"username": "<img src=x onerror=alert(1)>", "password": "wrong"})
    assert b"<img src=x" not in answer.content
    assert b"&lt;img src=x" in answer.content


@pytest.mark.parametrize("junk", ["nul\0nul", "x" * 1_000_000, "\u202eevil"])
@pytest.mark.parametrize("field", ["username", "password"])
def test_junk_in_a_form_is_refused_politely(browser: Client, alice: User, field: str, junk: str) -> None:
    answer = browser.post("/app/login", {"username": "alice", "password": PASSWORD, field: junk})
    assert answer.status_code == 200
    assert signed_in(browser) is None


ELSEWHERE = (
    "https://evil.example/", "//evil.example", "///evil.example", "\\\\evil.example", "/\\evil.example", "https:evil.example",
    "https:/evil.example", "http:///evil.example", "javascript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)",
    "data:text/html,x", "/\t/evil.example", "\x01//evil.example", "//testserver@evil.example", "http://testserver.evil.example/",
    "http://testserver:80@evil.example/", "//evil.example\r\nSet-Cookie: a=b",
)  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "reached"), [("/app/library", "/app/library"), *((elsewhere, "/app/") for elsewhere in ELSEWHERE)]
)
@pytest.mark.parametrize("page", ["login", "register"])
def test_one_lands_where_one_wanted_to_go_but_never_elsewhere(
    browser: Client, alice: User, page: str, wanted: str, reached: str
) -> None:
    fields = {"username": "alice", "password": PASSWORD, "next": wanted}
    if page == "register":
        fields |= {"username": "carol", "email": "carol@example.com"}
    assert browser.post(f"/app/{page}", fields)["Location"] == reached


@pytest.mark.parametrize(
    "elsewhere", [*ELSEWHERE, "http://testserver//evil.example/", "http://testserver/\\evil.example"]
)
def test_a_referer_leads_nowhere_else_either(browser: Client, alice: User, elsewhere: str) -> None:
    """Neither a stranger, who comes back after signing in, nor whoever posts a form without htmx."""
    stranger = browser.get("/app/downloads", headers={"HX-Request": "true", "Referer": elsewhere})
    wanted = parse_qs(urlsplit(stranger["HX-Redirect"]).query)["next"][0]
    browser.force_login(alice)
    answer = browser.post(f"/app/favourites/{make_media().pk}", {"on": "1"}, headers={"Referer": elsewhere})
    assert answer.status_code == 303
    for place in (wanted, answer["Location"]):
        there = urlsplit(urljoin("http://testserver/app/", place.replace("\\", "/")))  # as browsers read it
        assert (there.scheme, there.netloc) == ("http", "testserver"), place


@pytest.mark.parametrize("wanted", ["/app/login", "/app/login?next=/app/login"])
def test_who_is_signed_in_is_not_led_round_in_circles(browser: Client, alice: User, wanted: str) -> None:
    browser.force_login(alice)
    assert browser.get("/app/login", {"next": wanted})["Location"] == "/app/"


def test_signing_up(browser: Client) -> None:
    assert browser.get("/app/register").status_code == 200
    form = {"email": "carol@example.com", "username": "carol", "password": " spaces count "}
    assert browser.post("/app/register", form)["Location"] == "/app/"
    carol = User.objects.get()
    assert signed_in(browser) == carol.pk
    assert carol.check_password(" spaces count ")
    assert browser.get("/app/register").status_code == 302


def test_signing_up_says_what_is_asked_and_fills_a_password_manager(browser: Client) -> None:
    page = browser.get("/app/register").content.decode()
    assert "3 to 32 letters, digits, dots" in page
    assert "At least 8 characters." in page
    for name, kind in (("email", "email"), ("username", "username"), ("password", "new-password")):
        (field,) = re.findall(f'<input [^>]*name="{name}"[^>]*>', page)
        assert f'autocomplete="{kind}"' in field
        assert ("aria-describedby" in field) == (name != "email")


def test_a_refused_sign_up_says_why_at_the_field(browser: Client, alice: User) -> None:
    form = {"email": "ALICE@example.com", "username": "carol", "password": "long enough"}
    answer = browser.post("/app/register", form)
    assert answer.status_code == 200
    assert b"exists already" in answer.content
    form = {"email": "carol@example.com", "username": "\u202ecarol", "password": "long enough"}
    page = browser.post("/app/register", form, headers={"accept-language": "fr"}).content.decode()
    assert re.search(r'field-error" id="id_username_error">De 3 à 32 lettres', page)
    assert User.objects.count() == 1


def test_signing_out_takes_a_post(browser: Client, alice: User) -> None:
    browser.force_login(alice)
    assert browser.get("/app/logout").status_code == 405
    assert signed_in(browser) == alice.pk
    assert browser.post("/app/logout")["Location"] == "/app/login"
    assert signed_in(browser) is None
    assert AuditEntry.objects.get().action == "auth.logout"


@pytest.mark.parametrize("page", ["login", "register", "logout", "ticket"])
def test_every_form_needs_its_csrf_token(alice: User, page: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert browser.post(f"/app/{page}", {"username": "alice", "password": PASSWORD}).status_code == 403


def test_a_new_password_ends_web_sessions_too(browser: Client, alice: User) -> None:
    browser.force_login(alice)
    assert browser.post("/app/ticket").status_code == 200
    services.change_profile(alice, {"password": "a new password", "current_password": PASSWORD})
    assert browser.post("/app/ticket").status_code == 401


def test_raising_the_epoch_ends_web_sessions(browser: Client, alice: User) -> None:
    browser.force_login(alice)
    User.objects.filter(pk=alice.pk).update(token_epoch=1)
    assert browser.post("/app/ticket").status_code == 401
