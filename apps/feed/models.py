"""What people are told. One row serves the notification bell and the replay of the WebSocket feed."""

from django.db import models

from sokoul.postgres.checks import json_is


class Event(models.Model):
    """Something that happened. `user_id` null tells everybody. Ids ascend in commit order per reader (see `push.record`)."""

    user_id: int | None
    user = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )  # events_replay
    type = models.CharField(max_length=32)
    data = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "events"
        constraints = [models.CheckConstraint(condition=json_is("data", "object"), name="events_data_is_object")]
        indexes = [
            models.Index(fields=["user", "id"], name="events_replay"),
            models.Index(fields=["user", "-id"], condition=models.Q(type="notification"), name="events_notifications"),
            models.Index(fields=["at"], name="events_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"
