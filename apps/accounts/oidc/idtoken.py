"""What an ID token says, once everything about it holds (OpenID Connect Core 1.0, section 3.1.3.7)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

# By key type: a token cannot make a public key be taken for the key of an HMAC, and `none` is no algorithm at all.
ALGORITHMS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
LEEWAY = 10  # seconds that the provider's clock may differ
LONGEST = 32 * 1024
REQUIRED = ["iss", "sub", "aud", "exp", "iat"]
LONGEST_SUBJECT, LONGEST_TEXT = 255, 254


class Unbelievable(Exception):
    """Why a token is refused, in a few words without anything of it."""


@dataclass(frozen=True)
class Claims:
    """`email` is there only where the provider says that it was verified. `name` is what the person is called there."""

    issuer: str
    subject: str
    email: str
    name: str


class Keys:
    """The public signing keys of a JWK set; what cannot be read is left out."""

    def __init__(self, entries: Sequence[Any]) -> None:
        self._entries = [entry for entry in entries if isinstance(entry, dict) and entry.get("use", "sig") == "sig"]

    def has(self, kid: str | None) -> bool:
        return kid is None or any(entry.get("kid") == kid for entry in self._entries)

    def fitting(self, kid: str | None, algorithm: str) -> Any:
        """The key for this header; Unbelievable where there is none, or, without a kid, more than one."""
        found = [
            entry
            for entry in self._entries
            if entry.get("kty") == ALGORITHMS.get(algorithm)
            and entry.get("alg", algorithm) == algorithm
            and (kid is None or entry.get("kid") == kid)
        ]
        if len(found) != 1:
            raise Unbelievable("signed with an unknown key")
        try:
            return jwt.PyJWK(found[0], algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            raise Unbelievable("an unreadable key") from None


def _header(token: str) -> dict[str, Any]:
    try:
        return jwt.get_unverified_header(token) if len(token) <= LONGEST else {}
    except (jwt.PyJWTError, ValueError, TypeError):
        return {}


def kid_of(token: str) -> str | None:
    """Not verified; only to know which keys to ask for."""
    kid = _header(token).get("kid")
    return kid if isinstance(kid, str) else None


def read(token: str, keys: Keys, *, issuer: str, client_id: str, nonce: str, access_token: str) -> Claims:
    """Raises Unbelievable."""
    algorithm = _header(token).get("alg")
    if algorithm not in ALGORITHMS:
        raise Unbelievable("an algorithm that is not allowed")
    key = keys.fitting(kid_of(token), algorithm)
    try:
        told = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=client_id,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": REQUIRED},
        )
    except jwt.ExpiredSignatureError:
        raise Unbelievable("expired") from None
    except jwt.InvalidAudienceError:
        raise Unbelievable("meant for somebody else") from None
    except jwt.InvalidIssuerError:
        raise Unbelievable("from another issuer") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise Unbelievable("not signed as it should be") from None
    _check(told, algorithm, client_id, nonce, access_token)
    return claims_of(told)


def _check(told: Mapping[str, Any], algorithm: str, client_id: str, nonce: str, access_token: str) -> None:
    """What the library leaves to us."""
    said = told.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise Unbelievable("an answer to another question")
    several = isinstance(told["aud"], list) and len(told["aud"]) > 1
    if told.get("azp", None if several else client_id) != client_id:
        raise Unbelievable("issued to somebody else")
    if "at_hash" in told and told["at_hash"] != _half(access_token, algorithm):
        raise Unbelievable("beside another access token")


def _half(access_token: str, algorithm: str) -> str:
    """at_hash (section 3.1.3.6); Ed25519 hashes by SHA-512."""
    digest = (hashlib.sha512 if algorithm == "EdDSA" else hashlib.sha256)(access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")


def claims_of(told: Mapping[str, Any]) -> Claims:
    subject = told.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or "\0" in subject:
        raise Unbelievable("without a usable subject")
    email = _text(told.get("email")) if told.get("email_verified") is True else ""
    return Claims(told["iss"], subject, email, _text(told.get("preferred_username")) or _text(told.get("name")))


def _text(value: object) -> str:
    """Nothing for what no account could keep: an address that was mended or cut would be another one."""
    return value if isinstance(value, str) and len(value) <= LONGEST_TEXT and "\0" not in value else ""
