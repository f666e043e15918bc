"""REST: one's picture."""

from collections.abc import Iterable, Mapping
from typing import IO, Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse, QueryDict
from django.utils.datastructures import MultiValueDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser, DataAndFiles, MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import avatars
from apps.accounts.authentication import user_of
from apps.accounts.models import User
from apps.accounts.serializers import UserSerializer, user_json
from sokoul.api import problems
from sokoul.errors import PermanentError, not_found

FIELD = "file"


class _AnyAnswer(DefaultContentNegotiation):
    """Who asks for image/* is no stranger to JSON: what each call answers with is written down."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type or ""


class _PictureParser(BaseParser):
    """The whole body is the picture, as if it were the file of a form."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> "DataAndFiles[Any, Any]":
        file = SimpleUploadedFile(FIELD, stream.read(avatars.MAX_BYTES + 1))
        return DataAndFiles(QueryDict(mutable=True), MultiValueDict({FIELD: [file]}))


class JpegParser(_PictureParser):
    media_type = "image/jpeg"


class PngParser(_PictureParser):
    media_type = "image/png"


class AvatarFormSerializer(serializers.Serializer[Any]):
    file = serializers.FileField()


def _sent(request: Request) -> bytes:
    """The bytes of the one file. Its name says nothing and is not looked at."""
    names, files = set(request.data), request.FILES.getlist(FIELD)
    if len(files) != 1 or names != {FIELD}:
        text = f"Send the picture as the body, or as the one field {FIELD} of a form."
        raise PermanentError(text, fields={FIELD: [text]})
    return bytes(files[0].read(avatars.MAX_BYTES + 1))


def picture(user: User) -> HttpResponse:
    """Their picture as an answer; PermanentError (404) without one."""
    data = avatars.read(user)
    if data is None:
        raise not_found("A picture of yours")
    return HttpResponse(
        data, content_type=avatars.TYPE, headers={**avatars.HEADERS, "Cache-Control": "private, no-cache"}
    )


class Avatar(APIView):
    content_negotiation_class = _AnyAnswer
    parser_classes = [JpegParser, PngParser, MultiPartParser]

    @extend_schema(
        summary="My picture, a square",
        responses={(200, avatars.TYPE): OpenApiTypes.BINARY, **problems(401, 404)},
        tags=["user"],
    )
    def get(self, request: Request) -> HttpResponse:
        return picture(user_of(request))

    @extend_schema(
        summary="Change my picture",
        description="A JPEG or PNG, by its content, of 10 MB and 25 million pixels at most; as the body, or as `file` of a form. "
        "Its middle is kept, without any metadata.",
        request={
            "image/jpeg": OpenApiTypes.BINARY,
            "image/png": OpenApiTypes.BINARY,
            "multipart/form-data": AvatarFormSerializer,
        },
        responses={200: UserSerializer, **problems(400, 401, 413, 415)},
        tags=["user"],
    )
    def put(self, request: Request) -> Response:
        return Response(user_json(avatars.change(user_of(request), _sent(request))))

    @extend_schema(summary="Remove my picture", responses={204: None, **problems(401)}, tags=["user"])
    def delete(self, request: Request) -> Response:
        avatars.forget(user_of(request))
        return Response(status=204)
