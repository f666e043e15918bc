"""How a wish is accepted: a look, then one message that writes all of it.

Nobody is held while Sokoul thinks: that message begins with the person's row, and fails as a whole where what was seen is not so
any more (`downloads_agree`, a function of migration 0012 as all of them). Who is overtaken that way, or is in a transaction already,
holds first and looks then.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils.translation import gettext as _
from psycopg.errors import SerializationFailure

from apps.accounts import audit
from apps.accounts.models import User
from apps.accounts.quotas import Quotas
from apps.downloads import quotas, rows
from apps.downloads.engine.metainfo import Magnet, parse_magnet
from apps.downloads.models import Download, Phase
from apps.feed import push
from apps.jobs import services as jobs
from sokoul import request_id
from sokoul.errors import PermanentError, conflict, forbidden, not_found
from sokoul.postgres import message
from sokoul.postgres.inserting import inserting
from sokoul.postgres.message import MessagePart

_LOOK = """SELECT downloads_look(%s, %s, %s, %s, %s, %s, %s), nextval(pg_get_serial_sequence('downloads', 'id'))"""
_HOLD = "SELECT downloads_hold(%s, %s, %s)"
_AGREE = "SELECT downloads_agree(%s, %s, %s, %s, %s, %s, %s, %s)"


class Wish(NamedTuple):
    """What somebody wants, as `start` has it."""

    user_id: int
    media_id: int
    torrent_id: int | None
    magnet: Magnet | None
    season: int | None
    episode: int | None
    profile_id: int | None
    automatic: bool
    how: str
    replaces: int | None

    @property
    def part(self) -> str:
        """What of a series is wanted, so that the same thing is not downloaded twice; empty where only a release could say it."""
        if self.season is not None:
            return f"s{self.season:02d}" + (f"e{self.episode:02d}" if self.episode is not None else "")
        return (self.magnet.info_hash_v1 or self.magnet.info_hash_v2 or "") if self.magnet else ""

    def asked(self) -> list[Any]:
        """What the functions want to know."""
        of_wish = (self.user_id, self.media_id, self.torrent_id, self.part, self.profile_id, self.replaces)
        return [*of_wish, quotas.week_ago()]


class Overtaken(Exception):
    """Somebody changed between the look and the message what the wish depends on."""


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
    _refuse_beyond(media_id, torrent_id, profile_id, replaces)
    link = parse_magnet(magnet) if magnet else None
    wish = Wish(user_id, media_id, torrent_id, link, season, episode, profile_id, automatic, how, replaces)
    if not connection.in_atomic_block:
        try:
            return _accept(wish)
        except Overtaken:
            pass
    with transaction.atomic():
        message.send(MessagePart(_HOLD, [user_id, profile_id, replaces]))
        return _accept(wish, held=True)


def _refuse_beyond(*numbers: int | None) -> None:
    """404 for what no row can have, as for what no row has: the functions take nothing larger than their types."""
    names = ("This title", "This release of this title", "This quality profile", "This download")
    for what, number in zip(names, numbers, strict=True):
        if number is not None and not 0 < number < 2**63:
            raise not_found(what)


def _accept(wish: Wish, *, held: bool = False) -> tuple[Download, str]:
    asked = wish.asked()
    ((text, number),) = message.send(MessagePart(_LOOK, asked))
    seen = orjson.loads(text)
    _refuse(wish, seen)
    download = _download(number, wish, seen)
    job = jobs.new(*first_job(download), user_id=wish.user_id)
    event = push.new(wish.user_id, "download.updated", rows.new_json(download, seen["media"], seen["profile"]))
    about = {"media_id": wish.media_id, "title": seen["media"]["title"], **({"how": wish.how} if wish.how else {})}
    parts = [
        quotas.noting(wish.user_id),
        inserting(download),
        inserting(job),
        push.writing(event),
        audit.writing("download.started", str(number), User(**seen["person"]), **about),
        push.written(wish.user_id),
    ]
    if held:
        (told,) = message.send(*parts)
    else:
        with _overtaking():
            (told,) = message.send(MessagePart(_AGREE, [*asked, text]), *parts)
    push.tell(event, *told)
    jobs.hand_over(job)
    return download, str(job.pk)


@contextmanager
def _overtaking() -> Iterator[None]:
    """A title or a profile may also be gone by the time that a row names it."""
    try:
        yield
    except (OperationalError, IntegrityError) as error:
        if isinstance(error, IntegrityError) or isinstance(error.__cause__, SerializationFailure):
            raise Overtaken from error
        raise


def _refuse(wish: Wish, seen: dict[str, Any]) -> None:
    """PermanentError for what keeps the wish from being granted, as far as could be seen."""
    for what, wanted, found in (
        ("This title", True, seen["media"]),
        ("This release of this title", wish.torrent_id is not None, seen["release"]),
        ("This user", True, seen["person"]),
    ):
        if wanted and found is None:
            raise not_found(what)
    if wish.replaces is not None:
        _refuse_replacing(wish, seen["replaced"], seen["target"])
    if seen["profile_id"] is not None and seen["profile"] is None:
        raise not_found("This quality profile")
    if same := seen["same"]:
        raise exists_already(same["id"], same["status"])
    size = seen["release"]["size"] if seen["release"] else 0
    quotas.refuse(User(**seen["person"]), Quotas(**seen["used"]), size)


def _refuse_replacing(wish: Wish, old: dict[str, Any] | None, target: str) -> None:
    """404 or 403 where it is not theirs, 409 where it is another thing or not complete."""
    if old is None:
        raise not_found("This download")
    if old["user_id"] != wish.user_id:
        raise forbidden()
    if old["media_id"] != wish.media_id or old["target"] != target or old["status"] != "Completed":
        raise conflict(_("Only a complete download of the same title can be replaced."), phase=old["phase"])


def exists_already(download_id: int, status: str) -> PermanentError:
    complete = _("Download %(number)s of this title is already in your library.")
    under_way = _("Download %(number)s of this title is already being downloaded.")
    return conflict(
        (complete if status == "Completed" else under_way) % {"number": download_id}, download_id=download_id
    )


def _download(number: int, wish: Wish, seen: dict[str, Any]) -> Download:
    link, release = wish.magnet, seen["release"]
    return Download(
        id=number, user_id=wish.user_id, media_id=wish.media_id, torrent_id=wish.torrent_id, profile_id=seen["profile_id"],
        season=wish.season, episode=wish.episode, target=seen["target"], copy=seen["copy"],
        magnet=link.canonical() if link else "", name=link.name if link else release["title"] if release else "",
        phase=Phase.QUEUED if release or link else Phase.SEARCHING, request_id=request_id.current(),
        automatic=wish.automatic, replaces_id=wish.replaces, is_upgrade=wish.replaces is not None,
    )  # fmt: skip


def first_job(download: Download) -> tuple[str, str, dict[str, Any]]:
    """Worker, kind and payload of the first job of a download in its present phase."""
    if download.phase == Phase.SEARCHING:
        names = ("media_id", "season", "episode", "profile_id")
        return "scout", "search", {name: getattr(download, name) for name in names} | {"download_id": download.pk}
    return "hunter", "start", {"download_id": download.pk, "torrent_id": download.torrent_id}
