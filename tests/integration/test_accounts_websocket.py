"""Who may open a socket: by access token, or by a ticket that works once, also while Redis is gone."""

import time
from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client, override_settings

from apps.accounts import families, services, tokens, websocket
from apps.accounts.models import User
from apps.accounts.tokens import Kind
from sokoul.errors import PermanentError
from tests.cast import Api

Clients = Callable[[User | None], Api]


def refused(token: str | None = None, ticket: str | None = None) -> str:
    with pytest.raises(PermanentError) as caught:
        websocket.authenticate(token, ticket)
    assert caught.value.status == 401
    return caught.value.message


def in_another_process() -> None:
    """What this process knows of used tickets, another does not."""
    websocket._used.clear()


def test_an_access_token_opens_a_socket_until_it_expires(alice: User) -> None:
    token = families.start(alice).access
    claims = tokens.decode(Kind.ACCESS, token)
    sign_in = (alice.pk, 0, claims.family)
    assert websocket.authenticate(token, None) == (alice.pk, sign_in, claims.expires_at)


def test_a_ticket_works_once(valkey: str, api: Clients, alice: User) -> None:
    client = api(alice)
    answer = client.post("/auth/ws-ticket")
    assert answer.status_code == 200
    assert set(answer.json()) == {"ticket", "expires_at"}
    ticket = answer.json()["ticket"]
    assert client.token
    claims = tokens.decode(Kind.ACCESS, client.token)
    sign_in = (alice.pk, 0, claims.family)
    assert websocket.authenticate(None, ticket) == (alice.pk, sign_in, claims.expires_at)
    assert "used before" in refused(ticket=ticket)
    in_another_process()
    assert "used before" in refused(ticket=ticket)


def test_a_ticket_lives_a_minute(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    before = int(time.time())
    expires_at = websocket.issue_ticket(alice, None).expires_at.timestamp()
    assert before + 60 <= expires_at <= time.time() + 60
    monkeypatch.setitem(tokens.LIFETIMES, Kind.TICKET, -1)
    refused(ticket=websocket.issue_ticket(alice, None).ticket)


def test_a_ticket_works_once_while_redis_is_gone(alice: User) -> None:
    nowhere = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
            "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.3, "IGNORE_EXCEPTIONS": True},
        }
    }
    ticket = websocket.issue_ticket(alice, None).ticket
    with override_settings(CACHES=nowhere):
        assert cache.add("anything", 1) is None  # that is how django-redis says it
        assert websocket.authenticate(None, ticket).user_id == alice.pk
        assert "used before" in refused(ticket=ticket)


def test_neither_is_taken_for_the_other(alice: User) -> None:
    pair, ticket = families.start(alice), websocket.issue_ticket(alice, None).ticket
    for token in (ticket, pair.refresh, "rubbish"):
        refused(token=token)
    for text in (pair.access, pair.refresh, "rubbish"):
        refused(ticket=text)
    refused()


def test_a_ticket_dies_with_the_sign_in_that_asked_for_it(valkey: str, api: Clients, alice: User) -> None:
    pair = families.start(alice)
    claims = tokens.decode(Kind.ACCESS, pair.access)
    ticket = websocket.issue_ticket(alice, claims).ticket
    families.end(pair.refresh)
    refused(ticket=ticket)
    refused(token=pair.access)


def test_nobody_opens_a_socket_for_an_account_that_is_gone(alice: User) -> None:
    token, ticket = families.start(alice).access, websocket.issue_ticket(alice, None).ticket
    services.delete(alice)
    refused(token=token)
    refused(ticket=ticket)


def test_a_page_gets_its_ticket_by_session_and_csrf_token(valkey: str, alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    assert browser.post("/app/ticket").status_code == 403
    plain = Client()
    assert plain.post("/app/ticket").status_code == 401
    plain.force_login(alice)
    answer = plain.post("/app/ticket")
    assert answer.status_code == 200
    opened = websocket.authenticate(None, answer.json()["ticket"])
    assert opened.user_id == alice.pk
    assert 3590 < opened.expires_at - time.time() <= 3600
    assert plain.get("/app/ticket").status_code == 405


def test_a_session_does_not_open_rest(alice: User) -> None:
    browser = Client()
    browser.force_login(alice)
    assert browser.get("/user/profile").status_code == 401
    assert browser.delete("/user").status_code == 401
