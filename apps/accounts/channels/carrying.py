"""A notification on its way: rows and a job in the transaction that writes it, and who may serve a channel when.

At most BURST messages a WINDOW go through a channel; what happens beyond that waits for its end and comes together. A
channel is served by one job at a time: any other leaves its rows to that one, which looks again when it has ended. All times
are the database's, so that clocks of several hosts cannot disagree.
"""

import uuid
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.channels.models import Channel, Preference, Sending
from apps.accounts.channels.words import name_of, switched_off
from apps.feed import push
from apps.feed.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import Job, Status
from sokoul import logs

log = logs.logger(__name__)
WINDOW = timedelta(minutes=1)
BURST = 3  # messages that come at once
SHORTEST, LONGEST = timedelta(seconds=2), timedelta(hours=6)  # until a channel that fails is tried again
GIVEN_UP = timedelta(days=3)


class Taken(NamedTuple):
    """What a job is to tell now, in the order in which it happened."""

    channel: Channel
    events: list[Event]


def carry(event: Event) -> None:
    """Send a notification through every channel of its person that wants it. The jobs are the system's own."""
    if event.user_id is None:
        return
    muted = Preference.objects.filter(user_id=event.user_id, code=event.data["code"]).values("kind")
    mine = Channel.objects.listening().filter(user_id=event.user_id).exclude(kind__in=muted)
    found = list(mine.order_by("pk").values_list("pk", flat=True))
    rows = [Sending(channel_id=channel_id, event=event) for channel_id in found]
    Sending.objects.bulk_create(rows, ignore_conflicts=True)
    for channel_id in found:
        wake(channel_id, f"for {event.pk}")


def wake(channel_id: int, why: str, at: datetime | None = None) -> None:
    """Have a job look at the channel, once for each reason."""
    job_id = uuid.uuid5(uuid.NAMESPACE_OID, f"notifier.send {channel_id} {why}")
    jobs.enqueue("notifier", "send", {"channel_id": channel_id}, run_at=at, job_id=job_id)


def begin(channel_id: int, job_id: uuid.UUID) -> Taken | None:
    """Make the channel this job's and give what waits; None where there is nothing to do, or not now, or not for this job."""
    with transaction.atomic():
        channel = Channel.objects.listening().locked(channel_id)
        if channel is None or _is_served(channel, job_id):
            return None
        now = _now()
        if channel.retry_at is not None and channel.retry_at > now:
            return None
        waiting = Sending.objects.filter(channel=channel, sent_at=None).select_related("event").order_by("event_id")
        events = [sending.event for sending in waiting]
        opens = _opens(channel, now) if events else None
        if opens is not None:
            wake(channel.pk, f"at {opens.isoformat()}", opens)
        channel.busy = job_id if events and opens is None else None
        channel.save(update_fields=["busy"])
    return Taken(channel, events) if channel.busy else None


def _is_served(channel: Channel, job_id: uuid.UUID) -> bool:
    """By another job, that is, which lives."""
    if channel.busy is None or channel.busy == job_id:
        return False
    return Job.objects.filter(pk=channel.busy, status__in=[Status.PENDING, Status.RUNNING]).exists()


def _now() -> datetime:
    """When this transaction began, by the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        found: datetime = cursor.fetchone()[0]
        return found


def _opens(channel: Channel, now: datetime) -> datetime | None:
    """When the next message may go, where that is not now."""
    times = Sending.objects.filter(channel=channel, sent_at__gt=now - WINDOW).values_list("sent_at", flat=True)
    newest = list(times.distinct().order_by("-sent_at")[:BURST])
    return newest[-1] + WINDOW if len(newest) == BURST and newest[-1] else None


def told(taken: Taken) -> None:
    """Its person was told; what happened meanwhile is looked at next."""
    with transaction.atomic():
        ids = [event.pk for event in taken.events]
        waiting = Sending.objects.filter(channel=taken.channel, sent_at=None)
        _free(taken.channel.pk, worked_at=Now(), failing_since=None, error="", retry_at=None)
        waiting.filter(event_id__in=ids).update(sent_at=Now())
        if waiting.exists():
            wake(taken.channel.pk, f"after {ids[-1]}")


def _free(channel_id: int, **fields: object) -> None:
    Channel.objects.filter(pk=channel_id).update(busy=None, **fields)


def later(channel_id: int, why: str, *, ours: bool) -> None:
    """It did not work: try again after as long as it has been failing, with all that happened by then.

    A channel that has not worked for GIVEN_UP is switched off, unless the fault may be `ours`.
    """
    with transaction.atomic():
        channel = Channel.objects.locked(channel_id)
        if channel is None:
            return
        now = _now()
        since = channel.failing_since or now
        if now - since >= GIVEN_UP and not ours:
            switch_off(channel, why)
            return
        retry_at = now + min(max(now - since, SHORTEST), LONGEST)
        _free(channel_id, failing_since=since, error=why, retry_at=retry_at)
        wake(channel_id, f"at {retry_at.isoformat()}", retry_at)
    log.warning("a channel does not work", channel_id=channel_id, kind=channel.kind, retry_at=retry_at.isoformat())


def switch_off(channel: Channel, why: str) -> None:
    """Nothing more is sent through it, and its person told so."""
    with transaction.atomic():
        Sending.objects.filter(channel=channel, sent_at=None).delete()
        since = channel.failing_since or timezone.now()
        _free(channel.pk, off_at=Now(), failing_since=since, error=why, retry_at=None)
        push.notify(channel.user_id, "channel_off", lambda: switched_off(channel, why), channel=name_of(channel))
    log.warning("a channel is switched off", channel_id=channel.pk, kind=channel.kind)
