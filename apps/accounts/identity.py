"""Who is behind a signed token, now. Every request asks, so the answer is kept in the process for a few seconds."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, Q
from django.utils import timezone

from apps.accounts import tokens
from apps.accounts.models import SignIn, User
from apps.accounts.tokens import Claims, Kind, unauthenticated
from apps.feed import push

KEEP_SECONDS = 3.0
"""How long another process may go on believing a token that was revoked here."""
MOST = 10_000

_NAMES = [field.attname for field in User._meta.concrete_fields]
_Key = tuple[int, uuid.UUID | None]
_known: dict[_Key, tuple[float, list[Any]]] = {}
_checked: dict[str, tuple[float, Claims]] = {}
_spared: ContextVar[uuid.UUID | None] = ContextVar("spared", default=None)


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
    alive = Q(pk=user_id, is_active=True)
    if family:
        alive &= Q(Exists(SignIn.objects.filter(pk=family, user=user_id, expires_at__gt=timezone.now())))
    row = User.objects.filter(alive).values_list(*_NAMES).first()
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
    transaction.on_commit(partial(push.look_again, user_id, but=_spared.get()))


@contextmanager
def sparing(sign_in: uuid.UUID | None) -> Iterator[None]:
    """What ends sign-ins within leaves the sockets of this one alone for now: the page in which it is done ends with its answer,
    and would ask for a socket with the key of before until that has come."""
    token = _spared.set(sign_in)
    try:
        yield
    finally:
        _spared.reset(token)
