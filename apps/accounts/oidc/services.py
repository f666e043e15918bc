"""Which account somebody from the provider is: the linked one, or a new one; never one that merely has the same address."""

import re
import secrets

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts import audit, families
from apps.accounts.models import User
from apps.accounts.oidc import provider
from apps.accounts.oidc.idtoken import Claims
from apps.accounts.oidc.models import Identity
from apps.feed import push
from sokoul.env import ENV
from sokoul.errors import PermanentError, conflict

LONGEST_NAME = 32
HOW = "oidc"


def identity_of(user_id: int) -> Identity | None:
    return Identity.objects.filter(user_id=user_id, issuer=provider.issuer()).first()


def sign_in(claims: Claims) -> User:
    """The account of this person; a new one at their first sign-in where OIDC_SIGN_UP allows it.

    Raises PermanentError: 403 for a deactivated account, and where no account is linked and none may be made.
    """
    known = Identity.objects.select_related("user").filter(issuer=claims.issuer, subject=claims.subject).first()
    if known is None:
        user = _new(claims)
    elif known.user.is_active:
        user = known.user
    else:
        audit.record("auth.login_failed", known.user.username, user_id=known.user_id, how=HOW)
        raise _refused(_("This account is closed."))
    audit.record("auth.login", user.username, user, how=HOW)
    return user


def _new(claims: Claims) -> User:
    gaps = {"provider": provider.name()}
    if not ENV.oidc_sign_up:
        raise _refused(
            _(
                "Your account at %(provider)s is not linked yet. Sign in with your password, and link it on your profile page."
            )
            % gaps
        )
    if not claims.email:
        raise _refused(
            _("%(provider)s did not say that your e-mail address is confirmed. Confirm it there first.") % gaps
        )
    if _has_account(claims.email):
        raise _refused(_address_known() % gaps)
    try:
        return _created(claims)
    except ValidationError:
        raise _refused(_("%(provider)s gave an e-mail address that Sokoul cannot use.") % gaps) from None
    except IntegrityError:  # somebody was quicker
        raise _refused(_address_known() % gaps) from None


def _address_known() -> str:
    return _(
        "There is an account with your e-mail address already. Sign in with its password, and link it to %(provider)s on your "
        "profile page."
    )


def _has_account(email: str) -> bool:
    return User.objects.by_login(email) is not None


def _created(claims: Claims) -> User:
    """Without a password: the provider alone opens it."""
    user = User.objects.prepare(claims.email, _free_name(claims), None)
    with transaction.atomic():
        user.save()
        _link(user, claims)
        audit.record("auth.registered", user.username, user, role=user.role, how=HOW, **_facts(claims))
    return user


def _free_name(claims: Claims) -> str:
    """As the person is called there, made of what a user name may have, and of nobody else's."""
    wanted = claims.name if "@" not in claims.name else ""
    plain = re.sub(r"[^A-Za-z0-9._-]", "", wanted or claims.email.partition("@")[0])[:LONGEST_NAME]
    if len(plain) >= 3 and User.objects.by_login(plain) is None:
        return plain
    return f"{plain[: LONGEST_NAME - 7]}-{secrets.token_hex(3)}"


def link(user: User, claims: Claims) -> None:
    """This person of the provider opens `user`'s account from now on. 409 where they open another, or another opens it."""
    try:
        with transaction.atomic():
            owner = families.held(user)
            _link(owner, claims)
            push.notify(owner.pk, "oidc_linked", lambda: _linked(claims))
            audit.record("oidc.linked", owner.username, owner, **_facts(claims))
    except IntegrityError:
        text = _("That account at %(provider)s is linked to an account here already, or yours to another one there.")
        raise conflict(text % {"provider": provider.name()}) from None


def _link(user: User, claims: Claims) -> None:
    Identity.objects.create(user=user, issuer=claims.issuer, subject=claims.subject, name=claims.email or claims.name)


def _facts(claims: Claims) -> dict[str, str]:
    return {"issuer": claims.issuer, "subject": claims.subject}


def _linked(claims: Claims) -> str:
    gaps = {"provider": provider.name(), "name": claims.email or claims.name or claims.subject}
    return (
        _("%(name)s at %(provider)s opens your account now. If it was not you, unlink it and change your password.")
        % gaps
    )


def unlink(user: User) -> None:
    """The provider opens this account no more. 404 where it does not, 409 where nothing else would."""
    with transaction.atomic():
        owner = families.held(user)
        found = identity_of(owner.pk)
        if found is None:
            raise PermanentError(_("Your account is not linked."), code="not_found", status=404)
        if not owner.has_usable_password():
            raise conflict(_("Nothing else opens your account: it has no password."))
        found.delete()
        audit.record("oidc.unlinked", owner.username, owner, issuer=found.issuer, subject=found.subject)


def _refused(text: str) -> PermanentError:
    return PermanentError(text, code="oidc", status=403)
