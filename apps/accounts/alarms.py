"""Telling admins what only they can mend: once a day and matter, however often it is met."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.feed import push
from apps.feed.models import Event

AGAIN = timedelta(days=1)


def tell_admins(code: str, words: Callable[[], str], **about: Any) -> None:
    """`about` is what makes it the same matter; `words()` is asked in each language, and may use it."""
    same = {f"data__{name}": value for name, value in about.items()}
    with transaction.atomic():
        if Event.objects.filter(type="notification", at__gt=timezone.now() - AGAIN, data__code=code, **same).exists():
            return
        for admin in User.objects.filter(role=Role.ADMIN, is_active=True).order_by("pk"):
            push.notify(admin.pk, code, words, **about)
