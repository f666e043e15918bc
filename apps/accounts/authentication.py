"""Who is asking: a bearer token or an API key for REST, e-mail address or user name and password for pages."""

from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from apps.accounts import api_keys, identity, services, tokens
from apps.accounts.models import User
from apps.accounts.second_factor.gate import SecondFactorRequired
from apps.accounts.sign_ins.store import SessionStore
from apps.accounts.tokens import Claims
from sokoul import request_id
from sokoul.errors import PermanentError, forbidden

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


class ApiKeyAuthentication(BaseAuthentication):
    """`X-API-Key: sk_…`; a bad key is 401. In a query string, which ends up in logs, a key counts as none."""

    def authenticate(self, request: Request) -> tuple[User, api_keys.Use] | None:
        key = request.META.get("HTTP_X_API_KEY")
        if key is None:
            return None
        user, use = api_keys.used(key.strip())
        request_id.set_user(user.pk)
        return user, use

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


def in_person(request: Request) -> User:
    """As `user_of`, where no API key is enough: whoever finds one must not get from it to another way in."""
    if isinstance(request.auth, api_keys.Use):
        raise forbidden("An API key may not do this. Sign in with your password, and use the access token.")
    return user_of(request)


def person_of(authorization: str, key: str | None, session_key: str | None) -> User:
    """Who asks, where no view looks (streams, limits): by bearer token, else API key, else web session. PermanentError (401)."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return identity.bearer(token.strip())[0]
    if key is not None:
        return api_keys.used(key.strip())[0]
    user = by_session(session_key) if session_key else None
    if user is None:
        raise tokens.unauthenticated()
    return user


def by_session(session_key: str) -> User | None:
    """Whose web session it is. Only looks: Django's own `get_user` may give the session another key, which its owner, who
    is not told here, would be signed out by."""
    if not (session_key.isascii() and session_key.isalnum()):  # not of our making: PostgreSQL would not even look
        return None
    session = SessionStore(session_key).load()
    user = User.objects.filter(pk=session.get(SESSION_KEY) or 0, is_active=True).first()
    if user is None:
        return None
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    found = session.get(HASH_SESSION_KEY, "")
    return user if any(constant_time_compare(found, one) for one in hashes) else None
