"""REST: downloads, their files, the library, the blocklist."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.authentication import user_of
from apps.downloads import blocklist, replacement, rows, services
from sokoul.api import StrictSerializer, body, page_of, problems
from sokoul.errors import PermanentError

PROBLEMS = problems(400, 401, 403, 404)
PAGING = [
    OpenApiParameter("page", int, description="From 1."),
    OpenApiParameter("limit", int, description="1 to 100, 20 unless told."),
]


class StartBody(StrictSerializer):
    media_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    torrent_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False, allow_null=True)
    magnet = serializers.CharField(max_length=32_000, required=False, allow_blank=True)
    season = serializers.IntegerField(min_value=0, max_value=9999, required=False, allow_null=True)
    episode = serializers.IntegerField(min_value=0, max_value=9999, required=False, allow_null=True)
    profile_id = serializers.IntegerField(
        min_value=1,
        max_value=2**63 - 1,
        required=False,
        allow_null=True,
        help_text="Of GET /profiles; else the title's.",
    )


class AcceptedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    job_id = serializers.UUIDField()


class DownloadSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    media_id = serializers.IntegerField()
    torrent_id = serializers.IntegerField(allow_null=True)
    title = serializers.CharField()
    year = serializers.IntegerField(allow_null=True)
    poster_url = serializers.CharField(allow_null=True)
    name = serializers.CharField(help_text="The torrent's own name.")
    status = serializers.ChoiceField(["Pending", "Running", "Completed", "Failed"])
    phase = serializers.ChoiceField(
        ["searching", "queued", "metadata", "downloading", "paused", "filing", "seeding", "done", "failed", "cancelled"]
    )
    progress = serializers.FloatField(help_text="Percent, 0 to 100.")
    bytes_done = serializers.IntegerField()
    bytes_total = serializers.IntegerField()
    rate = serializers.IntegerField(help_text="Bytes a second.")
    upload_rate = serializers.IntegerField(help_text="Bytes a second.")
    uploaded = serializers.IntegerField()
    eta = serializers.IntegerField(allow_null=True, help_text="Seconds.")
    peers = serializers.IntegerField()
    reason = serializers.CharField(help_text="Why it waits or failed, in words.")
    season = serializers.IntegerField(allow_null=True)
    episode = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    request_id = serializers.CharField()
    automatic = serializers.BooleanField(help_text="Whether the release was chosen by Sokoul, which may replace it.")
    replacements = serializers.IntegerField(help_text="Releases given up since you last asked for it.")
    profile_id = serializers.IntegerField(allow_null=True, help_text="By which it is chosen; null: the title's.")
    profile = serializers.CharField(allow_null=True, help_text="Its name.")


class GivenUpSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    code = serializers.CharField()
    reason = serializers.CharField()
    at = serializers.DateTimeField()


class OneDownloadSerializer(DownloadSerializer):
    tried = GivenUpSerializer(many=True, help_text="Releases that were given up for it, oldest first.")


class DownloadsSerializer(serializers.Serializer[Any]):
    results = DownloadSerializer(many=True)
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


class FileSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    path = serializers.CharField()
    size = serializers.IntegerField()
    stream_url = serializers.CharField()
    library_path = serializers.CharField(allow_null=True)


class FilesSerializer(serializers.Serializer[Any]):
    results = FileSerializer(many=True)


class LibraryFileSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    media_id = serializers.IntegerField()
    download_id = serializers.IntegerField()
    index = serializers.IntegerField()
    title = serializers.CharField()
    year = serializers.IntegerField(allow_null=True)
    poster_url = serializers.CharField(allow_null=True)
    path = serializers.CharField()
    size = serializers.IntegerField()
    linked = serializers.BooleanField()
    duration = serializers.FloatField(allow_null=True)
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    video_codec = serializers.CharField()
    audio_codec = serializers.CharField()
    created_at = serializers.DateTimeField()
    stream_url = serializers.CharField()


class LibrarySerializer(serializers.Serializer[Any]):
    results = LibraryFileSerializer(many=True)
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


class BlockedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    media_id = serializers.IntegerField()
    title = serializers.CharField()
    year = serializers.IntegerField(allow_null=True)
    torrent_id = serializers.IntegerField(allow_null=True)
    release = serializers.CharField(help_text="Its name.")
    code = serializers.CharField(help_text="Why, as a stable code.")
    why = serializers.CharField(help_text="The same in your language.")
    reason = serializers.CharField(help_text="The same with its figures.")
    source = serializers.ChoiceField(["automatic", "by hand"])  # type: ignore[assignment]  # a field of that name
    created_at = serializers.DateTimeField()


class BlocklistSerializer(serializers.Serializer[Any]):
    results = BlockedSerializer(many=True)
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


class StartView(APIView):
    @extend_schema(
        request=StartBody,
        responses={202: AcceptedSerializer, **PROBLEMS, **problems(409, 429)},
        summary="Download a title: a release, a magnet, or whatever is best",
    )
    def post(self, request: Request) -> Response:
        asked = body(StartBody, request)
        download, job_id = services.start(
            user_of(request).pk,
            asked["media_id"],
            torrent_id=asked.get("torrent_id"),
            magnet=asked.get("magnet") or None,
            season=asked.get("season"),
            episode=asked.get("episode"),
            profile_id=asked.get("profile_id"),
        )
        return Response({"id": download.pk, "job_id": job_id}, status=202)


class DownloadsView(APIView):
    @extend_schema(
        operation_id="downloads_list",
        parameters=[*PAGING, OpenApiParameter("status", str, enum=["Pending", "Running", "Completed", "Failed"])],
        responses={200: DownloadsSerializer, **problems(400, 401)},
        summary="Your downloads, newest first",
    )
    def get(self, request: Request) -> Response:
        status = request.query_params.get("status", "")
        if status not in {"", "Pending", "Running", "Completed", "Failed"}:
            raise PermanentError(
                "status must be Pending, Running, Completed or Failed.", fields={"status": ["unknown"]}
            )
        return Response(rows.listed_json(user_of(request).pk, page_of(request), status))


class DownloadView(APIView):
    @extend_schema(responses={200: OneDownloadSerializer, **PROBLEMS}, summary="One download")
    def get(self, request: Request, download_id: int) -> Response:
        return Response(rows.shown(services.owned(user_of(request).pk, download_id)))

    @extend_schema(
        parameters=[OpenApiParameter("files", bool, description="Also delete its files in the library.")],
        responses={204: None, **PROBLEMS, **problems(409)},
        summary="Cancel a download, or remove one that ended",
    )
    def delete(self, request: Request, download_id: int) -> HttpResponse:
        files = request.query_params.get("files", "false").lower()
        if files not in {"true", "false", "1", "0"}:
            raise PermanentError("files must be true or false.", fields={"files": ["true or false"]})
        services.cancel(user_of(request).pk, download_id, files=files in {"true", "1"})
        return HttpResponse(status=204)


class PauseView(APIView):
    @extend_schema(request=None, responses={200: OneDownloadSerializer, **PROBLEMS, **problems(409)}, summary="Pause")
    def post(self, request: Request, download_id: int) -> Response:
        return Response(rows.shown(services.pause(user_of(request).pk, download_id)))


class ResumeView(APIView):
    @extend_schema(request=None, responses={200: OneDownloadSerializer, **PROBLEMS, **problems(409)}, summary="Resume")
    def post(self, request: Request, download_id: int) -> Response:
        return Response(rows.shown(services.resume(user_of(request).pk, download_id)))


class RetryView(APIView):
    @extend_schema(
        request=None,
        responses={202: AcceptedSerializer, **PROBLEMS, **problems(409, 429)},
        summary="Try again what failed or was cancelled",
    )
    def post(self, request: Request, download_id: int) -> Response:
        download, job_id = services.retry(user_of(request).pk, download_id)
        return Response({"id": download.pk, "job_id": job_id}, status=202)


class ReplaceView(APIView):
    @extend_schema(
        request=None,
        responses={202: OneDownloadSerializer, **PROBLEMS, **problems(409, 429)},
        summary="Block its release and take the next best",
        description="For what has failed, waits or downloads; what is in the library stays as it is.",
    )
    def post(self, request: Request, download_id: int) -> Response:
        return Response(rows.shown(replacement.replace(user_of(request).pk, download_id)), status=202)


class FilesView(APIView):
    @extend_schema(responses={200: FilesSerializer, **PROBLEMS}, summary="The files of a download")
    def get(self, request: Request, download_id: int) -> Response:
        download = services.owned(user_of(request).pk, download_id)
        return Response({"results": rows.files(download.pk)})


class LibraryView(APIView):
    @extend_schema(
        parameters=PAGING,
        responses={200: LibrarySerializer, **problems(400, 401)},
        summary="What you can play, newest first",
    )
    def get(self, request: Request) -> Response:
        return Response(rows.library(user_of(request).pk, page_of(request)))


class BlocklistView(APIView):
    @extend_schema(
        operation_id="blocklist_list",
        parameters=PAGING,
        responses={200: BlocklistSerializer, **problems(400, 401)},
        summary="Releases that are not chosen again for you, newest first",
    )
    def get(self, request: Request) -> Response:
        return Response(blocklist.listed(user_of(request).pk, page_of(request)))

    @extend_schema(
        operation_id="blocklist_clear",
        responses={204: None, **problems(401)},
        summary="Let every one of them be chosen again",
    )
    def delete(self, request: Request) -> HttpResponse:
        blocklist.clear(user_of(request).pk)
        return HttpResponse(status=204)


class BlockedView(APIView):
    @extend_schema(responses={204: None, **PROBLEMS}, summary="Let a release be chosen again")
    def delete(self, request: Request, blocked_id: int) -> HttpResponse:
        blocklist.remove(user_of(request).pk, blocked_id)
        return HttpResponse(status=204)
