"""HTML: the page where people choose how they are told what happened."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts import telegram
from apps.accounts.channels import apprise, preferences, services
from apps.accounts.channels.models import Kind
from apps.accounts.channels.words import KINDS, where
from apps.accounts.models import User
from sokoul.errors import PermanentError
from sokoul.pages import is_fragment, signed_in, toast, user_id

PAGE = "app:channels"
CHANNELS = "accounts/_channels.html"
CHANGED = "sokoul:channels"  # the boxes beside the events change with the channels


@signed_in
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """With `channel` and `code` of a mail: the same, ready to confirm that address."""
    if is_fragment(request):
        return _channels(request)
    context = {**_shown(request), **_matrix(request), "telegram": telegram.state(user_id(request))}
    return render(request, "accounts/channels.html", context)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _channels(request: HttpRequest, **more: Any) -> HttpResponse:
    return render(request, CHANNELS, {**_shown(request), **more})


def _shown(request: HttpRequest) -> dict[str, Any]:
    mine = list(services.of_user(user_id(request)).exclude(kind=Kind.TELEGRAM))
    rows = [{"row": channel, "name": str(KINDS[channel.kind]), "where": where(channel)} for channel in mine]
    return {
        "channels": rows,
        "has_mail": any(channel.kind == Kind.EMAIL for channel in mine),
        "schemes": sorted(apprise.HOSTED),
        "code": request.GET.get("code", "")[:500],
        "code_of": request.GET.get("channel", ""),
    }


def _matrix(request: HttpRequest) -> dict[str, Any]:
    """A row for each event with a box for each kind of channel that the person has."""
    mine = user_id(request)
    kinds = list(dict.fromkeys(services.of_user(mine).order_by("kind").values_list("kind", flat=True)))
    muted = preferences.silences(mine)
    rows = [
        {
            "about": about,
            "boxes": [
                {"name": f"{kind}:{code}", "kind": str(KINDS[kind]), "on": (kind, code) not in muted} for kind in kinds
            ],
        }
        for code, about in preferences.codes().items()
    ]
    return {"events": rows, "kinds": [str(KINDS[kind]) for kind in kinds], "kind_codes": kinds}


def _done(request: HttpRequest, **more: Any) -> HttpResponse:
    if not is_fragment(request):
        return redirect(PAGE)
    answer = _channels(request, **more)
    answer["HX-Trigger"] = CHANGED
    return answer


@signed_in
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """The answer shows a webhook's secret, this once."""
    kind = request.POST.get("kind", "")
    if kind not in (Kind.EMAIL, Kind.WEBHOOK, Kind.APPRISE):
        raise PermanentError("kind is email, webhook or apprise.")
    target = request.POST.get("target", "")[:501].replace("\0", "")
    if len(target) > 500:
        raise PermanentError(_("This address is too long."))
    channel = services.add(_person(request), Kind(kind), target)
    if channel.secret and not is_fragment(request):
        messages.success(request, _("The secret of your webhook, shown this once: %s") % channel.secret)
    return _done(request, fresh=channel)


@signed_in
@require_POST
def remove(request: HttpRequest, channel_id: int) -> HttpResponse:
    services.remove(_person(request), channel_id)
    return _done(request)


@signed_in
@require_POST
def try_out(request: HttpRequest, channel_id: int) -> HttpResponse:
    """The list asks for itself once the job has ended, and says how."""
    job = services.try_out(_person(request), channel_id)
    return _done(request, tested=channel_id, job=str(job.pk))


@signed_in
@require_POST
def confirm(request: HttpRequest, channel_id: int) -> HttpResponse:
    services.confirm(_person(request), channel_id, request.POST.get("code", "")[:500])
    return _done(request)


@signed_in
@require_http_methods(["GET", "POST"])
def prefer(request: HttpRequest) -> HttpResponse:
    """`shown` are the kinds that the form had boxes for, `wanted` the boxes that are ticked (kind:code)."""
    if request.method == "GET":
        return (
            render(request, "accounts/_preferences.html", _matrix(request)) if is_fragment(request) else redirect(PAGE)
        )
    person, shown = _person(request), set(request.POST.getlist("shown"))
    wanted = {tuple(box.split(":", 1)) for box in request.POST.getlist("wanted")}
    had_box = {silence for silence in preferences.all_silences() if silence[0] in shown}
    untouched = {silence for silence in preferences.silences(person.pk) if silence[0] not in shown}
    preferences.silence(person, (had_box - wanted) | untouched)
    return toast(request, _("Saved.")) if is_fragment(request) else redirect(PAGE)
