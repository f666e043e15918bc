"""The calendar for programs of calendars (RFC 5545), at an address that only its person knows."""

import hashlib
import secrets
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import icalendar
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads.following import calendar
from apps.downloads.following.models import CalendarAddress
from sokoul.env import ENV
from sokoul.errors import PermanentError, not_found

BEFORE, AFTER = timedelta(days=60), timedelta(days=300)
REFRESH = timedelta(hours=6)
PATH = "/app/calendar.ics"
KINDS = {
    "cinema": gettext_lazy("in cinemas"),
    "digital": gettext_lazy("at home"),
    "physical": gettext_lazy("on disc"),
}


def make_address(user: User) -> str:
    """A new secret address, which nobody is shown again; the one from before leads nowhere from now on."""
    text = secrets.token_urlsafe(32)
    with transaction.atomic():
        CalendarAddress.objects.update_or_create(
            user_id=user.pk, defaults={"digest": _digest(text), "created_at": timezone.now()}
        )
        audit.record("calendar.address_made", user.username, user)
    return f"{ENV.address}{PATH}?{urlencode({'token': text})}"  # a name that logs hide


def revoke_address(user: User) -> None:
    """Afterwards there is none, whatever was before."""
    with transaction.atomic():
        if CalendarAddress.objects.filter(user_id=user.pk).delete()[0]:
            audit.record("calendar.address_revoked", user.username, user)


def end_with_keys(user_id: int) -> None:
    """Whoever chose a new password wants nobody left inside, here neither."""
    CalendarAddress.objects.filter(user_id=user_id).delete()


def made_at(user_id: int) -> datetime | None:
    """Since when a person has an address."""
    return CalendarAddress.objects.filter(user_id=user_id).values_list("created_at", flat=True).first()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def feed(text: str) -> bytes:
    """The calendar behind an address, in its person's language. PermanentError (404) for any other address."""
    found = CalendarAddress.objects.filter(digest=_digest(text), user__is_active=True).select_related("user").first()
    if found is None:
        raise not_found("This calendar")
    today = timezone.now().date()
    with override(found.user.language or ENV.default_language):
        return _written(calendar.entries(found.user.pk, today - BEFORE, today + AFTER))


def _written(entries: list[dict[str, Any]]) -> bytes:
    sheet = icalendar.Calendar()
    sheet.add("prodid", "-//Sokoul//Calendar//EN")
    sheet.add("version", "2.0")
    sheet.add("method", "PUBLISH")
    sheet.add("x-wr-calname", "Sokoul")
    sheet.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    for entry in entries:
        sheet.add_component(_event(entry))
    return bytes(sheet.to_ical())


def _event(entry: dict[str, Any]) -> icalendar.Event:
    """A whole day, that blocks nobody's time. The same thing has the same UID on whatever day it comes out."""
    event, day = icalendar.Event(), entry["day"]
    part = calendar.code_of(entry) or entry["kind"]
    event.add("uid", f"{entry['media_id']}-{part}@{urlsplit(ENV.address).hostname}".lower())
    event.add("dtstamp", (entry["read_at"] or datetime(day.year, day.month, day.day, tzinfo=UTC)).astimezone(UTC))
    event.add("dtstart", day)
    event.add("dtend", day + timedelta(days=1))
    event.add("summary", summary(entry))
    if entry["overview"]:
        event.add("description", entry["overview"])
    event.add("url", f"{ENV.address}/app/titles/{entry['media_id']}")
    event.add("transp", "TRANSPARENT")
    return event


def summary(entry: dict[str, Any]) -> str:
    if not (code := calendar.code_of(entry)):
        return _("%(title)s: %(way)s") % {"title": entry["title"], "way": KINDS[entry["kind"]]}
    return " · ".join(filter(None, (entry["title"], code, entry["episode_title"])))


def day_of(text: str, name: str, default: date) -> date:
    """A day of a query string; PermanentError (400) for what is none."""
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise PermanentError(f"{name} must be a day, like 2026-11-26.", fields={name: ["YYYY-MM-DD"]}) from None
