"""What an admin decides about somebody's account; called by REST and the dashboard alike."""

from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts import api_keys, audit, identity, quotas, services
from apps.accounts.models import Role, User
from sokoul.errors import PermanentError, conflict, forbidden, not_found


def change(
    user_id: int,
    *,
    by: User,
    role: Role | None = None,
    is_active: bool | None = None,
    limits: Mapping[str, int | None] | None = None,
) -> User:
    """Give a role or quotas, deactivate or activate; what is None, or so already, stays. Deactivating ends every sign-in and
    API key.

    `limits`: {quota: number, or None for the default}; quotas that it does not name stay.

    Raises PermanentError: 404 unknown, 403 once `by` is no admin any more, 409 for one's own role or activity (so that one
    admin is left) and for the role of an account that stays deactivated.
    """
    with transaction.atomic():
        user = _locked(user_id, by, own=role is None and is_active is None)
        if is_active and not user.is_active:
            _switch(user, True, by)
        if role is not None and role != user.role:
            user = _with_role(user, role, by)
        if limits:
            _limit(user, limits, by)
        if is_active is False and user.is_active:
            _switch(user, False, by)
    identity.ended(user_id)
    return user


def _locked(user_id: int, by: User, *, own: bool) -> User:
    """Both rows held, in one order for everybody: of two admins who demote each other, one comes too late. `own`: it may be
    one's own account."""
    if user_id == by.pk and not own:
        raise conflict(_("This is your own account. Ask another admin to change it."))
    held = {user.pk: user for user in User.objects.select_for_update().filter(pk__in=[user_id, by.pk]).order_by("pk")}
    if by.pk not in held or not held[by.pk].is_admin:
        raise forbidden(_("You are no admin any more."))
    if user_id not in held:
        raise not_found("This user")
    return held[user_id]


def _with_role(user: User, role: Role, by: User) -> User:
    if not user.is_active:
        raise conflict(_("This account is deactivated. Activate it before you change its role."))
    try:
        return services.set_role(user, role, by=by)
    except PermanentError as error:  # deleted in between
        raise not_found("This user") from error


def _limit(user: User, limits: Mapping[str, int | None], by: User) -> None:
    before = quotas.set_for(user)
    after = {**before, **limits}
    if after == before:
        return
    for name, limit in after.items():
        setattr(user, f"quota_{name}", limit)
    user.save(update_fields=[f"quota_{name}" for name in quotas.NAMES])
    audit.record("user.quotas_changed", user.username, by, user_id=user.pk, before=before, after=after)


def _switch(user: User, active: bool, by: User) -> None:
    user.is_active = active
    user.token_epoch += 1  # tokens and web sessions from before stay dead, also when the account is activated again
    user.save(update_fields=["is_active", "token_epoch"])
    if not active:
        api_keys.end_all(user, by, "account deactivated")
    action = "user.activated" if active else "user.deactivated"
    audit.record(action, user.username, by, user_id=user.pk, before=not active, after=active)
