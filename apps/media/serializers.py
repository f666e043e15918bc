"""The JSON shapes of titles, for request bodies and the OpenAPI document."""

from typing import Any

from rest_framework import serializers

from apps.media.models import Kind
from apps.media.services import LONGEST_SECONDS
from sokoul.api import StrictSerializer


class FavoriteRequest(StrictSerializer):
    media_id = serializers.IntegerField(min_value=0, max_value=2**63 - 1)


class WatchRequest(StrictSerializer):
    media_id = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    position = serializers.FloatField(min_value=0, max_value=LONGEST_SECONDS, help_text="Seconds into the title.")
    duration = serializers.FloatField(min_value=0.001, max_value=LONGEST_SECONDS, help_text="Its length in seconds.")


class MediaShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    tmdb_id = serializers.IntegerField()
    kind = serializers.ChoiceField(Kind.choices)
    title = serializers.CharField()
    original_title = serializers.CharField(allow_blank=True)
    year = serializers.IntegerField(allow_null=True)
    overview = serializers.CharField(allow_blank=True)
    genres = serializers.ListField(child=serializers.CharField())
    runtime = serializers.IntegerField(allow_null=True, help_text="Minutes; of a series, of one episode.")
    poster_url = serializers.CharField(allow_null=True, help_text="An address on this server.")
    slug = serializers.CharField()


class _Listing(serializers.Serializer[Any]):
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


class SearchShape(_Listing):
    results = MediaShape(many=True)
    degraded = serializers.BooleanField(
        help_text="TMDB did not answer in time: older results, or only titles known here."
    )


class FavoriteShape(serializers.Serializer[Any]):
    media_id = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class FavoriteMediaShape(MediaShape):
    favorited_at = serializers.DateTimeField()


class FavoritesShape(_Listing):
    results = FavoriteMediaShape(many=True)


class WatchShape(serializers.Serializer[Any]):
    media_id = serializers.IntegerField()
    position = serializers.FloatField()
    duration = serializers.FloatField()
    progress = serializers.FloatField(help_text="Percent.")
    watched_at = serializers.DateTimeField()


class WatchedShape(WatchShape):
    media = MediaShape()


class HistoryShape(_Listing):
    results = WatchedShape(many=True)
