"""/start and /unlink: who speaks for whom."""

from django.utils.translation import gettext as _

from apps.accounts import telegram
from apps.bot.handlers.general import how_to_link
from apps.bot.handlers.registry import command
from apps.bot.reply import Reply, Sender


@command("start", open=True)
def start(sender: Sender, argument: str) -> Reply:
    """Always answers: with a code it is brought to the web, where its owner confirms; without, the way to get one."""
    if code := argument.strip():
        asked = telegram.Asked(sender.telegram_id, sender.chat_id, sender.name, sender.language)
        if telegram.ask(code, asked):
            return Reply(_("Almost there. Go back to your profile on the web and confirm that this account is yours."))
        return Reply(_("This link is used up or too old. Make a new one in your profile on the web."))
    if sender.user is None:
        return Reply(_("Welcome to Sokoul.") + "\n\n" + how_to_link())
    return Reply(_("You are linked as %(name)s. Send /help to see what I can do.") % {"name": sender.user.username})


@command("unlink")
def unlink(sender: Sender, argument: str) -> Reply:
    telegram.unlink(sender.person.pk, why="asked in Telegram")
    return Reply(_("Done. I no longer know you. To come back, make a new link in your profile on the web."))
