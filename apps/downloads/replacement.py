"""Giving a release up: it is blocked for its title, and the download goes back to choosing the next best one.

The way of it (each arrow one transaction):
  a phase with a fault → searching, while the hunter that has the torrent removes what came of it (`removal`)
  → removed (`cleaned`) → queued with the next best release that was seen lately, else a search for one → as any download.
A hunter that dies anywhere in this leaves a row that says what is still to be done, and its successor does it.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads import blocklist, claims, faults, quotas, rows, search, services
from apps.downloads.claims import Claim
from apps.downloads.faults import Fault
from apps.downloads.models import Download, Phase, Source, TorrentState
from apps.downloads.refusals import being_removed, refused, season_unknown
from apps.downloads.services import AFRESH, NAME, WITHOUT_RELEASE, StartPayload
from sokoul import moments
from sokoul.errors import PermanentError, conflict
from sokoul.said import Said, here, said, texts_of

MOST = 5  # releases of one wish that are replaced by themselves
KEPT = 20  # entries of a download's history
RECENT = timedelta(hours=6)  # a release that was offered since then is taken without asking the indexers again
FAULTY = (Phase.QUEUED, Phase.METADATA, Phase.DOWNLOADING, Phase.FILING)
UNWANTED = (Phase.QUEUED, Phase.METADATA, Phase.DOWNLOADING, Phase.PAUSED, Phase.FAILED)


def give_up(download_id: int, fault: Fault, *, fence: int | None = None) -> bool:
    """Its release is to blame: take the next best, or, after too many, end with all reasons told.

    False, with nothing written, where that is not ours to do: the person chose the release, or nobody knows what else would do,
    or the download has moved on, or its owner is another hunter by now.
    """
    with transaction.atomic():
        download = services.held(download_id)
        if download is None or not download.automatic or download.phase not in FAULTY:
            return False
        if (fence is not None and fence != download.fence) or not services.searchable(download):
            return False
        if not blocklist.release_of(download)["key"]:
            return False
        blocklist.add(download, fault, Source.AUTOMATIC)
        tried = [*download.tried, _entry(download, fault)][-KEPT:]
        # What is there stays where an upgrade came to nothing: the next best may be no better, and the next look will tell.
        if download.replacements < MOST and not download.is_upgrade:
            _choose_anew(download, tried, fault, replacements=download.replacements + 1)
        else:
            _end(download, tried)
    return True


def start_faulty(payload: StartPayload, error: PermanentError) -> bool:
    """The same for what `hunter.start` found; True also where the download has another release by now."""
    fault = faults.of(error)
    if fault is None:
        return False
    with transaction.atomic():
        download = services.held(payload.download_id)
        if download is None or _is_over(payload, download):
            return True
        return give_up(download.pk, fault)


def _is_over(payload: StartPayload, download: Download) -> bool:
    return download.phase != Phase.QUEUED or payload.torrent_id not in (None, download.torrent_id)


def start_failed(payload: StartPayload, reason: str) -> None:
    """`hunter.start` has failed for good, and so has its download, unless that has another release by now."""
    with transaction.atomic():
        download = services.held(payload.download_id)
        if download is not None and not _is_over(payload, download):
            rows.move(download.pk, Phase.FAILED, after=[Phase.QUEUED], reason=reason)


def _entry(download: Download, fault: Fault) -> dict[str, Any]:
    name = str(blocklist.release_of(download)["title"] or download.media.title)
    told = {"reason": fault.reason, "texts": texts_of(fault.reason)}
    return {"name": name, "code": fault.code, **told, "at": moments.written(timezone.now())}


def _choose_anew(download: Download, tried: list[dict[str, Any]], fault: Fault, **fields: Any) -> None:
    """Back to choosing: at once where nothing is on disk, else when that is gone."""
    gaps = {"name": tried[-1]["name"][:NAME]}
    reason = said(
        lambda: (
            _("“%(name)s” was given up: %(why)s The next best release is looked for.")
            % {**gaps, "why": here(fault.reason)}
        )
    )
    nothing = AFRESH | WITHOUT_RELEASE | {"bytes_received": 0, "uploaded": 0}
    left = {"swarm": download.swarm, "removal": "delete" if download.swarm else ""}
    rows.move(download.pk, Phase.SEARCHING, reason=reason, tried=tried, **{**nothing, **left, **fields})
    TorrentState.objects.filter(download=download).delete()
    if not download.swarm:
        _go_on(download.pk)


def _end(download: Download, tried: list[dict[str, Any]]) -> None:
    download.tried, download.replacements = tried, download.replacements + 1
    count, told_of = download.replacements, services.told_of(download)
    reason = said(lambda: _("%(count)d releases were given up. %(what)s") % {"count": count, "what": here(told_of)})
    removal = "delete" if download.swarm else ""
    told: dict[str, Any] = {"tried": tried, "replacements": download.replacements}
    rows.move(download.pk, Phase.FAILED, reason=reason, removal=removal, **told)


def _go_on(download_id: int) -> None:
    """The next best of what was seen lately and decided about, else a search; where it is chosen already, its job. The row is held."""
    download = Download.objects.get(pk=download_id)
    if download.phase == Phase.SEARCHING:
        since = timezone.now() - RECENT
        wanted = (download.media_id, download.season, download.episode, download.profile_id)
        if release := search.best(*wanted, user_id=download.user_id, seen_since=since, anew=False):
            services.choose(download_id, release, [])
            return
    services.enqueue(download)


def cleaned(claim: Claim) -> None:
    """The files of a removal are gone; what waited for that goes on. Nothing where another hunter has it by now."""
    with transaction.atomic():
        quotas.hold(claim.user_id)
        if claims.cleaned(claim.id, claim.fence) in {Phase.SEARCHING, Phase.QUEUED}:
            _go_on(claim.id)


def replace(user_id: int, download_id: int, *, by: User | None = None) -> Download:
    """The person does not want this release, whoever chose it: block it and take the next best.

    `by`: the admin who does it in the owner's place. PermanentError: 403, 404, 409 where there is nothing to replace, 429 where
    what had failed would begin again and quotas forbid it.
    """
    services.owned(user_id, download_id)
    with transaction.atomic():
        user = services.hold(user_id)
        if (download := services.held(download_id)) is None:
            services.owned(user_id, download_id)
            raise conflict(_("This download is gone."))
        _may_be_replaced(download)
        if download.phase == Phase.FAILED:
            if error := services.existing(download):
                raise error
            quotas.take(user, 0, without=download.pk)
        why = Said(download.reason, download.reason_texts) if download.reason else said(lambda: _("It was not wanted."))
        fault = Fault(faults.BY_HAND, why)
        blocklist.add(download, fault, Source.BY_HAND)
        tried = [*download.tried, _entry(download, fault)][-KEPT:]
        _choose_anew(download, tried, fault, replacements=0)
        on_behalf = {"owner": user.username} if by and by.pk != user.pk else {}
        details = {"media_id": download.media_id, "release": tried[-1]["name"], **on_behalf}
        audit.record("download.replaced", str(download.pk), by or user, **details)
    return services.owned(user_id, download_id)


def _may_be_replaced(download: Download) -> None:
    if download.phase not in UNWANTED:
        raise refused(download, "given another release")
    if download.removal:
        raise being_removed(download)
    if not blocklist.release_of(download)["key"]:
        raise conflict(_("It has no release that could be replaced. Retry it."), phase=download.phase)
    if not services.searchable(download):
        raise season_unknown(download)
