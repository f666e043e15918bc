"""Who may still try to sign in: limits by what was typed as a name, known or not, and by the client's address.

By the name as typed and not by the account: what is refused to one who tries an account's e-mail address and user name in turn
would tell that both belong together. TRUSTED_IPS are trusted not to ask too often, and not to guess passwords.
"""

import ipaddress

from django.db import transaction

from apps.accounts import attempts, audit
from apps.accounts.attempts import Limit, Place, Try
from apps.accounts.models import User
from apps.jobs import services as jobs
from sokoul import client_ip
from sokoul.postgres.message import MessagePart

QUARTER = 900  # seconds
NAME = Limit("login.name", 10, QUARTER)
ADDRESS = Limit("login.address", 30, QUARTER)
PASSWORD = Limit("password", 10, QUARTER)
_NOTED = Limit("lock.noted", 1, QUARTER)


def by_address(limit: Limit) -> list[Try]:
    """The limit for where the request comes from; nothing for what comes from no address. IPv6 by its /64, one household's."""
    address = client_ip.current()
    if address is None:
        return []
    bits = 64 if ipaddress.ip_address(address).version == 6 else 32
    return [Try(limit, str(ipaddress.ip_network(f"{address}/{bits}", strict=False)))]


def sign_in(name: str) -> list[Place]:
    """To be taken before the password is looked at. PermanentError (429), whether or not the name or the password is right."""
    return attempts.take(Try(NAME, name), *by_address(ADDRESS))


def prove(user: User) -> list[Place]:
    """The same for somebody who is signed in and has to show that they know the password."""
    return attempts.take(Try(PASSWORD, str(user.pk)))


def passing(places: list[Place]) -> MessagePart:
    """The password was right: the name is as new; of the address only this try is forgotten, not what it tried at others."""
    back = [place for place in places if place.of.limit is ADDRESS]
    return attempts.forgetting(back, [place.of for place in places if place.of.limit is not ADDRESS])


def failed(places: list[Place], user: User | None) -> None:
    """The password was wrong. What that locks is written down once a lock, and an account's owner is told.

    Both for unknown accounts alike, as far as a clock can tell: a job finds out that there is nobody to tell.
    """
    for place in places:
        if place.last:
            _lock(place, user)


def _lock(place: Place, user: User | None) -> None:
    limit, whose = place.of
    with transaction.atomic():
        if not attempts.first(_NOTED, f"{limit.scope} {whose}"):
            return
        if limit is not ADDRESS:
            jobs.enqueue("notifier", "locked", {"user_id": user.pk if user else None})
        audit.record(
            "auth.locked", whose if limit is not PASSWORD else "", user_id=user.pk if user else None, limit=limit.scope
        )


def release(user: User) -> None:
    """Its owner has shown who they are in another way."""
    attempts.clear(NAME, user.email, user.username)
    attempts.clear(PASSWORD, str(user.pk))
