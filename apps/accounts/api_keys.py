"""API keys: a program acts for a person, without their password and until the key is deleted (docs/api-keys.md).

A key has 256 random bits, so a plain SHA-256 keeps it: there is nothing to guess that a slow hash would protect.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import audit, families, identity
from apps.accounts.models import ApiKey, User
from apps.accounts.tokens import unauthenticated
from sokoul.errors import PermanentError, conflict, forbidden, not_found

MOST = 20  # keys of one person
MARK = "sk_"  # what the masking of logs knows a key by
SHOWN = 10  # characters that tell one key from another: the mark, and 42 bits of 256
LONGEST_NAME = 64
MINUTE = timedelta(minutes=1)  # last_used_at is no more exact than this


class Use(NamedTuple):
    """One key as a request presents it. `expires_at`: Unix seconds, infinity for never."""

    key_id: int
    user_id: int
    expires_at: float


class NewKey(NamedTuple):
    """`text` is the key itself, which nobody sees again."""

    row: ApiKey
    text: str


_known: dict[str, tuple[float, Use]] = {}
_ending: list[Callable[[int], None]] = []


def of_user(user_id: int) -> QuerySet[ApiKey]:
    """A person's keys, newest first."""
    return ApiKey.objects.filter(user_id=user_id).order_by("-pk")


def create(user: User, name: str, expires_at: datetime | None = None) -> NewKey:
    """PermanentError: 400 for a name or an end that cannot be, 409 beyond MOST keys."""
    text = MARK + secrets.token_urlsafe(32)
    row = ApiKey(name=_name(name), prefix=text[:SHOWN], digest=_digest(text), expires_at=expires_at)
    if expires_at is not None and expires_at <= timezone.now():
        raise _refused("expires_at", _("This is over already. Choose a time to come."))
    with transaction.atomic():
        row.user = families.held(user)
        if of_user(user.pk).count() >= MOST:
            raise conflict(_("You have %(most)d keys, and no more can be. Delete one first.") % {"most": MOST})
        row.save()
        audit.record("apikey.created", row.name, user, prefix=row.prefix)
    return NewKey(row, text)


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or "\0" in name:
        raise _refused("name", _("Give the key a name of 1 to %(most)d characters.") % {"most": LONGEST_NAME})
    return name


def _refused(field: str, text: str) -> PermanentError:
    return PermanentError(f"{field}: {text}", fields={field: [text]})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def delete(user: User, key_id: int) -> None:
    """It opens nothing from now on. PermanentError: 404 unknown, 403 somebody else's."""
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().filter(pk=key_id).first()
        if row is None:
            raise not_found("This key")
        if row.user_id != user.pk:
            raise forbidden()
        row.delete()
        audit.record("apikey.deleted", row.name, user, prefix=row.prefix)
    _known.pop(row.digest, None)


def also_end(hook: Callable[[int], None]) -> None:
    """Higher floors' own ways in, which end with the keys: called with the person's id, in the same transaction."""
    _ending.append(hook)


def end_all(user: User, by: User | None, why: str) -> None:
    """Within the transaction of a new password or a closed account; nobody keeps a way in that they made before."""
    for end in _ending:
        end(user.pk)
    rows = list(of_user(user.pk))
    if not rows:
        return
    ApiKey.objects.filter(pk__in=[row.pk for row in rows]).delete()
    for row in rows:
        transaction.on_commit(lambda digest=row.digest: _known.pop(digest, None))  # type: ignore[misc]
        audit.record("apikey.deleted", row.name, by, prefix=row.prefix, user_id=user.pk, why=why)


def used(text: str) -> tuple[User, Use]:
    """Whose key this is; what was found is believed as long as a token. PermanentError (401) for anything else."""
    digest = _digest(text)
    until, use = _known.get(digest, (0.0, None))
    if use is None or until <= time.monotonic():
        use = _asked(digest)
        if len(_known) >= identity.MOST:
            _known.clear()
        _known[digest] = (time.monotonic() + identity.KEEP_SECONDS, use)
    if use.expires_at <= time.time():
        raise _wrong()
    return identity.living(use.user_id), use


def _wrong() -> PermanentError:
    return unauthenticated("This API key is not valid, or no longer. Make a new one on your profile.")


def _asked(digest: str) -> Use:
    row = ApiKey.objects.filter(digest=digest, user__is_active=True).first()
    if row is None:
        raise _wrong()
    now = timezone.now()
    if row.last_used_at is None or row.last_used_at < now - MINUTE:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - MINUTE)
        ApiKey.objects.filter(stale, pk=row.pk).update(last_used_at=now)
    return Use(row.pk, row.user_id, row.expires_at.timestamp() if row.expires_at else float("inf"))
