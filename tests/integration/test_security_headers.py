"""What every answer tells browsers and proxies beside its content, and what no request can ask for."""

import pytest
from django.conf import settings
from django.test import Client

from apps.accounts.models import User
from tests.cast import Api
from tests.factories import PASSWORD

PATHS = ("/app/login", "/auth/login", "/static/css/sokoul.css", "/nowhere")


@pytest.mark.parametrize("path", PATHS)
def test_no_answer_is_guessed_at_framed_or_read_by_another_origin(db: None, path: str) -> None:
    answer = Client().get(path, headers={"Origin": "https://evil.example"})
    answer.close()
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/app/login", "text/html; charset=utf-8"),
        ("/user/profile", "application/problem+json"),
        ("/health/live", "application/json"),
        ("/static/css/sokoul.css", 'text/css; charset="utf-8"'),
    ],
)
def test_an_answer_says_what_it_is(db: None, path: str, kind: str) -> None:
    answer = Client().get(path)
    answer.close()
    assert answer["Content-Type"] == kind


def test_what_somebody_is_told_is_kept_by_nobody(alice: User) -> None:
    assert Api(alice).get("/user/profile")["Cache-Control"] == "no-store"
    assert Api(alice).get("/downloads/999")["Cache-Control"] == "no-store"


def test_the_cookie_of_a_session_is_for_no_script_and_no_foreign_page(alice: User, valkey: str) -> None:
    browser = Client()
    browser.get("/app/login")
    browser.post("/app/login", {"username": "alice", "password": PASSWORD})
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert browser.cookies[settings.CSRF_COOKIE_NAME]["samesite"] == "Lax"


@pytest.mark.parametrize("path", ["/user/profile", "/health", "/app/login", "/dashboard/"])
def test_trace_is_no_method(db: None, path: str) -> None:
    """What it would show: the headers of the request."""
    answer = Client().trace(path, headers={"X-Of-A-Proxy": "planted-in-transit"})
    assert answer.status_code != 200
    assert b"planted-in-transit" not in answer.content


def test_of_a_parameter_that_comes_twice_the_last_counts(alice: User) -> None:
    client = Api(alice)
    assert client.get("/downloads?page=nonsense&page=1").status_code == 200
    assert client.get("/downloads?page=1&page=nonsense").status_code == 400
