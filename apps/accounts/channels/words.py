"""What channels are called, in the language that is active. Addresses are secrets: of most only the beginning is ever shown."""

from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.channels.models import Channel, Kind

KINDS: dict[str, Any] = {
    Kind.TELEGRAM: "Telegram",
    Kind.EMAIL: gettext_lazy("E-mail"),
    Kind.WEBHOOK: gettext_lazy("Webhook"),
    Kind.APPRISE: "Apprise",
}


def where(channel: Channel) -> str:
    """Its address as far as it may be shown: whoever knows all of a webhook's or an Apprise URL may use it."""
    if channel.kind not in (Kind.WEBHOOK, Kind.APPRISE):
        return channel.target
    parts = urlsplit(channel.target)
    return f"{parts.scheme}://…" if channel.kind == Kind.APPRISE else f"{parts.scheme}://{_host(parts.netloc)}/…"


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2]


def name_of(channel: Channel) -> str:
    shown = where(channel)
    return f"{KINDS[channel.kind]} ({shown})" if shown else str(KINDS[channel.kind])


def switched_off(channel: Channel, why: str) -> str:
    gaps = {"channel": name_of(channel), "reason": why}
    return (
        _("%(channel)s is switched off, because it does not work: %(reason)s Test it in your profile to go on.") % gaps
    )
