"""The calendar for programs of calendars (RFC 5545)."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import icalendar
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override

from apps.downloads.following import addresses, calendar
from sokoul.env import ENV
from sokoul.errors import PermanentError

BEFORE, AFTER = timedelta(days=60), timedelta(days=300)
REFRESH = timedelta(hours=6)
_CONTROL = re.compile("[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
KINDS = {
    "cinema": gettext_lazy("in cinemas"),
    "digital": gettext_lazy("at home"),
    "physical": gettext_lazy("on disc"),
}


def feed(text: str) -> bytes:
    """The calendar behind an address, in its person's language. PermanentError (404) for any other address."""
    person, today = addresses.person_of(text), timezone.now().date()
    with override(person.language or ENV.default_language):
        return _written(calendar.entries(person.pk, today - BEFORE, today + AFTER))


def _written(entries: list[dict[str, Any]]) -> bytes:
    sheet = icalendar.Calendar()
    sheet.add("prodid", "-//Sokoul//Calendar//EN")
    sheet.add("version", "2.0")
    sheet.add("method", "PUBLISH")
    sheet.add("x-wr-calname", "Sokoul")
    sheet.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    for entry in entries:
        sheet.add_component(_event(entry))
    if not entries:
        sheet.add_component(_universal_time())
    return bytes(sheet.to_ical())


def _universal_time() -> icalendar.Timezone:
    """A calendar has one component at least (RFC 5545, 3.6), also one without entries: a time zone shows nothing to anybody."""
    zone, always = icalendar.Timezone(), icalendar.TimezoneStandard()
    zone.add("tzid", "Etc/UTC")
    always.add("dtstart", datetime(1970, 1, 1))
    always.add("tzoffsetfrom", timedelta(0))
    always.add("tzoffsetto", timedelta(0))
    zone.add_component(always)
    return zone


def _event(entry: dict[str, Any]) -> icalendar.Event:
    """A whole day, that blocks nobody's time. The same thing has the same UID on whatever day it comes out."""
    event, day = icalendar.Event(), entry["day"]
    part = calendar.code_of(entry) or entry["kind"]
    event.add("uid", f"{entry['media_id']}-{part}@{urlsplit(ENV.address).hostname}".lower())
    event.add("dtstamp", (entry["read_at"] or datetime(day.year, day.month, day.day, tzinfo=UTC)).astimezone(UTC))
    event.add("dtstart", day)
    event.add("dtend", day + timedelta(days=1))
    event.add("summary", _plain(summary(entry)))
    if entry["overview"]:
        event.add("description", _plain(entry["overview"]))
    event.add("url", f"{ENV.address}/app/titles/{entry['media_id']}")
    event.add("transp", "TRANSPARENT")
    return event


def _plain(text: str) -> str:
    """TMDB is written by strangers. A text has no control characters here (RFC 5545, 3.3.11), and what some programs take for
    the end of a line begins none."""
    return _CONTROL.sub(" ", text.replace("\r\n", "\n"))


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
