"""The secret address of a person's calendar: made, shown once, ended."""

import hashlib
import secrets
from datetime import datetime
from urllib.parse import urlencode

from django.db import transaction
from django.utils import timezone

from apps.accounts import audit, families
from apps.accounts.models import User
from apps.downloads.following.models import CalendarAddress
from sokoul.env import ENV
from sokoul.errors import not_found

PATH = "/app/calendar.ics"


def make(user: User) -> str:
    """A new secret address, which nobody is shown again; the one from before leads nowhere from now on."""
    text = secrets.token_urlsafe(32)
    with transaction.atomic():
        families.held(user)
        CalendarAddress.objects.update_or_create(
            user_id=user.pk, defaults={"digest": _digest(text), "created_at": timezone.now()}
        )
        audit.record("calendar.address_made", user.username, user)
    return f"{ENV.address}{PATH}?{urlencode({'token': text})}"  # a name that logs hide


def revoke(user: User) -> None:
    """Afterwards there is none, whatever was before."""
    with transaction.atomic():
        if CalendarAddress.objects.filter(user_id=user.pk).delete()[0]:
            audit.record("calendar.address_revoked", user.username, user)


def end_with_keys(user_id: int) -> None:
    """Whoever chose a new password wants nobody left inside, here neither."""
    CalendarAddress.objects.filter(user_id=user_id).delete()


def made_at(user_id: int) -> datetime | None:
    """Since when a person has an address."""
    return CalendarAddress.objects.filter(user_id=user_id).values_list("created_at", flat=True).first()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def person_of(text: str) -> User:
    """Whose calendar an address leads to. PermanentError (404) for any other address."""
    living = CalendarAddress.objects.filter(digest=_digest(text), user__is_active=True)
    if (found := living.select_related("user").first()) is None:
        raise not_found("This calendar")
    return found.user
