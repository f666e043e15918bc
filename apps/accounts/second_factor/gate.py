"""Whoever has a second factor gets in with its code only: by REST in one call, on the pages in a second step.

A code works once: the factor's row is held while one is looked at, and remembers the last time step. Only who knows the password
(or is signed in) gets as far as being counted: nobody can lock out a stranger.
"""

from enum import StrEnum

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import attempts, audit
from apps.accounts.attempts import Limit, Try
from apps.accounts.models import User
from apps.accounts.second_factor import codes, sealing
from apps.accounts.second_factor.models import RecoveryCode, SecondFactor
from apps.feed import push
from sokoul.errors import PermanentError

WRONG = Limit("second_factor", 5, 900)
"""A guess is right with 3 in 10^6: 480 guesses a day find a code in two years, and the owner is told all the time."""


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
    """Use up a code of this person's factor; None for a wrong one. Raises PermanentError (429) after too many, for any code."""
    places = attempts.take(Try(WRONG, str(user.pk)))
    with transaction.atomic():
        how = _used(user, codes.plain(code))
    if how:
        attempts.clear(WRONG, str(user.pk))
    elif places[0].last:
        push.notify(user.pk, "second_factor_attacked", _attacked)
    return how


def _used(user: User, code: str) -> How | None:
    """The row is held: of two who send the same code at once, the second finds it used."""
    factor = SecondFactor.objects.select_for_update().filter(user_id=user.pk, confirmed_at__isnull=False).first()
    if factor is None:
        return None
    if not codes.is_totp(code):
        unused = RecoveryCode.objects.filter(factor=factor, digest=codes.digest(code), used_at=None)
        return How.RECOVERY if unused.update(used_at=timezone.now()) else None
    step = codes.step_of(sealing.unseal(factor.secret), code)
    if step is None or step <= factor.last_step:
        return None
    factor.last_step, factor.secret = step, sealing.reseal(factor.secret)
    factor.save(update_fields=["last_step", "secret"])
    return How.TOTP


def _attacked() -> str:
    return _(
        "Somebody who knows your password sent wrong codes of your second factor. If it was not you, change it now."
    )
