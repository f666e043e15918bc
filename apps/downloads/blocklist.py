"""The blocklist: releases that are not chosen again for a title, by a person or by everybody."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, Q, QuerySet, SmallIntegerField, Value, When
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads import faults
from apps.downloads.engine.metainfo import parse_magnet
from apps.downloads.faults import Fault
from apps.downloads.models import Blocked, Candidate, Download, Source, Torrent
from apps.downloads.releases.verdict import Verdict
from sokoul.api import Page, listing
from sokoul.errors import conflict, forbidden, not_found
from sokoul.said import Said, here, texts_of

MOST = 200  # entries of one title that count, the newest


@dataclass(frozen=True)
class Blocks:
    """What is blocked for one title."""

    entries: list[Blocked]

    def mark(self, candidates: QuerySet[Candidate]) -> Any:
        """The QuerySet with `blocked_by`: the place of the entry that blocks each, null where none does."""
        return self._mark(candidates, "torrent__")

    def mark_torrents(self, torrents: QuerySet[Torrent]) -> Any:
        """The same of releases themselves."""
        return self._mark(torrents, "")

    def holds(self, torrent_id: int | None, hashes: tuple[str, ...] = ()) -> bool:
        """Whether this release, or a torrent of one of these hashes, is blocked."""
        if any(
            hash_ and hash_ in (entry.info_hash_v1, entry.info_hash_v2) for entry in self.entries for hash_ in hashes
        ):
            return True
        marked = self.mark_torrents(Torrent.objects.filter(pk=torrent_id or 0))
        return bool(self.entries) and marked.filter(blocked_by__isnull=False).exists()

    def _mark(self, rows: QuerySet[Any], at: str) -> Any:
        cases = [When(_same(entry, at), then=Value(place)) for place, entry in enumerate(self.entries)]
        nothing = Value(None, output_field=SmallIntegerField())
        how = Case(*cases, default=nothing, output_field=SmallIntegerField()) if cases else nothing
        return rows.annotate(blocked_by=how)

    def refuse(self, release: dict[str, Any], blocked_by: int | None) -> dict[str, Any]:
        """A release as lists show it, with its refusal before all others where it is blocked."""
        if blocked_by is None:
            return release
        verdict = self.verdict(blocked_by)
        told = {"code": verdict.code, "params": dict(verdict.params), "sentence": verdict.sentence()}
        return {**release, "score": None, "reasons": [], "rejections": [told, *release["rejections"]]}

    def verdict(self, blocked_by: int) -> Verdict:
        return Verdict("blocklisted", {"why": faults.phrase(self.entries[blocked_by].code)})


def _same(entry: Blocked, at: str) -> Q:
    """By row, key or hash; by name and exact size where one of the two does not tell its hash."""
    same = Q(**{f"{at}key": entry.key})
    for name in ("info_hash_v1", "info_hash_v2"):
        if hash_ := getattr(entry, name):
            same |= Q(**{f"{at}{name}": hash_})
    if entry.torrent_id:
        same |= Q(**{f"{at}id": entry.torrent_id})
    if entry.size and entry.title:
        alike = Q(**{f"{at}title__iexact": entry.title, f"{at}size": entry.size})
        if entry.info_hash_v1 or entry.info_hash_v2:
            alike &= Q(**{f"{at}info_hash_v1": None, f"{at}info_hash_v2": None})
        same |= alike
    return same


def of(media_id: int, user_id: int | None) -> Blocks:
    """What this person does not get for the title; for nobody in particular what nobody gets. One statement."""
    found = Blocked.objects.filter(Q(user=None) | Q(user_id=user_id), media_id=media_id)
    return Blocks(list(found.order_by("-id")[:MOST]))


def add(download: Download, fault: Fault, source: Source) -> None:
    """Block the download's release for its person; twice is once. The release has to be known by something."""
    Blocked.objects.bulk_create(
        [
            Blocked(
                user_id=download.user_id, media_id=download.media_id, code=fault.code, reason=fault.reason, source=source,
                reason_texts=texts_of(fault.reason), **release_of(download),
            )
        ],
        ignore_conflicts=True,
    )  # fmt: skip


def release_of(download: Download) -> dict[str, Any]:
    """What a download's release is known by; its `key` is empty where it has none."""
    torrent = download.torrent
    v1, v2 = hashes_of(download)
    key = torrent.key if torrent else f"btih:{v1}" if v1 else f"btmh:{v2}" if v2 else ""
    return {
        "torrent": torrent, "key": key, "title": torrent.title if torrent else download.name,
        "size": torrent.size if torrent else 0, "info_hash_v1": v1 or None, "info_hash_v2": v2 or None,
    }  # fmt: skip


def hashes_of(download: Download) -> tuple[str, str]:
    """(v1, v2), empty where that is not known."""
    link = parse_magnet(download.magnet) if download.magnet else None
    torrent = download.torrent
    swarm = {len(download.swarm): download.swarm}
    v1 = swarm.get(40) or (link and link.info_hash_v1) or (torrent and torrent.info_hash_v1)
    v2 = swarm.get(64) or (link and link.info_hash_v2) or (torrent and torrent.info_hash_v2)
    return v1 or "", v2 or ""


# What people do with it


def listed(user_id: int, page: Page) -> dict[str, Any]:
    """A person's own entries, newest first."""
    mine = Blocked.objects.filter(user_id=user_id)
    found = mine.select_related("media").order_by("-created_at", "-id")[page.rows]
    return listing([blocked_json(entry) for entry in found], mine.count(), page)


def blocked_json(entry: Blocked) -> dict[str, Any]:
    """`why` in the language that is active, `reason` the same with its figures."""
    return {
        "id": entry.pk, "media_id": entry.media_id, "title": entry.media.title, "year": entry.media.year,
        "torrent_id": entry.torrent_id, "release": str(entry), "code": entry.code, "why": faults.phrase(entry.code),
        "reason": here(Said(entry.reason, entry.reason_texts)), "source": entry.source, "created_at": entry.created_at,
    }  # fmt: skip


def remove(user_id: int, blocked_id: int) -> None:
    """Let a release be chosen again. 404 where there is none, 403 where it is somebody else's, or everybody's."""
    entry = Blocked.objects.filter(pk=blocked_id).first()
    if entry is None:
        raise not_found("This entry of the blocklist")
    if entry.user_id != user_id:
        raise forbidden()
    with transaction.atomic():
        # Unless an admin has made it everybody's since the look.
        if not Blocked.objects.filter(pk=blocked_id, user_id=user_id).delete()[0]:
            raise not_found("This entry of the blocklist")
        _note("blocklist.removed", str(entry), user_id, media_id=entry.media_id)


def clear(user_id: int) -> int:
    """Let everything be chosen again; gives how many entries there were."""
    with transaction.atomic():
        count = Blocked.objects.filter(user_id=user_id).delete()[0]
        if count:
            _note("blocklist.cleared", "", user_id, count=count)
    return count


def lift(blocked_id: int, by: User) -> None:
    """An admin takes an entry away, whoever's it is."""
    with transaction.atomic():
        entry = Blocked.objects.filter(pk=blocked_id).select_related("user").first()
        if entry is None:
            raise not_found("This entry of the blocklist")
        entry.delete()
        audit.record("blocklist.removed", str(entry), by, media_id=entry.media_id, **_owner(entry))


def widen(blocked_id: int, by: User) -> None:
    """An admin makes a person's entry everybody's. Twice is once; PermanentError (409) where two do it in the same moment."""
    with _alone(), transaction.atomic():
        entry = Blocked.objects.select_for_update().filter(pk=blocked_id).select_related("media").first()
        if entry is None:
            raise not_found("This entry of the blocklist")
        if entry.user_id is None:
            return
        owner = _owner(entry)
        if Blocked.objects.filter(user=None, media_id=entry.media_id, key=entry.key).exists():
            entry.delete()
        else:
            Blocked.objects.filter(pk=entry.pk).update(user=None)
        audit.record("blocklist.widened", str(entry), by, media_id=entry.media_id, **owner)


@contextmanager
def _alone() -> Iterator[None]:
    """What the database says where another admin has just made everybody's what somebody else had blocked, too."""
    try:
        yield
    except IntegrityError as error:
        if "blocklist_unique" not in str(error):
            raise
        raise conflict(_("Another admin has just blocked this release for everybody.")) from error


def _owner(entry: Blocked) -> dict[str, str]:
    return {"owner": entry.user.username} if entry.user else {}


def _note(action: str, target: str, user_id: int, **details: Any) -> None:
    audit.record(action, target, User.objects.filter(pk=user_id).first(), **details)
