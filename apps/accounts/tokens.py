"""Signed tokens (JWT, HS256): what they claim, and nothing about whether that still holds (see `identity`).

JWT_SECRET is a ring: the first key signs, all verify, and the `kid` header says which one did. The algorithm is fixed,
and a token of one kind is refused in place of another by its `type` and by its audience (ASVS 5.0, V9.1.2, V9.2).
"""

import functools
import hashlib
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import jwt

from sokoul.env import secrets_of
from sokoul.errors import PermanentError

ALGORITHM = "HS256"
ISSUER = "sokoul"
SKEW = 10  # seconds that one host's clock may be ahead of another's: what it has just signed is not from the future
REQUIRED = ["sub", "type", "aud", "iss", "iat", "exp", "jti", "epoch"]
LONGEST = 4096


class Kind(StrEnum):
    ACCESS = "access"
    REFRESH = "refresh"
    TICKET = "ticket"


LIFETIMES = {Kind.ACCESS: 3600, Kind.REFRESH: 7 * 24 * 3600, Kind.TICKET: 60}  # seconds


@dataclass(frozen=True)
class Claims:
    """`family`: of refresh tokens, None for a web session. Times are Unix seconds; `until` ends what a ticket opens."""

    user_id: int
    family: uuid.UUID | None
    epoch: int
    jti: uuid.UUID
    expires_at: int
    until: int


def unauthenticated(message: str = "Sign in first: this token is not valid, or no longer.") -> PermanentError:
    return PermanentError(message, code="not_authenticated", status=401)


@functools.lru_cache(maxsize=4)
def _ring(secrets: tuple[str, ...]) -> Mapping[str, bytes]:
    return {hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:12]: secret.encode() for secret in secrets}


def _keys() -> Mapping[str, bytes]:
    return _ring(secrets_of("JWT_SECRET"))


def encode(
    kind: Kind,
    user_id: int,
    epoch: int,
    family: uuid.UUID | None,
    *,
    jti: uuid.UUID | None = None,
    until: int | None = None,
) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "sub": str(user_id),
        "type": kind.value,
        "aud": f"{ISSUER}:{kind.value}",
        "iss": ISSUER,
        "iat": now,
        "exp": now + LIFETIMES[kind],
        "jti": (jti or uuid.uuid4()).hex,
        "epoch": epoch,
    }
    if family:
        claims["fam"] = family.hex
    if until:
        claims["until"] = until
    kid, key = next(iter(_keys().items()))
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid})


def decode(kind: Kind, text: str) -> Claims:
    """What a token of this kind claims; PermanentError (401) when it is not ours, of another kind, or expired."""
    try:
        key = _keys()[jwt.get_unverified_header(text)["kid"]] if len(text) <= LONGEST else b""
        claims = jwt.decode(
            text,
            key,
            algorithms=[ALGORITHM],
            audience=f"{ISSUER}:{kind.value}",
            issuer=ISSUER,
            options={"require": REQUIRED, "strict_aud": True, "verify_iat": False},
        )
        if claims["iat"] > time.time() + SKEW:
            raise unauthenticated()
        if claims["type"] != kind.value or ("fam" not in claims and kind is not Kind.TICKET):
            raise unauthenticated()
        return _read(claims)
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
        raise unauthenticated() from error


def _read(claims: Mapping[str, Any]) -> Claims:
    family = claims.get("fam")
    return Claims(
        user_id=int(claims["sub"]),
        family=uuid.UUID(hex=family) if family else None,
        epoch=int(claims["epoch"]),
        jti=uuid.UUID(hex=claims["jti"]),
        expires_at=int(claims["exp"]),
        until=int(claims.get("until", claims["exp"])),
    )
