"""Where somebody is signed in: since when, from where, until when at the latest; and how one of these ends.

A session of the pages and a family of the API's tokens are both a row of `sign_ins`. Removing the row removes what hangs on it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.contrib.auth import update_session_auth_hash
from django.contrib.sessions.backends.base import SessionBase
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Least
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.errors import ForeignKeyViolation

from apps.accounts import audit, identity
from apps.accounts.models import RefreshToken, User
from apps.accounts.sign_ins import agents
from apps.accounts.sign_ins.models import Kind, Session, SignIn
from apps.accounts.tokens import LIFETIMES, unauthenticated
from apps.accounts.tokens import Kind as Token
from sokoul import client_ip, user_agent
from sokoul.env import ENV
from sokoul.errors import forbidden, not_found

KEY = "sign_in"  # in a session's data
IDLE = {Kind.PAGES: timedelta(days=14), Kind.API: timedelta(seconds=LIFETIMES[Token.REFRESH])}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Ends(NamedTuple):
    """`at` unless it is used again before, `latest` however much it is used."""

    at: datetime
    latest: datetime


def ends(kind: Kind, now: datetime) -> Ends:
    """Of a sign-in that begins now."""
    latest = now + timedelta(days=ENV.session_days if kind == Kind.PAGES else ENV.refresh_days)
    return Ends(min(now + IDLE[kind], latest), latest)


def agent() -> str:
    """Who asks, coarsely."""
    return agents.coarse(user_agent.current())


def begin(user: User, kind: Kind) -> SignIn:
    """For somebody who has just proved who they are; dead at once if their sign-ins have ended since `user` was read.

    PermanentError (401) where the account was deleted since.
    """
    now = timezone.now()
    at, latest = ends(kind, now)
    try:
        return SignIn.objects.create(
            user=user, kind=kind, epoch=user.token_epoch, began_at=now, seen_at=now, expires_at=at, ends_at=latest,
            ip=client_ip.current(), agent=agent(),
        )  # fmt: skip
    except IntegrityError as error:
        if not isinstance(error.__cause__, ForeignKeyViolation):
            raise
        raise unauthenticated(_("This account is closed.")) from error


def seen(row: SignIn) -> None:
    """It is in use: it goes on, until its end. Written down once an hour, so that reading a page writes nothing."""
    now = timezone.now()
    if row.seen_at > now - HOUR:
        return
    SignIn.objects.filter(pk=row.pk, seen_at=row.seen_at).update(
        seen_at=now, expires_at=min(now + IDLE[Kind(row.kind)], row.ends_at), ip=client_ip.current() or row.ip,
        agent=agent() or row.agent,
    )  # fmt: skip


def use(family: UUID) -> bool:
    """As `seen`, for a refresh; False where the sign-in has ended. Within a transaction that holds its person's row."""
    now = timezone.now()
    going_on = Least(F("ends_at"), now + IDLE[Kind.API])
    living = SignIn.objects.filter(pk=family, expires_at__gt=now)
    return living.update(seen_at=now, expires_at=going_on, ip=client_ip.current(), agent=agent()) == 1


def of_user(user: User) -> QuerySet[SignIn]:
    """What of a person's counts now, the one that was used last first."""
    living = SignIn.objects.filter(user=user, epoch=user.token_epoch, expires_at__gt=timezone.now())
    return living.order_by("-seen_at", "-began_at", "pk")


def living(ids: Iterable[UUID]) -> set[UUID]:
    """Of these those that have not ended; whether their people's epoch is still theirs is asked elsewhere."""
    return set(SignIn.objects.filter(pk__in=ids, expires_at__gt=timezone.now()).values_list("pk", flat=True))


def of_session(session: SessionBase) -> UUID | None:
    """The sign-in of a browser's session."""
    text = session.get(KEY)
    return UUID(text) if text else None


def goes_on(request: HttpRequest, user: User) -> None:
    """After what has ended all sign-ins of `user`: the one in whose page they did it is not over."""
    update_session_auth_hash(request, user)
    if own := of_session(request.session):
        SignIn.objects.filter(pk=own, user=user).update(epoch=user.token_epoch)


def remove(sign_in_id: UUID) -> bool:
    """Tokens and session of a sign-in go with it; whether it was there."""
    count, _ = SignIn.objects.filter(pk=sign_in_id).delete()
    return count > 0


def end(user_id: int, sign_in_id: UUID, *, by: User) -> None:
    """One of this person's sign-ins ends, in every process. PermanentError: 404 unknown, 403 somebody else's.

    The person's row is held, as by everything that touches a family: no token is issued meanwhile.
    """
    with transaction.atomic():
        row = SignIn.objects.select_related("user").filter(pk=sign_in_id).first()
        if row is None:
            raise not_found("This sign-in")
        if row.user_id != user_id:
            raise forbidden()
        User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
        if not remove(row.pk):
            raise not_found("This sign-in")
        about = {"sign_in": str(row.pk), "kind": row.kind, "agent": row.agent, "user_id": user_id}
        audit.record("auth.sign_in_ended", row.user.username, by, **about)
    identity.ended(user_id)


def end_of_somebody(user_id: int, sign_in_id: UUID, *, by: User) -> None:
    """The same by an admin; 403 once `by` is none any more."""
    if not User.objects.filter(pk=by.pk, is_active=True, role="admin").exists():
        raise forbidden("You are no admin any more.")
    end(user_id, sign_in_id, by=by)


def end_everybodys() -> int:
    """All of them end, in every process; how many those were. One person's after another's, each as `end` does it."""
    people = SignIn.objects.order_by("user_id").values_list("user_id", flat=True).distinct()
    return sum(_end_all_of(user_id) for user_id in list(people))


def _end_all_of(user_id: int) -> int:
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
        _, removed = SignIn.objects.filter(user=user_id).delete()
    identity.ended(user_id)
    return removed.get(SignIn._meta.label, 0)


def sweep() -> int:
    """Remove what has ended by itself, a day after it was used last: a page may be about to let its own go on (`goes_on`)."""
    now = timezone.now()
    outdated = SignIn.objects.filter(seen_at__lt=now - DAY).exclude(epoch=F("user__token_epoch"))
    dead = (
        Session.objects.filter(expire_date__lt=now), RefreshToken.objects.filter(expires_at__lt=now),
        SignIn.objects.filter(expires_at__lt=now), outdated,
    )  # fmt: skip
    return sum(rows.delete()[0] for rows in dead)
