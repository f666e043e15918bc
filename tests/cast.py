"""The fixed cast of every test: alice and bob own things, mallory is the stranger who wants them, and who keeps order.

`api(user)` is a REST client with a real access token; `api(None)` is nobody.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from apps.accounts import families, identity
from apps.accounts.models import Role, User
from tests.factories import make_user


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def mallory(db: None) -> User:
    return make_user("mallory")


@pytest.fixture
def moderator(db: None) -> User:
    return make_user("moderator", role=Role.MODERATOR)


@pytest.fixture
def admin(db: None) -> User:
    return make_user("admin", role=Role.ADMIN)


class Api:
    """Django's test client over the whole stack: JSON in, JSON out, `Authorization: Bearer` of one person."""

    def __init__(self, user: User | None) -> None:
        self.client = Client(raise_request_exception=False)
        self.token = families.start(User.objects.get(pk=user.pk)).access if user else None

    def request(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **query: Any
    ) -> HttpResponse:
        """`body` becomes JSON, `query` the query string; a `headers` entry wins over the token."""
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        extra: dict[str, Any] = {} if body is None else {"data": body, "content_type": "application/json"}
        if query:
            extra["query_params"] = query
        answer: HttpResponse = getattr(self.client, method)(path, headers={**bearer, **(headers or {})}, **extra)
        return answer

    def get(self, path: str, **rest: Any) -> Any:
        return self.request("get", path, **rest)

    def post(self, path: str, body: Any = None, **rest: Any) -> Any:
        return self.request("post", path, body, **rest)

    def put(self, path: str, body: Any = None, **rest: Any) -> Any:
        return self.request("put", path, body, **rest)

    def patch(self, path: str, body: Any = None, **rest: Any) -> Any:
        return self.request("patch", path, body, **rest)

    def delete(self, path: str, body: Any = None, **rest: Any) -> Any:
        return self.request("delete", path, body, **rest)


@pytest.fixture
def api(db: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[User | None], Api]:
    """Makes clients. Every request asks the database who is behind the token, so that query counts do not hang on a clock."""
    monkeypatch.setattr(identity, "KEEP_SECONDS", 0.0)
    return Api
