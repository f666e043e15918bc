"""How downloads and their files look to the outside, and the only writer of a download's phase."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from apps.downloads.content import files_of
from apps.downloads.models import STATUS_OF, Download, LibraryFile, Phase
from apps.feed import push
from sokoul import damage
from sokoul.api import Page, Statement, listing
from sokoul.said import Said, here, texts_of

# A phase and those that it may follow. Each change is one conditional UPDATE, so of two who try, one wins.
BEFORE: dict[Phase, tuple[Phase, ...]] = {
    # What is not new here was retried, or its release was given up and another one is chosen (replacement).
    Phase.SEARCHING: (
        Phase.QUEUED, Phase.METADATA, Phase.DOWNLOADING, Phase.PAUSED, Phase.FILING, Phase.FAILED, Phase.CANCELLED,
    ),
    Phase.QUEUED: (Phase.SEARCHING, Phase.PAUSED, Phase.FAILED, Phase.CANCELLED),
    Phase.METADATA: (Phase.QUEUED,),
    Phase.DOWNLOADING: (Phase.QUEUED, Phase.METADATA),
    Phase.PAUSED: (Phase.QUEUED, Phase.METADATA, Phase.DOWNLOADING),
    Phase.FILING: (Phase.QUEUED, Phase.METADATA, Phase.DOWNLOADING),
    Phase.SEEDING: (Phase.FILING,),
    Phase.DONE: (Phase.FILING, Phase.SEEDING),
    Phase.FAILED: (Phase.SEARCHING, Phase.QUEUED, Phase.METADATA, Phase.DOWNLOADING, Phase.PAUSED, Phase.FILING),
    Phase.CANCELLED: (
        Phase.SEARCHING, Phase.QUEUED, Phase.METADATA, Phase.DOWNLOADING, Phase.PAUSED, Phase.FILING,
        Phase.SEEDING, Phase.DONE, Phase.FAILED,
    ),
}  # fmt: skip

FIELDS = (
    "id", "user_id", "media_id", "torrent_id", "name", "status", "phase", "progress", "bytes_done", "bytes_total", "rate",
    "upload_rate", "uploaded", "eta", "peers", "reason", "reason_texts", "season", "episode", "created_at", "started_at", "completed_at",
    "finished_at", "request_id", "automatic", "replacements", "profile_id", "profile__name", "media__title", "media__year",
    "media__poster_path",
)  # fmt: skip


def download_json(row: dict[str, Any]) -> dict[str, Any]:
    """One row of `.values(*FIELDS)` as the API tells it, in the language that is active; `user_id` stays inside."""
    hidden = {"user_id", "reason_texts"}
    told = {key: value for key, value in row.items() if "__" not in key and key not in hidden}
    told["reason"] = here(Said(row["reason"], row["reason_texts"]))
    told["title"], told["year"], told["profile"] = row["media__title"], row["media__year"], row["profile__name"]
    told["poster_url"] = f"/posters/w342{row['media__poster_path']}" if row["media__poster_path"] else None
    return told


def _for_sockets(row: dict[str, Any]) -> dict[str, Any]:
    """The same for the feed, which does not know its reader's language: `reason_texts` has all."""
    return {**download_json(row), "reason_texts": row["reason_texts"]}


def _stamps(phase: Phase) -> dict[str, Any]:
    now = timezone.now()
    if phase in {Phase.METADATA, Phase.DOWNLOADING}:
        return {"started_at": now, "moved_at": now}
    if phase in {Phase.SEEDING, Phase.DONE}:
        return {"completed_at": now} | ({"finished_at": now} if phase == Phase.DONE else {})
    return {"finished_at": now} if phase in {Phase.FAILED, Phase.CANCELLED} else {}


def move(
    download_id: int,
    phase: Phase,
    *,
    fence: int | None = None,
    after: Iterable[Phase] | None = None,
    **fields: Any,
) -> bool:
    """Change the phase if it may follow the present one (and the fence still holds); the event goes with it.

    False when somebody else was faster or the change is not allowed: then nothing was written.
    """
    stamps = _stamps(phase)
    if phase == Phase.DONE:
        stamps.pop("completed_at")  # set when seeding began
    idle = {} if phase in {Phase.METADATA, Phase.DOWNLOADING} else {"rate": 0, "eta": None, "peers": 0}
    changes = {"reason": "", **stamps, **idle, **fields, "phase": phase, "status": STATUS_OF[phase]}
    changes["reason_texts"] = texts_of(changes["reason"])
    with transaction.atomic():
        rows = Download.objects.filter(pk=download_id, phase__in=list(after or BEFORE[phase]))
        if fence is not None:
            rows = rows.filter(fence=fence)
        if not rows.update(**changes):
            return False
        announce(download_id)
    return True


def announce(download_id: int) -> None:
    """Record what the download looks like now, and the notification that its end deserves."""
    row = Download.objects.filter(pk=download_id).values(*FIELDS).get()
    told = _for_sockets(row)
    push.record(row["user_id"], "download.updated", _without_moments(told))
    about = {"download_id": row["id"], "media_id": row["media_id"], "title": told["title"]}
    if row["phase"] == Phase.SEEDING:
        push.notify(row["user_id"], "download_completed", lambda: _("“%(title)s” is in your library.") % told, **about)
    elif row["phase"] == Phase.FAILED:
        about["reason"] = row["reason"]
        push.notify(row["user_id"], "download_failed", lambda: _failed(row, told["title"]), **about)


def new_json(download: Download, title: Mapping[str, Any], profile: str | None) -> dict[str, Any]:
    """What `announce` records, of a download that is about to be written. `title`: title, year and poster_path."""
    row = {name: getattr(download, name) for name in FIELDS if "__" not in name}
    about = {f"media__{name}": title[name] for name in ("title", "year", "poster_path")}
    return _without_moments(_for_sockets({**row, **about, "profile__name": profile}))


def _without_moments(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if not key.endswith("_at")}


def _failed(row: dict[str, Any], title: str) -> str:
    return _("“%(title)s” failed: %(reason)s") % {"title": title, "reason": download_json(row)["reason"]}


def active(user_id: int) -> list[dict[str, Any]]:
    """What a socket's snapshot shows: everything of this person that has not ended."""
    rows = Download.objects.filter(user_id=user_id, status__in=["Pending", "Running"]).order_by("-id")
    return [_for_sockets(row) for row in rows.values(*FIELDS)]


def shown(download: Download) -> dict[str, Any]:
    """One download with the releases that were given up for it."""
    row = Download.objects.filter(pk=download.pk).values(*FIELDS, "tried").get()
    return download_json(row) | {"tried": tried_json(download.pk, row["tried"])}


def tried_of(download_ids: list[int]) -> dict[int, list[dict[str, Any]]]:
    """{download: the releases that were given up for it, oldest first}"""
    found = Download.objects.filter(pk__in=download_ids).exclude(tried=[]).values_list("pk", "tried")
    return {download_id: tried_json(download_id, tried) for download_id, tried in found}


def tried_json(download_id: int, tried: list[Any]) -> list[dict[str, Any]]:
    """An entry that is none is left out and reported."""
    return list(damage.readable(tried, _given_up, Download._meta.db_table, lambda _: download_id))


def _given_up(entry: dict[str, Any]) -> dict[str, Any]:
    told = {name: str(entry[name]) for name in ("name", "code", "reason", "at")}
    texts = entry.get("texts")
    told["reason"] = here(Said(told["reason"], texts if isinstance(texts, dict) else {}))
    return told | {"at": told["at"].replace("+00:00", "Z")}  # as rows of an older version have it


_OTHERWISE = {"user_id", "reason", "reason_texts"}
_LISTED = Statement(
    f"""SELECT {", ".join(f"d.{name}" for name in FIELDS if "__" not in name and name not in _OTHERWISE)}, m.title, m.year,
        q.name AS profile, coalesce(d.reason_texts ->> %(language)s, d.reason) AS reason,
        '/posters/w342' || nullif(m.poster_path, '') AS poster_url
    FROM (SELECT id FROM downloads WHERE user_id = %(user_id)s AND status = ANY(%(statuses)s)
          ORDER BY created_at DESC, id DESC {{window}}) page
    JOIN downloads d USING (id) JOIN media m ON m.id = d.media_id
    LEFT JOIN quality_profiles q ON q.id = d.profile_id ORDER BY d.created_at DESC, d.id DESC""",  # noqa: S608
    "SELECT count(*) FROM downloads WHERE user_id = %(user_id)s AND status = ANY(%(statuses)s)",
)
STATUSES = tuple(dict.fromkeys(STATUS_OF.values()))


def listed(user_id: int, page: Page, status: str = "") -> dict[str, Any]:
    """A person's downloads, newest first; only those of `status`, if given."""
    return _LISTED.rows(page, **_of(user_id, status))


def listed_json(user_id: int, page: Page, status: str = "") -> dict[str, Any]:
    """The same, to be sent as it is."""
    return _LISTED.json(page, **_of(user_id, status))


def _of(user_id: int, status: str) -> dict[str, Any]:
    statuses = [status] if status else list(STATUSES)
    return {"user_id": user_id, "statuses": statuses, "language": get_language() or "en"}


def of_title(user_id: int, media_id: int) -> list[dict[str, Any]]:
    """A person's downloads of one title that have not failed, newest first."""
    mine = Download.objects.filter(user_id=user_id, media_id=media_id).exclude(status="Failed").order_by("-id")
    return [download_json(row) for row in mine.values(*FIELDS)[:20]]


def files(download_id: int) -> list[dict[str, Any]]:
    """What a download holds, as far as that is known: index, path, size, stream_url, library_path once it is filed."""
    filed = dict(LibraryFile.objects.filter(download_id=download_id).values_list("index", "path"))
    return [
        {**file, "stream_url": stream_url(download_id, file["index"]), "library_path": filed.get(file["index"])}
        for file in files_of(download_id)
    ]


def stream_url(download_id: int, index: int) -> str:
    return f"/downloads/{download_id}/files/{index}/stream"


LIBRARY_FIELDS = (
    "id", "media_id", "download_id", "index", "path", "size", "linked", "duration", "width", "height", "video_codec",
    "audio_codec", "created_at", "media__title", "media__year", "media__poster_path",
)  # fmt: skip


def library_json(row: dict[str, Any]) -> dict[str, Any]:
    """One row of `.values(*LIBRARY_FIELDS)`: a file that can be played."""
    told = {key: value for key, value in row.items() if not key.startswith("media__")}
    poster = row["media__poster_path"]
    return {
        **told,
        "title": row["media__title"],
        "year": row["media__year"],
        "poster_url": f"/posters/w342{poster}" if poster else None,
        "stream_url": stream_url(row["download_id"], row["index"]),
    }


def library(user_id: int, page: Page) -> dict[str, Any]:
    """What a person can play, newest first."""
    mine = LibraryFile.objects.filter(user_id=user_id)
    of_page = mine.order_by("-created_at", "-id").values("pk")[page.rows]
    found = LibraryFile.objects.filter(pk__in=of_page).order_by("-created_at", "-id").values(*LIBRARY_FIELDS)
    return listing([library_json(row) for row in found], mine.count(), page)


def playable(user_id: int, media_id: int) -> list[dict[str, Any]]:
    """The files of one title that a person can play, in the order of their names."""
    mine = LibraryFile.objects.filter(user_id=user_id, media_id=media_id).order_by("path", "id")
    return [library_json(row) for row in mine.values(*LIBRARY_FIELDS)[:500]]


def filed(download_id: int, index: int) -> dict[str, Any] | None:
    """A file of the library with what is known of it, None while it is not filed."""
    row = LibraryFile.objects.filter(download_id=download_id, index=index).values(*LIBRARY_FIELDS).first()
    return library_json(row) if row else None
