"""Switching one's second factor on and off; called by REST, the pages, the dashboard and the command."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import audit, families, identity
from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.accounts.second_factor import codes, gate, sealing
from apps.accounts.second_factor.models import RecoveryCode, SecondFactor
from apps.feed import push
from sokoul.errors import PermanentError, conflict, forbidden, not_found


class Begun(NamedTuple):
    """`secret` is what one types where no camera is, `uri` what the QR code says."""

    secret: str
    uri: str


def state(user_id: int) -> dict[str, Any]:
    """{enabled, since, recovery_codes_left}"""
    factor = SecondFactor.objects.filter(user_id=user_id, confirmed_at__isnull=False).first()
    since: datetime | None = factor.confirmed_at if factor else None
    left = RecoveryCode.objects.filter(factor=factor, used_at=None).count() if factor else 0
    return {"enabled": factor is not None, "since": since, "recovery_codes_left": left}


def begin(user: User, password: str) -> Begun:
    """A new key for the authenticator app, which asks for nothing until `confirm`. An earlier one that was only begun ends.

    Takes the password, where the account has one: a stolen token must not lock out its owner.
    """
    if user.has_usable_password():
        accounts.prove(user, password)
    secret = codes.new_secret()
    with transaction.atomic():
        families.held(user)
        if gate.enabled(user.pk):
            raise conflict(_("Your second factor is on already. Switch it off first to use another app."))
        SecondFactor.objects.filter(user=user).delete()
        SecondFactor.objects.create(user=user, secret=sealing.seal(secret))
    return Begun(secret, codes.address(secret, user.username))


def begun(user: User) -> Begun | None:
    """What was begun and waits for its first code."""
    factor = SecondFactor.objects.filter(user=user, confirmed_at=None).first()
    if factor is None:
        return None
    secret = sealing.unseal(factor.secret)
    return Begun(secret, codes.address(secret, user.username))


def confirm(user: User, code: str) -> list[str]:
    """Switch on what was begun; its recovery codes, shown only now. Every sign-in of this person ends, as with a new password.

    404 where nothing was begun, 400 for a wrong code (which harms nobody, so it may be tried again).
    """
    with transaction.atomic():
        owner = families.held(user)
        factor = SecondFactor.objects.select_for_update().filter(user=owner, confirmed_at=None).first()
        if factor is None:
            raise PermanentError(_("Begin first: nothing waits for a code."), code="not_found", status=404)
        step = codes.step_of(sealing.unseal(factor.secret), codes.plain(code))
        if step is None:
            raise _wrong("code", _("This is not the code that the app shows now. Are the clocks of both right?"))
        factor.last_step, factor.confirmed_at = step, timezone.now()
        factor.save(update_fields=["last_step", "confirmed_at"])
        fresh = _new_codes(factor)
        _end_sign_ins(owner)
        _tell(owner, lambda: _("Your second factor is on: signing in takes a code of your authenticator app now."))
        audit.record("second_factor.enabled", owner.username, owner)
    identity.ended(user.pk)
    return fresh


def renew_codes(user: User, password: str = "", code: str = "") -> list[str]:
    """Ten new recovery codes; the old ones end. Takes the password or a code."""
    _prove(user, password, code)
    with transaction.atomic():
        owner = families.held(user)
        factor = SecondFactor.objects.select_for_update().filter(user=owner, confirmed_at__isnull=False).first()
        if factor is None:
            raise _is_off()
        fresh = _new_codes(factor)
        audit.record("second_factor.codes_renewed", owner.username, owner)
    return fresh


def disable(user: User, password: str = "", code: str = "") -> None:
    """Switch one's own off. Takes the password or a code; 404 where it is off."""
    _prove(user, password, code)
    with transaction.atomic():
        owner = families.held(user)
        if not _delete(owner):
            raise _is_off()
        _tell(owner, lambda: _("Your second factor is off: your password alone opens your account now."))
        audit.record("second_factor.disabled", owner.username, owner)


def remove(user_id: int, *, by: User | None) -> User:
    """Somebody lost app and recovery codes: an admin, or the operator at the command line (None), takes the factor away.

    Every sign-in of the owner ends, and they are told. 404 unknown or off, 403 once `by` is no admin, 409 for one's own.
    """
    if by and by.pk == user_id:
        raise conflict(_("This is your own account. Switch your second factor off on your profile page."))
    with transaction.atomic():
        if by and not User.objects.filter(pk=by.pk, is_active=True, role="admin").exists():
            raise forbidden("You are no admin any more.")
        owner = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
        if owner is None:
            raise not_found("This user")
        if not _delete(owner):
            raise _is_off()
        _end_sign_ins(owner)
        _tell(owner, lambda: _("An admin removed your second factor. Set it up again on your profile page."))
        audit.record("second_factor.removed", owner.username, by, user_id=owner.pk)
    identity.ended(user_id)
    return owner


def remove_where_on(user_ids: Collection[int], *, by: User) -> int:
    """`remove` for those of these people who have one, the admin's own left alone; how many there were."""
    found = SecondFactor.objects.filter(user_id__in=user_ids, confirmed_at__isnull=False).exclude(user=by)
    return len([remove(user_id, by=by) for user_id in list(found.values_list("user_id", flat=True))])


def reseal_all(under: str = "") -> int:
    """Encrypt every secret under the first key of the ring, or `under` this one, before an old one goes; how many there were."""
    changed = 0
    for factor_id, sealed in SecondFactor.objects.values_list("pk", "secret"):
        fresh = sealing.reseal(sealed, under)
        changed += (
            SecondFactor.objects.filter(pk=factor_id, secret=sealed).update(secret=fresh) if fresh != sealed else 0
        )
    return changed


def _new_codes(factor: SecondFactor) -> list[str]:
    fresh = codes.new_recovery_codes()
    RecoveryCode.objects.filter(factor=factor).delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(factor=factor, digest=codes.digest(code)) for code in fresh)
    return fresh


def _delete(owner: User) -> bool:
    """Whether a confirmed one was there; what was only begun goes as well."""
    was_on = gate.enabled(owner.pk)
    SecondFactor.objects.filter(user=owner).delete()
    return was_on


def _end_sign_ins(owner: User) -> None:
    owner.token_epoch += 1
    owner.save(update_fields=["token_epoch"])


def _tell(owner: User, words: Callable[[], str]) -> None:
    push.notify(owner.pk, "second_factor_changed", words)


def _prove(user: User, password: str, code: str) -> None:
    if password or not code:
        if not user.has_usable_password():  # it came from an OIDC provider
            raise _wrong("code", _("Enter the code that your authenticator app shows, or a recovery code."))
        accounts.prove(user, password)
    elif gate.proved(user, code) is None:
        raise _wrong("code", _("This code is not right, or was used before. Wait for the next one and try again."))


def _wrong(field: str, text: str) -> PermanentError:
    return PermanentError(f"{field}: {text}", fields={field: [text]})


def _is_off() -> PermanentError:
    return PermanentError(_("The second factor of this account is off."), code="not_found", status=404)
