"""The JSON shapes of accounts: what requests may carry, and what answers look like."""

from typing import Any

from rest_framework import serializers

from apps.accounts import quotas
from apps.accounts.models import Role, User
from apps.accounts.second_factor import codes
from sokoul.api import StrictSerializer

LONGEST_EMAIL = 254
LONGEST_PASSWORD = 1024
LONGEST_CODE = 200
LANGUAGES = [("", "as the browser asks"), ("en", "English"), ("fr", "Français")]


def _password(**options: Any) -> serializers.CharField:
    return serializers.CharField(max_length=LONGEST_PASSWORD, trim_whitespace=False, write_only=True, **options)


class RegistrationSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=LONGEST_EMAIL)
    username = serializers.CharField(
        min_length=3, max_length=32, help_text="Letters, digits, dots, dashes, underscores."
    )
    password = _password(min_length=8)


class CredentialsSerializer(StrictSerializer):
    """Either `email` or `username` names the account; `code` goes along where it has a second factor."""

    email = serializers.CharField(max_length=LONGEST_EMAIL, required=False)
    username = serializers.CharField(max_length=LONGEST_EMAIL, required=False)
    password = _password()
    code = serializers.CharField(
        max_length=codes.LONGEST, required=False, allow_blank=True, default="",
        help_text="Of the authenticator app, or a recovery code.",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        names = [attrs[name] for name in ("email", "username") if name in attrs]
        if len(names) != 1:
            raise serializers.ValidationError({"username": ["Send either your e-mail address or your user name."]})
        return {"name": names[0], "password": attrs["password"], "code": attrs["code"]}


class RefreshSerializer(StrictSerializer):
    refresh = serializers.CharField(max_length=4096)


class ResetSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=LONGEST_EMAIL)


class ResetConfirmationSerializer(StrictSerializer):
    token = serializers.CharField(max_length=LONGEST_CODE, help_text="The code of the mail.")
    password = _password(min_length=8)


class ProfileChangeSerializer(StrictSerializer):
    """`current_password` is needed to change the e-mail address or the password; a new password ends every sign-in, also this one."""

    email = serializers.EmailField(max_length=LONGEST_EMAIL, required=False)
    username = serializers.CharField(min_length=3, max_length=32, required=False)
    language = serializers.ChoiceField(LANGUAGES, required=False, allow_blank=True)
    password = _password(min_length=8, required=False)
    current_password = _password(required=False)


class UserSerializer(serializers.Serializer[User]):
    id = serializers.IntegerField()
    email = serializers.CharField()
    username = serializers.CharField()
    role = serializers.ChoiceField(Role.choices)
    language = serializers.ChoiceField(LANGUAGES, allow_blank=True)
    has_avatar = serializers.BooleanField(help_text="Whether GET /user/avatar has a picture.")
    created_at = serializers.DateTimeField()


class QuotaSerializer(serializers.Serializer[Any]):
    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True, help_text="null: no limit.")


class QuotasSerializer(serializers.Serializer[Any]):
    active = QuotaSerializer(help_text="Downloads that have not ended.")
    bytes = QuotaSerializer(help_text="Of downloads that have not failed, nor were cancelled or deleted.")
    weekly = QuotaSerializer(help_text="Downloads started in the last 7 days.")


class ProfileSerializer(UserSerializer):
    quotas = QuotasSerializer()


class TokenPairSerializer(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For Authorization: Bearer; lasts an hour.")
    refresh = serializers.CharField(help_text="For /auth/refresh; lasts a week, works once.")


class SignedInSerializer(TokenPairSerializer):
    user = UserSerializer()


class TicketSerializer(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="For /ws?ticket=; works once.")
    expires_at = serializers.DateTimeField()


def user_json(user: User) -> dict[str, Any]:
    """The one JSON shape of an account, for its owner."""
    return {
        "id": user.pk,
        "email": user.email,
        "username": user.username,
        "role": user.role,
        "language": user.language,
        "has_avatar": bool(user.avatar),
        "created_at": user.created_at,
    }


def profile_json(user: User) -> dict[str, Any]:
    """The same, with what they use of their quotas."""
    return {**user_json(user), "quotas": quotas.shown([user])[user.pk]}
