"""The JSON shapes of channels and preferences."""

from typing import Any

from rest_framework import serializers

from apps.accounts.channels.models import Channel, Kind
from apps.accounts.channels.words import where
from sokoul.api import StrictSerializer

ADDED = [(kind.value, kind.value) for kind in Kind if kind != Kind.TELEGRAM]  # Telegram comes by linking


class NewChannelSerializer(StrictSerializer):
    """`target` is the web address of a webhook or an Apprise URL; mail goes to the account's own address."""

    kind = serializers.ChoiceField(ADDED)
    target = serializers.CharField(max_length=500, required=False, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["kind"] != Kind.EMAIL and not attrs["target"]:
            raise serializers.ValidationError({"target": ["Say where it goes."]})
        if attrs["kind"] == Kind.EMAIL and attrs["target"]:
            raise serializers.ValidationError({"target": ["Mail goes to the address of your account. Leave this out."]})
        return attrs


class ChannelSerializer(serializers.Serializer[Channel]):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(Kind.choices)
    where = serializers.CharField(help_text="Its address as far as it is shown again; the rest is a secret.")
    created_at = serializers.DateTimeField()
    confirmed = serializers.BooleanField(help_text="A mail address is used once its code came back.")
    off = serializers.BooleanField(help_text="Switched off, because it does not work. A test that arrives ends that.")
    worked_at = serializers.DateTimeField(allow_null=True)
    failing_since = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField(help_text="What went wrong last, empty if nothing.")


class AddedChannelSerializer(ChannelSerializer):
    secret = serializers.CharField(required=False, help_text="Of a webhook: signs what it is sent. Shown this once.")


class ChannelsSerializer(serializers.Serializer[Any]):
    results = ChannelSerializer(many=True)
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


class CodeSerializer(StrictSerializer):
    code = serializers.CharField(max_length=500)


class SilenceSerializer(StrictSerializer):
    kind = serializers.ChoiceField(Kind.choices)
    code = serializers.CharField(max_length=64)


class PreferencesBody(StrictSerializer):
    """All of what is not to be told; the rest is."""

    muted = serializers.ListField(child=SilenceSerializer(), max_length=500)


class EventSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    about = serializers.CharField()


class MutedSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(Kind.choices)
    code = serializers.CharField()


class PreferencesSerializer(serializers.Serializer[Any]):
    events = EventSerializer(many=True, help_text="What can be told.")
    muted = MutedSerializer(many=True, help_text="What is not told in which way.")


class TrialSerializer(serializers.Serializer[Any]):
    job_id = serializers.UUIDField()
    status_url = serializers.CharField()


def channel_json(channel: Channel) -> dict[str, Any]:
    """The one JSON shape of a channel, for its owner."""
    return {
        "id": channel.pk,
        "kind": channel.kind,
        "where": where(channel),
        "created_at": channel.created_at,
        "confirmed": channel.confirmed_at is not None,
        "off": channel.off_at is not None,
        "worked_at": channel.worked_at,
        "failing_since": channel.failing_since,
        "error": channel.error,
    }
