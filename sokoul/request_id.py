"""One id follows a request from the click through the job to the byte on disk (SPEC 18)."""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
_VALID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str] = ContextVar("request_id", default="")
_user: ContextVar[int | None] = ContextVar("user_id", default=None)


def new() -> str:
    return uuid.uuid4().hex


def accept(offered: str | None) -> str:
    """The caller's id if it is well formed, else a new one (a foreign string never reaches a log as it is)."""
    return offered if offered and _VALID.fullmatch(offered) else new()


def current() -> str:
    """The id of what this thread or task works on; empty outside of any."""
    return _current.get()


def current_user() -> int | None:
    return _user.get()


def set_user(user_id: int | None) -> None:
    _user.set(user_id)


@contextmanager
def bound(value: str, user_id: int | None = None) -> Iterator[None]:
    """Everything inside carries this id (and user) into logs, jobs and rows."""
    token, user_token = _current.set(value), _user.set(user_id)
    try:
        yield
    finally:
        _current.reset(token)
        _user.reset(user_token)


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def handle(request: HttpRequest) -> HttpResponse:
        value = accept(request.headers.get(HEADER))
        with bound(value):
            response = get_response(request)
            response[HEADER] = value
            return response

    return handle
