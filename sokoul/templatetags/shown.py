"""Numbers for people, and icons."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

register = template.Library()
UNITS = (gettext_lazy("KB"), gettext_lazy("MB"), gettext_lazy("GB"), gettext_lazy("TB"))


@register.filter
def size(value: float | None) -> str:
    """Bytes as people write them, in powers of 1000."""
    amount = float(value or 0)
    if amount < 1000:
        return _("%(bytes)s B") % {"bytes": int(amount)}
    unit, digits = "", 0
    for name in UNITS:
        amount, unit = amount / 1000, str(name)
        digits = 1 if amount < 100 else 0
        if round(amount, digits) < 1000:
            break
    return f"{number_format(round(amount, digits), digits)} {unit}"  # number_format alone would cut instead of round


@register.filter
def rate(value: float | None) -> str:
    """Bytes a second."""
    return _("%(size)s/s") % {"size": size(value)}


@register.filter
def quota(pair: Mapping[str, int | None]) -> str:
    """{used, limit} as a count: 2 of 5; 2, no limit."""
    return _pair(str(pair["used"] or 0), None if pair["limit"] is None else str(pair["limit"]))


@register.filter
def quota_of_bytes(pair: Mapping[str, int | None]) -> str:
    """{used, limit} of bytes: 1.2 GB of 50.0 GB."""
    return _pair(size(pair["used"]), None if pair["limit"] is None else size(pair["limit"]))


def _pair(used: str, limit: str | None) -> str:
    if limit is None:
        return _("%(used)s, no limit") % {"used": used}
    return _("%(used)s of %(limit)s") % {"used": used, "limit": limit}


@register.filter
def clock(value: float | None) -> str:
    """Seconds as a player shows them: 12:34, 1:02:03."""
    minutes, seconds = divmod(int(value or 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


@register.filter
def left(value: float | None) -> str:
    """Seconds that something still takes, roughly; nothing where nobody knows."""
    if value is None:
        return ""
    if value < 60:
        return _("%(count)d s left") % {"count": value}
    if value < 3600:
        return _("%(count)d min left") % {"count": value // 60}
    if value < 86_400:
        return _("%(hours)d h %(minutes)d min left") % {"hours": value // 3600, "minutes": value % 3600 // 60}
    return _("%(count)d days left") % {"count": value // 86_400}


@register.filter
def minutes(value: float | None) -> str:
    """Minutes as a length: 64 min, 1 h 50 min."""
    hours, rest = divmod(int(value or 0), 60)
    if not hours:
        return _("%(count)d min") % {"count": rest}
    return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": rest}


@register.filter
def ago(value: datetime) -> str:
    """How long ago that was."""
    if timezone.now() - value < timedelta(minutes=1):
        return _("just now")
    return _("%(time)s ago") % {"time": timesince(value, depth=1)}


@register.simple_tag
def icon(name: str) -> SafeString:
    """A symbol of static/icons.svg; it says nothing that the text beside it does not say."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', static("icons.svg"), name)


@register.filter
def cut_folders(path: str) -> str:
    """The file's name without the folders before it."""
    return path.rpartition("/")[2]


@register.filter
def episode_code(path: str) -> str:
    """S01E02 of a file that was filed as an episode, else nothing."""
    found = re.search(r"S\d{2,}(?:E\d{2,})+", cut_folders(path)) if path.startswith("Series/") else None
    return found[0] if found else ""
