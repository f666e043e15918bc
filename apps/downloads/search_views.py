"""REST: search for titles (GET) and for their releases (POST), and the releases that were found."""

import re
import threading
from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.authentication import user_of
from apps.accounts.permissions import SignedIn
from apps.downloads import search
from apps.jobs.models import Job, Status
from apps.jobs.services import error_of
from apps.media import services as media_services
from apps.media.models import Kind
from apps.media.serializers import SearchShape
from sokoul.api import StrictSerializer, body, page_of, problems
from sokoul.env import ENV
from sokoul.errors import PermanentError

MAX_WAIT = 25
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?\s*(?:$|[,;])", re.IGNORECASE)
# Waiting callers must leave threads for everybody else.
_waiting = threading.BoundedSemaphore(max(1, ENV.web_threads // 2))


class MaySearchTitles(SignedIn):
    """Everybody while ANONYMOUS_SEARCH is on."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return ENV.anonymous_search or super().has_permission(request, view)


class SearchRequest(StrictSerializer):
    """Either `query` or `media_id`; of a series also a season, or a season and an episode."""

    query = serializers.CharField(required=False, max_length=media_services.QUERY_CHARS)
    media_id = serializers.IntegerField(required=False, min_value=0, max_value=2**63 - 1)
    season = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=9999)
    episode = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=9999)


class AcceptedShape(serializers.Serializer[Any]):
    job_id = serializers.CharField()
    status_url = serializers.CharField()
    status = serializers.ChoiceField(Status.choices)
    error = serializers.CharField(allow_blank=True)


class ReasonShape(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Stable: docs/reasons.md.")
    params = serializers.DictField(help_text="What the sentence names.")
    points = serializers.IntegerField(help_text="0 of a rejection.")
    sentence = serializers.CharField(help_text="In the language of the request.")


@extend_schema_field(
    {"oneOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}
)
class SeasonField(serializers.JSONField):
    pass


class ReleaseShape(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="torrent_id of /downloads/start.")
    title = serializers.CharField()
    indexer = serializers.CharField()
    indexers = serializers.ListField(child=serializers.CharField())
    size = serializers.IntegerField(help_text="Bytes.")
    seeders = serializers.IntegerField()
    peers = serializers.IntegerField()
    published_at = serializers.DateTimeField(allow_null=True)
    score = serializers.IntegerField(allow_null=True, help_text="Null when rejected.")
    profile = serializers.CharField(allow_null=True, help_text="Who decided; null: the profile that is built in.")
    reasons = ReasonShape(many=True)
    rejections = ReasonShape(many=True)
    season = SeasonField(help_text="An integer, or a list where the release has several.")
    episodes = serializers.ListField(child=serializers.IntegerField(), allow_null=True)
    complete = serializers.BooleanField(allow_null=True)
    resolution = serializers.CharField(allow_null=True)
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]  # a field, which hides no argument
    remux = serializers.BooleanField(allow_null=True)
    codec = serializers.CharField(allow_null=True)
    bit_depth = serializers.IntegerField(allow_null=True)
    hdr = serializers.ListField(child=serializers.CharField(), allow_null=True)
    audio = serializers.ListField(child=serializers.CharField(), allow_null=True)
    channels = serializers.CharField(allow_null=True)
    languages = serializers.ListField(child=serializers.CharField(), allow_null=True)
    subtitles = serializers.ListField(child=serializers.CharField(), allow_null=True)
    multi = serializers.BooleanField(allow_null=True)
    group = serializers.CharField(allow_null=True)
    edition = serializers.CharField(allow_null=True)
    proper = serializers.BooleanField(allow_null=True)
    repack = serializers.BooleanField(allow_null=True)


class ReleasesShape(serializers.Serializer[Any]):
    results = ReleaseShape(many=True)
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


class FoundShape(ReleasesShape):
    job_id = serializers.CharField()
    status_url = serializers.CharField()
    media_id = serializers.IntegerField()
    warnings = serializers.ListField(child=serializers.CharField())


def wait_of(request: Request) -> int:
    """Seconds that the caller prefers to wait (RFC 7240), at most 25; 0 for none."""
    found = _WAIT.search(request.headers.get("Prefer", ""))
    return min(int(found[1]), MAX_WAIT) if found else 0


class Search(APIView):
    def get_permissions(self) -> list[BasePermission]:
        return [MaySearchTitles() if self.request.method == "GET" else SignedIn()]

    @extend_schema(
        summary="Films and series by title",
        auth=[{"bearer": []}, {}],  # type: ignore[list-item]  # security requirements, as OpenAPI has them
        parameters=[
            OpenApiParameter("query", OpenApiTypes.STR, required=True),
            OpenApiParameter("kind", OpenApiTypes.STR, enum=Kind.values),
            OpenApiParameter("page", OpenApiTypes.INT),
        ],
        responses={200: SearchShape, **problems(400, 401, 429, 503)},
        tags=["search"],
    )
    def get(self, request: Request) -> Response:
        asked = request.query_params
        return Response(
            media_services.search_titles(asked.get("query", ""), asked.get("kind", ""), page_of(request).page)
        )

    @extend_schema(
        summary="Find releases of a title at the indexers",
        description="With `Prefer: wait=N` (seconds, at most 25) the releases, once they are found in time.",
        request=SearchRequest,
        parameters=[OpenApiParameter("Prefer", OpenApiTypes.STR, OpenApiParameter.HEADER)],
        responses={200: FoundShape, 202: AcceptedShape, **problems(400, 401, 404, 429, 503)},
        tags=["search"],
    )
    def post(self, request: Request) -> Response:
        asked = body(SearchRequest, request)
        page = page_of(request)
        job = search.request_search(user_of(request).pk, **asked)
        wait = wait_of(request)
        if wait and _waiting.acquire(blocking=False):
            try:
                job = search.wait_for(job, wait)
            finally:
                _waiting.release()
        if wait and job.status == Status.COMPLETED:
            wanted = (job.result["media_id"], page, asked.get("season"), asked.get("episode"))
            found = search.releases_of(*wanted, user_id=user_of(request).pk)
            told = {"media_id": job.result["media_id"], "warnings": search.warnings_of(job.result)}
            answer = {**found, "job_id": job.pk, "status_url": f"/jobs/{job.pk}", **told}
            return Response(answer, headers={"Preference-Applied": f"wait={wait}"})
        return Response(_accepted(job), status=202)


def _accepted(job: Job) -> dict[str, Any]:
    return {"job_id": job.pk, "status_url": f"/jobs/{job.pk}", "status": job.status, "error": error_of(job)}


class MediaTorrents(APIView):
    @extend_schema(
        summary="Releases that were found for a title",
        description="Accepted ones first by score, then rejected ones with their rejections.",
        parameters=[OpenApiParameter(name, OpenApiTypes.INT) for name in ("page", "limit", "season", "episode")],
        responses={200: ReleasesShape, **problems(400, 401, 404, 429, 503)},
        tags=["search"],
    )
    def get(self, request: Request, media_id: int) -> Response:
        season, episode = _number(request, "season"), _number(request, "episode")
        mine = user_of(request).pk
        return Response(search.releases_of(media_id, page_of(request), season, episode, user_id=mine))


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise PermanentError(f"{name} must be a whole number from 0 to 9999.", fields={name: ["0 to 9999"]})
    return int(text) if text else None


api: list[URLPattern] = [
    path("search", Search.as_view()),
    path("media/<int:media_id>/torrents", MediaTorrents.as_view()),
]
