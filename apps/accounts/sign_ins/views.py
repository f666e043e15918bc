"""REST: where one is signed in, and ending one of these; for admins, somebody else's."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.authentication import in_person, user_of
from apps.accounts.models import User
from apps.accounts.permissions import IsAdmin
from apps.accounts.sign_ins import services
from apps.accounts.sign_ins.models import Kind, SignIn
from apps.accounts.tokens import Claims
from sokoul.api import listing, page_of, problems
from sokoul.errors import not_found

TOKEN: Any = [{"bearer": []}]  # as OpenAPI says it: these calls take no API key
PAGING = [OpenApiParameter("page", int), OpenApiParameter("limit", int)]
WHOSE = OpenApiParameter("user_id", OpenApiTypes.INT64, OpenApiParameter.PATH)
MOST = 2**63 - 1
FIELDS = ("id", "kind", "began_at", "seen_at", "expires_at", "ends_at", "ip", "agent")


class SignInSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Kind.choices, help_text="pages: a browser; api: tokens.")
    began_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField(help_text="Of a browser to the hour, else the last refresh.")
    expires_at = serializers.DateTimeField(help_text="Unless it is used before.")
    ends_at = serializers.DateTimeField(help_text="However much it is used.")
    ip = serializers.CharField(allow_null=True, help_text="Where it was seen last.")
    agent = serializers.CharField(allow_blank=True, help_text="What the client calls itself, coarsely.")
    current = serializers.BooleanField(help_text="Whether this request came by it.")


class SignInsSerializer(serializers.Serializer[Any]):
    results = SignInSerializer(many=True)
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


def _listed(request: Request, rows: QuerySet[SignIn]) -> Response:
    page = page_of(request)
    current = request.auth.family if isinstance(request.auth, Claims) else None
    shown = [{**{name: getattr(row, name) for name in FIELDS}, "current": row.pk == current} for row in rows[page.rows]]
    return Response(listing(shown, rows.count(), page))


class SignIns(APIView):
    @extend_schema(
        operation_id="sign_ins_list",
        parameters=PAGING,
        responses={200: SignInsSerializer, **problems(400, 401)},
        summary="Where I am signed in, the last used first",
        tags=["user"],
    )
    def get(self, request: Request) -> Response:
        return _listed(request, services.of_user(user_of(request)))


class OneSignIn(APIView):
    @extend_schema(
        summary="End a sign-in of mine: its tokens, session and sockets",
        responses={204: None, **problems(401, 403, 404)},
        auth=TOKEN,
        tags=["user"],
    )
    def delete(self, request: Request, sign_in_id: UUID) -> Response:
        user = in_person(request)
        services.end(user.pk, sign_in_id, by=user)
        return Response(status=204)


class SomebodysSignIns(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        operation_id="admin_sign_ins_list",
        parameters=[WHOSE, *PAGING],
        responses={200: SignInsSerializer, **problems(400, 401, 403, 404)},
        summary="Where somebody is signed in, the last used first",
        tags=["admin"],
    )
    def get(self, request: Request, user_id: int) -> Response:
        user = User.objects.filter(pk=user_id).first() if user_id <= MOST else None
        if user is None:
            raise not_found("This user")
        return _listed(request, services.of_user(user))


class SomebodysSignIn(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="End a sign-in of somebody",
        parameters=[WHOSE],
        responses={204: None, **problems(401, 403, 404)},
        auth=TOKEN,
        tags=["admin"],
    )
    def delete(self, request: Request, user_id: int, sign_in_id: UUID) -> Response:
        services.end_of_somebody(user_id, sign_in_id, by=in_person(request))
        return Response(status=204)
