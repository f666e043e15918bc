"""What the bot must not forget when it restarts: what it was asked, what it told, which messages it keeps up to date."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class Update(models.Model):
    """Something that came from Telegram: done once, whoever delivers it again."""

    key = models.CharField(max_length=120, unique=True, help_text="What makes it the same update (see incoming.py).")
    body = models.JSONField(default=dict, help_text="What the bot needs of it; emptied once it is done.")
    attempts = models.PositiveSmallIntegerField(default=0)
    received_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "telegram_updates"
        indexes = [
            models.Index(fields=["id"], condition=Q(done_at__isnull=True), name="telegram_updates_waiting"),
            models.Index(fields=["received_at"], name="telegram_updates_age"),
        ]

    def __str__(self) -> str:
        return self.key


class LiveMessage(models.Model):
    """A message that is edited until what it tells of has ended: a search (its job) or a download."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    chat_id = models.BigIntegerField()
    message_id = models.BigIntegerField()
    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, null=True, related_name="+")
    download = models.ForeignKey("downloads.Download", on_delete=models.CASCADE, null=True, related_name="+")
    shown = models.CharField(max_length=64, blank=True, default="", help_text="Fingerprint of what it says now.")
    edited_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(help_text="When to look at it again.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "telegram_live_messages"
        constraints = [
            models.UniqueConstraint(fields=["chat_id", "message_id"], name="telegram_live_messages_once"),
            models.CheckConstraint(
                condition=Q(job__isnull=True) ^ Q(download__isnull=True), name="telegram_live_messages_of_one_thing"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="telegram_live_messages_due"),
            models.Index(fields=["user"], name="telegram_live_messages_user"),
            models.Index(fields=["job"], name="telegram_live_messages_job"),
            models.Index(fields=["download"], name="telegram_live_messages_dl"),
        ]

    def __str__(self) -> str:
        return f"message {self.message_id} in {self.chat_id}"
