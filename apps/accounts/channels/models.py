"""Ways to tell a person, what they do not want to be told, and what they were told already."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.feed.models import Event


class Kind(models.TextChoices):
    TELEGRAM = "telegram"
    EMAIL = "email"
    WEBHOOK = "webhook"
    APPRISE = "apprise"


class ChannelQuerySet(models.QuerySet["Channel"]):
    def listening(self) -> "ChannelQuerySet":
        """Those that are confirmed and not switched off, of people whose account is active."""
        return self.filter(confirmed_at__isnull=False, off_at__isnull=True, user__is_active=True)

    def locked(self, channel_id: int) -> "Channel | None":
        """The channel, held until the transaction ends; new notifications for it are not kept waiting."""
        return self.select_for_update(no_key=True, of=("self",)).select_related("user").filter(pk=channel_id).first()


class Channel(models.Model):
    """One way to one person. One job at a time serves it (`busy`)."""

    user_id: int
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    target = models.CharField(max_length=500, blank=True, default="", help_text="Mail or web address, Apprise URL.")
    secret = models.CharField(max_length=64, blank=True, default="", help_text="Signs what a webhook is sent.")
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True, help_text="When a mail address was seen to be the person's own.")
    worked_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="", help_text="What went wrong last, for its person.")
    retry_at = models.DateTimeField(null=True, help_text="Not tried before.")
    off_at = models.DateTimeField(null=True, help_text="Since when nothing is sent any more.")
    busy = models.UUIDField(null=True, help_text="The job that serves this channel now.")

    objects: ClassVar[ChannelQuerySet] = ChannelQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "channels"
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="channels_kind_valid"),
            models.CheckConstraint(
                condition=Q(kind="webhook") & ~Q(secret="") | ~Q(kind="webhook") & Q(secret=""),
                name="channels_secret_of_webhooks",
            ),
            models.UniqueConstraint(
                fields=["user", "kind"], condition=Q(kind__in=["telegram", "email"]), name="channels_one_of_a_kind"
            ),
            models.UniqueConstraint(fields=["user", "kind", "target"], name="channels_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.user_id}"


class Preference(models.Model):
    """What a person does not want to be told in a way: there is a row for each silence."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    code = models.CharField(max_length=64, help_text="Of the notification.")

    class Meta:
        db_table = "notification_preferences"
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "code"], name="notification_preferences_once"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="notification_preferences_kind_valid"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} is not told {self.code} by {self.kind}"


class Sending(models.Model):
    """A notification on its way through a channel; those that went together have the same `sent_at`."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="+")
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "sendings"
        constraints = [models.UniqueConstraint(fields=["channel", "event"], name="sendings_once")]
        indexes = [
            models.Index(fields=["channel", "id"], condition=Q(sent_at__isnull=True), name="sendings_waiting"),
            models.Index(fields=["channel", "-sent_at"], name="sendings_newest"),
            models.Index(fields=["event"], name="sendings_event"),
        ]

    def __str__(self) -> str:
        return f"notification {self.event_id} through {self.channel_id}"
