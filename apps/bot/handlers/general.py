"""/help, /language, and what to say to everything else."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override

from apps.accounts import telegram
from apps.bot.handlers.registry import Numbers, command, press
from apps.bot.reply import Reply, Sender

ABOUT = {
    "search": gettext_lazy("find a film or a series: /search Inception"),
    "downloads": gettext_lazy("your downloads: pause, resume, cancel, try again"),
    "cancel": gettext_lazy("cancel a download"),
    "mylist": gettext_lazy("your favourites"),
    "status": gettext_lazy("whether Sokoul is well, and what it does for you"),
    "language": gettext_lazy("English or French"),
    "unlink": gettext_lazy("forget this Telegram account"),
    "help": gettext_lazy("this list"),
}
LANGUAGES = {"en": "English", "fr": "Français"}


@command("help", open=True)
def help(sender: Sender, argument: str) -> Reply:
    lines = [f"/{name}: {about}" for name, about in ABOUT.items()]
    if sender.user is None:
        lines += ["", how_to_link()]
    return Reply("\n".join([_("This is what I can do:"), "", *lines]))


def how_to_link() -> str:
    return _(
        "You are not linked yet. Sign in to Sokoul on the web, open your profile, press “Link Telegram” "
        "and open the link that appears."
    )


def unknown() -> Reply:
    return Reply(_("Unknown command. Send /help to see what I can do."))


@command("language")
def language(sender: Sender, argument: str) -> Reply:
    if argument.strip().lower() in LANGUAGES:
        return _speak(sender, argument.strip().lower())
    choice = [sender.button(name, "l", number) for number, name in enumerate(LANGUAGES.values())]
    return Reply(_("Which language shall I write?"), [choice])


@press("l")
def choose_language(sender: Sender, numbers: Numbers) -> Reply:
    return _speak(sender, list(LANGUAGES)[numbers[0] or 0])


def _speak(sender: Sender, code: str) -> Reply:
    telegram.speak(sender.telegram_id, code)
    with override(code):
        return Reply(_("From now on I write English."))
