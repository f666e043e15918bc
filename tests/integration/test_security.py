"""What browsers and proxies are told about every answer beside its content, over http and https, and what no request can ask for.

Walked over every address, as a stranger and as an admin.
"""

import re
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from websockets.exceptions import InvalidStatus

from apps.accounts.models import User
from tests.cast import Api
from tests.factories import PASSWORD
from tests.web import Web, token_of

pytestmark = pytest.mark.django_db(transaction=True)
# Whatever an address wants to know; there need not be such a row.
FILLED = {"uuid": "0b5e7a9e-0000-4000-8000-000000000000", "int": "1", "slug": "x", "str": "x", "path": "1"}
ALIKE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def addresses(patterns: list[URLPattern | URLResolver], before: str = "/") -> Iterator[str]:
    for pattern in patterns:
        path = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, path)
        elif "(?P" not in path:
            yield re.sub(r"<(?:(\w+):)?\w+>", lambda found: FILLED.get(found[1] or "str", "x"), path)


WALKED = sorted({*addresses(get_resolver().url_patterns), "/docs?script=", "/nothing/at/all", "/static/css/sokoul.css"})
KEPT = ("/static/", "/posters/")


def check(path: str, answer: HttpResponse) -> None:
    headers = answer.headers
    assert answer.status_code < 500 or answer.status_code == 503, path
    for name, value in ALIKE.items():
        assert headers.get(name) == value, (path, name)
    assert not [name for name in headers if name.lower().startswith("access-control-")], path
    assert "camera=()" in headers["Permissions-Policy"], path
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'self'", "'none'", "'none'"), (
        path
    )
    assert (policy["object-src"], policy["form-action"]) == ("'none'", "'self'"), path
    assert policy["connect-src"] == "'self' ws://testserver wss://testserver", path
    scripts = policy.get("script-src", policy["default-src"])
    assert scripts == ("'self' 'unsafe-eval'" if path.startswith("/dashboard") else "'self'"), path
    assert "'unsafe-inline'" not in policy.get("style-src", ""), path
    assert "style-src-attr" not in policy or path.startswith("/dashboard"), path
    if not path.startswith(KEPT):
        assert "no-store" in headers["Cache-Control"], path
    for cookie in filter(lambda cookie: cookie.value, answer.cookies.values()):  # without one, it is being deleted
        assert cookie["httponly"], (path, cookie.key)
        assert cookie["samesite"] == "Lax", (path, cookie.key)


@pytest.mark.usefixtures("valkey", "nats")
@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "admin"])
def test_every_address_says_what_its_answer_may_do(admin: User, signed_in: bool) -> None:
    assert len(WALKED) > 100
    client = Client(raise_request_exception=False)
    for path in WALKED:
        if signed_in:
            client.force_login(admin, "apps.accounts.authentication.EmailOrUsernameBackend")
        answer = client.get(path, headers={"Origin": "https://evil.example"})
        try:
            check(path, answer)
        finally:
            answer.close()  # a file


@pytest.mark.usefixtures("valkey", "nats")
def test_pages_bring_no_script_and_no_style_within_them(admin: User) -> None:
    """The policy would refuse them; this finds them without a browser, in what is not ours too."""
    client = Client()
    client.force_login(admin, "apps.accounts.authentication.EmailOrUsernameBackend")
    for path in WALKED:
        answer = client.get(path)
        if answer.headers["Content-Type"].startswith("text/html"):
            page = answer.content.decode()
            assert not re.search(r"<style|\son[a-z]+=[\"']", page), path
            assert re.findall(r"<script(?![^>]*\ssrc=)(?![^>]*application/json)", page) == [], path
            assert re.findall(r'href="\s*javascript:', page) == [], path
        answer.close()


def test_over_https_cookies_are_the_host_s_own_and_browsers_stay_with_it(
    another_web: Callable[..., Web], alice: User
) -> None:
    web = another_web(PUBLIC_URL="https://films.example", TRUSTED_PROXIES="127.0.0.1")
    host = {"Host": "films.example"}
    plain = web.get("/app/login?next=/app/library", headers=host)
    assert (plain.status_code, plain.headers["Location"]) == (301, "https://films.example/app/login?next=/app/library")
    assert "Strict-Transport-Security" not in plain.headers
    within = {**host, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    page = web.get("/app/login", headers=within)
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    form = {"username": "alice", "password": PASSWORD, "csrfmiddlewaretoken": token(page.text)}
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    answer = web.request("POST", "/app/login", data=form, headers={
        **within, "Cookie": cookie, "Referer": "https://films.example/app/login"
    })  # fmt: skip
    assert answer.status_code == 302
    given = answer.headers.get_list("Set-Cookie")
    assert {line.partition("=")[0] for line in given} == {"__Host-sessionid", "__Host-csrftoken"}
    for line in given:
        parts = {part.strip().lower() for part in line.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= parts, line
        assert not any(part.startswith("domain") for part in parts), line
    foreign = web.request("POST", "/app/login", data=form, headers={
        **within, "Cookie": cookie, "Referer": "https://evil.example/"
    })  # fmt: skip
    assert foreign.status_code == 403
    _streams_and_sockets_take_no_token_in_the_clear(web, alice, within)


def _streams_and_sockets_take_no_token_in_the_clear(web: Web, alice: User, within: dict[str, str]) -> None:
    """They do not pass through Django, which refuses everything else (`test_a_program_is_not_led_to_https_but_told`)."""
    plain = {**within, "X-Forwarded-Proto": "http"}
    stream = "/downloads/1/files/0/stream"
    answers = [web.get(stream, alice, headers=headers) for headers in (plain, within)]
    assert [answer.status_code for answer in answers] == [403, 404]
    assert answers[0].json()["type"] == "about:blank#https"
    with pytest.raises(InvalidStatus) as refused:
        web.ws(f"?token={token_of(alice)}", additional_headers={"X-Forwarded-Proto": "http"})
    assert refused.value.response.status_code == 403
    web.ws(f"?token={token_of(alice)}", additional_headers={"X-Forwarded-Proto": "https"}).close()


def token(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    return found[1]


def test_what_the_server_answers_by_itself_is_no_page_either(web: Web) -> None:
    refused = web.request("POST", "/auth/login", content=b"x" * (2 << 20))
    stream = web.get("/downloads/1/files/0/stream")
    assert (refused.status_code, stream.status_code) == (413, 401)
    for answer in (refused, stream):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/app/login", "text/html; charset=utf-8"),
        ("/user/profile", "application/problem+json"),
        ("/health/live", "application/json"),
        ("/static/css/sokoul.css", 'text/css; charset="utf-8"'),
    ],
)
def test_an_answer_says_what_it_is(path: str, kind: str) -> None:
    answer = Client().get(path)
    answer.close()
    assert answer["Content-Type"] == kind


def test_what_somebody_is_told_is_kept_by_nobody(alice: User) -> None:
    """The walk asks the API as a stranger: a session opens none of it."""
    assert Api(alice).get("/user/profile")["Cache-Control"] == "no-store"
    assert Api(alice).get("/downloads/999")["Cache-Control"] == "no-store"


@pytest.mark.usefixtures("valkey")
def test_the_cookies_of_a_session_are_for_no_script_and_no_foreign_page(alice: User) -> None:
    browser = Client()
    browser.get("/app/login")
    browser.post("/app/login", {"username": "alice", "password": PASSWORD})
    for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
        assert (browser.cookies[name]["httponly"], browser.cookies[name]["samesite"]) == (True, "Lax"), name


@pytest.mark.parametrize("path", ["/user/profile", "/health", "/app/login", "/dashboard/"])
def test_trace_is_no_method(path: str) -> None:
    """What it would show: the headers of the request."""
    answer = Client().trace(path, headers={"X-Of-A-Proxy": "planted-in-transit"})
    assert answer.status_code != 200
    assert b"planted-in-transit" not in answer.content


def test_of_a_parameter_that_comes_twice_the_last_counts(alice: User) -> None:
    client = Api(alice)
    assert client.get("/downloads?page=nonsense&page=1").status_code == 200
    assert client.get("/downloads?page=1&page=nonsense").status_code == 400
