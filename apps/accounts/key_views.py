"""REST: one's API keys."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import api_keys
from apps.accounts.authentication import in_person, user_of
from apps.accounts.models import ApiKey
from sokoul.api import StrictSerializer, body, listing, page_of, problems

TOKEN: Any = [{"bearer": []}]  # as OpenAPI says it: these calls take no API key


class NewApiKeySerializer(StrictSerializer):
    name = serializers.CharField(max_length=api_keys.LONGEST_NAME, help_text="What it is for.")
    expires_at = serializers.DateTimeField(required=False, allow_null=True, help_text="null: never.")


class ApiKeySerializer(serializers.Serializer[ApiKey]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="How the key begins.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")


class MadeApiKeySerializer(ApiKeySerializer):
    key = serializers.CharField(help_text="For X-API-Key. Shown this once.")


class ApiKeysSerializer(serializers.Serializer[Any]):
    results = ApiKeySerializer(many=True)
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


def key_json(row: ApiKey) -> dict[str, Any]:
    """The one JSON shape of a key, without the key."""
    return {name: getattr(row, name) for name in ("id", "name", "prefix", "created_at", "expires_at", "last_used_at")}


class ApiKeys(APIView):
    @extend_schema(
        operation_id="api_keys_list",
        parameters=[OpenApiParameter("page", int), OpenApiParameter("limit", int)],
        responses={200: ApiKeysSerializer, **problems(400, 401)},
        summary="My API keys, newest first",
        tags=["user"],
    )
    def get(self, request: Request) -> Response:
        page, mine = page_of(request), api_keys.of_user(user_of(request).pk)
        return Response(listing([key_json(row) for row in mine[page.rows]], mine.count(), page))

    @extend_schema(
        summary="Make an API key",
        description="For programs of mine, in `X-API-Key`. It may do what I may, but not manage keys, password, e-mail "
        f"address or account. At most {api_keys.MOST} at a time.",
        request=NewApiKeySerializer,
        responses={201: MadeApiKeySerializer, **problems(400, 401, 403, 409)},
        auth=TOKEN,
        tags=["user"],
    )
    def post(self, request: Request) -> Response:
        user = in_person(request)
        made = api_keys.create(user, **body(NewApiKeySerializer, request))
        return Response({**key_json(made.row), "key": made.text}, status=201)


class OneApiKey(APIView):
    @extend_schema(
        summary="Delete an API key: it opens nothing from now on",
        responses={204: None, **problems(401, 403, 404)},
        auth=TOKEN,
        tags=["user"],
    )
    def delete(self, request: Request, key_id: int) -> Response:
        api_keys.delete(in_person(request), key_id)
        return Response(status=204)
