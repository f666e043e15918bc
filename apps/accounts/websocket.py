"""Who opens a socket: an access token, or a ticket that works once and for a minute (so that no token stands in a URL)."""

import time
import uuid
from datetime import datetime
from threading import Lock
from typing import NamedTuple

from django.core.cache import cache

from apps.accounts import identity, tokens
from apps.accounts.api_keys import Use
from apps.accounts.models import User
from apps.accounts.sign_ins import services as sign_ins
from apps.accounts.tokens import LIFETIMES, Claims, Kind, unauthenticated
from apps.feed.hub import SignIn
from sokoul import moments

_used: dict[uuid.UUID, float] = {}
_used_lock = Lock()


class Identity(NamedTuple):
    """`expires_at`: Unix seconds at which the socket has to close."""

    user_id: int
    sign_in: SignIn
    expires_at: float


class Ticket(NamedTuple):
    ticket: str
    expires_at: datetime


def issue_ticket(user: User, by: Claims | Use | uuid.UUID | None) -> Ticket:
    """`by`: the access token or API key that asks, whose end is also the socket's, at most an hour; of a web session its sign-in."""
    now = int(time.time())
    end = by.expires_at if isinstance(by, Claims | Use) else float("inf")
    until = int(min(end, now + LIFETIMES[Kind.ACCESS]))
    family = by.family if isinstance(by, Claims) else by if isinstance(by, uuid.UUID) else None
    text = tokens.encode(Kind.TICKET, user.pk, user.token_epoch, family, until=until)
    return Ticket(text, moments.of_unix(now + LIFETIMES[Kind.TICKET]))


def authenticate(token: str | None, ticket: str | None) -> Identity:
    """Who may open a socket; PermanentError (401) for anybody else. Blocks: call it from a thread."""
    if token:
        claims = tokens.decode(Kind.ACCESS, token)
    elif ticket:
        claims = tokens.decode(Kind.TICKET, ticket)
    else:
        raise unauthenticated("Sign in first: send ?token= or ?ticket=.")
    identity.forget(claims.user_id)  # what would be believed for a moment longer opens nothing that stays
    user = identity.of(claims)
    if not token and not _use(claims.jti):
        raise unauthenticated("This ticket was used before. Ask for a new one at /auth/ws-ticket.")
    return Identity(user.pk, (user.pk, user.token_epoch, claims.family), claims.until)


def _use(jti: uuid.UUID) -> bool:
    """True the first time. Redis decides between processes; while it is gone, each process knows its own uses only."""
    now = time.monotonic()
    with _used_lock:
        for old in [old for old, end in _used.items() if end < now]:
            del _used[old]
        if jti in _used:
            return False
        _used[jti] = now + LIFETIMES[Kind.TICKET]
    # False: another process was first. None: Redis did not answer.
    return cache.add(f"ws-ticket:{jti.hex}", 1, LIFETIMES[Kind.TICKET]) is not False


def living(opened: set[SignIn]) -> set[SignIn]:
    """Of these those whose account is there and active, and that were not signed out: nobody else may keep a socket."""
    active = User.objects.filter(pk__in={user_id for user_id, _, _ in opened}, is_active=True)
    people = set(active.values_list("pk", "token_epoch"))
    families = {family for _, _, family in opened if family}
    going_on = {None, *sign_ins.living(families)}
    return {one for one in opened if one[:2] in people and one[2] in going_on}
