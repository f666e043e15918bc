"""REST: what people follow, what is wanted, the calendar."""

from datetime import date, timedelta
from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.authentication import in_person, user_of
from apps.downloads.following import addresses, calendar, cutoff, follows, ical, retention, upgrades, wanted
from apps.downloads.following.models import What
from apps.media.serializers import MediaShape
from sokoul.api import StrictSerializer, body, page_of, problems

LAST_DAY = date(9999, 1, 1)
PAGING = [OpenApiParameter(name, OpenApiTypes.INT) for name in ("page", "limit")]


class FollowRequest(StrictSerializer):
    media_id = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    what = serializers.ChoiceField(What.choices)
    season = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=9999)
    profile_id = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=2**63 - 1,
        help_text="Of GET /profiles: a copy of its own is kept by it. Else the title's copy.",
    )


class RetentionRequest(StrictSerializer):
    keep_last = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=retention.MOST_KEPT)
    keep_days = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=retention.MOST_DAYS)


class FollowShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    media_id = serializers.IntegerField()
    what = serializers.ChoiceField(What.choices)
    season = serializers.IntegerField(allow_null=True)
    profile_id = serializers.IntegerField(allow_null=True, help_text="By which a copy of its own is kept.")
    profile = serializers.CharField(allow_null=True, help_text="Its name.")
    created_at = serializers.DateTimeField()
    searched_at = serializers.DateTimeField(allow_null=True, help_text="When something of it was last searched for.")
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Since when everything of it is there.")
    keep_last = serializers.IntegerField(allow_null=True, help_text="Of new episodes so many stay; null: all.")
    keep_days = serializers.IntegerField(allow_null=True, help_text="A film leaves so long after it was watched.")


class FollowedShape(FollowShape):
    media = MediaShape()


class _Listing(serializers.Serializer[Any]):
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()


class FollowsShape(_Listing):
    results = FollowedShape(many=True)


class WantedShape(serializers.Serializer[Any]):
    media_id = serializers.IntegerField()
    season = serializers.IntegerField(allow_null=True, help_text="Null for a film.")
    episode = serializers.IntegerField(allow_null=True)
    episode_title = serializers.CharField(allow_blank=True)
    since = serializers.DateField(help_text="The day it came out.")
    tries = serializers.IntegerField(help_text="How often it was searched for.")
    searched_at = serializers.DateTimeField(allow_null=True)
    next_at = serializers.DateTimeField(allow_null=True, help_text="Not searched for again before.")
    waiting = serializers.BooleanField(help_text="It was found, but a quota does not allow it now.")
    profile_id = serializers.IntegerField(allow_null=True, help_text="Of the copy that is wanted; null: the title's.")
    profile = serializers.CharField(allow_null=True, help_text="Its name.")
    media = MediaShape()


class WantedListShape(_Listing):
    results = WantedShape(many=True)


class UnmetShape(serializers.Serializer[Any]):
    download_id = serializers.IntegerField()
    media_id = serializers.IntegerField()
    title = serializers.CharField()
    year = serializers.IntegerField(allow_null=True)
    slug = serializers.CharField()
    season = serializers.IntegerField(allow_null=True)
    episode = serializers.IntegerField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    release = serializers.CharField(help_text="The name of what is there.")
    size = serializers.IntegerField(help_text="Bytes.")
    quality = serializers.CharField()
    score = serializers.IntegerField(allow_null=True, help_text="Of its custom formats; null where they do not count.")
    wanted_quality = serializers.CharField(help_text="The quality or tier at which the profile is content.")
    wanted_score = serializers.IntegerField(allow_null=True, help_text="The same for the custom formats.")
    profile_id = serializers.IntegerField(allow_null=True, help_text="By which it was chosen; null: the title's.")
    profile = serializers.CharField(help_text="The name of the quality profile.")


class UnmetListShape(_Listing):
    results = UnmetShape(many=True)


class SearchedShape(serializers.Serializer[Any]):
    job_id = serializers.UUIDField(
        help_text="Its result is {started, refused}: what is downloaded now, and what a quota does not allow."
    )


class EntryShape(serializers.Serializer[Any]):
    day = serializers.DateField()
    kind = serializers.ChoiceField(["episode", "cinema", "digital", "physical"])
    media_id = serializers.IntegerField()
    title = serializers.CharField()
    slug = serializers.CharField()
    season = serializers.IntegerField(allow_null=True, help_text="Null for a film.")
    episode = serializers.IntegerField(allow_null=True)
    code = serializers.CharField(allow_blank=True, help_text="S01E02.")
    episode_title = serializers.CharField(allow_blank=True)
    overview = serializers.CharField(allow_blank=True)
    runtime = serializers.IntegerField(allow_null=True, help_text="Minutes.")
    state = serializers.ChoiceField(["here", "coming", "missing", "later"])


class CalendarShape(serializers.Serializer[Any]):
    results = EntryShape(many=True)


class AddressShape(serializers.Serializer[Any]):
    url = serializers.CharField(help_text="Shown this once. Whoever knows it reads the calendar.")


class Follows(APIView):
    @extend_schema(
        summary="What I follow, newest first",
        parameters=PAGING,
        responses={200: FollowsShape, **problems(400, 401, 429, 503)},
        tags=["following"],
    )
    def get(self, request: Request) -> Response:
        return Response(follows.listed_json(user_of(request).pk, page_of(request)))

    @extend_schema(
        summary="Follow a film or a series",
        description="`film` for films; `all`, `future`, `missing` or `season` (with its number) for series. With `profile_id` a copy of "
        "its own is got and bettered by that quality profile, beside any other. 201 when it is new, 200 when it was followed already.",
        request=FollowRequest,
        responses={201: FollowShape, 200: FollowShape, **problems(400, 401, 404, 409, 429, 503)},
        tags=["following"],
    )
    def post(self, request: Request) -> Response:
        asked = body(FollowRequest, request)
        wish = (asked["media_id"], asked["what"], asked.get("season"), asked.get("profile_id"))
        made, new = follows.follow(user_of(request), *wish)
        return Response(made, status=201 if new else 200)


class OneFollow(APIView):
    @extend_schema(
        summary="What is to stay in the library of what I follow",
        description="`keep_last` of `future`: so many new episodes stay, older ones leave. `keep_days` of a film: so long after it "
        "was watched it leaves. Null or left out: everything stays.",
        request=RetentionRequest,
        responses={200: FollowShape, **problems(400, 401, 403, 404, 429, 503)},
        tags=["following"],
    )
    def put(self, request: Request, follow_id: int) -> Response:
        asked = body(RetentionRequest, request)
        last, days = asked.get("keep_last"), asked.get("keep_days")
        return Response(retention.keep(user_of(request), follow_id, last=last, days=days))

    @extend_schema(
        summary="Follow it no longer",
        description="What is being downloaded goes on.",
        responses={204: None, **problems(401, 403, 404, 429, 503)},
        tags=["following"],
    )
    def delete(self, request: Request, follow_id: int) -> HttpResponse:
        follows.unfollow(user_of(request), follow_id)
        return HttpResponse(status=204)


class Wanted(APIView):
    @extend_schema(
        summary="What came out of what I follow and is not there, newest first",
        parameters=PAGING,
        responses={200: WantedListShape, **problems(400, 401, 429, 503)},
        tags=["following"],
    )
    def get(self, request: Request) -> Response:
        return Response(wanted.listed_json(user_of(request).pk, page_of(request)))


class CutoffUnmet(APIView):
    @extend_schema(
        summary="What is there of what I follow, but not as good as the profile asks for",
        parameters=PAGING,
        responses={200: UnmetListShape, **problems(400, 401, 429, 503)},
        tags=["following"],
    )
    def get(self, request: Request) -> Response:
        return Response(cutoff.listed(user_of(request).pk, page_of(request)))


class Better(APIView):
    @extend_schema(
        summary="Search for a better release of what is there, now",
        description="By the profile that it was chosen by, else the title's. What is better is downloaded and takes its place. Asking "
        "again within ten minutes is the same search.",
        request=None,
        responses={202: SearchedShape, **problems(401, 403, 404, 409, 429, 503)},
        tags=["following"],
    )
    def post(self, request: Request, download_id: int) -> Response:
        return Response({"job_id": upgrades.request(user_of(request).pk, download_id).pk}, status=202)


class Calendar(APIView):
    @extend_schema(
        summary="What comes out of what I follow",
        description="From `first` (today) to `last` (thirty days later), both included.",
        parameters=[OpenApiParameter(name, OpenApiTypes.DATE) for name in ("first", "last")],
        responses={200: CalendarShape, **problems(400, 401, 429, 503)},
        tags=["following"],
    )
    def get(self, request: Request) -> Response:
        today = wanted.today()
        first = ical.day_of(request.query_params.get("first", ""), "first", today)
        last = ical.day_of(request.query_params.get("last", ""), "last", min(first, LAST_DAY) + timedelta(days=30))
        found = calendar.entries(user_of(request).pk, first, last)
        return Response({"results": [calendar.told(entry, today) for entry in found]})


class Address(APIView):
    @extend_schema(
        summary="Make a secret address of my calendar",
        description="For programs of calendars (iCalendar). The address from before ends. Not by API key.",
        request=None,
        responses={201: AddressShape, **problems(401, 403, 429, 503)},
        tags=["following"],
    )
    def post(self, request: Request) -> Response:
        return Response({"url": addresses.make(in_person(request))}, status=201)

    @extend_schema(
        summary="End the address of my calendar", responses={204: None, **problems(401, 429, 503)}, tags=["following"]
    )
    def delete(self, request: Request) -> HttpResponse:
        addresses.revoke(user_of(request))
        return HttpResponse(status=204)


api: list[URLPattern] = [
    path("follows", Follows.as_view()),
    path("follows/<int:follow_id>", OneFollow.as_view()),
    path("wanted", Wanted.as_view()),
    path("wanted/cutoff", CutoffUnmet.as_view()),
    path("downloads/<int:download_id>/better", Better.as_view()),
    path("calendar", Calendar.as_view()),
    path("calendar/address", Address.as_view()),
]
