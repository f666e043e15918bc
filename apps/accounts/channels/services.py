"""What people do with their channels; called by REST and the pages alike."""

import secrets
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import audit, families
from apps.accounts.channels import apprise, mail, webhook
from apps.accounts.channels.models import Channel, Kind
from apps.accounts.channels.words import where
from apps.accounts.models import AuditEntry, User
from apps.jobs import services as jobs
from apps.jobs.models import Job
from sokoul.errors import PermanentError, conflict, forbidden, not_found

MOST = 10  # channels of one person
HOURLY = 20  # messages of one person that only test or confirm
SECRET_BYTES = 32


def of_user(user_id: int) -> QuerySet[Channel]:
    """A person's channels, oldest first."""
    return Channel.objects.filter(user_id=user_id).order_by("pk")


def mine(user: User, channel_id: int) -> Channel:
    """Raises PermanentError: 404 unknown, 403 somebody else's."""
    channel = Channel.objects.filter(pk=channel_id).first()
    if channel is None:
        raise not_found("This channel")
    if channel.user_id != user.pk:
        raise forbidden()
    return channel


def add(user: User, kind: Kind, target: str = "") -> Channel:
    """A new channel; a mail address, which is the account's own, has to be confirmed by the code that is mailed to it.

    A webhook's `secret` is there for the caller to show, once. Raises PermanentError: 400 an address that cannot be used, 403
    one for admins, 409 there already or too many, 429 too many mails.
    """
    channel = Channel(user=user, kind=kind, target=_target(user, kind, target))
    if kind == Kind.WEBHOOK:
        channel.secret = secrets.token_urlsafe(SECRET_BYTES)
    if kind == Kind.EMAIL:
        _slow_down(user)
    else:
        channel.confirmed_at = timezone.now()
    try:
        with transaction.atomic():
            _keep(channel)
    except IntegrityError:
        raise conflict(_("You have this one already.")) from None
    return channel


def _target(user: User, kind: Kind, target: str) -> str:
    target = target.strip()
    if kind == Kind.EMAIL:
        return user.email
    if kind == Kind.WEBHOOK:
        webhook.check(target)
    else:
        apprise.check(target, user)
    return target


def _keep(channel: Channel) -> None:
    families.held(channel.user)  # of two at once, one is counted first
    if of_user(channel.user_id).exclude(kind=Kind.TELEGRAM).count() >= MOST:
        raise conflict(_("You have %(count)d channels, which is the most. Remove one first.") % {"count": MOST})
    channel.save(force_insert=True)
    if channel.kind == Kind.EMAIL:
        jobs.enqueue("notifier", "confirm", {"channel_id": channel.pk})
    _note("channel.added", channel)


def _note(action: str, channel: Channel) -> None:
    audit.record(action, channel.user.username, channel.user, kind=channel.kind, where=where(channel))


def _slow_down(user: User) -> None:
    """Nobody is to be mailed, or rung, again and again. The audit trail remembers what was removed, too."""
    since = timezone.now() - timedelta(hours=1)
    told = AuditEntry.objects.filter(actor_id=user.pk, action__in=["channel.added", "channel.tested"], at__gt=since)
    if told.count() >= HOURLY:
        raise PermanentError(_("That is enough for now. Try again in an hour."), code="rate_limit", status=429)


def remove(user: User, channel_id: int) -> None:
    """What waits in it is not sent any more. A linked Telegram account is unlinked instead (409)."""
    channel = mine(user, channel_id)
    if channel.kind == Kind.TELEGRAM:
        raise conflict(_("Unlink your Telegram account instead."))
    with transaction.atomic():
        channel.delete()
        _note("channel.removed", channel)


def try_out(user: User, channel_id: int) -> Job:
    """Send something now; the job's result says {works, error}. A channel that was switched off is on again if it works."""
    channel = mine(user, channel_id)
    if channel.confirmed_at is None:
        raise conflict(_("Confirm the address first: a mail with a code is on its way to it."))
    _slow_down(user)
    with transaction.atomic():
        job = jobs.enqueue("notifier", "test", {"channel_id": channel.pk}, user_id=user.pk)
        _note("channel.tested", channel)
    return job


def confirm(user: User, channel_id: int, code: str) -> Channel:
    """The code came back from the mail: the address is the person's. 400 for a code that is wrong or older than a day."""
    channel = mine(user, channel_id)
    if channel.confirmed_at is None:
        if not mail.is_code_for(channel, code.strip()):
            text = _("This code is wrong or too old. Remove the address and add it again to get a new one.")
            raise PermanentError(text, fields={"code": [text]})
        with transaction.atomic():
            Channel.objects.filter(pk=channel.pk, confirmed_at=None).update(confirmed_at=Now(), error="")
            _note("channel.confirmed", channel)
        channel.refresh_from_db()
    return channel


def forget_mail(user: User) -> None:
    """The account has another mail address now: the old one was confirmed, the new one is not."""
    of_user(user.pk).filter(kind=Kind.EMAIL).delete()
