"""REST: quality profiles. Everybody may know their names and choose one for a download; the rest is for admins."""

from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.authentication import user_of
from apps.accounts.permissions import IsAdmin, SignedIn
from apps.downloads.profiles import deciding, holding, imports, services
from apps.downloads.search_views import ReasonShape
from apps.media import services as media_services
from sokoul.api import StrictSerializer, body, page_of, problems
from sokoul.errors import PermanentError

APPS = ("radarr", "sonarr")
MOST = 2**63 - 1
PAGING = [OpenApiParameter("page", int), OpenApiParameter("limit", int)]
MOST_FILES = 500


class NameShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    is_default = serializers.BooleanField()


class NamesShape(serializers.Serializer[Any]):
    results = NameShape(many=True)


class ListedShape(NameShape):
    app = serializers.ChoiceField(APPS)
    version = serializers.IntegerField(help_text="Rises with everything that may change what it decides.")
    formats_count = serializers.IntegerField()
    titles_count = serializers.IntegerField(help_text="Titles that use it and not the default.")
    missing = serializers.IntegerField(help_text="Formats that it asks for and nobody has imported.")


class Paged(serializers.Serializer[Any]):
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


class ProfilesShape(Paged):
    results = ListedShape(many=True)


class PlaceShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    score = serializers.IntegerField(allow_null=True, help_text="Null: what the format's author gives.")
    points = serializers.IntegerField(help_text="What it gives.")


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.JSONField):
    """A JSON object; what may be in it is said where it is read."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("This must be an object.")
        return data


class ProfileShape(NameShape):
    app = serializers.ChoiceField(APPS)
    score_set = serializers.CharField()
    version = serializers.IntegerField()
    settings = ObjectField()
    formats = PlaceShape(many=True)
    missing = serializers.ListField(child=serializers.CharField())


class PlaceBody(StrictSerializer):
    id = serializers.IntegerField(min_value=1, max_value=MOST)
    score = serializers.IntegerField(required=False, allow_null=True, min_value=-1_000_000, max_value=1_000_000)


class ProfileBody(StrictSerializer):
    """`settings` as docs/profiles.md lists them; what is left out is as in the profile that is built in."""

    name = serializers.CharField(max_length=100)
    app = serializers.ChoiceField(APPS, required=False)
    score_set = serializers.CharField(required=False, max_length=100)
    settings = ObjectField(required=False)
    formats = PlaceBody(many=True, required=False)
    version = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="The one that you changed: 409 if it is not the present one.",
    )


class ChosenBody(StrictSerializer):
    profile_id = serializers.IntegerField(allow_null=True, min_value=1, max_value=MOST)


class FileBody(StrictSerializer):
    name = serializers.CharField(max_length=300)
    content = serializers.JSONField(help_text="The document, or a list of them.")


class ImportBody(StrictSerializer):
    """`app`: for which application they were written; else the files' names have to say."""

    app = serializers.ChoiceField(APPS, required=False)
    files = serializers.ListField(child=FileBody(), min_length=1, max_length=MOST_FILES)


class OutcomeShape(serializers.Serializer[Any]):
    file = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(["format", "profile", "file"])
    result = serializers.ChoiceField(["imported", "updated", "unchanged", "refused"])
    code = serializers.CharField(help_text="Of a refusal.")
    reason = serializers.CharField(help_text="Of a refusal, in words.")
    missing = serializers.ListField(child=serializers.CharField(), help_text="Formats that a profile still waits for.")


class OutcomesShape(serializers.Serializer[Any]):
    results = OutcomeShape(many=True)


class WhatIfBody(StrictSerializer):
    """Either a profile by its id, or one as it would be."""

    media_id = serializers.IntegerField(min_value=1, max_value=MOST)
    season = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=9999)
    episode = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=9999)
    profile_id = serializers.IntegerField(required=False, min_value=1, max_value=MOST)
    profile = ProfileBody(required=False)


class OpinionShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    size = serializers.IntegerField()
    seeders = serializers.IntegerField()
    score = serializers.IntegerField(allow_null=True, help_text="Null where it would be refused.")
    score_before = serializers.IntegerField(allow_null=True, help_text="What is stored.")
    reasons = ReasonShape(many=True)
    rejections = ReasonShape(many=True)


class OpinionsShape(serializers.Serializer[Any]):
    results = OpinionShape(many=True)


class FormatShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    app = serializers.ChoiceField(APPS)
    identity = serializers.CharField()
    scores = ObjectField(help_text="What its author gives, {set: points}.")
    profiles_count = serializers.IntegerField()


class FormatsShape(Paged):
    results = FormatShape(many=True)


class Names(APIView):
    permission_classes = [SignedIn]

    @extend_schema(
        operation_id="profiles_names",
        summary="Quality profiles to choose from",
        responses={200: NamesShape, **problems(401)},
    )
    def get(self, request: Request) -> Response:
        return Response({"results": services.names()})


class Profiles(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        operation_id="admin_profiles_list",
        summary="Quality profiles",
        parameters=PAGING,
        responses={200: ProfilesShape, **problems(400, 401, 403)},
        tags=["admin"],
    )
    def get(self, request: Request) -> Response:
        return Response(services.listed(page_of(request)))

    @extend_schema(
        summary="Make a quality profile",
        request=ProfileBody,
        responses={201: ProfileShape, **problems(400, 401, 403, 409)},
        tags=["admin"],
    )
    def post(self, request: Request) -> Response:
        row = services.create(body(ProfileBody, request), user_of(request))
        return Response(services.shown(row.pk), status=201)


class OneProfile(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="A quality profile", responses={200: ProfileShape, **problems(401, 403, 404)}, tags=["admin"]
    )
    def get(self, request: Request, profile_id: int) -> Response:
        return Response(services.shown(profile_id))

    @extend_schema(
        summary="Change a quality profile",
        description="What it decided about stored releases is decided again in the background.",
        request=ProfileBody,
        responses={200: ProfileShape, **problems(400, 401, 403, 404, 409)},
        tags=["admin"],
    )
    def put(self, request: Request, profile_id: int) -> Response:
        services.change(profile_id, body(ProfileBody, request), user_of(request))
        return Response(services.shown(profile_id))

    @extend_schema(
        summary="Delete a quality profile; its titles use the default",
        responses={204: None, **problems(401, 403, 404)},
        tags=["admin"],
    )
    def delete(self, request: Request, profile_id: int) -> HttpResponse:
        services.delete(profile_id, user_of(request))
        return HttpResponse(status=204)


class Copy(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Copy a quality profile",
        request=None,
        responses={201: ProfileShape, **problems(401, 403, 404)},
        tags=["admin"],
    )
    def post(self, request: Request, profile_id: int) -> Response:
        return Response(services.shown(services.duplicate(profile_id, user_of(request)).pk), status=201)


class Default(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Choose the profile of all titles that have none of their own; null for the one that is built in",
        request=ChosenBody,
        responses={200: NamesShape, **problems(400, 401, 403, 404)},
        tags=["admin"],
    )
    def put(self, request: Request) -> Response:
        services.make_default(body(ChosenBody, request)["profile_id"], user_of(request))
        return Response({"results": services.names()})


class OfTitle(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Choose the profile of a title; null for the default",
        request=ChosenBody,
        responses={204: None, **problems(400, 401, 403, 404)},
        tags=["admin"],
    )
    def put(self, request: Request, media_id: int) -> HttpResponse:
        services.use_for_title(media_id, body(ChosenBody, request)["profile_id"], user_of(request))
        return HttpResponse(status=204)


class Import(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Import published custom formats and quality profiles",
        description="A file is taken whole or refused with the reason. Importing it again changes nothing.",
        request=ImportBody,
        responses={200: OutcomesShape, **problems(400, 401, 403)},
        tags=["admin"],
    )
    def post(self, request: Request) -> Response:
        asked = body(ImportBody, request)
        sources = [imports.Source(file["name"], file["content"]) for file in asked["files"]]
        found = imports.take(sources, user_of(request), asked.get("app"))
        return Response({"results": [vars(outcome) for outcome in found]})


class WhatIf(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="What a profile would decide about the stored releases of a title",
        description="Nothing is searched, nothing is written. What is blocked for everybody is refused; what people have blocked "
        "for themselves is not.",
        request=WhatIfBody,
        responses={200: OpinionsShape, **problems(400, 401, 403, 404)},
        tags=["admin"],
    )
    def post(self, request: Request) -> Response:
        asked = body(WhatIfBody, request)
        if ("profile_id" in asked) == ("profile" in asked):
            raise PermanentError(
                "Give either profile_id or profile.", fields={"profile_id": ["either this or profile"]}
            )
        rules = (
            holding.by_id(asked["profile_id"]).profile if "profile_id" in asked else services.rules_of(asked["profile"])
        )
        media_services.get(asked["media_id"])
        found = deciding.what_if(asked["media_id"], rules, asked.get("season"), asked.get("episode"))
        return Response({"results": deciding.as_rows(found)})


class Formats(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Custom formats",
        parameters=[*PAGING, OpenApiParameter("app", str, enum=APPS)],
        responses={200: FormatsShape, **problems(400, 401, 403)},
        tags=["admin"],
    )
    def get(self, request: Request) -> Response:
        app = request.query_params.get("app", "")
        if app not in {"", *APPS}:
            raise PermanentError("app must be radarr or sonarr.", fields={"app": ["radarr or sonarr"]})
        return Response(services.formats(page_of(request), app))


api: list[URLPattern] = [
    path("profiles", Names.as_view()),
    path("admin/profiles", Profiles.as_view()),
    path("admin/profiles/default", Default.as_view()),
    path("admin/profiles/import", Import.as_view()),
    path("admin/profiles/what-if", WhatIf.as_view()),
    path("admin/profiles/<int:profile_id>", OneProfile.as_view()),
    path("admin/profiles/<int:profile_id>/copy", Copy.as_view()),
    path("admin/media/<int:media_id>/profile", OfTitle.as_view()),
    path("admin/formats", Formats.as_view()),
]
