"""REST: the audit trail for moderators, people and dead letters for admins."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import managing, operating, quotas
from apps.accounts.authentication import in_person, user_of
from apps.accounts.models import AuditEntry, Role, User
from apps.accounts.permissions import IsAdmin, IsModerator
from apps.accounts.serializers import ProfileSerializer, user_json
from apps.jobs import deadletters
from sokoul.api import StrictSerializer, body, listing, page_of, problems
from sokoul.errors import PermanentError, not_found

PAGING = [OpenApiParameter("page", int), OpenApiParameter("limit", int)]
MOST = 2**63 - 1  # what the database and JetStream count to
FILTERS = ("action", "actor", "request_id")
LOG_FIELDS = ("id", "at", "action", "target", "actor_id", "actor", "ip", "details", "request_id")


class Paged(serializers.Serializer[Any]):
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


class LogSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    action = serializers.CharField()
    target = serializers.CharField(allow_blank=True)
    actor_id = serializers.IntegerField(allow_null=True)
    actor = serializers.CharField(allow_blank=True)
    ip = serializers.CharField(allow_null=True)
    details = serializers.DictField()
    request_id = serializers.CharField(allow_blank=True)


class LogsSerializer(Paged):
    results = LogSerializer(many=True)


class AccountSerializer(ProfileSerializer):
    is_active = serializers.BooleanField()


class AccountsSerializer(Paged):
    results = AccountSerializer(many=True)


class LimitsSerializer(StrictSerializer):
    """What one person may have; null is the default, what is left out stays."""

    active = serializers.IntegerField(
        min_value=0, max_value=100, allow_null=True, required=False, help_text="Downloads at once; 5 unless told."
    )
    bytes = serializers.IntegerField(
        min_value=0, max_value=MOST, allow_null=True, required=False, help_text="Kept at once; no limit unless told."
    )
    weekly = serializers.IntegerField(
        min_value=0,
        max_value=10_000,
        allow_null=True,
        required=False,
        help_text="Downloads started in any 7 days; no limit unless told.",
    )


class AccountChangeSerializer(StrictSerializer):
    role = serializers.ChoiceField(Role.choices, required=False)
    is_active = serializers.BooleanField(required=False, help_text="false ends every sign-in of this person at once.")
    quotas = LimitsSerializer(required=False)


class LetterSerializer(serializers.Serializer[Any]):
    sequence = serializers.IntegerField()
    subject = serializers.CharField()
    job_id = serializers.UUIDField(allow_null=True, help_text="null: a message that nobody could read.")
    reason = serializers.CharField(allow_blank=True)
    attempts = serializers.IntegerField()
    request_id = serializers.CharField(allow_blank=True)
    failed_at = serializers.DateTimeField()
    data = serializers.CharField(  # type: ignore[assignment]  # a field, which hides no property of the instance
        help_text="The message as it was; bytes that are no text with escapes."
    )


class LettersSerializer(Paged):
    results = LetterSerializer(many=True)


class ReplayedSerializer(serializers.Serializer[Any]):
    sequence = serializers.IntegerField()
    job_id = serializers.UUIDField(allow_null=True)


def accounts_json(users: Sequence[User]) -> list[dict[str, Any]]:
    """Accounts as admins see them."""
    shown = quotas.shown(users)
    return [{**user_json(user), "is_active": user.is_active, "quotas": shown[user.pk]} for user in users]


def _text(request: Request, name: str) -> str:
    """What PostgreSQL can be asked for."""
    text = request.query_params.get(name, "")
    if "\0" in text or len(text) > 200:
        raise PermanentError(f"{name} is text of at most 200 characters.", fields={name: ["at most 200 characters"]})
    return text


class Logs(APIView):
    permission_classes = [IsModerator]

    @extend_schema(
        summary="The audit trail, newest first; for moderators and admins",
        parameters=[*PAGING, *(OpenApiParameter(name, str, description="Exactly this.") for name in FILTERS)],
        responses={200: LogsSerializer, **problems(400, 401, 403)},
        tags=["admin"],
    )
    def get(self, request: Request) -> Response:
        page = page_of(request)
        wanted = {name: text for name in FILTERS if (text := _text(request, name))}
        rows = AuditEntry.objects.filter(**wanted)
        return Response(listing(rows.order_by("-id").values(*LOG_FIELDS)[page.rows], rows.count(), page))


class Accounts(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        operation_id="admin_users_list",
        summary="Everybody who has an account, newest first",
        parameters=[*PAGING, OpenApiParameter("query", str, description="Part of a user name or an e-mail address.")],
        responses={200: AccountsSerializer, **problems(400, 401, 403)},
        tags=["admin"],
    )
    def get(self, request: Request) -> Response:
        page, query = page_of(request), _text(request, "query")
        people = User.objects.filter(Q(username__icontains=query) | Q(email__icontains=query))
        rows = people.order_by("-created_at", "-pk")[page.rows]
        return Response(listing(accounts_json(list(rows)), people.count(), page))


class OneAccount(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Give a role or quotas, deactivate or activate",
        description="One's own role and activity are another admin's to change (409).",
        parameters=[OpenApiParameter("user_id", OpenApiTypes.INT64, OpenApiParameter.PATH)],
        request=AccountChangeSerializer,
        responses={200: AccountSerializer, **problems(400, 401, 403, 404, 409)},
        tags=["admin"],
    )
    def patch(self, request: Request, user_id: int) -> Response:
        asked = body(AccountChangeSerializer, request)
        if user_id > MOST:
            raise not_found("This user")
        role = Role(asked["role"]) if "role" in asked else None
        active, limits = asked.get("is_active"), asked.get("quotas")
        user = managing.change(user_id, by=in_person(request), role=role, is_active=active, limits=limits)
        return Response(accounts_json([user])[0])


class DeadLetters(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="The dead-letter queue, newest first",
        parameters=PAGING,
        responses={200: LettersSerializer, **problems(400, 401, 403, 503)},
        tags=["admin"],
    )
    def get(self, request: Request) -> Response:
        page = page_of(request)
        letters, total = deadletters.listed(page.rows)
        return Response(listing([letter.json for letter in letters], total, page))


class Replay(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Run a dead letter's job again, with all its attempts",
        parameters=[OpenApiParameter("sequence", OpenApiTypes.INT64, OpenApiParameter.PATH)],
        request=None,
        responses={200: ReplayedSerializer, **problems(401, 403, 404, 409, 503)},
        tags=["admin"],
    )
    def post(self, request: Request, sequence: int) -> Response:
        if not 1 <= sequence <= MOST:
            raise not_found("This dead letter")
        letter = operating.replay(sequence, by=user_of(request))
        return Response({"sequence": letter.sequence, "job_id": letter.job_id and str(letter.job_id)})
