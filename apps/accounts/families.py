"""Refresh tokens: each is used once, and belongs to the family of one sign-in.

Using a token a second time means that somebody has a copy: the whole family ends, whoever came first. Everything that
touches a family holds its owner's row, so that a token being issued cannot slip past its end. A family is a row of `sign_ins`,
and has an end that no use moves.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

from django.db import ProgrammingError, transaction
from django.utils import timezone
from psycopg.errors import NoDataFound

from apps.accounts import audit, identity, tokens
from apps.accounts.models import RefreshToken, User
from apps.accounts.sign_ins import services as sign_ins
from apps.accounts.sign_ins.models import Kind as SignInKind
from apps.accounts.tokens import LIFETIMES, Claims, Kind, unauthenticated
from sokoul import client_ip
from sokoul.postgres import message
from sokoul.postgres.message import MessagePart

WEEK = timedelta(seconds=LIFETIMES[Kind.REFRESH])
_BEGIN = "SELECT sign_ins_begin(%s, %s, %s, %s, %s, %s, %s, %s::inet, %s)"  # a function of migration 0011


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
    """The first pair of a new family, for somebody who has just proved who they are; `user` as it was then: see `held`."""
    pair, part = beginning(user)
    with unless_ended():
        message.send(part)
    return pair


def beginning(user: User) -> tuple[Pair, MessagePart]:
    """As `start`, with what is to be sent, `unless_ended`, before the pair is worth anything."""
    family, jti, now = uuid.uuid4(), uuid.uuid4(), timezone.now()
    end, latest = sign_ins.ends(SignInKind.API, now)
    whence = client_ip.current(), sign_ins.agent()
    values = [user.pk, user.token_epoch, family, jti, now, end, latest, *whence]
    return _pair(user, family, jti), MessagePart(_BEGIN, values)


@contextmanager
def unless_ended() -> Iterator[None]:
    """401 where the account's sign-ins have ended since it was read."""
    try:
        yield
    except ProgrammingError as error:
        if isinstance(error.__cause__, NoDataFound):
            raise unauthenticated() from error
        raise


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
