"""REST: sign in and out, and one's own account."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import families, resets, services, websocket
from apps.accounts.api_keys import Use
from apps.accounts.authentication import in_person, user_of
from apps.accounts.models import User
from apps.accounts.permissions import Anyone
from apps.accounts.serializers import (
    CredentialsSerializer,
    ProfileChangeSerializer,
    ProfileSerializer,
    RefreshSerializer,
    RegistrationSerializer,
    ResetConfirmationSerializer,
    ResetSerializer,
    SignedInSerializer,
    TicketSerializer,
    TokenPairSerializer,
    profile_json,
    user_json,
)
from apps.accounts.tokens import Claims
from sokoul.api import body, problems


class OpenView(APIView):
    authentication_classes = []  # a stale token in Authorization must not keep anybody from signing in
    permission_classes = [Anyone]


def _signed_in(user: User, pair: families.Pair) -> dict[str, Any]:
    return {**pair._asdict(), "user": user_json(user)}


class Register(OpenView):
    @extend_schema(
        summary="Open an account",
        description="Open to everybody, without confirmation by mail; signs in at once.",
        request=RegistrationSerializer,
        responses={201: SignedInSerializer, **problems(400)},
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        user = services.register(**body(RegistrationSerializer, request))
        return Response(_signed_in(user, families.start(user)), status=201)


class Login(OpenView):
    @extend_schema(
        summary="Sign in",
        description=(
            "With either the e-mail address or the user name. Ten wrong passwords for one name in 15 minutes, known or not, or "
            "30 from one address: 429, with Retry-After. An account with a second factor answers the right password with 401 and "
            "the type about:blank#second_factor_required: send the same again with its `code`."
        ),
        request=CredentialsSerializer,
        responses={200: SignedInSerializer, **problems(400, 401, 429)},
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        return Response(_signed_in(*services.sign_in(**body(CredentialsSerializer, request))))


class Refresh(OpenView):
    @extend_schema(
        summary="Exchange a refresh token for a new pair",
        description="A refresh token works once. Using it again ends every token that came from the same sign-in.",
        request=RefreshSerializer,
        responses={200: TokenPairSerializer, **problems(400, 401)},
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        return Response(families.rotate(**body(RefreshSerializer, request))._asdict())


class Logout(OpenView):
    @extend_schema(
        summary="Sign out",
        description="Ends every token that came from the same sign-in.",
        request=RefreshSerializer,
        responses={204: None, **problems(400, 401)},
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        families.end(**body(RefreshSerializer, request))
        return Response(status=204)


class LogoutEverywhere(APIView):
    @extend_schema(
        summary="Sign out everywhere",
        description="Ends every sign-in of this account: tokens and web sessions, this one too. No API key may do it.",
        request=None,
        responses={204: None, **problems(401, 403)},
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        services.sign_out_everywhere(in_person(request))
        return Response(status=204)


class PasswordReset(OpenView):
    @extend_schema(
        summary="Have a code mailed for a new password",
        description=(
            "Answered alike whether or not an account has this address. The code works once, within 15 minutes. "
            "Five times an hour for one address, then 429 with Retry-After."
        ),
        request=ResetSerializer,
        responses={202: None, **problems(400)},
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        resets.ask(**body(ResetSerializer, request))
        return Response(status=202)


class PasswordResetConfirmation(OpenView):
    @extend_schema(
        summary="Choose a new password with the code of the mail",
        description="Ends every sign-in of this account. A password that is refused leaves the code as it was.",
        request=ResetConfirmationSerializer,
        responses={204: None, **problems(400)},
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        wanted = body(ResetConfirmationSerializer, request)
        resets.reset(wanted["token"], wanted["password"])
        return Response(status=204)


class WebSocketTicket(APIView):
    @extend_schema(
        summary="A ticket for /ws, for one use within a minute",
        request=None,
        responses={200: TicketSerializer, **problems(401)},
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        assert isinstance(request.auth, Claims | Use)
        return Response(websocket.issue_ticket(user_of(request), request.auth)._asdict())


class Profile(APIView):
    @extend_schema(summary="My account", responses={200: ProfileSerializer, **problems(401)}, tags=["user"])
    def get(self, request: Request) -> Response:
        return Response(profile_json(user_of(request)))

    @extend_schema(
        summary="Change my account",
        description=(
            "A new password or e-mail address takes the current password, and a token: an API key may not give one. A new password "
            "ends every sign-in, the one that this token is of as well: sign in again."
        ),
        request=ProfileChangeSerializer,
        responses={200: ProfileSerializer, **problems(400, 401, 403)},
        tags=["user"],
    )
    def patch(self, request: Request) -> Response:
        changes = body(ProfileChangeSerializer, request)
        user = in_person(request) if {"email", "password"} & set(changes) else user_of(request)
        return Response(profile_json(services.change_profile(user, changes)))


class Account(APIView):
    @extend_schema(
        summary="Delete my account and everything of mine",
        description="Takes a token: an API key may not do it.",
        responses={204: None, **problems(401, 403)},
        tags=["user"],
    )
    def delete(self, request: Request) -> Response:
        services.delete(in_person(request))
        return Response(status=204)
