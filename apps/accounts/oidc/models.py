"""Who somebody is at an OpenID Connect provider."""

from django.db import models
from django.db.models import Q


class Identity(models.Model):
    """One account of a provider opens one account here. By issuer and subject: an address may change hands."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    name = models.CharField(
        max_length=254, blank=True, default="", help_text="As its owner knows it; for showing only."
    )
    linked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "identities"
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="identities_unique"),
            models.UniqueConstraint(fields=["user", "issuer"], name="identities_one_an_issuer"),
            models.CheckConstraint(condition=~Q(issuer="") & ~Q(subject=""), name="identities_complete"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} is {self.subject} at {self.issuer}"
