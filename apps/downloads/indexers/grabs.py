"""That a release is taken from an indexer: counted for it, and within what it allows."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy

from apps.downloads.indexers import limits
from apps.downloads.indexers.refusals import SpentError
from apps.downloads.models import Indexer, IndexerUse
from sokoul.said import said


def take(name: str) -> None:
    """Before a .torrent is fetched. Raises SpentError (when there is room again, it says) while a limit is reached."""
    now = timezone.now()
    with transaction.atomic():
        row = Indexer.objects.filter(name=name).first()
        if row is None:
            return
        room, wait = limits.rooms([row], "grabs", now).get(row.pk, (1, 0.0))
        if not room:
            text = gettext_lazy("As many releases have been fetched from %(name)s as its limits allow.")
            raise SpentError(said(lambda: text % {"name": name}), wait)
        IndexerUse.objects.create(indexer=row, what="grabs", amount=1, at=now)
        count(name)


def count(name: str) -> None:
    """One that is taken by its magnet link: the indexer knows nothing of it, so no limit does."""
    Indexer.objects.filter(name=name).update(grabs=F("grabs") + 1)
