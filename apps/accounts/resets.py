"""A new password for somebody who has forgotten theirs, by a code that is mailed.

Whoever asks is told the same, as fast, whether or not somebody has that address: all that happens is that a job is written, and
the job finds out. The code is made where it is mailed: no row, job, log or answer ever holds one.
"""

from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from apps.accounts import api_keys, attempts, audit, identity, lockouts, notices, services, telegram
from apps.accounts.attempts import Limit, Try
from apps.accounts.channels.letter import language_of
from apps.accounts.models import User
from apps.jobs import services as jobs
from sokoul.env import ENV
from sokoul.errors import PermanentError

ASKED = Limit("reset.asked", 5, 3600)
TRIED = Limit("reset.tried", 30, 900)
PAGE = "/app/password/reset"
_LARGEST_ID = 2**63 - 1


class _Codes(PasswordResetTokenGenerator):
    """Signed with SECRET_KEY, valid for PASSWORD_RESET_TIMEOUT, and ended by whatever changes what it is made of."""

    key_salt = "sokoul.accounts.resets"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{user.pk} {timestamp} {user.token_epoch} {user.is_active} {user.password} {user.email}"


codes = _Codes()


def code_for(user: User) -> str:
    return f"{user.pk}.{codes.make_token(user)}"


def ask(email: str) -> None:
    """Have a code mailed to this address if an account has it. PermanentError (429) for an address that was typed too often."""
    email = email.strip()
    with transaction.atomic():
        attempts.take(Try(ASKED, email))
        jobs.enqueue("notifier", "reset", {"email": email})


def mail(email: str) -> dict[str, Any]:
    """What the job does. Raises TransientError."""
    user = User.objects.by_login(email) if "@" in email else None
    if user is None or not user.is_active or not user.has_usable_password():
        return {"sent": 0}
    with override(language_of(user)):
        gaps = {"name": user.username, "url": f"{ENV.address}{PAGE}", "code": code_for(user)}
        text = _(
            "Somebody, hopefully you, has forgotten the password of your Sokoul account %(name)s. Choose a new one here:\n\n"
            "%(url)s#%(code)s\n\n"
            "Or enter this code at %(url)s:\n\n%(code)s\n\n"
            "It works once, within 15 minutes. If it was not you, ignore this mail: your password stays as it is."
        )
        result = notices.send(user.email, _("Choose a new password"), text % gaps)
    audit.record("auth.password_reset_asked", user.username, None, user_id=user.pk)
    return result


def _refused() -> PermanentError:
    """The same for every code that does not work, whatever the reason."""
    text = _("This code is wrong, too old, or was used already. Ask for a new one.")
    return PermanentError(text, code="reset_code", fields={"token": [text]})


def _owner(code: str, *, hold: bool = False) -> User | None:
    """Whose code this is, if it works now; `hold`: their row, until the transaction ends."""
    number, _dot, token = code.strip().partition(".")
    if not (number.isascii() and number.isdigit() and len(number) < 20 and int(number) <= _LARGEST_ID):
        return None
    people = User.objects.select_for_update(no_key=True) if hold else User.objects.all()
    user = people.filter(pk=int(number), is_active=True).first()
    return user if user is not None and codes.check_token(user, token) else None


def reset(code: str, password: str) -> User:
    """The new password, once for a code; every sign-in from before ends, locks of this account with them, and what
    somebody may have linked who was in it: its Telegram account.

    PermanentError: 400 at `token` for a code that does not work, 400 at `password` for one that is refused (the code still
    works), 429 after too many wrong codes from one address.
    """
    places = attempts.take(*lockouts.by_address(TRIED))
    user = _owner(code)
    if user is None:
        raise _refused()
    attempts.give_back(places)
    services.check_new(password, user)
    hashed = make_password(password)  # not while the row is held: it may have to wait its turn
    with transaction.atomic():
        user = _owner(code, hold=True)
        if user is None:
            raise _refused()
        user.password, user.token_epoch = hashed, user.token_epoch + 1
        user.save(update_fields=["password", "token_epoch"])
        lockouts.release(user)
        link = telegram.link_of(user.pk)
        notices.password_changed(user, link.name if link else "")
        api_keys.end_all(user, user, "password reset")
        telegram.unlink(user.pk, why="password reset")
        audit.record("auth.password_reset", user.username, user)
    identity.ended(user.pk)
    return user
