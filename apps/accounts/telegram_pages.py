"""HTML: linking one's Telegram account, a part of the page about notifications."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import telegram
from apps.accounts.models import User
from sokoul.errors import PermanentError
from sokoul.pages import is_fragment, signed_in, user_id

PAGE = "app:channels"


@signed_in
@require_safe
def state(request: HttpRequest) -> HttpResponse:
    """How it stands. Whoever waits for a link to be opened (`waiting`) asks again and again, and then sees the whole part."""
    waiting = "waiting" in request.GET
    if not is_fragment(request):
        return redirect(PAGE)
    if waiting and telegram.state(user_id(request))["state"] == "none":
        return render(request, "accounts/_telegram_waiting.html")
    answer = _part(request)
    if waiting:
        answer["HX-Retarget"], answer["HX-Reswap"] = "#telegram", "outerHTML"
    return answer


def _part(request: HttpRequest, **more: str) -> HttpResponse:
    return render(request, "accounts/_telegram.html", {"telegram": telegram.state(user_id(request)), **more})


@signed_in
@require_POST
def act(request: HttpRequest, verb: str) -> HttpResponse:
    """link makes one, confirm and refuse answer who asked, unlink ends it."""
    assert isinstance(request.user, User)
    user = request.user
    more: dict[str, str] = {}
    if verb == "link":
        url, _until = telegram.offer(user)
        more = {"url": url}
    elif verb == "confirm":
        telegram.confirm(user)
    elif verb == "refuse":
        telegram.refuse(user.pk)
    elif verb == "unlink":
        telegram.unlink(user.pk, why="asked on the web")
    else:
        raise PermanentError("There is nothing here.", code="not_found", status=404)
    if not is_fragment(request):
        if more:
            messages.success(request, _("Open this in Telegram within ten minutes: %(url)s") % {"url": more["url"]})
        return redirect(PAGE)
    answer = _part(request, **more)
    answer["HX-Trigger"] = "sokoul:channels"
    return answer
