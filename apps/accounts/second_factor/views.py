"""REST: one's own second factor, and an admin's way to take somebody's away."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.authentication import in_person, user_of
from apps.accounts.permissions import IsAdmin
from apps.accounts.second_factor import codes, services
from apps.accounts.serializers import LONGEST_PASSWORD
from sokoul.api import StrictSerializer, body, problems
from sokoul.errors import not_found

MOST = 2**63 - 1  # what the database counts to


class BeginSerializer(StrictSerializer):
    current_password = serializers.CharField(
        max_length=LONGEST_PASSWORD, trim_whitespace=False, write_only=True, default="", allow_blank=True,
        help_text="Needed wherever the account has a password.",
    )  # fmt: skip


class ProofSerializer(BeginSerializer):
    """One of both: the password, or a code."""

    code = serializers.CharField(max_length=codes.LONGEST, default="", allow_blank=True)


class AppCodeSerializer(StrictSerializer):
    code = serializers.CharField(max_length=codes.LONGEST, help_text="The six digits that the app shows now.")


class FactorSerializer(serializers.Serializer[Any]):
    enabled = serializers.BooleanField()
    since = serializers.DateTimeField(allow_null=True)
    recovery_codes_left = serializers.IntegerField()


class BegunSerializer(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="Base32, to be typed into the app.")
    uri = serializers.CharField(help_text="otpauth://, to be shown as a QR code.")


class RecoveryCodesSerializer(serializers.Serializer[Any]):
    recovery_codes = serializers.ListField(child=serializers.CharField(), help_text="Shown this once; each works once.")


def _proof(request: Request) -> tuple[str, str]:
    asked = body(ProofSerializer, request)
    return asked["current_password"], asked["code"]


class Factor(APIView):
    @extend_schema(
        summary="Whether signing in takes a second factor",
        responses={200: FactorSerializer, **problems(401)},
        tags=["user"],
    )
    def get(self, request: Request) -> Response:
        return Response(services.state(user_of(request).pk))

    @extend_schema(
        summary="Begin a second factor: a key for the authenticator app",
        description="Nothing changes until a code of the app is confirmed. An earlier key that was not confirmed ends.",
        request=BeginSerializer,
        responses={201: BegunSerializer, **problems(400, 401, 403, 409, 429)},
        tags=["user"],
    )
    def post(self, request: Request) -> Response:
        begun = services.begin(in_person(request), body(BeginSerializer, request)["current_password"])
        return Response(begun._asdict(), status=201)


class Confirmation(APIView):
    @extend_schema(
        summary="Switch the second factor on with the app's first code",
        description="Ends every sign-in of this person, this one too, as a new password does.",
        request=AppCodeSerializer,
        responses={200: RecoveryCodesSerializer, **problems(400, 401, 403, 404, 409)},
        tags=["user"],
    )
    def post(self, request: Request) -> Response:
        fresh = services.confirm(in_person(request), body(AppCodeSerializer, request)["code"])
        return Response({"recovery_codes": fresh})


class Disabling(APIView):
    @extend_schema(
        summary="Switch the second factor off, with the password or a code",
        request=ProofSerializer,
        responses={204: None, **problems(400, 401, 403, 404, 409, 429)},
        tags=["user"],
    )
    def post(self, request: Request) -> Response:
        services.disable(in_person(request), *_proof(request))
        return Response(status=204)


class RecoveryCodes(APIView):
    @extend_schema(
        summary="New recovery codes in place of the old ones, with the password or a code",
        request=ProofSerializer,
        responses={200: RecoveryCodesSerializer, **problems(400, 401, 403, 404, 409, 429)},
        tags=["user"],
    )
    def post(self, request: Request) -> Response:
        return Response({"recovery_codes": services.renew_codes(in_person(request), *_proof(request))})


class SomebodysFactor(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(
        summary="Remove the second factor of somebody who lost it",
        description="Ends every sign-in of that person, who is told. One's own is switched off on the profile (409).",
        parameters=[OpenApiParameter("user_id", OpenApiTypes.INT64, OpenApiParameter.PATH)],
        responses={204: None, **problems(401, 403, 404, 409)},
        tags=["admin"],
    )
    def delete(self, request: Request, user_id: int) -> Response:
        if user_id > MOST:
            raise not_found("This user")
        services.remove(user_id, by=in_person(request))
        return Response(status=204)
