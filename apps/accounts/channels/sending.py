"""Telling people, inside jobs of the notifier.

A message goes at least once: between a service's yes and our note of it a process may die, and then it goes again. Before
that point nothing is lost, and after it nothing is repeated, however often a job is delivered.
"""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import override

from apps.accounts.channels import apprise, carrying, mail, media, webhook
from apps.accounts.channels.door import Unwilling
from apps.accounts.channels.letter import Letter, letter, trial
from apps.accounts.channels.models import Channel, Sending
from apps.jobs.registry import Running
from sokoul import logs
from sokoul.errors import SokoulError, TransientError

__all__ = ["apprise", "webhook"]  # they register themselves
log = logs.logger(__name__)


def send(channel_id: int, job: Running) -> dict[str, Any]:
    """Tell what waits in a channel, all in one message. Gives what became of it.

    Raises TransientError where the fault may be the operator's, Snooze for as long as a service asks to wait: the channel stays
    this job's meanwhile.
    """
    taken = carrying.begin(channel_id, job.id)
    if taken is None:
        return {"sent": 0}
    channel, medium = taken.channel, media.of(taken.channel)
    try:
        result = _tell(channel, letter(medium.language(channel.user), taken.events))
    except media.Unusable as error:
        carrying.switch_off(channel, error.message)
        return {"sent": 0, "dropped": error.message}
    except TransientError as error:
        if medium.ours and not isinstance(error, Unwilling):
            raise
        carrying.later(channel.pk, error.message, ours=False)
        return {"sent": 0, "later": error.message}
    carrying.told(taken)
    return {"sent": len(taken.events), **result}


def _tell(channel: Channel, words: Letter) -> dict[str, Any]:
    with override(words.language):
        return media.of(channel).tell(channel, words)


def unsent(channel_id: int, job_id: UUID, reason: str) -> None:
    """The job has failed for good. What it was to tell waits for another one."""
    if Channel.objects.filter(pk=channel_id, busy=job_id).exists():
        carrying.later(channel_id, reason, ours=True)


def try_out(channel_id: int, job: Running) -> dict[str, Any]:
    """Tell something now, whatever waits. A channel that works is on again: {works, error}."""
    channel = Channel.objects.select_related("user").filter(pk=channel_id, confirmed_at__isnull=False).first()
    if channel is None:
        return {"works": False, "error": "The channel is gone, or not confirmed."}
    try:
        _tell(channel, trial(media.of(channel).language(channel.user), timezone.now()))
    except SokoulError as error:
        Channel.objects.filter(pk=channel_id).update(error=error.message)
        return {"works": False, "error": error.message}
    _works(channel, job.id)
    return {"works": True, "error": ""}


def _works(channel: Channel, job_id: UUID) -> None:
    with transaction.atomic():
        Channel.objects.filter(pk=channel.pk).update(
            worked_at=Now(), error="", failing_since=None, retry_at=None, off_at=None
        )
        if Sending.objects.filter(channel=channel, sent_at=None).exists():
            carrying.wake(channel.pk, f"tested by {job_id}")


def confirm(channel_id: int) -> dict[str, Any]:
    """Write to an address that is to be confirmed. Raises TransientError."""
    channel = Channel.objects.select_related("user").filter(pk=channel_id, confirmed_at=None).first()
    if channel is None:
        return {"sent": 0}
    try:
        return mail.ask_to_confirm(channel)
    except media.Unusable as error:
        return unconfirmed(channel_id, error.message)


def unconfirmed(channel_id: int, reason: str) -> dict[str, Any]:
    """The mail that asks to confirm did not arrive: its person sees why beside the address."""
    Channel.objects.filter(pk=channel_id).update(error=reason)
    return {"sent": 0, "dropped": reason}
