"""/downloads and /cancel: what is under way, and what can be done about it."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from apps.bot import messages
from apps.bot.handlers.registry import Numbers, command, press
from apps.bot.reply import Button, Reply, Sender
from apps.downloads import replacement, rows, services
from apps.downloads.models import Download
from sokoul.api import Page

LISTED = Page(1, 8)
PAUSABLE = {"queued", "metadata", "downloading"}
CANCELLABLE = {"searching", "paused", "filing"} | PAUSABLE
OVER = {"failed", "cancelled"}
IN_LIST, ALONE = 0, 1


def buttons_of(sender: Sender, row: dict[str, Any], place: int) -> list[Button]:
    """What can be done with a download now. `place`: whether its message tells of it alone."""
    name = f" #{row['id']}" if place == IN_LIST else ""
    found = []
    if row["phase"] in PAUSABLE:
        found.append(sender.button(_("Pause") + name, "p", row["id"], place))
    if row["phase"] == "paused":
        found.append(sender.button(_("Resume") + name, "r", row["id"], place))
    if row["phase"] in CANCELLABLE:
        found.append(sender.button(_("Cancel") + name, "c", row["id"], place))
    if row["phase"] in OVER:
        found.append(sender.button(_("Try again") + name, "y", row["id"], place))
    if row["phase"] == "failed" and (row["torrent_id"] or row["name"]):
        found.append(sender.button(_("Take another release") + name, "k", row["id"], place))
    return found


def shown(sender: Sender, download: Download) -> Reply:
    """One download; the message is kept up to date until it ends."""
    row = rows.shown(download)
    buttons = buttons_of(sender, row, ALONE)
    follow = None if row["status"] in {"Completed", "Failed"} else ("download", str(row["id"]))
    return Reply(messages.download(row), [buttons] if buttons else [], follow=follow)


@command("downloads")
def listed(sender: Sender, argument: str) -> Reply:
    found = rows.listed(sender.person.pk, LISTED)
    if not found["results"]:
        return Reply(_("You have no downloads. Find something with /search."))
    keys = [buttons_of(sender, row, IN_LIST) for row in found["results"]]
    return Reply(messages.downloads(found["results"], found["total"] > LISTED.limit), [row for row in keys if row])


@command("cancel")
def cancel_which(sender: Sender, argument: str) -> Reply:
    """/cancel 12 cancels number 12; alone it asks which."""
    number = argument.strip().lstrip("#")
    if number.isascii() and number.isdigit() and len(number) < 19:
        services.cancel(sender.person.pk, int(number))
        return Reply(_("Cancelled."))
    active = [row for row in rows.active(sender.person.pk) if row["phase"] in CANCELLABLE]
    if not active:
        return Reply(_("There is nothing to cancel."))
    keys = [[sender.button(_("Cancel") + f" #{row['id']}", "c", row["id"], IN_LIST)] for row in active]
    return Reply(messages.downloads(active, more=False), keys)


def _act(verb: str, action: Callable[[int, int], Any]) -> None:
    @press(verb)
    def pressed(sender: Sender, numbers: Numbers) -> Reply:
        download_id, place = numbers
        action(sender.person.pk, download_id or 0)
        if place == IN_LIST:
            return listed(sender, "")
        return shown(sender, services.owned(sender.person.pk, download_id or 0))


_act("p", services.pause)
_act("r", services.resume)
_act("c", services.cancel)
_act("y", services.retry)
_act("k", replacement.replace)
