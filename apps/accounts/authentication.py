"""Who is asking: a bearer token for REST, e-mail address or user name and password for pages."""

from typing import Any

from django.contrib.auth import get_user
from django.contrib.auth.backends import BaseBackend
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from apps.accounts import identity, services, tokens
from apps.accounts.models import User
from apps.accounts.second_factor.gate import SecondFactorRequired
from apps.accounts.tokens import Claims
from sokoul import request_id
from sokoul.errors import PermanentError

REALM = 'Bearer realm="sokoul"'


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`; another scheme counts as none, a bad token is 401."""

    def authenticate(self, request: Request) -> tuple[User, Claims] | None:
        scheme, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        user, claims = identity.bearer(token.strip())
        request_id.set_user(user.pk)
        return user, claims

    def authenticate_header(self, request: Request) -> str:
        return REALM


class EmailOrUsernameBackend(BaseBackend):
    """Django's way in for web sessions and the admin; goes through the same service as REST, with its audit rows."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        if not username or password is None:
            return None
        try:
            return services.login(username, password)
        except SecondFactorRequired:  # the sign-in page goes on with its second step
            raise
        except PermanentError as error:
            if error.status == 401:
                return None
            raise

    def get_user(self, user_id: int) -> User | None:
        user = User.objects.filter(pk=user_id, is_active=True).first()
        if user:
            request_id.set_user(user.pk)
        return user


def user_of(request: Request) -> User:
    """The signed-in person of a REST view that admits nobody else."""
    assert isinstance(request.user, User)
    return request.user


def person_of(authorization: str, session_key: str | None) -> User:
    """Who asks for a stream, which no view serves: by bearer token, else by web session. PermanentError (401) for strangers."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return identity.bearer(token.strip())[0]
    request = HttpRequest()
    request.session = SessionStore(session_key)
    user = get_user(request) if session_key else None
    if not isinstance(user, User):
        raise tokens.unauthenticated()
    return user
