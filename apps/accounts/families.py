"""Refresh tokens: each is used once, and belongs to the family of one sign-in.

Using a token a second time means that somebody has a copy: the whole family ends, whoever came first. Everything that
touches a family holds its owner's row, so that a token being issued cannot slip past its end. A family is a row of `sign_ins`,
and has an end that no use moves.
"""

import uuid
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from apps.accounts import audit, identity, tokens
from apps.accounts.models import RefreshToken, User
from apps.accounts.sign_ins import services as sign_ins
from apps.accounts.sign_ins.models import Kind as SignInKind
from apps.accounts.tokens import LIFETIMES, Claims, Kind, unauthenticated
from sokoul import client_ip

WEEK = timedelta(seconds=LIFETIMES[Kind.REFRESH])
_START = """
WITH owner AS (
    SELECT id FROM users WHERE id = %(user)s AND is_active AND token_epoch = %(epoch)s FOR NO KEY UPDATE),
expired AS (DELETE FROM refresh_tokens USING owner WHERE user_id = owner.id AND expires_at < %(now)s),
begun AS (
    INSERT INTO sign_ins (id, user_id, kind, epoch, began_at, seen_at, expires_at, ends_at, ip, agent)
    SELECT %(family)s, id, 'api', %(epoch)s, %(now)s, %(now)s, %(end)s, %(latest)s, %(ip)s, %(agent)s FROM owner
    RETURNING id, user_id)
INSERT INTO refresh_tokens (jti, family, user_id, created_at, expires_at)
SELECT %(jti)s, id, user_id, %(now)s, %(end)s FROM begun
"""


class Pair(NamedTuple):
    """Signed tokens: `access` lasts an hour, `refresh` a week and works once."""

    access: str
    refresh: str


def locked(user_id: int) -> User:
    """The living account, its row held until the transaction ends; 401 when there is none."""
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id, is_active=True).first()
    if user is None:
        raise unauthenticated()
    return user


def held(user: User) -> User:
    """As `locked`, for what `user` was allowed before the row was held: 401 where their sign-ins have ended since it was read.

    A password takes its time to be looked at, and a token is believed for a moment longer in another process: nobody may make
    a way in by one that a new password, or a second factor, has just shut.
    """
    owner = locked(user.pk)
    if owner.token_epoch != user.token_epoch:
        raise unauthenticated()
    return owner


def start(user: User) -> Pair:
    """The first pair of a new family, for somebody who has just proved who they are; `user` as it was then: see `held`.

    One statement, since many may sign in at once; it removes what their earlier sign-ins have left.
    """
    family, jti, now = uuid.uuid4(), uuid.uuid4(), timezone.now()
    end, latest = sign_ins.ends(SignInKind.API, now)
    values: dict[str, Any] = {
        "user": user.pk, "epoch": user.token_epoch, "family": family, "jti": jti, "now": now, "end": end, "latest": latest,
        "ip": client_ip.current(), "agent": sign_ins.agent(),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_START, values)
        if cursor.rowcount != 1:
            raise unauthenticated()
    return _pair(user, family, jti)


def _issue(user: User, family: uuid.UUID) -> Pair:
    row = RefreshToken.objects.create(family_id=family, user=user, expires_at=timezone.now() + WEEK)
    return _pair(user, family, row.jti)


def _pair(user: User, family: uuid.UUID, jti: uuid.UUID) -> Pair:
    return Pair(
        access=tokens.encode(Kind.ACCESS, user.pk, user.token_epoch, family),
        refresh=tokens.encode(Kind.REFRESH, user.pk, user.token_epoch, family, jti=jti),
    )


def rotate(refresh: str) -> Pair:
    """A new pair for a token that was not used before; else 401, and the family ends if it was."""
    claims, family = _read(refresh)
    with transaction.atomic():
        user = locked(claims.user_id)
        if user.token_epoch != claims.epoch or not sign_ins.use(family):
            raise unauthenticated()
        if _use(claims.jti, family):
            return _issue(user, family)
        sign_ins.remove(family)
        audit.record("auth.refresh_replayed", user.username, user, family=str(family))
    identity.ended(user.pk)
    raise unauthenticated()


def end(refresh: str) -> None:
    """Sign out: this token's whole family ends. Doing it again changes nothing; 401 when the token is not ours."""
    claims, family = _read(refresh)
    with transaction.atomic():
        user = locked(claims.user_id)
        if sign_ins.remove(family):
            audit.record("auth.logout", user.username, user)
    identity.ended(user.pk)


def _read(refresh: str) -> tuple[Claims, uuid.UUID]:
    claims = tokens.decode(Kind.REFRESH, refresh)
    assert claims.family  # decode() lets no refresh token pass without one
    return claims, claims.family


def _use(jti: uuid.UUID, family: uuid.UUID) -> bool:
    unused = RefreshToken.objects.filter(jti=jti, family=family, used_at=None)
    return unused.update(used_at=timezone.now()) == 1
