"""Wishes: start, pause, resume, retry, cancel. Views, pages, bot and commands call these; hunters do the work."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, Value, When
from pydantic import BaseModel

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads import placing, quotas, rows, sidecars
from apps.downloads.engine.metainfo import parse_magnet
from apps.downloads.following.models import Declined, Follow
from apps.downloads.models import Candidate, Download, LibraryFile, Phase, Torrent
from apps.jobs import services as jobs
from apps.media.models import Kind, Media
from sokoul import request_id
from sokoul.env import ENV
from sokoul.errors import PermanentError, conflict, forbidden, not_found


class StartPayload(BaseModel):
    """Job `hunter.start`: make sure that the wish is complete, then leave it to the hunters."""

    download_id: int


def _target(media: Media, torrent: Torrent | None, magnet_key: str, season: int | None, episode: int | None) -> str:
    """What of the title is wanted, so that the same thing is not downloaded twice: a film is one thing."""
    if media.kind == Kind.MOVIE:
        return ""
    if season is not None:
        return f"s{season:02d}" + (f"e{episode:02d}" if episode is not None else "")
    return torrent.key if torrent else magnet_key


def _hold(user_id: int) -> User:
    """The person, whose wishes queue behind this one until it is committed."""
    if (user := quotas.hold(user_id)) is None:
        raise not_found("This user")
    return user


def _existing(user_id: int, media_id: int, target: str, replaces: int | None = None) -> PermanentError | None:
    """Why the same thing is not started again; that which it `replaces` is no reason."""
    found = Download.objects.filter(user_id=user_id, media_id=media_id, target=target).exclude(pk=replaces or 0)
    found = found.exclude(phase__in=[Phase.FAILED, Phase.CANCELLED])
    if (download := found.first()) is None:
        return None
    state = "in your library" if download.status == "Completed" else "being downloaded"
    return conflict(f"Download {download.pk} of this title is already {state}.", download_id=download.pk)


def start(
    user_id: int,
    media_id: int,
    *,
    torrent_id: int | None = None,
    magnet: str | None = None,
    season: int | None = None,
    episode: int | None = None,
    how: str = "",
    replaces: int | None = None,
) -> tuple[Download, str]:
    """Accept a wish: the download's row and its job in one transaction, with its line in the audit trail. Returns it with the
    job's id. `how` goes into that line: what started it, where no person did.

    `replaces`: a complete download of the same person and thing, whose files make room once this one's are there.

    Without a release or magnet the best release is searched for first. Raises PermanentError: 400 bad magnet, 404 unknown
    title or release, 409 active or complete already, 429 more than their quotas allow.
    """
    if torrent_id is not None and magnet:
        raise PermanentError("Give a release or a magnet, not both.", fields={"magnet": ["not with torrent_id"]})
    link = parse_magnet(magnet) if magnet else None
    media = Media.objects.filter(pk=media_id).first()
    if media is None:
        raise not_found("This title")
    torrent = _offered(media_id, torrent_id) if torrent_id is not None else None
    key = (link.info_hash_v1 or link.info_hash_v2 or "") if link else ""
    target = _target(media, torrent, key, season, episode)
    try:
        with transaction.atomic():
            user = _hold(user_id)
            if replaces is not None:
                target = _replaceable(user_id, media_id, target, replaces)
            if error := _existing(user_id, media_id, target, replaces):
                raise error
            quotas.take(user, torrent.size if torrent else 0)
            download = Download.objects.create(
                user_id=user_id, media=media, torrent=torrent, target=target, season=season, episode=episode,
                magnet=link.canonical() if link else "", name=link.name if link else torrent.title if torrent else "",
                phase=Phase.QUEUED if torrent or link else Phase.SEARCHING, request_id=request_id.current(),
                replaces_id=replaces, is_upgrade=replaces is not None,
            )  # fmt: skip
            job = _enqueue(download)
            rows.announce(download.pk)
            noted = {"how": how} if how else {}
            audit.record("download.started", str(download.pk), user, media_id=media_id, title=media.title, **noted)
    except IntegrityError as error:  # somebody was faster between the look and the insert
        raise _existing(user_id, media_id, target, replaces) or error from error
    return download, str(job.pk)


def _replaceable(user_id: int, media_id: int, target: str, download_id: int) -> str:
    """The target of the download that is to be replaced. 404 or 403 where it is not theirs, 409 where it is another thing or
    not complete."""
    old = owned(user_id, download_id)
    if old.media_id != media_id or (target and target != old.target) or old.status != "Completed":
        raise conflict("Only a complete download of the same title can be replaced.", phase=old.phase)
    return old.target


def _offered(media_id: int, torrent_id: int) -> Torrent:
    candidate = Candidate.objects.filter(media_id=media_id, torrent_id=torrent_id).select_related("torrent").first()
    if candidate is None:
        raise not_found("This release of this title")
    return candidate.torrent


def _enqueue(download: Download) -> Any:
    """The first job of a download in its present phase."""
    if download.phase == Phase.SEARCHING:
        payload = {
            "media_id": download.media_id,
            "season": download.season,
            "episode": download.episode,
            "download_id": download.pk,
        }
        return jobs.enqueue("scout", "search", payload, user_id=download.user_id)
    return jobs.enqueue("hunter", "start", {"download_id": download.pk}, user_id=download.user_id)


def choose(download_id: int, release: Torrent | None, refusals: list[str]) -> None:
    """The search that a download waited for has ended: take this release, or say why none will do. Twice is once."""
    if release is None:
        why = (
            f"every release found was refused: {' '.join(refusals[:3])}"
            if refusals
            else "the indexers know no release."
        )
        rows.move(download_id, Phase.FAILED, after=[Phase.SEARCHING], reason=f"Nothing to download: {why}")
        return
    with transaction.atomic():
        if reason := quotas.too_large(download_id, release.size):
            rows.move(download_id, Phase.FAILED, after=[Phase.SEARCHING], reason=reason)
        elif rows.move(download_id, Phase.QUEUED, after=[Phase.SEARCHING], torrent=release, name=release.title):
            _enqueue(Download.objects.get(pk=download_id))


def owned(user_id: int, download_id: int) -> Download:
    """The person's own download; 404 where there is none, 403 where it is somebody else's."""
    download = Download.objects.filter(pk=download_id).first()
    if download is None:
        raise not_found("This download")
    if download.user_id != user_id:
        raise forbidden()
    return download


def _refused(download: Download, verb: str) -> PermanentError:
    return conflict(f"This download is {download.phase}; it cannot be {verb} now.", phase=download.phase)


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
            raise _refused(download, "paused")
        _note("download.paused", download, by)
    return owned(user_id, download_id)


def resume(user_id: int, download_id: int, *, by: User | None = None) -> Download:
    """Back to the queue; its hunter goes on within a second from what is on disk."""
    download = owned(user_id, download_id)
    with transaction.atomic():
        if not rows.move(download.pk, Phase.QUEUED, after=[Phase.PAUSED]):
            raise _refused(download, "resumed")
        _note("download.resumed", download, by)
    return owned(user_id, download_id)


def retry(user_id: int, download_id: int, *, by: User | None = None) -> tuple[Download, str]:
    """Once more from the start, for what failed or was cancelled: with its magnet or release, else with a new search."""
    download = owned(user_id, download_id)
    if download.phase not in {Phase.FAILED, Phase.CANCELLED}:
        raise _refused(download, "retried")
    if download.removal:
        raise conflict("Its files are still being removed. Try again in a few seconds.", phase=download.phase)
    phase = Phase.QUEUED if download.magnet or download.torrent_id else Phase.SEARCHING
    fields: dict[str, Any] = {
        "progress": 0, "bytes_done": 0, "started_at": None, "completed_at": None, "finished_at": None, "swarm": "",
        "removal": "",
    }  # fmt: skip
    with transaction.atomic():
        user = _hold(user_id)
        if error := _existing(user_id, download.media_id, download.target, download.replaces_id):
            raise error
        release = download.torrent.size if download.torrent else 0
        quotas.take(user, download.bytes_total or release, without=download.pk)
        if not rows.move(download.pk, phase, after=[Phase.FAILED, Phase.CANCELLED], **fields):
            raise _refused(download, "retried")
        download = owned(user_id, download_id)
        job = _enqueue(download)
        _note("download.retried", download, by)
    return download, str(job.pk)


def cancel(user_id: int, download_id: int, *, files: bool = False, by: User | None = None, how: str = "") -> None:
    """Stop it. `files` also deletes what is in the library. What has failed or was cancelled leaves the list.

    `how`: what does it, where no person did.
    """
    download = owned(user_id, download_id)
    if download.phase in {Phase.FAILED, Phase.CANCELLED}:
        if download.removal:
            raise conflict("Its files are still being removed. Try again in a few seconds.", phase=download.phase)
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
    removal = Case(When(swarm="", then=Value("")), default=Value("keep" if keep else "delete"))
    with transaction.atomic():
        moved = rows.move(download.pk, Phase.CANCELLED, reason="Cancelled by you.", removal=removal)
        if not moved:
            raise _refused(download, "cancelled")
        if files:
            forget_files(download.pk)
        _note("download.cancelled", download, by, files=files, **({"how": how} if how else {}))


def _decline(download: Download) -> None:
    """What somebody follows and gave up does not come back by itself once nothing is left that says so."""
    if _existing(download.user_id, download.media_id, download.target):
        return  # it was replaced, or is there again
    if Follow.objects.filter(user_id=download.user_id, media_id=download.media_id).exists():
        Declined.objects.get_or_create(
            user_id=download.user_id, media_id=download.media_id, season=download.season, episode=download.episode
        )


def _stop_seeding(download: Download, by: User | None) -> None:
    with transaction.atomic():
        if not rows.move(download.pk, Phase.DONE, after=[Phase.SEEDING], removal="delete"):
            raise conflict(
                "It is finished and in your library. Add ?files=true to delete its files.", phase=download.phase
            )
        _note("download.seeding_ended", download, by)


def forget_files(download_id: int) -> None:
    """Take a download's files out of the library; a file that another row still names stays on disk."""
    paths = list(LibraryFile.objects.filter(download_id=download_id).values_list("path", flat=True))
    LibraryFile.objects.filter(download_id=download_id).delete()
    kept = set(LibraryFile.objects.filter(path__in=paths).values_list("path", flat=True))
    transaction.on_commit(lambda: _unlink([path for path in paths if path not in kept]))


def _unlink(paths: list[str]) -> None:
    """With what lies beside them: subtitles of no film are of no use."""
    for path in paths:
        file = ENV.library / path
        for gone in (file, *sidecars.beside(file)):
            gone.unlink(missing_ok=True)
        placing.prune(file.parent)
