"""REST: the indexers, for admins."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.authentication import user_of
from apps.accounts.permissions import IsAdmin
from apps.downloads.indexers import managing
from apps.downloads.models import LIMITS, Indexer
from sokoul.api import StrictSerializer, body, listing, page_of, problems
from sokoul.errors import not_found

MOST_ID = 2**63 - 1
ID = [OpenApiParameter("indexer_id", OpenApiTypes.INT64, OpenApiParameter.PATH)]
PAGING = [OpenApiParameter("page", int), OpenApiParameter("limit", int)]


class LimitsShape(serializers.Serializer[Any]):
    queries_minute = serializers.IntegerField(allow_null=True)
    queries_hour = serializers.IntegerField(allow_null=True)
    queries_day = serializers.IntegerField(allow_null=True)
    grabs_minute = serializers.IntegerField(allow_null=True)
    grabs_hour = serializers.IntegerField(allow_null=True)
    grabs_day = serializers.IntegerField(allow_null=True)


class IndexerShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(Indexer.Kind.choices)
    configured = serializers.BooleanField()
    enabled = serializers.BooleanField()
    priority = serializers.IntegerField(
        help_text="1 to 50. Of two that offer the same release, the lower is fetched from."
    )
    state = serializers.ChoiceField(managing.STATES)
    failures = serializers.IntegerField(help_text="In a row.")
    failed_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField(allow_blank=True)
    backoff_until = serializers.DateTimeField(allow_null=True, help_text="Until then it is left alone.")
    answered_at = serializers.DateTimeField(allow_null=True)
    queries = serializers.IntegerField()
    failed_queries = serializers.IntegerField(help_text="Searches that failed.")
    mean_seconds = serializers.FloatField(allow_null=True, help_text="Of its answers.")
    releases = serializers.IntegerField(help_text="Found, each time counted.")
    grabs = serializers.IntegerField(help_text="Releases that were taken from it.")
    limits = LimitsShape(help_text="null: none.")
    used = serializers.DictField(child=serializers.IntegerField(), help_text="Of each limit, also where there is none.")


class IndexersShape(serializers.Serializer[Any]):
    results = IndexerShape(many=True)
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


def _limit() -> serializers.IntegerField:
    return serializers.IntegerField(min_value=0, max_value=managing.MOST, required=False, allow_null=True)


class ChangeBody(StrictSerializer):
    """What is left out stays; a limit that is null is none."""

    enabled = serializers.BooleanField(required=False)
    priority = serializers.IntegerField(min_value=1, max_value=50, required=False)
    queries_minute = _limit()
    queries_hour = _limit()
    queries_day = _limit()
    grabs_minute = _limit()
    grabs_hour = _limit()
    grabs_day = _limit()


class Indexers(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        operation_id="admin_indexers_list",
        summary="The indexers: how they stand, what they may be asked, what they found",
        description="An indexer is here once it has been asked. Keys are not.",
        parameters=PAGING,
        responses={200: IndexersShape, **problems(400, 401, 403)},
        tags=["admin"],
    )
    def get(self, request: Request) -> Response:
        page, rows = page_of(request), Indexer.objects.order_by("-configured", "priority", "name")
        return Response(listing(managing.shown(list(rows[page.rows])), rows.count(), page))


class OneIndexer(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Switch an indexer on or off, give it a priority or limits",
        parameters=ID,
        request=ChangeBody,
        responses={200: IndexerShape, **problems(400, 401, 403, 404)},
        tags=["admin"],
    )
    def patch(self, request: Request, indexer_id: int) -> Response:
        asked = body(ChangeBody, request)
        changes = {name: asked[name] for name in ("enabled", "priority", *LIMITS) if name in asked}
        row = managing.change(_known(indexer_id), changes, by=user_of(request))
        return Response(managing.shown([row])[0])


class Forgiven(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Forget an indexer's failures, so that it is asked again at once",
        parameters=ID,
        request=None,
        responses={200: IndexerShape, **problems(401, 403, 404)},
        tags=["admin"],
    )
    def post(self, request: Request, indexer_id: int) -> Response:
        return Response(managing.shown([managing.forget(_known(indexer_id), by=user_of(request))])[0])


def _known(indexer_id: int) -> int:
    if indexer_id > MOST_ID:
        raise not_found("This indexer")
    return indexer_id


api: list[URLPattern] = [
    path("admin/indexers", Indexers.as_view()),
    path("admin/indexers/<int:indexer_id>", OneIndexer.as_view()),
    path("admin/indexers/<int:indexer_id>/forget", Forgiven.as_view()),
]
