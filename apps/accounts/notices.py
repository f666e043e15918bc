"""What an account's owner is told about its safety: as a notification, and what somebody else may have done by mail as well.

The mail goes to the account's address whatever its owner has chosen to be told: whoever took the account over has chosen too.
"""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from apps.accounts import attempts
from apps.accounts.attempts import Limit
from apps.accounts.channels import mail
from apps.accounts.channels.letter import language_of
from apps.accounts.channels.media import Unusable
from apps.accounts.models import User
from apps.feed import push
from apps.jobs import services as jobs
from sokoul.env import ENV

_TOLD = Limit("lock.told", 1, 6 * 3600)  # a stranger decides how often an account is locked


def tell_locked(user_id: int | None) -> dict[str, Any]:
    """Somebody guessed at the password of this account, which may be nobody's. Told once in six hours, also if it goes on."""
    user = User.objects.filter(pk=user_id, is_active=True).first() if user_id else None
    if user is None:
        return {"told": 0}
    with transaction.atomic():
        if not attempts.first(_TOLD, str(user.pk)):
            return {"told": 0}
        push.notify(user.pk, "account_locked", _locked)
    return {"told": 1}


def _locked() -> str:
    return _(
        "Somebody entered ten wrong passwords for your account; signing in under that name is refused for up to 15 minutes. "
        "If it was not you: your password still holds, and you stay signed in."
    )


def password_changed(user: User, telegram: str = "") -> None:
    """To be called in the transaction that changes it. `telegram`: the name of the account there whose link ends with it."""
    push.notify(user.pk, "password_changed", lambda: _("Your password was changed. All other sign-ins have ended."))
    _mail_later(user, user.email, "password", telegram)


def address_changed(user: User, before: str) -> None:
    """The same; the address from before is told, which a thief cannot read."""
    if before.lower() != user.email.lower():
        _mail_later(user, before, "email")


def _mail_later(user: User, address: str, what: str, telegram: str = "") -> None:
    payload = {"user_id": user.pk, "email": address, "what": what, "telegram": telegram}
    jobs.enqueue("notifier", "changed", payload)


def mail_changed(user_id: int, address: str, what: str, telegram: str = "") -> dict[str, Any]:
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        return {"sent": 0}
    with override(language_of(user)):
        subject, text = _of_password() if what == "password" else _of_address()
        text += _of_telegram() if telegram else ""
        gaps = {"name": user.username, "url": f"{ENV.address}/app/password/forgot", "telegram": telegram}
        return send(address, subject, text % gaps)


def _of_password() -> tuple[str, str]:
    return _("Your password was changed"), _(
        "The password of your Sokoul account %(name)s was changed, and all other sign-ins have ended.\n\n"
        "If it was not you, choose a new password at once:\n\n%(url)s"
    )


def _of_telegram() -> str:
    return "\n\n" + _(
        "The Telegram account %(telegram)s, which was linked, speaks for you no longer. If it is yours, link it again."
    )


def _of_address() -> tuple[str, str]:
    return _("Your e-mail address was changed"), _(
        "Your Sokoul account %(name)s has another e-mail address now; this one gets no more mail.\n\n"
        "If it was not you, tell whoever runs this Sokoul."
    )


def send(address: str, subject: str, text: str) -> dict[str, Any]:
    """A mail that is dropped where the server refuses the address: there is nobody to tell of that."""
    try:
        return mail.send(address, subject, text)
    except Unusable as error:
        return {"sent": 0, "dropped": error.message}
