"""Notifications on their way to Telegram: a job in the transaction that writes the notification, and the words it brings."""

import uuid

from django.utils.translation import gettext as _

from apps.accounts import telegram
from apps.accounts.models import TelegramLink
from apps.downloads.models import Download
from apps.feed.models import Event
from apps.jobs import services as jobs


def carry(event: Event) -> None:
    """Ask the notifier to tell the person in Telegram, if they are linked. One job a notification.

    It is the system's own: nobody wants to be told about the telling.
    """
    if event.user_id is None or telegram.link_of(event.user_id) is None:
        return
    job_id = uuid.uuid5(uuid.NAMESPACE_OID, f"notifier.telegram {event.pk}")
    jobs.enqueue("notifier", "telegram", {"event_id": event.pk}, job_id=job_id)


def words(event: Event, link: TelegramLink) -> str:
    """What a notification says, in the language that is active; the English text where there is no other."""
    code, data = event.data.get("code"), event.data
    if code == "telegram_linked":
        return _("You are linked as %(name)s. Send /help to see what I can do.") % {"name": link.user.username}
    download = Download.objects.select_related("media").filter(pk=data.get("download_id")).first()
    if download is not None and code == "download_completed":
        return _("“%(title)s” is in your library.") % {"title": download.media.title}
    if download is not None and code == "download_failed":
        return _("“%(title)s” failed: %(reason)s") % {"title": download.media.title, "reason": download.reason}
    return str(data.get("text") or "") or _("Something happened to what you asked for. Look at the web page.")
