"""Wishes: start, pause, resume, retry, cancel. Views, pages, bot and commands call these; hunters do the work."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, F, Value, When
from django.utils.translation import gettext as _
from pydantic import BaseModel

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads import blocklist, faults, forgetting, quotas, rows, search
from apps.downloads.engine.metainfo import parse_magnet
from apps.downloads.following.models import Declined, Follow
from apps.downloads.models import Candidate, Download, Phase, Torrent
from apps.downloads.profiles import services as profiles
from apps.downloads.refusals import being_removed, refused
from apps.feed import push
from apps.jobs import services as jobs
from apps.media.models import Kind, Media
from sokoul import request_id
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


def _target(media: Media, torrent: Torrent | None, magnet_key: str, season: int | None, episode: int | None) -> str:
    """What of the title is wanted, so that the same thing is not downloaded twice: a film is one thing."""
    if media.kind == Kind.MOVIE:
        return ""
    if season is not None:
        return f"s{season:02d}" + (f"e{episode:02d}" if episode is not None else "")
    return torrent.key if torrent else magnet_key


def hold(user_id: int) -> User:
    """The person, whose wishes queue behind this one until it is committed."""
    if (user := quotas.hold(user_id)) is None:
        raise not_found("This user")
    return user


def existing(wish: Download, replaces: int | None = None) -> PermanentError | None:
    """Why the same thing is not started again in the same copy; that which it `replaces` is no reason."""
    same = Download.objects.filter(user_id=wish.user_id, media_id=wish.media_id, target=wish.target, copy=wish.copy)
    found = same.exclude(pk=replaces or 0).exclude(phase__in=[Phase.FAILED, Phase.CANCELLED])
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
    profile_id: int | None = None,
    automatic: bool = False,
    how: str = "",
    replaces: int | None = None,
) -> tuple[Download, str]:
    """Accept a wish: the download's row and its job in one transaction, with its line in the audit trail. Returns it with the
    job's id. `automatic`: the release was found for the person and not chosen by them, so that another one will do as well.
    `how` goes into that line: what started it, where no person did.

    `replaces`: a complete download of the same person and thing, whose files make room once this one's are there. It is of that
    one's copy, and by that one's profile unless told. Else it is of the copy that the person follows by that profile, if they do.

    Without a release or magnet the best release is searched for first, by the quality profile that was asked for, else by the
    one that the title uses. Raises PermanentError: 400 bad magnet, 404 unknown title, release or profile, 409 active or complete
    already, 429 more than their quotas allow.
    """
    if torrent_id is not None and magnet:
        raise PermanentError("Give a release or a magnet, not both.", fields={"magnet": ["not with torrent_id"]})
    link = parse_magnet(magnet) if magnet else None
    media = Media.objects.filter(pk=media_id).first()
    if media is None:
        raise not_found("This title")
    torrent = _offered(media_id, torrent_id) if torrent_id is not None else None
    key = (link.info_hash_v1 or link.info_hash_v2 or "") if link else ""
    download = Download(
        user_id=user_id, media=media, torrent=torrent, profile_id=profile_id, season=season, episode=episode,
        target=_target(media, torrent, key, season, episode), magnet=link.canonical() if link else "",
        name=link.name if link else torrent.title if torrent else "",
        phase=Phase.QUEUED if torrent or link else Phase.SEARCHING, request_id=request_id.current(),
        automatic=automatic, replaces_id=replaces, is_upgrade=replaces is not None,
    )  # fmt: skip
    try:
        with transaction.atomic():
            user = hold(user_id)
            if replaces is None:
                download.copy = _copy(download)
            else:
                _inherit(download, _replaceable(download, replaces))
            if download.profile_id is not None:
                profiles.hold(download.profile_id)
            if error := existing(download, replaces):
                raise error
            quotas.take(user, torrent.size if torrent else 0)
            download.save()
            job = enqueue(download)
            rows.announce(download.pk)
            noted = {"how": how} if how else {}
            audit.record("download.started", str(download.pk), user, media_id=media_id, title=media.title, **noted)
    except IntegrityError as error:  # somebody was faster between the look and the insert
        raise existing(download, replaces) or error from error
    return download, str(job.pk)


def _copy(wish: Download) -> int:
    """Of which copy of the title it is: of one of its own where its person follows the title by its profile."""
    follows = Follow.objects.filter(user_id=wish.user_id, media_id=wish.media_id, profile_id=wish.profile_id)
    return wish.profile_id if wish.profile_id is not None and follows.exists() else 0


def _inherit(download: Download, old: Download) -> None:
    """An upgrade takes the place of one copy, and is chosen by what that was chosen by."""
    download.target, download.copy = old.target, old.copy
    download.profile_id = download.profile_id or old.profile_id


def _replaceable(wish: Download, download_id: int) -> Download:
    """The download that is to be replaced. 404 or 403 where it is not theirs, 409 where it is another thing or
    not complete."""
    old = owned(wish.user_id, download_id)
    if old.media_id != wish.media_id or (wish.target and wish.target != old.target) or old.status != "Completed":
        raise conflict("Only a complete download of the same title can be replaced.", phase=old.phase)
    return old


def _offered(media_id: int, torrent_id: int) -> Torrent:
    candidate = Candidate.objects.filter(media_id=media_id, torrent_id=torrent_id).select_related("torrent").first()
    if candidate is None:
        raise not_found("This release of this title")
    return candidate.torrent


def enqueue(download: Download) -> Any:
    """The first job of a download in its present phase."""
    if download.phase == Phase.SEARCHING:
        payload = {
            "media_id": download.media_id,
            "season": download.season,
            "episode": download.episode,
            "download_id": download.pk,
            "profile_id": download.profile_id,
        }
        return jobs.enqueue("scout", "search", payload, user_id=download.user_id)
    payload = {"download_id": download.pk, "torrent_id": download.torrent_id}
    return jobs.enqueue("hunter", "start", payload, user_id=download.user_id)


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
