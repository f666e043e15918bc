"""Who is behind a signed token, now. Every request asks, so the answer is kept in the process for a few seconds."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from apps.accounts import tokens
from apps.accounts.models import User
from apps.accounts.tokens import Claims, Kind, unauthenticated
from apps.feed import push

KEEP_SECONDS = 3.0
"""How long another process may go on believing a token that was revoked here."""
MOST = 10_000

_NAMES = [field.attname for field in User._meta.concrete_fields]
_LIVING = f"SELECT {', '.join(_NAMES)} FROM users WHERE id = %s AND is_active"  # noqa: S608 - constants only
_LIVING_SIGN_IN = (
    f"{_LIVING} AND EXISTS (SELECT 1 FROM sign_ins WHERE user_id = users.id AND id = %s AND expires_at > %s)"  # noqa: S608
)
_Key = tuple[int, uuid.UUID | None]
_known: dict[_Key, tuple[float, list[Any]]] = {}
_checked: dict[str, tuple[float, Claims]] = {}
_spared: ContextVar[Callable[[], uuid.UUID | None]] = ContextVar("spared")


def bearer(token: str) -> tuple[User, Claims]:
    """Whose access token this is; its signature, once checked, is believed as long. PermanentError (401) for anything else."""
    until, claims = _checked.get(token, (0.0, None))
    if claims is None or until <= time.monotonic() or claims.expires_at <= time.time():
        claims = tokens.decode(Kind.ACCESS, token)
        if len(_checked) >= MOST:
            _checked.clear()
        _checked[token] = (time.monotonic() + KEEP_SECONDS, claims)
    return of(claims), claims


def of(claims: Claims) -> User:
    """The living account behind these claims, as a fresh object; PermanentError (401) when it or its sign-in has ended."""
    user = living(claims.user_id, claims.family)
    if user.token_epoch != claims.epoch:
        raise unauthenticated()
    return user


def living(user_id: int, family: uuid.UUID | None = None) -> User:
    """This account as a fresh object; PermanentError (401) when it is closed, or the sign-in `family` has ended."""
    key = (user_id, family)
    until, values = _known.get(key, (0.0, []))
    if until <= time.monotonic():
        values = _ask(user_id, family)
        if len(_known) >= MOST:
            _known.clear()
        _known[key] = (time.monotonic() + KEEP_SECONDS, values)
    return User.from_db("default", _NAMES, values)


def _ask(user_id: int, family: uuid.UUID | None) -> list[Any]:
    """One statement that is written once: with many people, most requests come to it."""
    with connection.cursor() as cursor:
        if family:
            cursor.execute(_LIVING_SIGN_IN, [user_id, family, timezone.now()])
        else:
            cursor.execute(_LIVING, [user_id])
        row = cursor.fetchone()
    if row is None:
        raise unauthenticated()
    return list(row)


def forget(user_id: int) -> None:
    """Ask again at the next request of this person; to be called once a change is committed."""
    for key in [key for key in list(_known) if key[0] == user_id]:
        _known.pop(key, None)


def ended(user_id: int) -> None:
    """As `forget`, once sign-ins of this person have ended: their sockets are looked at in every process."""
    forget(user_id)
    spared = _spared.get(None)
    transaction.on_commit(partial(push.look_again, user_id, but=spared() if spared else None))


@contextmanager
def sparing(sign_in: Callable[[], uuid.UUID | None]) -> Iterator[None]:
    """What ends sign-ins within leaves the sockets of this one to the next regular look."""
    token = _spared.set(sign_in)
    try:
        yield
    finally:
        _spared.reset(token)
