"""What the client calls itself: the header User-Agent, which anybody may write as they like."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

LONGEST = 400  # characters that are looked at
_current: ContextVar[str] = ContextVar("user_agent", default="")


def current() -> str:
    """Empty outside of any request, and for a client that says nothing."""
    return _current.get()


@contextmanager
def bound(text: str) -> Iterator[None]:
    """Everything inside is done for this client."""
    token = _current.set(text[:LONGEST])
    try:
        yield
    finally:
        _current.reset(token)


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def handle(request: HttpRequest) -> HttpResponse:
        with bound(request.META.get("HTTP_USER_AGENT", "")):
            return get_response(request)

    return handle
