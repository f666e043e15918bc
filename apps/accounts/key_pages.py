"""HTML: the page of one's API keys."""

from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import api_keys
from apps.accounts.models import User
from sokoul.errors import PermanentError
from sokoul.pages import is_fragment, signed_in

PAGE = "app:api-keys"
DAYS = {"": None, "30": 30, "90": 90, "365": 365}


@signed_in
@require_http_methods(["GET", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """POST makes one. Its answer alone shows the key: no redirect, which would have to carry it."""
    assert isinstance(request.user, User)
    made = None
    if request.method == "POST":
        made = api_keys.create(request.user, request.POST.get("name", ""), _end(request.POST.get("days", "")))
    return _shown(request, request.user, made)


def _end(days: str) -> datetime | None:
    if days not in DAYS:
        raise PermanentError(_("Choose from the list how long it shall last."))
    lasting = DAYS[days]
    return timezone.now() + timedelta(days=lasting) if lasting else None


def _shown(request: HttpRequest, user: User, made: api_keys.NewKey | None = None) -> HttpResponse:
    context = {"keys": api_keys.of_user(user.pk), "made": made, "now": timezone.now()}
    return render(request, "accounts/_keys.html" if is_fragment(request) else "accounts/keys.html", context)


@signed_in
@require_POST
def delete(request: HttpRequest, key_id: int) -> HttpResponse:
    assert isinstance(request.user, User)
    api_keys.delete(request.user, key_id)
    return _shown(request, request.user) if is_fragment(request) else redirect(PAGE)
