"""/status: whether all is well, and what is being done for you."""

from django.utils.translation import gettext as _

from apps.bot import messages, status
from apps.bot.handlers.registry import command
from apps.bot.reply import Reply, Sender
from apps.downloads import rows
from apps.jobs import services as jobs

JOBS = 5


@command("status")
def state(sender: Sender, argument: str) -> Reply:
    parts = [messages.health(status.components(), every=sender.person.is_admin)]
    if active := rows.active(sender.person.pk):
        parts += [_("Your downloads:"), messages.downloads(active, more=False)]
    newest = [jobs.job_json(job) for job in jobs.of_user(sender.person.pk)[:JOBS]]
    if newest:
        parts.append("\n".join([_("Your newest jobs:"), *map(messages.job, newest)]))
    else:
        parts.append(_("You have no jobs."))
    return Reply("\n\n".join(parts))
