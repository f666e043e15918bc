"""REST: one's own jobs. Who may come in is the settings' default."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.jobs import services
from apps.jobs.models import Status
from sokoul.api import page_of, problems

PAGING = [OpenApiParameter("page", int), OpenApiParameter("limit", int)]


class JobShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    worker = serializers.CharField()
    kind = serializers.CharField()
    status = serializers.ChoiceField(Status.choices)
    attempts = serializers.IntegerField()
    error = serializers.CharField(allow_blank=True)
    result = serializers.DictField()
    request_id = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    run_at = serializers.DateTimeField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class JobsShape(serializers.Serializer[Any]):
    results = JobShape(many=True)
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


def _me(request: Request) -> int:
    assert request.user.pk is not None  # permissions let nobody else in
    return request.user.pk


class Jobs(APIView):
    @extend_schema(
        operation_id="jobs_list",
        summary="Your jobs, newest first",
        parameters=PAGING,
        responses={200: JobsShape, **problems(400, 401)},
        tags=["jobs"],
    )
    def get(self, request: Request) -> Response:
        return Response(services.listed(_me(request), page_of(request)))


class OneJob(APIView):
    @extend_schema(
        summary="One of your jobs, with its attempts and its error",
        responses={200: JobShape, **problems(401, 403, 404)},
        tags=["jobs"],
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        return Response(services.job_json(services.visible(job_id, _me(request))))
