"""REST: linking one's Telegram account."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import telegram
from apps.accounts.authentication import in_person, user_of
from sokoul.api import problems


class TelegramOfferSerializer(serializers.Serializer[Any]):
    url = serializers.CharField(help_text="Opens the bot in Telegram with a code for one use.")
    expires_at = serializers.DateTimeField()


class TelegramStateSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(
        ["none", "asked", "linked"], help_text="`asked`: somebody brought the code and waits to be confirmed."
    )
    telegram_id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField(allow_blank=True, help_text="As that person calls themself in Telegram.")


class TelegramOffer(APIView):
    @extend_schema(
        summary="A link that asks the bot to link my Telegram account",
        description="Works once, within ten minutes. An earlier link stops working. Takes a token: no API key.",
        request=None,
        responses={200: TelegramOfferSerializer, **problems(401, 403, 503)},
        tags=["user"],
    )
    def post(self, request: Request) -> Response:
        url, expires_at = telegram.offer(in_person(request))
        return Response({"url": url, "expires_at": expires_at})


class TelegramAccount(APIView):
    @extend_schema(
        summary="Which Telegram account is linked, or asks to be",
        responses={200: TelegramStateSerializer, **problems(401)},
        tags=["user"],
    )
    def get(self, request: Request) -> Response:
        return Response(telegram.state(user_of(request).pk))

    @extend_schema(summary="Unlink my Telegram account", responses={204: None, **problems(401)}, tags=["user"])
    def delete(self, request: Request) -> Response:
        telegram.unlink(user_of(request).pk, why="asked on the web")
        return Response(status=204)


class TelegramConfirmation(APIView):
    @extend_schema(
        summary="Yes, the Telegram account that asks is mine",
        description="Look at who asked (`GET /user/telegram`) before confirming. Takes a token: no API key.",
        request=None,
        responses={204: None, **problems(401, 403, 404, 409)},
        tags=["user"],
    )
    def post(self, request: Request) -> Response:
        telegram.confirm(in_person(request))
        return Response(status=204)
