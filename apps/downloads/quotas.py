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
from sokoul.said import said
from sokoul.templatetags.shown import size

WEEK = timedelta(days=7)
# A download has the size of what it holds; until that is known, of its release.
_USED = """
WITH active AS (SELECT user_id, count(*) AS n FROM downloads
                WHERE user_id = ANY(%(people)s) AND status IN ('Pending', 'Running') GROUP BY user_id),
    known AS (SELECT user_id, sum(bytes_total) AS n FROM downloads
              WHERE user_id = ANY(%(people)s) AND status <> 'Failed' AND bytes_total > 0
              AND id IS DISTINCT FROM %(without)s GROUP BY user_id),
    promised AS (SELECT d.user_id, sum(t.size) AS n FROM downloads d JOIN torrents t ON t.id = d.torrent_id
                 WHERE d.user_id = ANY(%(people)s) AND d.status <> 'Failed' AND d.bytes_total = 0
                 AND d.id IS DISTINCT FROM %(without)s GROUP BY d.user_id),
    starts AS (SELECT user_id, count(*) AS n FROM download_starts
               WHERE user_id = ANY(%(people)s) AND at > %(since)s GROUP BY user_id)
SELECT person, coalesce(active.n, 0), (coalesce(known.n, 0) + coalesce(promised.n, 0))::bigint, coalesce(starts.n, 0)
FROM unnest(%(people)s::bigint[]) person
    LEFT JOIN active ON active.user_id = person LEFT JOIN known ON known.user_id = person
    LEFT JOIN promised ON promised.user_id = person LEFT JOIN starts ON starts.user_id = person
"""


def used(people: list[int], *, without: int | None = None) -> dict[int, Quotas]:
    """What each of them uses; `without` the bytes of one download."""
    values = {"people": people, "without": without, "since": timezone.now() - WEEK}
    with connection.cursor() as cursor:
        cursor.execute(_USED, values)
        return {row[0]: Quotas(*row[1:]) for row in cursor.fetchall()}


def hold(user_id: int) -> User | None:
    """Locks the person's row: two requests at once cannot both take the last place, or start the same thing twice."""
    return User.objects.select_for_update(no_key=True).filter(pk=user_id).first()


def take(user: User, bytes: int, *, without: int | None = None) -> None:
    """Note one more start, of so many bytes as far as is known; PermanentError (429, code quota) where that is too much.

    `without`: the download that is started again, whose bytes count once. Inside the transaction that holds the person.
    """
    limits, now = limits_of(user), used([user.pk], without=without)[user.pk]
    if limits.active is not None and (now.active or 0) >= limits.active:
        _refuse("active", now.active, limits.active, _too_many_at_once(now.active or 0, limits.active))
    if limits.weekly is not None and (now.weekly or 0) >= limits.weekly:
        _refuse("weekly", now.weekly, limits.weekly, _too_many_a_week(user.pk, now.weekly or 0, limits.weekly))
    if limits.bytes is not None and (now.bytes or 0) + max(bytes, 1) > limits.bytes:
        _refuse("bytes", now.bytes, limits.bytes, _too_large(now.bytes or 0, limits.bytes, bytes))
    Start.objects.filter(user=user, at__lte=timezone.now() - WEEK).delete()
    Start.objects.create(user=user, at=timezone.now())


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
