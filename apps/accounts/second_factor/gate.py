"""Whoever has a second factor gets in with its code only: by REST in one call, on the pages in a second step.

A code works once: the factor's row is held while one is looked at, and remembers the last time step. Wrong codes count in that
row, so that the limit holds over all processes and without Valkey. Only who knows the password (or is signed in) gets as far
as being counted: nobody can lock out a stranger.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User
from apps.accounts.second_factor import codes, sealing
from apps.accounts.second_factor.models import RecoveryCode, SecondFactor
from apps.feed import push
from sokoul.errors import PermanentError

MOST_WRONG = 5
WRONG_WITHIN = timedelta(minutes=15)


class How(StrEnum):
    """What was accepted; goes into the audit trail."""

    PASSWORD = "password"  # noqa: S105 - a word
    TOTP = "password+totp"
    RECOVERY = "password+recovery"


class SecondFactorRequired(PermanentError):
    """The password of `user` was right; a code is missing, or was not."""

    def __init__(self, user: User, message: str) -> None:
        super().__init__(message, code="second_factor_required", status=401)
        self.user = user


class _Seen(NamedTuple):
    """What became of a code. `until`: none is looked at before."""

    how: How | None = None
    until: datetime | None = None
    closed: bool = False


def enabled(user_id: int) -> bool:
    return SecondFactor.objects.filter(user_id=user_id, confirmed_at__isnull=False).exists()


def check(user: User, code: str) -> How:
    """How somebody who knows the password of `user` gets in. SecondFactorRequired (401) without the right code; 429 while
    there were too many wrong ones, whatever the code.
    """
    if not enabled(user.pk):
        return How.PASSWORD
    if not code:
        raise SecondFactorRequired(user, _("Enter the code that your authenticator app shows, or a recovery code."))
    if how := proved(user, code):
        return how
    audit.record("auth.second_factor_failed", user.username, user_id=user.pk)
    raise SecondFactorRequired(
        user, _("This code is not right, or was used before. Wait for the next one and try again.")
    )


def proved(user: User, code: str) -> How | None:
    """Use up a code of this person's confirmed factor; None for a wrong one, which counts. Raises PermanentError (429)."""
    with transaction.atomic():
        seen = _look(user, codes.plain(code))
    if seen.closed:
        _tell_of_wrong_codes(user)
    if seen.until:
        minutes = max(1, -(-int((seen.until - timezone.now()).total_seconds()) // 60))
        text = _("There were too many wrong codes. Try again in %(minutes)d minutes.") % {"minutes": minutes}
        raise PermanentError(text, code="too_many_attempts", status=429)
    return seen.how


def _look(user: User, code: str) -> _Seen:
    held = SecondFactor.objects.select_for_update().filter(user_id=user.pk, confirmed_at__isnull=False)
    factor = held.first()
    if factor is None:
        return _Seen()
    now = timezone.now()
    if factor.wrong_since and factor.wrong_since + WRONG_WITHIN <= now:
        factor.wrong, factor.wrong_since = 0, None
    if factor.wrong >= MOST_WRONG and factor.wrong_since:
        return _Seen(until=factor.wrong_since + WRONG_WITHIN)
    if how := _used(factor, code):
        factor.wrong, factor.wrong_since = 0, None
    else:
        factor.wrong, factor.wrong_since = factor.wrong + 1, factor.wrong_since or now
    factor.save(update_fields=["secret", "last_step", "wrong", "wrong_since"])
    return _Seen(how=how, closed=factor.wrong == MOST_WRONG)


def _used(factor: SecondFactor, code: str) -> How | None:
    """The row is held: of two who send the same code at once, the second finds it used."""
    if not codes.is_totp(code):
        unused = RecoveryCode.objects.filter(factor=factor, digest=codes.digest(code), used_at=None)
        return How.RECOVERY if unused.update(used_at=timezone.now()) else None
    step = codes.step_of(sealing.unseal(factor.secret), code)
    if step is None or step <= factor.last_step:
        return None
    factor.last_step, factor.secret = step, sealing.reseal(factor.secret)
    return How.TOTP


def _tell_of_wrong_codes(user: User) -> None:
    def words() -> str:
        return _(
            "Somebody who knows your password sent wrong codes of your second factor. If it was not you, change it now."
        )

    push.notify(user.pk, "second_factor_attacked", words)
