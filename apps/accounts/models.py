"""Who you are, what you may do, what you did."""

import re
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.core.validators import EmailValidator, MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from apps.accounts.channels.models import Channel, Preference, Sending
from apps.accounts.oidc.models import Identity
from apps.accounts.second_factor.models import RecoveryCode, SecondFactor
from apps.accounts.sign_ins.models import Session, SignIn

__all__ = [
    "ApiKey", "Attempt", "AuditCopy", "AuditEntry", "Channel", "Identity", "Preference", "RecoveryCode", "RefreshToken", "Role",
    "SecondFactor", "Sending", "Session", "SignIn", "TelegramBot", "TelegramCode", "TelegramLink", "User", "UserManager",
]  # fmt: skip

USERNAME = re.compile(r"[A-Za-z0-9._-]{3,32}")


class Role(models.TextChoices):
    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"


_BY_LOGIN = """
SELECT users.*, second_factors.confirmed_at IS NOT NULL AS has_second_factor
FROM users LEFT JOIN second_factors ON second_factors.user_id = users.id WHERE lower({}) = lower(%s)
"""
_BY_EMAIL, _BY_USERNAME = _BY_LOGIN.format("email"), _BY_LOGIN.format("username")


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, username: str, password: str | None, **fields: Any) -> "User":
        """Raises ValidationError on a bad e-mail address or user name, IntegrityError on a taken one."""
        user = self.prepare(email, username, password, **fields)
        user.save(using=self._db)
        return user

    def prepare(self, email: str, username: str, password: str | None, **fields: Any) -> "User":
        """A valid account that is not saved yet, its password hashed; raises ValidationError by field."""
        user = User(email=email.strip(), username=username, **fields)
        user.clean_fields(exclude=["password"])
        user.set_password(password)
        return user

    def by_login(self, login: str) -> "User | None":
        """By e-mail address (any case) or user name (any case); knows `has_second_factor`.

        Written out: everybody who signs in asks for it, and Django takes longer to word it than PostgreSQL to answer.
        """
        return next(iter(self.raw(_BY_EMAIL if "@" in login else _BY_USERNAME, [login])), None)


class User(AbstractBaseUser):
    has_second_factor: bool  # where `by_login` has read it

    email = models.CharField(max_length=254, validators=[EmailValidator()])
    username = models.CharField(
        max_length=32,
        validators=[
            RegexValidator(r"\A" + USERNAME.pattern + r"\Z", _("3 to 32 letters, digits, dots, dashes or underscores."))
        ],
    )
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.USER)
    is_active = models.BooleanField(default=True)
    language = models.CharField(max_length=2, choices=[("en", "English"), ("fr", "Français")], blank=True, default="")
    avatar = models.CharField(max_length=64, blank=True, default="")
    token_epoch = models.PositiveIntegerField(default=0, help_text="Raised to end every token of this person at once.")
    quota_active = models.SmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="Downloads at once; null: the default.",
    )  # fmt: skip
    quota_bytes = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0)], help_text="Bytes kept; null: unlimited."
    )
    quota_weekly = models.SmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(10_000)],
        help_text="Downloads started in 7 days; null: unlimited.",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        db_table = "users"
        constraints = [
            models.UniqueConstraint(Lower("email"), name="users_email_unique"),
            models.UniqueConstraint(Lower("username"), name="users_username_unique"),
            models.CheckConstraint(condition=Q(username__regex=r"^[A-Za-z0-9._-]{3,32}$"), name="users_username_valid"),
            models.CheckConstraint(condition=Q(email__contains="@"), name="users_email_valid"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="users_role_valid"),
            models.CheckConstraint(
                condition=Q(password__regex=r"^(argon2\$|!)"),  # noqa: S106  a pattern, no password
                name="users_password_hashed",
            ),
            models.CheckConstraint(
                condition=Q(quota_active__isnull=True) | Q(quota_active__range=(0, 100)),
                name="users_quota_active_valid",
            ),
            models.CheckConstraint(
                condition=Q(quota_bytes__isnull=True) | Q(quota_bytes__gte=0), name="users_quota_bytes_valid"
            ),
            models.CheckConstraint(
                condition=Q(quota_weekly__isnull=True) | Q(quota_weekly__range=(0, 10_000)),
                name="users_quota_weekly_valid",
            ),
        ]

    def __str__(self) -> str:
        return self.username

    def get_session_auth_hash(self) -> str:
        """Ends web sessions together with the tokens, when the password or the epoch changes."""
        return f"{super().get_session_auth_hash()}.{self.token_epoch}"

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        for old in super().get_session_auth_fallback_hash():
            yield f"{old}.{self.token_epoch}"

    @property
    def is_admin(self) -> bool:
        return self.is_active and self.role == Role.ADMIN

    @property
    def is_staff(self) -> bool:
        return self.is_active and self.role in {Role.ADMIN, Role.MODERATOR}

    @property
    def is_superuser(self) -> bool:
        return self.is_admin

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return self.is_admin

    def has_perms(self, perms: Any, obj: Any = None) -> bool:
        return self.is_admin

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_admin


class RefreshToken(models.Model):
    """One issued refresh token. A token is used once; using it again ends its whole family, which is a sign-in."""

    jti = models.UUIDField(primary_key=True, default=uuid.uuid4)
    family = models.ForeignKey(SignIn, on_delete=models.CASCADE, db_column="family", db_index=False, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "refresh_tokens"
        indexes = [
            models.Index(fields=["family"], name="refresh_tokens_family"),
            models.Index(fields=["user", "-created_at"], name="refresh_tokens_user"),
            models.Index(fields=["expires_at"], name="refresh_tokens_expiry"),
        ]

    def __str__(self) -> str:
        return str(self.jti)


class ApiKey(models.Model):
    """A key with which a program acts for a person (`apps.accounts.api_keys`). The key itself is kept nowhere."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=64, help_text="What its owner calls it.")
    prefix = models.CharField(max_length=16, help_text="How the key begins, to tell one from another.")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the key, hexadecimal.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True, help_text="To the minute.")

    class Meta:
        db_table = "api_keys"
        indexes = [models.Index(fields=["user", "-id"], name="api_keys_user")]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="api_keys_named"),
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="api_keys_hashed"),
        ]

    def __str__(self) -> str:
        return self.name


class TelegramBot(models.Model):
    """The bot as it introduced itself to us: without its name no link to it can be made."""

    bot_id = models.BigIntegerField(primary_key=True)
    username = models.CharField(max_length=64)
    seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "telegram_bots"

    def __str__(self) -> str:
        return self.username


class TelegramLink(models.Model):
    """Which Telegram account speaks for a person. One each way."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="+")
    telegram_id = models.BigIntegerField(unique=True)
    chat_id = models.BigIntegerField()
    name = models.CharField(max_length=200)
    language = models.CharField(max_length=2, blank=True, default="", help_text="Empty: as the person's Telegram says.")
    linked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "telegram_links"
        constraints = [
            models.CheckConstraint(condition=Q(telegram_id__gt=0, chat_id__gt=0), name="telegram_links_private"),
            models.CheckConstraint(condition=Q(language__in=["", "en", "fr"]), name="telegram_links_language_valid"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} is {self.telegram_id}"


class TelegramCode(models.Model):
    """A one-time code that somebody carries to the bot, and who brought it there."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the code, hexadecimal.")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    telegram_id = models.BigIntegerField(null=True)
    chat_id = models.BigIntegerField(null=True)
    name = models.CharField(max_length=200, blank=True, default="")
    language = models.CharField(max_length=2, blank=True, default="")

    class Meta:
        db_table = "telegram_codes"
        constraints = [
            models.CheckConstraint(
                condition=Q(used_at__isnull=True, telegram_id__isnull=True, chat_id__isnull=True)
                | Q(used_at__isnull=False, telegram_id__gt=0, chat_id__gt=0),
                name="telegram_codes_used_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"code of {self.user_id}"


class Attempt(models.Model):
    """Somebody tried what could be guessed, or asked for what costs others something (`attempts`)."""

    scope = models.CharField(max_length=32)
    key = models.CharField(max_length=64, help_text="SHA-256, hexadecimal: people type passwords where names belong.")
    at = models.DateTimeField()

    class Meta:
        db_table = "attempts"
        indexes = [
            models.Index(fields=["scope", "key", "at"], name="attempts_window"),
            models.Index(fields=["at"], name="attempts_age"),
        ]

    def __str__(self) -> str:
        return f"{self.scope} at {self.at}"


class AuditEntry(models.Model):
    """The audit trail: insert-only in the database itself, hash-chained by a trigger (see the migration)."""

    at = models.DateTimeField(auto_now_add=True)
    actor_id = models.BigIntegerField(null=True, help_text="No foreign key: the trail outlives the account.")
    actor = models.CharField(max_length=64, blank=True, default="")
    ip = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=64)
    target = models.CharField(max_length=200, blank=True, default="")
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True, default="")
    previous_hash = models.BinaryField(default=b"")
    hash = models.BinaryField(default=b"")

    class Meta:
        db_table = "logs"
        indexes = [
            models.Index(fields=["-at"], name="logs_at"),
            models.Index(fields=["actor_id", "-id"], name="logs_actor"),
            models.Index(fields=["action", "-id"], name="logs_action"),
            models.Index(fields=["request_id"], name="logs_request"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor or 'nobody'}"


class AuditCopy(models.Model):
    """How far the audit trail was copied to the stream LOGS: one row."""

    last_id = models.BigIntegerField(default=0)

    class Meta:
        db_table = "audit_copies"

    def __str__(self) -> str:
        return f"copied to {self.last_id}"
