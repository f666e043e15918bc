"""HTML: the button on a title, what is followed, what is wanted, the calendar and its address."""

from calendar import monthrange
from datetime import date, timedelta
from itertools import groupby

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.models import User
from apps.downloads.following import addresses, calendar, cutoff, follows, ical, retention, wanted
from apps.downloads.profiles import services as profiles
from apps.media import services as media_services
from sokoul.errors import PermanentError, not_found
from sokoul.pages import back, is_fragment, number, page_of, paging, signed_in, user_id

ADDRESS = "downloads/_address.html"


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@signed_in
@require_POST
def follow(request: HttpRequest, media_id: int) -> HttpResponse:
    """`what`: film, all, future, missing or season-2; `profile_id` for a copy of its own."""
    what, _, season = request.POST.get("what", "").partition("-")
    follows.follow(
        _person(request), media_id, what, number(season), profiles.chosen(request.POST.get("profile_id", ""))
    )
    return _button(request, media_id)


@signed_in
@require_POST
def unfollow(request: HttpRequest, media_id: int) -> HttpResponse:
    """`follow_id` for one of several; else all of the title."""
    ending = request.POST.get("follow_id", "")
    if ending and not (ending.isascii() and ending.isdigit() and len(ending) < 19):
        raise not_found("This follow")
    follows.end_all(_person(request), media_id, only=int(ending) if ending else None)
    return _button(request, media_id)


@signed_in
@require_POST
def keep(request: HttpRequest, follow_id: int) -> HttpResponse:
    """`keep_last` or `keep_days`; empty for everything."""
    last, days = (number(request.POST.get(name)) for name in ("keep_last", "keep_days"))
    retention.keep(_person(request), follow_id, last=last or None, days=days)
    messages.success(request, gettext("Saved."))
    return redirect("app:followed")


@signed_in
@require_POST
def end(request: HttpRequest, follow_id: int) -> HttpResponse:
    """One thing that is followed, of whatever title. Pressed twice, it is gone all the same."""
    try:
        follows.unfollow(_person(request), follow_id)
    except PermanentError as error:
        if error.status != 404:
            raise
    messages.success(request, gettext("You follow it no longer. What is being downloaded goes on."))
    return redirect("app:followed")


def _button(request: HttpRequest, media_id: int) -> HttpResponse:
    if not is_fragment(request):
        return back(request)
    media = media_services.details(media_id)
    context = {
        "media": media,
        "followed": follows.of_title(user_id(request), media_id),
        "followable": follows.choices(media_id, media["kind"]),
        "profiles": profiles.names(),
    }
    return render(request, "downloads/_follow.html", context)


@signed_in
@require_safe
def followed(request: HttpRequest) -> HttpResponse:
    found = follows.listed(user_id(request), page_of(request))
    return render(request, "downloads/followed.html", {"follows": found["results"], "paging": paging(found)})


@signed_in
@require_safe
def wanted_page(request: HttpRequest) -> HttpResponse:
    found = wanted.listed(user_id(request), page_of(request))
    return render(request, "downloads/wanted.html", {"wanted": found["results"], "paging": paging(found)})


@signed_in
@require_safe
def cutoff_page(request: HttpRequest) -> HttpResponse:
    found = cutoff.listed(user_id(request), page_of(request))
    return render(request, "downloads/cutoff.html", {"unmet": found["results"], "paging": paging(found)})


# The calendar


@signed_in
@require_safe
def month(request: HttpRequest) -> HttpResponse:
    """`month` like 2026-11; the present one unless told."""
    today = wanted.today()
    first = _first_day(request.GET.get("month", ""), today)
    last = first.replace(day=monthrange(first.year, first.month)[1])
    found = [calendar.told(entry, today) for entry in calendar.entries(user_id(request), first, last)]
    context = {
        "days": [(day, list(entries)) for day, entries in groupby(found, key=lambda entry: entry["day"])],
        "month": first,
        "previous": first - timedelta(days=1),
        "next": last + timedelta(days=1),
        "today": today,
        "address_made_at": addresses.made_at(user_id(request)),
    }
    return render(request, "downloads/calendar.html", context)


def _first_day(text: str, today: date) -> date:
    """Of a month; what is none is the present one."""
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        return today.replace(day=1)
    return first if 1900 <= first.year <= 2200 else today.replace(day=1)


@signed_in
@require_POST
def make_address(request: HttpRequest) -> HttpResponse:
    """Shown in the answer to this form, and never again."""
    url = addresses.make(_person(request))
    context = {"url": url, "address_made_at": addresses.made_at(user_id(request))}
    return render(request, ADDRESS if is_fragment(request) else "downloads/address.html", context)


@signed_in
@require_POST
def revoke_address(request: HttpRequest) -> HttpResponse:
    addresses.revoke(_person(request))
    return render(request, ADDRESS, {}) if is_fragment(request) else redirect("app:calendar")


@require_safe
def feed(request: HttpRequest) -> HttpResponse:
    """For programs: who knows the address is let in."""
    written = ical.feed(request.GET.get("token", ""))
    return HttpResponse(written, content_type="text/calendar; charset=utf-8")
