"""Wishes: start, pause, resume, retry, cancel. Views, pages, bot and commands call these; hunters do the work."""

from typing import Any

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils.translation import gettext as _
from pydantic import BaseModel

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads import blocklist, faults, forgetting, quotas, rows, search, starting
from apps.downloads.following.models import Declined, Follow
from apps.downloads.models import Download, Phase, Torrent
from apps.downloads.refusals import being_removed, refused
from apps.downloads.starting import start as start  # how a wish begins
from apps.feed import push
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.media.models import Kind
from sokoul.env import ENV
from sokoul.errors import PermanentError, conflict, forbidden, not_found
from sokoul.said import here, joined, said

NAME = 120  # characters of a release's name within a sentence
# What a download is when it begins again, and when even its release is to be chosen again.
AFRESH: dict[str, Any] = {
    "progress": 0, "bytes_done": 0, "started_at": None, "completed_at": None, "finished_at": None, "swarm": "", "removal": "",
    "replacements": 0,
}  # fmt: skip
WITHOUT_RELEASE: dict[str, Any] = {"torrent": None, "magnet": "", "name": "", "bytes_total": 0}


class StartPayload(BaseModel):
    """Job `hunter.start`: make sure that the wish is complete, then leave it to the hunters.

    `torrent_id`: the release that it is about; when the download has another one by then, that one has its own job.
    """

    download_id: int
    torrent_id: int | None = None


def hold(user_id: int) -> User:
    """The person, whose wishes queue behind this one until it is committed."""
    if (user := quotas.hold(user_id)) is None:
        raise not_found("This user")
    return user


def existing(wish: Download, replaces: int | None = None) -> PermanentError | None:
    """Why the same thing is not started again in the same copy; that which it `replaces` is no reason."""
    same = Download.objects.filter(user_id=wish.user_id, media_id=wish.media_id, target=wish.target, copy=wish.copy)
    found = same.exclude(pk=replaces or 0).exclude(phase__in=[Phase.FAILED, Phase.CANCELLED])
    return starting.exists_already(download.pk, download.status) if (download := found.first()) else None


def enqueue(download: Download) -> Job:
    """The first job of a download in its present phase."""
    return jobs.enqueue(*starting.first_job(download), user_id=download.user_id)


def choose(download_id: int, release: Torrent | None, refusals: list[str]) -> None:
    """The search that a download waited for has ended: take this release, or say why none will do. Twice is once.

    A release that was blocked since it was found is passed over for the next one, which is looked for while nobody is held.
    """
    while release and (blocked := _choose(download_id, release, refusals)):
        wanted = (blocked.media_id, blocked.season, blocked.episode, blocked.profile_id)
        release = search.best(*wanted, user_id=blocked.user_id)
    if release is None:
        _choose(download_id, None, refusals)


def _choose(download_id: int, release: Torrent | None, refusals: list[str]) -> Download | None:
    """Gives the download, with nothing written, where the release is blocked for it."""
    with transaction.atomic():
        if (download := held(download_id)) is None or download.phase != Phase.SEARCHING:
            return None
        if release and blocklist.of(download.media_id, download.user_id).holds(release.pk):
            return download
        if release is None:
            reason: str = joined((_nothing(refusals), _tried(download)))
            rows.move(download_id, Phase.FAILED, after=[Phase.SEARCHING], reason=reason)
        elif reason := quotas.too_large(download_id, release.size):
            rows.move(download_id, Phase.FAILED, after=[Phase.SEARCHING], reason=reason)
        else:
            _take(download, release)
    return None


def held(download_id: int) -> Download | None:
    """The row, which nobody else changes until this transaction ends; its person's row is held before it, as everywhere."""
    user_id = Download.objects.filter(pk=download_id).values_list("user_id", flat=True).first()
    if user_id is None or quotas.hold(user_id) is None:
        return None
    found = Download.objects.select_for_update(no_key=True, of=("self",)).select_related("torrent", "media")
    return found.filter(pk=download_id).first()


def search_failed(download_id: int, reason: str) -> None:
    """The search that a download waited for came to nothing, and so does the download."""
    with transaction.atomic():
        if download := held(download_id):
            rows.move(download_id, Phase.FAILED, after=[Phase.SEARCHING], reason=joined((reason, _tried(download))))


def _nothing(refusals: list[str]) -> str:
    if not refusals:
        return said(lambda: _("Nothing to download: the indexers know no release."))
    return said(lambda: _all_refused(refusals[:3]))


def _all_refused(refusals: list[str]) -> str:
    text = _("Nothing to download: every release found was refused: %(why)s")
    return text % {"why": " ".join(map(here, refusals))}


def _tried(download: Download) -> str:
    told = told_of(download) if download.replacements else ""
    return said(lambda: _("Given up before: %(what)s") % {"what": here(told)}) if told else ""


def told_of(download: Download) -> str:
    """Every release that was given up since the person last asked, with why."""

    def words() -> str:
        recent = rows.tried_json(download.pk, download.tried)[-download.replacements :]
        text = _("“%(name)s”: %(why)s")
        return " ".join(text % {"name": entry["name"][:NAME], "why": entry["reason"]} for entry in recent)

    return said(words)


def _take(download: Download, release: Torrent) -> None:
    """The chosen release's job, and what its person is told where it stands for one that was given up."""
    fields: dict[str, Any] = {"torrent": release, "name": release.title, "automatic": True}
    rows.move(download.pk, Phase.QUEUED, after=[Phase.SEARCHING], **fields)
    if not download.removal:  # else when the files of the last one are gone
        enqueue(Download.objects.get(pk=download.pk))
    tried = rows.tried_json(download.pk, download.tried)
    if download.replacements and tried and tried[-1]["code"] != faults.BY_HAND:
        _tell(download, tried[-1], release)


def _tell(download: Download, given_up: dict[str, Any], release: Torrent) -> None:
    gaps = {"title": download.media.title, "old": given_up["name"][:NAME], "new": release.title[:NAME]}
    about = {"download_id": download.pk, "media_id": download.media_id, "title": download.media.title}

    def words() -> str:
        text = _("“%(title)s”: the release %(old)s was given up because %(why)s. The next best is taken: %(new)s.")
        return text % {**gaps, "why": faults.phrase(given_up["code"])}

    push.notify(download.user_id, "download_replaced", words, reason=given_up["reason"], **about)


def owned(user_id: int, download_id: int) -> Download:
    """The person's own download; 404 where there is none, 403 where it is somebody else's."""
    download = Download.objects.filter(pk=download_id).first()
    if download is None:
        raise not_found("This download")
    if download.user_id != user_id:
        raise forbidden()
    return download


def _note(action: str, download: Download, by: User | None, **details: Any) -> None:
    """One line in the audit trail; `by` is who did it on the owner's behalf, None for the owner."""
    owner = User.objects.filter(pk=download.user_id).first()
    on_behalf = {"owner": owner.username} if by and owner and by.pk != owner.pk else {}
    audit.record(action, str(download.pk), by or owner, media_id=download.media_id, **on_behalf, **details)


def pause(user_id: int, download_id: int, *, by: User | None = None) -> Download:
    """`by`, here and below: the admin who does it in the owner's place."""
    download = owned(user_id, download_id)
    if download.phase == Phase.PAUSED:
        return download
    with transaction.atomic():
        if not rows.move(download.pk, Phase.PAUSED):
            raise refused(download, "paused")
        _note("download.paused", download, by)
    return owned(user_id, download_id)


def resume(user_id: int, download_id: int, *, by: User | None = None) -> Download:
    """Back to the queue; its hunter goes on within a second from what is on disk."""
    download = owned(user_id, download_id)
    with transaction.atomic():
        if not rows.move(download.pk, Phase.QUEUED, after=[Phase.PAUSED]):
            raise refused(download, "resumed")
        if not download.swarm:  # it was paused before its job had found out which torrent it is
            enqueue(download)
        _note("download.resumed", download, by)
    return owned(user_id, download_id)


def retry(user_id: int, download_id: int, *, by: User | None = None) -> tuple[Download, str]:
    """Once more from the start, for what failed or was cancelled: with its magnet or release, else with a new search."""
    download = owned(user_id, download_id)
    if download.phase not in {Phase.FAILED, Phase.CANCELLED}:
        raise refused(download, "retried")
    if download.removal:
        raise being_removed(download)
    with transaction.atomic():
        user = hold(user_id)
        if error := existing(download, download.replaces_id):
            raise error
        phase, fields = _retried(download)
        release = download.torrent.size if download.torrent else 0
        quotas.take(user, download.bytes_total or release, without=download.pk)
        if not rows.move(download.pk, phase, after=[Phase.FAILED, Phase.CANCELLED], **fields):
            raise refused(download, "retried")
        download = owned(user_id, download_id)
        job = enqueue(download)
        _note("download.retried", download, by)
    return download, str(job.pk)


def _retried(download: Download) -> tuple[Phase, dict[str, Any]]:
    """From where it begins again: from its release, unless there is none or it is blocked."""
    blocks = blocklist.of(download.media_id, download.user_id)
    if (download.magnet or download.torrent_id) and not blocks.holds(
        download.torrent_id, blocklist.hashes_of(download)
    ):
        return Phase.QUEUED, AFRESH
    if not searchable(download):
        raise conflict(_("Its release is on your blocklist. Take it off, or choose another one."), phase=download.phase)
    return Phase.SEARCHING, AFRESH | WITHOUT_RELEASE


def searchable(download: Download) -> bool:
    """Whether it is known what to search for: of a series chosen by hand, perhaps only the release is."""
    return download.media.kind == Kind.MOVIE or download.season is not None or not download.target


def cancel(user_id: int, download_id: int, *, files: bool = False, by: User | None = None, how: str = "") -> None:
    """Stop it. `files` also deletes what is in the library. What has failed or was cancelled leaves the list.

    `how`: what does it, where no person did.
    """
    download = owned(user_id, download_id)
    if download.phase in {Phase.FAILED, Phase.CANCELLED}:
        if download.removal:
            raise being_removed(download)
        with transaction.atomic():
            if download.phase == Phase.CANCELLED:
                _decline(download)
            _note("download.removed", download, by)
            download.delete()
        return
    if download.status == "Completed" and not files:
        _stop_seeding(download, by)
        return
    keep = ENV.keep_partial and not files
    # Without a swarm there is nothing on disk, and no hunter will ever come to clean up.
    # What was given up goes in any case.
    removal = Case(
        When(swarm="", then=Value("")),
        When(removal="delete", then=F("removal")),
        default=Value("keep" if keep else "delete"),
    )
    with transaction.atomic():
        moved = rows.move(download.pk, Phase.CANCELLED, reason=said(lambda: _("Cancelled by you.")), removal=removal)
        if not moved:
            raise refused(download, "cancelled")
        if files:
            forgetting.forget(download.pk)
        _note("download.cancelled", download, by, files=files, **({"how": how} if how else {}))


def _decline(download: Download) -> None:
    """What somebody follows and gave up does not come back by itself once nothing is left that says so."""
    if existing(download):
        return  # it was replaced, or is there again
    whose: dict[str, Any] = {"user_id": download.user_id, "media_id": download.media_id}
    if Follow.objects.filter(profile_id=download.copy or None, **whose).exists():
        part: dict[str, Any] = {"season": download.season, "episode": download.episode, "copy": download.copy}
        Declined.objects.get_or_create(**part, **whose)


def _stop_seeding(download: Download, by: User | None) -> None:
    with transaction.atomic():
        if not rows.move(download.pk, Phase.DONE, after=[Phase.SEEDING], removal="delete"):
            raise conflict(
                "It is finished and in your library. Add ?files=true to delete its files.", phase=download.phase
            )
        _note("download.seeding_ended", download, by)
