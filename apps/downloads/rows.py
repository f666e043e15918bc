"""How a download looks to the outside, and the only writer of its phase."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.downloads.models import STATUS_OF, Download, Phase
from apps.feed import push

# A phase and those that it may follow. Each change is one conditional UPDATE, so of two who try, one wins.
BEFORE: dict[Phase, tuple[Phase, ...]] = {
    Phase.SEARCHING: (Phase.FAILED, Phase.CANCELLED),
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
    "upload_rate", "uploaded", "eta", "peers", "reason", "season", "episode", "created_at", "started_at", "completed_at",
    "finished_at", "request_id", "media__title", "media__year", "media__poster_path",
)  # fmt: skip


def download_json(row: dict[str, Any]) -> dict[str, Any]:
    """One row of `.values(*FIELDS)` as the API and the feed tell it; `user_id` stays inside."""
    told = {key: value for key, value in row.items() if not key.startswith("media__") and key != "user_id"}
    told["title"], told["year"] = row["media__title"], row["media__year"]
    told["poster_url"] = f"/posters/w342{row['media__poster_path']}" if row["media__poster_path"] else None
    return told


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
    told = download_json(row)
    plain = {key: value for key, value in told.items() if not key.endswith("_at")}
    push.record(row["user_id"], "download.updated", plain)
    about = {"download_id": row["id"], "media_id": row["media_id"]}
    if row["phase"] == Phase.SEEDING:
        push.notify(row["user_id"], "download_completed", f"“{told['title']}” is in your library.", **about)
    elif row["phase"] == Phase.FAILED:
        push.notify(row["user_id"], "download_failed", f"“{told['title']}” failed: {row['reason']}", **about)


def active(user_id: int) -> list[dict[str, Any]]:
    """What a socket's snapshot shows: everything of this person that has not ended."""
    rows = Download.objects.filter(user_id=user_id, status__in=["Pending", "Running"]).order_by("-id")
    return [download_json(row) for row in rows.values(*FIELDS)]
