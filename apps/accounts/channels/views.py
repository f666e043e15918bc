"""REST: the ways in which a person is told, and what they do not want to be told."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.authentication import user_of
from apps.accounts.channels import preferences, services
from apps.accounts.channels.models import Kind
from apps.accounts.channels.serializers import (
    AddedChannelSerializer,
    ChannelSerializer,
    ChannelsSerializer,
    CodeSerializer,
    NewChannelSerializer,
    PreferencesBody,
    PreferencesSerializer,
    TrialSerializer,
    channel_json,
)
from apps.accounts.models import User
from sokoul.api import body, listing, page_of, problems
from sokoul.errors import PermanentError


class Channels(APIView):
    @extend_schema(
        operation_id="channels_list",
        parameters=[OpenApiParameter("page", int), OpenApiParameter("limit", int)],
        responses={200: ChannelsSerializer, **problems(400, 401)},
        summary="The ways in which I am told what happened, oldest first",
        tags=["user"],
    )
    def get(self, request: Request) -> Response:
        page, mine = page_of(request), services.of_user(user_of(request).pk)
        return Response(listing([channel_json(channel) for channel in mine[page.rows]], mine.count(), page))

    @extend_schema(
        summary="Tell me in one more way",
        description="A mail address is used once the code that is mailed to it was confirmed. Telegram comes by linking.",
        request=NewChannelSerializer,
        responses={201: AddedChannelSerializer, **problems(400, 401, 403, 409)},
        tags=["user"],
    )
    def post(self, request: Request) -> Response:
        asked = body(NewChannelSerializer, request)
        channel = services.add(user_of(request), Kind(asked["kind"]), asked["target"])
        secret = {"secret": channel.secret} if channel.secret else {}
        return Response({**channel_json(channel), **secret}, status=201)


class OneChannel(APIView):
    @extend_schema(
        summary="Tell me no more in this way",
        responses={204: None, **problems(401, 403, 404, 409)},
        tags=["user"],
    )
    def delete(self, request: Request, channel_id: int) -> Response:
        services.remove(user_of(request), channel_id)
        return Response(status=204)


class Trial(APIView):
    @extend_schema(
        summary="Send me something in this way now",
        description="The job's result is {works, error}. A channel that was switched off is on again if it works.",
        request=None,
        responses={202: TrialSerializer, **problems(401, 403, 404, 409)},
        tags=["user"],
    )
    def post(self, request: Request, channel_id: int) -> Response:
        job = services.try_out(user_of(request), channel_id)
        return Response({"job_id": str(job.pk), "status_url": f"/jobs/{job.pk}"}, status=202)


class Confirmation(APIView):
    @extend_schema(
        summary="Bring back the code that was mailed to an address",
        request=CodeSerializer,
        responses={200: ChannelSerializer, **problems(400, 401, 403, 404)},
        tags=["user"],
    )
    def post(self, request: Request, channel_id: int) -> Response:
        code = body(CodeSerializer, request)["code"]
        channel = services.confirm(user_of(request), channel_id, code)
        return Response(channel_json(channel))


class Preferences(APIView):
    @extend_schema(
        summary="What I am told, and what not",
        responses={200: PreferencesSerializer, **problems(401)},
        tags=["user"],
    )
    def get(self, request: Request) -> Response:
        return Response(_preferences(user_of(request)))

    @extend_schema(
        summary="Choose what I am told",
        request=PreferencesBody,
        responses={200: PreferencesSerializer, **problems(400, 401)},
        tags=["user"],
    )
    def put(self, request: Request) -> Response:
        wanted = {(row["kind"], row["code"]) for row in body(PreferencesBody, request)["muted"]}
        if unknown := sorted(code for kind, code in wanted - preferences.all_silences()):
            text = f"There is no notification called {unknown[0]}."
            raise PermanentError(text, fields={"muted": [text]})
        preferences.silence(user_of(request), wanted)
        return Response(_preferences(user_of(request)))


def _preferences(user: User) -> dict[str, Any]:
    return {
        "events": [{"code": code, "about": about} for code, about in preferences.codes().items()],
        "muted": [{"kind": kind, "code": code} for kind, code in sorted(preferences.silences(user.pk))],
    }
