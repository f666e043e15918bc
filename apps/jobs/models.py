"""The job row is the outbox: what was accepted stands here until it has ended (SPEC 8)."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from sokoul.postgres.checks import json_is


class Status(models.TextChoices):
    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"


class Job(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    worker = models.CharField(max_length=32, help_text="scout, hunter or notifier: whose consumer runs it.")
    kind = models.CharField(max_length=64)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )  # jobs_newest
    payload = models.JSONField(default=dict)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Counted at the claim.")
    error = models.TextField(blank=True, default="")
    result = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True, default="")
    publication = models.PositiveIntegerField(default=0, help_text="Raised to publish anew; part of the message id.")
    published_at = models.DateTimeField(
        null=True,
        help_text="When JetStream acknowledged the current publication: the job's, or the dead letter of a failed one.",
    )
    sequence = models.BigIntegerField(null=True, help_text="Where in its stream JetStream keeps that publication.")
    run_at = models.DateTimeField(null=True, help_text="Not before this moment.")
    lease = models.UUIDField(null=True, help_text="The claim that may write; a newer claim replaces it.")
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "jobs"
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="jobs_status_valid"),
            models.CheckConstraint(
                condition=Q(status__in=["Completed", "Failed"], finished_at__isnull=False)
                | Q(status__in=["Pending", "Running"], finished_at__isnull=True),
                name="jobs_finished_when_ended",
            ),
            models.CheckConstraint(condition=~Q(kind="") & ~Q(worker=""), name="jobs_kind_present"),
            models.CheckConstraint(condition=json_is("payload", "object"), name="jobs_payload_is_object"),
            models.CheckConstraint(condition=json_is("result", "object"), name="jobs_result_is_object"),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="jobs_newest"),
            models.Index(fields=["-created_at"], name="jobs_latest"),  # of everybody
            models.Index(fields=["status", "-created_at"], name="jobs_status"),
            models.Index(
                fields=["created_at"],
                condition=Q(status__in=["Pending", "Failed"], published_at__isnull=True),
                name="jobs_unpublished",
            ),
            models.Index(fields=["sequence"], condition=Q(status="Pending"), name="jobs_waiting"),
            models.Index(fields=["lease_until"], condition=Q(status="Running"), name="jobs_running"),
            models.Index(fields=["request_id"], name="jobs_request"),
        ]

    def __str__(self) -> str:
        return f"{self.worker}.{self.kind} {self.id}"
