"""REST: notifications."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.feed import notifications
from sokoul.api import StrictSerializer, body, page_of, problems


class NotificationSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    read = serializers.BooleanField()
    code = serializers.CharField()
    text = serializers.CharField()
    media_id = serializers.IntegerField(required=False)
    download_id = serializers.IntegerField(required=False)
    job_id = serializers.UUIDField(required=False)


class NotificationsSerializer(serializers.Serializer[Any]):
    results = NotificationSerializer(many=True)
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


class ReadBody(StrictSerializer):
    """`ids` of what was read; left out, everything was."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), required=False, max_length=1000
    )


class ReadSerializer(serializers.Serializer[Any]):
    read = serializers.IntegerField(help_text="How many were unread until now.")


def _me(request: Request) -> int:
    assert request.user.pk is not None  # permissions let nobody else in
    return request.user.pk


class NotificationsView(APIView):
    @extend_schema(
        operation_id="notifications_list",
        parameters=[OpenApiParameter("page", int), OpenApiParameter("limit", int)],
        responses={200: NotificationsSerializer, **problems(400, 401)},
        summary="What happened to what you asked for, newest first",
    )
    def get(self, request: Request) -> Response:
        return Response(notifications.listed(_me(request), page_of(request)))


class ReadView(APIView):
    @extend_schema(
        request=ReadBody, responses={200: ReadSerializer, **problems(400, 401)}, summary="Mark notifications as read"
    )
    def post(self, request: Request) -> Response:
        ids = body(ReadBody, request).get("ids")
        return Response({"read": notifications.mark_read(_me(request), ids)})
