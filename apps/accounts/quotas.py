"""How much one person may have, and how much they have of it. What they have is counted a floor above (`counted_by`)."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from apps.accounts.models import User

ACTIVE = 5  # downloads at once where no admin said otherwise (SPEC 6)


class Quotas(NamedTuple):
    """Downloads that have not ended, bytes kept, downloads started in the last 7 days; None: no limit."""

    active: int | None
    bytes: int | None
    weekly: int | None


NOTHING = Quotas(0, 0, 0)
NAMES = Quotas._fields
Count = Callable[[list[int]], dict[int, Quotas]]
_count: list[Count] = []


def counted_by(count: Count) -> None:
    """`count(user_ids)` gives what each of them uses; who is missing uses nothing."""
    _count[:] = [count]


def limits_of(user: User) -> Quotas:
    return Quotas(ACTIVE if user.quota_active is None else user.quota_active, user.quota_bytes, user.quota_weekly)


def set_for(user: User) -> dict[str, int | None]:
    """What an admin set for this person; None: the default."""
    return {name: getattr(user, f"quota_{name}") for name in NAMES}


def shown(users: Iterable[User]) -> dict[int, dict[str, dict[str, Any]]]:
    """{user id: {quota: {used, limit}}}, in one statement for all of them."""
    people = list(users)
    used = _count[0]([user.pk for user in people]) if _count and people else {}
    return {user.pk: _pairs(used.get(user.pk, NOTHING), limits_of(user)) for user in people}


def _pairs(used: Quotas, limits: Quotas) -> dict[str, dict[str, Any]]:
    return {name: {"used": getattr(used, name), "limit": getattr(limits, name)} for name in NAMES}
