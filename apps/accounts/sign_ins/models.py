"""The rows of sign-ins, and the sessions of browsers that some of them have."""

import uuid
from typing import ClassVar

from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models
from django.db.models import F, Q, QuerySet


class Kind(models.TextChoices):
    PAGES = "pages"
    API = "api"


class SignIn(models.Model):
    """Somebody proved who they are, once: what hangs on that ends with this row.

    Its id is the family of the API's tokens. It counts until `expires_at`, which use moves on and never beyond `ends_at`, and
    while `epoch` is its person's: a new password ends all.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    epoch = models.PositiveIntegerField()
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="Of the pages to the hour, of the API when a token was refreshed last.")
    expires_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True, help_text="Where it was seen last.")
    agent = models.CharField(max_length=40, blank=True, default="", help_text="Coarse: Firefox, Linux.")

    class Meta:
        db_table = "sign_ins"
        indexes = [
            models.Index(fields=["user", "-seen_at"], name="sign_ins_user"),
            models.Index(fields=["expires_at"], name="sign_ins_expiry"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="sign_ins_kind_valid"),
            models.CheckConstraint(condition=Q(expires_at__lte=F("ends_at")), name="sign_ins_end"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class SessionManager(BaseSessionManager["Session"]):
    """With the sign-in: whether a session counts takes one look."""

    def get_queryset(self) -> "QuerySet[Session]":
        return super().get_queryset().select_related("sign_in")


class Session(AbstractBaseSession):
    """A browser's, signed in or not (`store`)."""

    sign_in = models.ForeignKey(SignIn, on_delete=models.CASCADE, null=True, related_name="+")

    objects: ClassVar[SessionManager] = SessionManager()

    class Meta:
        db_table = "web_sessions"

    @classmethod
    def get_session_store_class(cls) -> type:
        from apps.accounts.sign_ins.store import SessionStore

        return SessionStore
