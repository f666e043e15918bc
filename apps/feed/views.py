"""REST: notifications."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.feed.models import Event
from sokoul.api import StrictSerializer, body, listing, page_of, problems


class NotificationSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    read = serializers.BooleanField()
    code = serializers.CharField()
    text = serializers.CharField()


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


class NotificationsView(APIView):
    @extend_schema(
        parameters=[OpenApiParameter("page", int), OpenApiParameter("limit", int)],
        responses={200: NotificationsSerializer, **problems(400, 401)},
        summary="What happened to what you asked for, newest first",
    )
    def get(self, request: Request) -> Response:
        page = page_of(request)
        mine = Event.objects.filter(user_id=request.user.pk, type="notification")
        rows = mine.order_by("-id").values("id", "at", "read_at", "data")[page.rows]
        results = [
            {**row["data"], "id": row["id"], "at": row["at"], "read": row["read_at"] is not None} for row in rows
        ]
        return Response(listing(results, mine.count(), page))


class ReadView(APIView):
    @extend_schema(
        request=ReadBody, responses={200: ReadSerializer, **problems(400, 401)}, summary="Mark notifications as read"
    )
    def post(self, request: Request) -> Response:
        ids = body(ReadBody, request).get("ids")
        unread = Event.objects.filter(user_id=request.user.pk, type="notification", read_at=None)
        if ids is not None:
            unread = unread.filter(pk__in=ids)
        return Response({"read": unread.update(read_at=timezone.now())})
