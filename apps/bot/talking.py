"""From an update to its answer: who speaks, what they want, what is said back. Synchronous; runs on a pool of threads."""

import re
import time
from collections import deque

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _
from django.utils.translation import override

from apps.accounts import telegram
from apps.accounts.models import TelegramBot, TelegramLink
from apps.bot import buttons, handlers
from apps.bot.handlers import general, registry
from apps.bot.incoming import Incoming
from apps.bot.reply import Reply, Sender
from sokoul import logs, request_id
from sokoul.errors import SokoulError

log = logs.logger(__name__)
_COMMAND = re.compile(r"/(\w+)(?:@(\w+))?(?:\s+(.*))?", re.DOTALL)
MOST_A_MINUTE = 40
MOST_KNOWN = 10_000
assert handlers.__all__  # importing them has registered them


class Pace:
    """At most `most` updates a minute from one account: the bot's own strength is limited too."""

    def __init__(self, most: int = MOST_A_MINUTE) -> None:
        self._most = most
        self._times: dict[int, deque[float]] = {}

    def over(self, who: int, now: float | None = None) -> int:
        """By how many this one exceeds what is allowed; 0: answer it, 1: say so, more: say nothing."""
        now = time.monotonic() if now is None else now
        if len(self._times) > MOST_KNOWN:
            self._times = {one: times for one, times in self._times.items() if times[-1] > now - 60}
        times = self._times.setdefault(who, deque())
        while times and times[0] <= now - 60:
            times.popleft()
        if len(times) <= self._most:
            times.append(now)
            return max(0, len(times) - self._most)
        return 2


def sender_of(telegram_id: int, chat_id: int, name: str, language: str, link: TelegramLink | None) -> Sender:
    spoken = (link.language if link else "") or language or settings.LANGUAGE_CODE
    return Sender(telegram_id, chat_id, name, spoken, link.user if link else None)


def answer(update: Incoming) -> Reply | None:
    """What to say; None for nothing. Whoever was unlinked, deactivated or deleted is a stranger from that moment."""
    link = telegram.linked(update.telegram_id)
    sender = sender_of(update.telegram_id, update.chat_id, update.name, update.language, link)
    with request_id.bound(request_id.new(), sender.user.pk if sender.user else None), override(sender.language):
        if update.kind == "left":
            telegram.unlink_chat(update.chat_id, why="the bot was blocked")
            return None
        return _pressed(sender, update) if update.kind == "button" else _said(sender, update)


def patience(update: Incoming) -> str:
    """What is said at once where the answer takes longer."""
    with override(update.language or settings.LANGUAGE_CODE):
        return _("One moment…")


def _said(sender: Sender, update: Incoming) -> Reply | None:
    found = _COMMAND.fullmatch(update.text.strip())
    name, bot, argument = (found[1].lower(), found[2], found[3] or "") if found else ("", None, "")
    if bot and not TelegramBot.objects.filter(username__iexact=bot).exists():
        return None
    command = registry.of_command(name)
    if not update.private:
        return Reply(_("I only answer in a private chat. Write to me there.")) if command or bot else None
    if command is None:
        return general.unknown()
    if sender.user is None and not command.open:
        return Reply(general.how_to_link())
    log.info("command", command=name)
    try:
        return command.handle(sender, argument)
    except Exception as error:
        return Reply(_excuse(error))


def _pressed(sender: Sender, update: Incoming) -> Reply:
    """What goes wrong pops up: the message with its buttons stays as it was."""
    if not update.private:
        return Reply(toast=_("I only answer in a private chat. Write to me there."))
    if sender.user is None:
        return Reply(toast=general.how_to_link())
    try:
        verb, numbers = buttons.read(buttons.Owner(sender.telegram_id, sender.user.pk), update.text)
    except buttons.Invalid:
        return Reply(toast=_("This button is too old or not yours. Send the command again."))
    press = registry.of_press(verb)
    if press is None:
        return Reply(toast=_("This button is too old or not yours. Send the command again."))
    log.info("button", button=verb)
    try:
        return press(sender, numbers)
    except Exception as error:
        return Reply(toast=_excuse(error))


def _excuse(error: Exception) -> str:
    if isinstance(error, SokoulError):
        return error.message
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("database unavailable", error=type(error).__name__)
        return _("Sokoul's database does not answer. Try again in a minute.")
    log.error("a command broke down", exc_info=error)
    return _("Something went wrong here, not with you. Try again, or look at the web page.")


def slow_down(update: Incoming) -> str:
    with override(update.language or settings.LANGUAGE_CODE):
        return _("That is too much at once. Wait a minute.")
