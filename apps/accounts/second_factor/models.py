"""The second factor of an account: an authenticator app (TOTP), and codes on paper for the day that it is lost."""

from django.db import models
from django.db.models import Q


class SecondFactor(models.Model):
    """One a person. Without `confirmed_at` it was only begun, and asks nothing of anybody."""

    user = models.OneToOneField("accounts.User", on_delete=models.CASCADE, related_name="+")
    secret = models.TextField(help_text="Sealed by the ring of SECRET_KEY; base32 within.")
    last_step = models.BigIntegerField(default=0, help_text="Time step of the code that was taken last.")
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "second_factors"
        constraints = [models.CheckConstraint(condition=~Q(secret=""), name="second_factors_secret_present")]

    def __str__(self) -> str:
        return f"second factor of {self.user_id}"


class RecoveryCode(models.Model):
    """Opens the account once in place of the app."""

    factor = models.ForeignKey(SecondFactor, on_delete=models.CASCADE, related_name="codes")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the code, hexadecimal.")
    used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "recovery_codes"
        constraints = [
            models.UniqueConstraint(fields=["factor", "digest"], name="recovery_codes_unique"),
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="recovery_codes_hashed"),
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.factor_id}"
