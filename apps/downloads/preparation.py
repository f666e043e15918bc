"""Job `hunter.start`: from a chosen release or magnet to a wish that any hunter can take up."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from apps.downloads import blocklist, indexers, quotas, rows
from apps.downloads.checking import check_content, left_out
from apps.downloads.engine.metainfo import MetaInfo, parse_magnet, parse_torrent
from apps.downloads.indexers import SpentError
from apps.downloads.models import Download, Phase, Torrent, TorrentState
from sokoul.errors import PermanentError, TransientError
from sokoul.said import Said, said, texts_of

MINUTE = 60.0
queued = Signal()  # a download has just become a hunter's: the one of this process need not wait for its next look


def prepare(download_id: int) -> None:
    """Find out which swarm it is and what it holds, and queue it. Doing it twice changes nothing.

    Raises TransientError when the indexer does not answer, SpentError or LeftAloneError while it may not be asked (`wait`),
    PermanentError when the release cannot be used.
    """
    download = Download.objects.select_related("torrent").filter(pk=download_id).first()
    if download is None or download.phase != Phase.QUEUED or download.swarm:
        return
    magnet = download.magnet or (download.torrent.magnet if download.torrent else "")
    torrent_file = b""
    if download.torrent and not download.magnet and magnet:
        indexers.count_grab(download.torrent.indexer)
    if not magnet and download.torrent:
        magnet, torrent_file = _fetch(download.torrent)
    if torrent_file:
        meta = parse_torrent(torrent_file)
        with quotas.speaking_to(download.user_id):
            check_content(meta)
        _queue(download, meta.info_hash_v1, meta.info_hash_v2, magnet, torrent_file, meta)
    else:
        link = parse_magnet(magnet)
        _queue(download, link.info_hash_v1, link.info_hash_v2, magnet, b"", None)
    queued.send(None)


def wait(download_id: int, error: TransientError) -> float:
    """Say what the download waits for, and until when; gives how many seconds that is."""
    seconds = error.retry_after or MINUTE
    download = Download.objects.select_related("torrent").filter(pk=download_id).first()
    if download and download.torrent:
        until = timezone.now() + timedelta(seconds=seconds)
        gaps = {"indexer": download.torrent.indexer, "date": f"{until:%Y-%m-%d %H:%M} UTC"}
        words = _SPENT if isinstance(error, SpentError) else _LEFT_ALONE
        _say(download, said(lambda: str(words % gaps)))
    return seconds


_SPENT = gettext_lazy(
    "It waits until %(date)s: no more releases may be fetched from %(indexer)s before, by the limits that its admin has set."
)
_LEFT_ALONE = gettext_lazy("It waits until %(date)s: %(indexer)s, which has it, does not answer as it should.")


def _say(download: Download, reason: Said) -> None:
    with transaction.atomic():
        waiting = Download.objects.filter(pk=download.pk, phase=Phase.QUEUED, swarm="", torrent=download.torrent)
        if waiting.exclude(reason=reason).update(reason=reason, reason_texts=texts_of(reason)):
            rows.announce(download.pk)


def _fetch(torrent: Torrent) -> tuple[str, bytes]:
    """The release's magnet or its .torrent, whichever the indexer has."""
    if torrent.download_url:
        fetched = indexers.fetch_torrent(torrent)
        return (fetched, b"") if isinstance(fetched, str) else ("", fetched)
    if torrent.info_hash_v1:
        return f"magnet:?xt=urn:btih:{torrent.info_hash_v1}", b""
    return f"magnet:?xt=urn:btmh:1220{torrent.info_hash_v2}", b""


def _queue(
    download: Download, v1: str | None, v2: str | None, magnet: str, torrent_file: bytes, meta: MetaInfo | None
) -> None:
    """Rows in one transaction. A swarm is named by its v1 hash where it has one. What is too large for its person fails.

    Nothing is written where the download has another release by now. Raises PermanentError where this is not the torrent that was
    chosen.
    """
    with transaction.atomic():
        quotas.hold(download.user_id)
        mine = Download.objects.filter(pk=download.pk, phase=Phase.QUEUED, swarm="", torrent=download.torrent)
        if not mine.select_for_update(no_key=True).exists():
            return
        _check_hashes(download, v1, v2)
        if meta and (reason := quotas.too_large(download.pk, meta.total)):
            rows.move(download.pk, Phase.FAILED, after=[Phase.QUEUED], reason=reason)
            return
        if download.torrent_id:
            _learn_hashes(download.torrent_id, v1, v2)
        TorrentState.objects.update_or_create(
            download_id=download.pk,
            defaults={
                "metainfo": torrent_file,
                "files": fetched(meta) if meta else [],
                "resume": b"",
            },
        )
        mine.update(
            swarm=v1 or v2 or "",
            magnet=magnet,
            bytes_total=meta.total if meta else 0,
            name=meta.name if meta else download.name,
            reason="",
            reason_texts={},
        )
        rows.announce(download.pk)


def _check_hashes(download: Download, v1: str | None, v2: str | None) -> None:
    """That it is the torrent that the indexer spoke of, and, where the release is our choice, none that was given up."""
    told = download.torrent.info_hash_v1 if download.torrent else None
    if v1 and told and told not in (v1, (v2 or "")[:40]):  # some name a hybrid by the beginning of its v2 hash
        raise PermanentError(
            said(lambda: gettext("Its .torrent is another one than the indexer said.")), code="wrong_hash"
        )
    blocks = blocklist.of(download.media_id, download.user_id) if download.automatic else None
    if blocks and blocks.holds(None, (v1 or "", v2 or "")):
        raise PermanentError(
            said(lambda: gettext("It is the same torrent as one on the blocklist.")), code="same_torrent"
        )


def fetched(meta: MetaInfo) -> list[dict[str, Any]]:
    """The files that the rows know of: all but those that are left out."""
    unwanted = left_out(meta)
    return [asdict(file) for file in meta.files if file.index not in unwanted]


def _learn_hashes(torrent_id: int, v1: str | None, v2: str | None) -> None:
    """Keep what the .torrent told, unless another row is that release already."""
    taken = Torrent.objects.exclude(pk=torrent_id)
    facts = {}
    if v1 and not taken.filter(info_hash_v1=v1).exists():
        facts["info_hash_v1"] = v1
    if v2 and not taken.filter(info_hash_v2=v2).exists():
        facts["info_hash_v2"] = v2
    if facts:
        Torrent.objects.filter(pk=torrent_id).update(**facts)
