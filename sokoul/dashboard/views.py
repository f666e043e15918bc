"""REST: how things stand, for admins."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import IsAdmin
from sokoul.api import problems
from sokoul.dashboard import figures

PART_STATES = ["ok", "down", "unknown"]


class PartShape(serializers.Serializer[Any]):
    status = serializers.ChoiceField(PART_STATES)
    latency_ms = serializers.FloatField(required=False, help_text="Of servers.")
    processes = serializers.IntegerField(required=False, help_text="Of our own programs.")
    memory = serializers.IntegerField(required=False, help_text="Bytes of the largest process.")


class HunterShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    downloads = serializers.IntegerField()
    lease_until = serializers.DateTimeField()


class CountsShape(serializers.Serializer[Any]):
    Pending = serializers.IntegerField()
    Running = serializers.IntegerField()
    Completed = serializers.IntegerField()
    Failed = serializers.IntegerField()


class HourShape(CountsShape):
    hour = serializers.DateTimeField()


class KindShape(CountsShape):
    kind = serializers.CharField()


class JobsOfTheDayShape(serializers.Serializer[Any]):
    hours = HourShape(many=True)
    kinds = KindShape(many=True)


class QueueShape(serializers.Serializer[Any]):
    pending = serializers.IntegerField()
    running = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="Messages that JetStream has and nobody has acknowledged.")


class DiskShape(serializers.Serializer[Any]):
    free = serializers.IntegerField()
    size = serializers.IntegerField()


class StatsShape(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    components = serializers.DictField(child=PartShape())
    hunters = HunterShape(many=True)
    jobs = JobsOfTheDayShape(help_text="Of the last 24 hours.")
    queues = serializers.DictField(child=QueueShape(), help_text="By worker.")
    stranded = serializers.IntegerField(allow_null=True, help_text="Jobs that nobody publishes, nor works on.")
    dead_letters = serializers.IntegerField(allow_null=True)
    downloads = serializers.DictField(child=serializers.IntegerField(), help_text="Not ended, by phase.")
    rate = serializers.IntegerField(allow_null=True, help_text="Bytes a second of all downloads.")
    disks = serializers.DictField(child=DiskShape(), help_text="Bytes.")
    requests = serializers.DictField(child=serializers.FloatField(), help_text="Since the installation began.")
    sockets = serializers.IntegerField()
    cache = serializers.DictField(child=serializers.IntegerField())
    unknown = serializers.ListField(child=serializers.CharField(), help_text="What could not be found out.")


class Stats(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="How everything stands",
        responses={200: StatsShape, **problems(401, 403)},
        tags=["admin"],
    )
    def get(self, request: Request) -> Response:
        return Response(figures.look())


api: list[URLPattern] = [path("admin/stats", Stats.as_view())]
