"""The way to the provider and back: authorization code with PKCE, bound to the browser's session by state and nonce.

What was begun stands in the session, once: coming back uses it up, whatever comes back.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from apps.accounts.oidc import provider
from apps.accounts.oidc.idtoken import Claims
from sokoul.env import ENV
from sokoul.errors import PermanentError

KEY = "oidc"
PATIENCE = 600  # seconds that one may take at the provider
CALLBACK = "/app/login/oidc/callback"
LONGEST_CODE = 4096


@dataclass(frozen=True)
class Begun:
    """`link_to`: the account that is to be linked, None to sign in. `wanted`: the page of ours to go on to."""

    state: str
    nonce: str
    verifier: str
    wanted: str
    link_to: int | None
    until: float


def redirect_uri() -> str:
    return ENV.address + CALLBACK


def begin(session: Any, *, wanted: str = "", link_to: int | None = None) -> str:
    """The provider's address to go to now. 404 where none is configured; TransientError where it does not answer."""
    if not provider.name():
        raise PermanentError(_("No other way to sign in is set up here."), code="not_found", status=404)
    endpoint = provider.metadata().authorization_endpoint
    begun = Begun(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        wanted=wanted,
        link_to=link_to,
        until=time.time() + PATIENCE,
    )
    session[KEY] = asdict(begun)
    return endpoint + ("&" if "?" in endpoint else "?") + urlencode(_question(begun))


def _question(begun: Begun) -> dict[str, str]:
    challenge = hashlib.sha256(begun.verifier.encode()).digest()
    return {
        "response_type": "code",
        "client_id": ENV.oidc_client_id,
        "redirect_uri": redirect_uri(),
        "scope": ENV.oidc_scopes,
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
        "code_challenge_method": "S256",
    }


def taken(session: Any, answer: Mapping[str, Any]) -> Begun:
    """What was begun in this browser and is answered now. PermanentError (400) for an answer that nobody here waits for."""
    kept = session.get(KEY)
    begun = Begun(**kept) if kept else None
    if begun is None or not constant_time_compare(begun.state, str(answer.get("state", ""))):
        raise _over()
    del session[KEY]
    if begun.until < time.time():
        raise _over()
    return begun


def finish(begun: Begun, answer: Mapping[str, Any]) -> Claims:
    """Who signed in at the provider. PermanentError where they were refused there, or the answer cannot be believed."""
    if answer.get("iss", provider.issuer()) != provider.issuer():  # RFC 9207
        raise provider.broken("from another issuer")
    code = str(answer.get("code", ""))
    if answer.get("error") or not 0 < len(code) <= LONGEST_CODE:
        text = _("%(provider)s did not let you in. Try again, or sign in with your password.")
        raise PermanentError(text % {"provider": provider.name()}, code="oidc", status=403)
    return provider.redeem(code, verifier=begun.verifier, nonce=begun.nonce, redirect_uri=redirect_uri())


def _over() -> PermanentError:
    return PermanentError(_("This sign-in is over or was used already. Begin again."), code="oidc", status=400)
