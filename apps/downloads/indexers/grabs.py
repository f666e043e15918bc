"""That a release is taken from an indexer: counted for it, and within what it allows."""

from datetime import datetime
from typing import NoReturn

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy

from apps.downloads.indexers import books, limits, pauses
from apps.downloads.indexers.refusals import LeftAloneError, SpentError
from apps.downloads.models import Indexer, IndexerUse
from sokoul.errors import TransientError
from sokoul.said import joined, said


def take(name: str) -> None:
    """Before a .torrent is fetched. Raises SpentError while a limit is reached, LeftAloneError while the indexer is left alone for
    no more than an hour; both say how long. Nobody should wait longer for one that fails: TransientError."""
    now = timezone.now()
    with transaction.atomic():
        row = Indexer.objects.filter(name=name).first()
        if row is None:
            return
        if row.backoff_until and row.backoff_until > now:
            _refuse(row, row.backoff_until, (row.backoff_until - now).total_seconds())
        room, wait = limits.rooms([row], "grabs", now).get(row.pk, (1, 0.0))
        if not room:
            text = gettext_lazy("As many releases have been fetched from %(name)s as its limits allow.")
            raise SpentError(said(lambda: text % {"name": name}), wait)
        IndexerUse.objects.create(indexer=row, what="grabs", amount=1, at=now)
        count(name)


def _refuse(row: Indexer, until: datetime, left: float) -> NoReturn:
    message = joined((books.left_alone(row.name, until), row.last_error))
    raise LeftAloneError(message, left) if left <= pauses.HOUR else TransientError(message)


def count(name: str) -> None:
    """One that is taken by its magnet link: the indexer knows nothing of it, so no limit does."""
    Indexer.objects.filter(name=name).update(grabs=F("grabs") + 1)
