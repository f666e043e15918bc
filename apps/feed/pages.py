"""HTML: notifications, and the bell of every page."""

from collections.abc import Callable
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from apps.feed import notifications
from sokoul.errors import PermanentError
from sokoul.pages import is_fragment, page_of, paging, shown, signed_in, user_id


def bell(request: HttpRequest) -> dict[str, Callable[[], int]]:
    """Context of every template: `unread`, asked of the database only where a template shows it, and once."""

    @cache
    def unread() -> int:
        return notifications.unread(user_id(request)) if request.user.is_authenticated else 0

    return {"unread": unread}


@signed_in
@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    return _shown_now(request)


def _shown_now(request: HttpRequest) -> HttpResponse:
    found = notifications.listed(user_id(request), page_of(request))
    context = {"notifications": found["results"], "paging": paging(found)}
    return shown(request, "feed/notifications.html", context, fragment="feed/_notifications.html")


@signed_in
@require_POST
def mark_read(request: HttpRequest) -> HttpResponse:
    """One (`id`), or all of them."""
    text = request.POST.get("id", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise PermanentError("id is the number of a notification.")
    notifications.mark_read(user_id(request), [int(text)] if text else None)
    return _shown_now(request) if is_fragment(request) else redirect("app:notifications")
