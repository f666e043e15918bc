"""REST: what admins tell people. Here and not in the feed, which knows no roles and writes no audit trail."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import audit
from apps.accounts.authentication import user_of
from apps.accounts.models import User
from apps.accounts.permissions import IsAdmin
from apps.feed import push
from sokoul.api import StrictSerializer, body, problems
from sokoul.errors import not_found

LONGEST = 2000


class BroadcastSerializer(StrictSerializer):
    text = serializers.CharField(max_length=LONGEST)


class MessageSerializer(BroadcastSerializer):
    user_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class AnnouncedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="Of the event that everybody, or its receiver, is told.")


class Broadcast(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Tell everybody who is there",
        request=BroadcastSerializer,
        responses={200: AnnouncedSerializer, **problems(400, 401, 403)},
        tags=["admin"],
    )
    def post(self, request: Request) -> Response:
        text = body(BroadcastSerializer, request)["text"]
        with transaction.atomic():
            event = push.record(None, "broadcast", {"text": text})
            audit.record("feed.broadcast", "", user_of(request), event_id=event.pk, text=text)
        return Response({"id": event.pk})


class Message(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Tell one person",
        request=MessageSerializer,
        responses={200: AnnouncedSerializer, **problems(400, 401, 403, 404)},
        tags=["admin"],
    )
    def post(self, request: Request) -> Response:
        asked = body(MessageSerializer, request)
        with transaction.atomic():
            receiver = User.objects.filter(pk=asked["user_id"], is_active=True).first()
            if receiver is None:
                raise not_found("This user")
            event = push.record(receiver.pk, "message", {"text": asked["text"]})
            audit.record(
                "feed.message",
                receiver.username,
                user_of(request),
                event_id=event.pk,
                text=asked["text"],
            )
        return Response({"id": event.pk})
