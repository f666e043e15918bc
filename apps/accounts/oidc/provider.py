"""The one configured OpenID Connect provider: its discovery document, its keys, and its answers to a code.

Everything goes through `sokoul.http`. What it says about itself is kept for an hour; an unknown key is asked for at once, at most
every half minute.
"""

import base64
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from django.utils.translation import gettext as _
from pydantic import BaseModel, Field, ValidationError

from apps.accounts.oidc import idtoken
from apps.accounts.oidc.idtoken import Claims
from sokoul import http
from sokoul.env import ENV, secrets_of
from sokoul.errors import PermanentError

KEEP_SECONDS = 3600.0
KEYS_AGAIN_SECONDS = 30.0
CALL_SECONDS = 5.0  # of one call; signing in makes three at most
MAX_BYTES = 1024 * 1024
JSON = {"Accept": "application/json"}


class Metadata(BaseModel):
    """What we need of a discovery document (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = Field(default=["client_secret_basic"])


class _Tokens(BaseModel):
    id_token: str
    access_token: str = ""


@dataclass
class _Known:
    issuer: str
    metadata: Metadata
    until: float
    keys: idtoken.Keys
    keys_at: float = 0.0


_known: list[_Known] = []
_lock = threading.Lock()


def name() -> str:
    """As the operator calls it; empty where none is configured."""
    return ENV.oidc_name if ENV.oidc_issuer and ENV.oidc_client_id else ""


def issuer() -> str:
    return ENV.oidc_issuer or ""


def forget() -> None:
    with _lock:
        _known.clear()


def broken(why: str) -> PermanentError:
    """The provider said something that must not be believed; `why` is for the operator."""
    return PermanentError(
        _("%(provider)s sent an answer that Sokoul does not accept (%(why)s).") % {"provider": name(), "why": why},
        code="oidc",
        status=502,
    )


def _json(answer: http.Response, what: str) -> Any:
    found = answer.json()
    if not isinstance(found, dict):
        raise broken(what)
    return found


def _get(url: str, **headers: str) -> http.Response:
    return http.get(url, service=name(), headers={**JSON, **headers}, seconds=CALL_SECONDS, max_bytes=MAX_BYTES)


def _current() -> _Known:
    with _lock:
        if _known and _known[0].issuer == issuer() and _known[0].until > time.monotonic():
            return _known[0]
    found = _Known(issuer(), _discover(), time.monotonic() + KEEP_SECONDS, idtoken.Keys([]))
    with _lock:
        _known[:] = [found]
    return found


def metadata() -> Metadata:
    """Raises TransientError where the provider does not answer, PermanentError (502) where its answer is of no use."""
    return _current().metadata


def _discover() -> Metadata:
    answer = _get(f"{issuer().rstrip('/')}/.well-known/openid-configuration")
    try:
        found = Metadata.model_validate(_json(answer, "discovery"))
    except ValidationError:
        raise broken("discovery") from None
    if found.issuer != issuer():
        raise broken("its issuer is not OIDC_ISSUER")
    for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint):
        if url and urlsplit(url).scheme not in ("https", urlsplit(issuer()).scheme):
            raise broken("an endpoint without https")
    return found


def _keys(header_kid: str | None) -> idtoken.Keys:
    """Its keys, asked for anew where none is called this: providers change them."""
    known = _current()
    old = time.monotonic() - known.keys_at > KEYS_AGAIN_SECONDS
    if known.keys_at == 0.0 or (old and not known.keys.has(header_kid)):
        entries = _json(_get(known.metadata.jwks_uri), "keys").get("keys")
        if not isinstance(entries, list):
            raise broken("keys")
        known.keys, known.keys_at = idtoken.Keys(entries), time.monotonic()
    return known.keys


def redeem(code: str, *, verifier: str, nonce: str, redirect_uri: str) -> Claims:
    """Who signed in there, for the code that came back from there; PermanentError where that cannot be believed."""
    tokens = _exchange(code, verifier, redirect_uri)
    keys = _keys(idtoken.kid_of(tokens.id_token))
    try:
        claims = idtoken.read(
            tokens.id_token,
            keys,
            issuer=issuer(),
            client_id=ENV.oidc_client_id,
            nonce=nonce,
            access_token=tokens.access_token,
        )
    except idtoken.Unbelievable as error:
        raise broken(str(error)) from error
    return claims if claims.email else _with_userinfo(claims, tokens.access_token)


def _exchange(code: str, verifier: str, redirect_uri: str) -> _Tokens:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    headers, more = _client(metadata().token_endpoint_auth_methods_supported)
    answer = http.request(
        "POST", metadata().token_endpoint, service=name(), content=urlencode({**form, **more}).encode(),
        headers={**JSON, "Content-Type": "application/x-www-form-urlencoded", **headers},
        seconds=CALL_SECONDS, max_bytes=MAX_BYTES, answers=(400, 401),
    )  # fmt: skip
    if answer.status == 401:
        raise broken("it does not know OIDC_CLIENT_ID with OIDC_CLIENT_SECRET")
    if answer.status == 400:
        raise PermanentError(_("This sign-in is over or was used already. Begin again."), code="oidc", status=400)
    try:
        return _Tokens.model_validate(_json(answer, "token"))
    except ValidationError:
        raise broken("token") from None


def _client(methods: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """How we show who we are (OpenID Connect Core 1.0, section 9): (headers, fields)."""
    secret = ",".join(secrets_of("OIDC_CLIENT_SECRET"))
    if not secret:
        return {}, {"client_id": ENV.oidc_client_id}
    if "client_secret_basic" not in methods and "client_secret_post" in methods:
        return {}, {"client_id": ENV.oidc_client_id, "client_secret": secret}
    pair = f"{quote_plus(ENV.oidc_client_id)}:{quote_plus(secret)}"  # RFC 6749, 2.3.1
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}, {}


def _with_userinfo(claims: Claims, access_token: str) -> Claims:
    """Some providers keep the address out of the ID token."""
    url = metadata().userinfo_endpoint
    if not url or not access_token:
        return claims
    try:
        told = _json(_get(url, Authorization=f"Bearer {access_token}"), "user information")
    except PermanentError:  # not for this scope; then there is no address
        return claims
    if told.get("sub") != claims.subject:  # OpenID Connect Core 1.0, 5.3.2
        raise broken("user information about somebody else")
    return idtoken.claims_of({**told, "iss": claims.issuer, "sub": claims.subject})
