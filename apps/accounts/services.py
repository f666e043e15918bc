"""What people do with their account; called by the REST views, the pages and the commands alike."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias, TypeVar

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts import api_keys, audit, avatars, families, identity, lockouts, notices, passwords
from apps.accounts.attempts import Place
from apps.accounts.channels import services as channels
from apps.accounts.models import Role, User
from apps.accounts.second_factor import gate
from apps.accounts.tokens import unauthenticated
from sokoul import component
from sokoul.errors import PermanentError
from sokoul.postgres import message
from sokoul.postgres.message import MessagePart

T = TypeVar("T")
Begun: TypeAlias = tuple[T, list[MessagePart]]  # what a sign-in gives, and what it still has to write


def _taken() -> dict[str, tuple[str, str]]:
    return {
        "users_email_unique": ("email", _("An account with this e-mail address exists already. Sign in instead.")),
        "users_username_unique": ("username", _("This user name is taken. Choose another one.")),
    }


def _invalid(fields: dict[str, list[str]]) -> PermanentError:
    name, texts = next(iter(fields.items()))
    return PermanentError(f"{name}: {texts[0]}", fields=fields)


@contextmanager
def _valid() -> Iterator[None]:
    """Turns what the model and the database refuse into a 400 that names the field."""
    try:
        yield
    except ValidationError as error:
        raise _invalid(error.message_dict) from error
    except IntegrityError as error:
        constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        if constraint not in _taken():
            raise
        field, text = _taken()[constraint]
        raise _invalid({field: [text]}) from error


def check_new(password: str, user: User | None = None) -> None:
    """Raises PermanentError (400, at `password`) for a password that nobody should have."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise _invalid({"password": list(error.messages)}) from error


def register(email: str, username: str, password: str, *, role: str = Role.USER) -> User:
    """A new account; PermanentError naming the field for a bad or a taken e-mail address, user name or password."""
    check_new(password, User(email=email, username=username))
    with _valid():
        user = User.objects.prepare(email, username, password, role=role)
        with transaction.atomic():
            user.save()
            by = None if component.command() else user
            audit.record("auth.registered", user.username, by, user_id=user.pk, role=user.role)
    return user


def login(name: str, password: str, code: str = "") -> User:
    """The account that `name` (e-mail address or user name) and password open; else 401, for every reason alike.

    An unknown account costs the same time as a wrong password, so that neither the answer nor the clock tells them apart. After
    too many wrong ones 429, the right one too, known or not. Whoever knows the password of an account with a second factor gets
    SecondFactorRequired (401) without the right `code`.
    """
    return _enter(name, password, code, lambda user: (user, []))


def sign_in(name: str, password: str, code: str = "") -> tuple[User, families.Pair]:
    """As `login`, with the first tokens of a new family."""

    def begin(user: User) -> Begun[tuple[User, families.Pair]]:
        pair, part = families.beginning(user)
        return (user, pair), [part]

    return _enter(name, password, code, begin)


def _enter(name: str, password: str, code: str, begin: Callable[[User], Begun[T]]) -> T:
    with passwords.gate():
        user, places = _known(name, password)
        if not user.has_second_factor:  # one that is confirmed from here on ends what is begun now: see `families.held`
            return _entered(user, gate.How.PASSWORD, places, begin)
        message.send(lockouts.passing(places))
    return _entered(user, gate.check(user, code), [], begin)


def _known(name: str, password: str) -> tuple[User, list[Place]]:
    """Whose the password is, and the places that the try has taken."""
    places = lockouts.sign_in(name)
    user = User.objects.by_login(name)
    right = passwords.check(password, user)
    if user is None or not right or not user.is_active:
        audit.record("auth.login_failed", name, user_id=user.pk if user else None)
        lockouts.failed(places, user)
        raise unauthenticated(_("That e-mail address or user name and password do not belong together. Try again."))
    return user, places


def _entered(user: User, how: gate.How, places: list[Place], begin: Callable[[User], Begun[T]]) -> T:
    """All that a sign-in leaves behind, in one message and one transaction: the disk is waited for once."""
    result, parts = begin(user)
    note = audit.writing("auth.login", user.username, user, how=how)
    with families.unless_ended():
        message.send(*parts, lockouts.passing(places), note)
    return result


def sign_out(user: User) -> None:
    """Note that a web session ends; REST clients end their family of tokens instead (`families.end`)."""
    audit.record("auth.logout", user.username, user)


def sign_out_everywhere(user: User, *, by: User | None = None) -> None:
    """End every sign-in: tokens and web sessions, this one too. `by`: the admin who does it for somebody."""
    with transaction.atomic():
        user = families.locked(user.pk)
        user.token_epoch += 1
        user.save(update_fields=["token_epoch"])
        audit.record("auth.logout_all", user.username, by or user, user_id=user.pk)
    identity.ended(user.pk)


def prove(user: User, password: str) -> None:
    """Raises PermanentError: 400 for a password that is not this person's, 429 after too many."""
    if not password:
        raise _invalid({"current_password": [_("Enter your current password to change this.")]})
    places = lockouts.prove(user)
    if not check_password(password, user.password):
        lockouts.failed(places, user)
        raise _invalid({"current_password": [_("This is not your current password.")]})
    message.send(lockouts.passing(places))


def change_profile(user: User, changes: dict[str, Any]) -> User:
    """Apply email, username, language and password; `current_password` is needed for e-mail address and password.

    A new password ends every other sign-in: tokens, web sessions (a page calls `update_session_auth_hash` after it) and API keys.
    """
    changes = dict(changes)
    current = changes.pop("current_password", "")
    if not changes:
        return user
    if "password" in changes or "email" in changes:
        prove(user, current)
    if "password" in changes:
        check_new(changes["password"], user)
        changes["password"] = make_password(changes["password"])
    with _valid(), transaction.atomic():
        user = families.held(user)
        before = {name: getattr(user, name) for name in changes if name != "password"}
        _change(user, changes)
        if "email" in changes:
            channels.forget_mail(user)
            notices.address_changed(user, before["email"])
        if "password" in changes:
            notices.password_changed(user)
            api_keys.end_all(user, user, "new password")
        after = {name: getattr(user, name) for name in before}
        audit.record("user.changed", user.username, user, fields=sorted(changes), before=before, after=after)
    identity.ended(user.pk)
    return user


def _change(user: User, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(user, name, value)
    if "password" in changes:
        user.token_epoch += 1
    user.clean_fields(exclude=["password"])
    user.save()


def delete(user: User) -> None:
    """The account and everything of its owner, their picture too; the audit trail stays. Hunters notice that its downloads are gone."""
    user_id = user.pk
    with transaction.atomic():
        owner = families.held(user)
        transaction.on_commit(partial(avatars.remove, owner.avatar))
        owner.delete()
        audit.record("user.deleted", user.username, user)
    identity.ended(user_id)


def set_role(user: User, role: Role, *, by: User | None) -> User:
    """`by`: the admin who decides, None for the operator at the command line."""
    with transaction.atomic():
        user = families.locked(user.pk)
        before, user.role = user.role, role
        user.save(update_fields=["role"])
        audit.record("user.role_changed", user.username, by, user_id=user.pk, before=before, after=role.value)
    identity.forget(user.pk)
    return user
