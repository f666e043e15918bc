"""The quotas of downloads: how much a person uses, and what is said to who wants more.

Exact under concurrency: whoever asks holds the person's row (`hold`) until what was granted is committed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NoReturn

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from apps.accounts.models import User
from apps.accounts.quotas import Quotas, limits_of
from apps.downloads.models import Download, Start
from sokoul.errors import PermanentError
from sokoul.postgres import message
from sokoul.postgres.message import MessagePart
from sokoul.said import said
from sokoul.templatetags.shown import size

WEEK = timedelta(days=7)
_USED = """SELECT person, used.active, used.bytes, used.weekly
FROM unnest(%s::bigint[]) person CROSS JOIN LATERAL downloads_used(person, %s, %s, true) used"""  # a function of migration 0012
_NOTE = """WITH older AS (DELETE FROM download_starts WHERE user_id = %s AND at <= %s)
INSERT INTO download_starts (user_id, at) VALUES (%s, %s)"""


def week_ago() -> datetime:
    """Starts that are older count no more."""
    return timezone.now() - WEEK


def used(people: list[int], *, without: int | None = None) -> dict[int, Quotas]:
    """What each of them uses; `without` the bytes of one download."""
    with connection.cursor() as cursor:
        cursor.execute(_USED, [people, without, week_ago()])
        return {row[0]: Quotas(*row[1:]) for row in cursor.fetchall()}


def hold(user_id: int) -> User | None:
    """Locks the person's row: two requests at once cannot both take the last place, or start the same thing twice."""
    return User.objects.select_for_update(no_key=True).filter(pk=user_id).first()


def take(user: User, bytes: int, *, without: int | None = None) -> None:
    """Note one more start, of so many bytes as far as is known; PermanentError (429, code quota) where that is too much.

    `without`: the download that is started again, whose bytes count once. Inside the transaction that holds the person.
    """
    refuse(user, used([user.pk], without=without)[user.pk], bytes)
    message.send(noting(user.pk))


def refuse(user: User, now: Quotas, bytes: int) -> None:
    """PermanentError (429, code quota) where one more of so many bytes is too much for who uses this much now."""
    limits = limits_of(user)
    if limits.active is not None and (now.active or 0) >= limits.active:
        _refuse("active", now.active, limits.active, _too_many_at_once(now.active or 0, limits.active))
    if limits.weekly is not None and (now.weekly or 0) >= limits.weekly:
        _refuse("weekly", now.weekly, limits.weekly, _too_many_a_week(user.pk, now.weekly or 0, limits.weekly))
    if limits.bytes is not None and (now.bytes or 0) + max(bytes, 1) > limits.bytes:
        _refuse("bytes", now.bytes, limits.bytes, _too_large(now.bytes or 0, limits.bytes, bytes))


def noting(user_id: int) -> MessagePart:
    """One more start, as part of a message; those that count no more are removed in passing."""
    return MessagePart(_NOTE, [user_id, week_ago(), user_id, timezone.now()])


def too_large(download_id: int, bytes: int) -> str:
    """Why a download whose size has become known is more than its person may keep, in their language; empty when it is not.

    Inside the transaction that writes the size: it holds the person from here on.
    """
    user_id = Download.objects.filter(pk=download_id).values_list("user_id", flat=True).first()
    user = hold(user_id) if user_id else None
    if user is None or (limit := limits_of(user).bytes) is None:
        return ""
    kept = used([user.pk], without=download_id)[user.pk].bytes or 0
    with override(user.language or settings.LANGUAGE_CODE):
        return said(lambda: _too_large(kept, limit, bytes)) if kept + bytes > limit else ""


@contextmanager
def speaking_to(user_id: int) -> Iterator[None]:
    """In the person's language."""
    language = User.objects.filter(pk=user_id).values_list("language", flat=True).first()
    with override(language or settings.LANGUAGE_CODE):
        yield


def _refuse(quota: str, used: int | None, limit: int, sentence: str) -> NoReturn:
    extra = {"quota": quota, "used": used, "limit": limit}
    raise PermanentError(sentence, code="quota", status=429, extra=extra)


def _too_many_at_once(used: int, limit: int) -> str:
    if not limit:
        return _("You may not download anything at the moment. Ask an admin.")
    text = ngettext(
        "You have %(used)d download that has not ended; %(limit)d at a time is the limit. "
        "Wait for one to finish or cancel one.",
        "You have %(used)d downloads that have not ended; %(limit)d at a time is the limit. "
        "Wait for one to finish or cancel one.",
        used,
    )
    return text % {"used": used, "limit": limit}


def _too_many_a_week(user_id: int, used: int, limit: int) -> str:
    if not limit:
        return _("You may not download anything at the moment. Ask an admin.")
    text = ngettext(
        "You started %(used)d download in the last 7 days; %(limit)d is the limit. You can start the next one from "
        "%(date)s, or ask an admin for more.",
        "You started %(used)d downloads in the last 7 days; %(limit)d is the limit. You can start the next one from "
        "%(date)s, or ask an admin for more.",
        used,
    )
    free: datetime = Start.objects.filter(user_id=user_id).order_by("-at")[limit - 1].at + WEEK
    return text % {"used": used, "limit": limit, "date": f"{free:%Y-%m-%d %H:%M} UTC"}


def _too_large(used: int, limit: int, bytes: int) -> str:
    if not bytes:
        text = _(
            "You keep %(used)s of the %(limit)s that you may. Delete something from your library, or ask an admin for more."
        )
    else:
        text = _(
            "This download has %(size)s; you keep %(used)s of the %(limit)s that you may. Choose a smaller release, delete "
            "something from your library, or ask an admin for more."
        )
    return text % {"size": size(bytes), "used": size(used), "limit": size(limit)}
