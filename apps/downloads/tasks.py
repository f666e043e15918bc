"""What the workers run for this app, and what the relay has done for it."""

from typing import Any

from django.utils import timezone
from pydantic import BaseModel

from apps.downloads import preparation, recycling, rows, search, services
from apps.downloads.following import retention, rss, seeking
from apps.downloads.following.seeking import SeekPayload
from apps.downloads.models import Phase
from apps.downloads.search import SearchPayload
from apps.downloads.services import StartPayload
from apps.jobs.registry import Running, chore, failed, handler


@handler("scout", "search", SearchPayload)
def search_releases(payload: SearchPayload, job: Running) -> dict[str, object]:
    found = search.run(payload)
    if payload.download_id is not None:
        release = search.best(found["media_id"], payload.season, payload.episode)
        refusals = [] if release else search.rejections_of(found["media_id"], payload.season, payload.episode)
        services.choose(payload.download_id, release, refusals)
    return found


@failed("scout", "search")
def search_failed(payload: SearchPayload, job: Running, reason: str) -> str | None:
    """The end of a download tells its person by itself; the job's own words would be the same news again."""
    if payload.download_id is None:
        return None
    rows.move(payload.download_id, Phase.FAILED, after=[Phase.SEARCHING], reason=reason)
    return ""


@handler("hunter", "start", StartPayload)
def start_download(payload: StartPayload, job: Running) -> None:
    preparation.prepare(payload.download_id)


@failed("hunter", "start")
def start_failed(payload: StartPayload, job: Running, reason: str) -> str:
    rows.move(payload.download_id, Phase.FAILED, after=[Phase.QUEUED], reason=reason)
    return ""


@handler("scout", "seek", SeekPayload)
def seek(payload: SeekPayload, job: Running) -> dict[str, Any]:
    return seeking.run(payload, job.attempt)


class RssPayload(BaseModel):
    """Job `scout.rss`: look at what is new."""


@handler("scout", "rss", RssPayload)
def read_rss(payload: RssPayload, job: Running) -> dict[str, Any]:
    return rss.read()


@chore(every=60.0)
def read_followed_dates() -> int:
    return seeking.read_schedules(timezone.now())


@chore(every=60.0)
def seek_wanted() -> int:
    return seeking.ask(timezone.now())


@chore(every=60.0)
def end_follows() -> int:
    return seeking.end(timezone.now())


@chore(every=60.0)
def look_at_the_new() -> int:
    return rss.ask(timezone.now())


@chore(every=900.0)
def clear_watched() -> int:
    return retention.clear(timezone.now())


@chore(every=600)
def sweep_recycle_bin() -> int:
    return recycling.sweep()
