"""What the workers run for this app, and what the relay has done for it."""

from typing import Any

from django.utils import timezone
from pydantic import BaseModel

from apps.downloads import forgetting, import_jobs, preparation, recycling, replacement, search, services
from apps.downloads.following import retention, rss, seeking, upgrades
from apps.downloads.following.seeking import SeekPayload
from apps.downloads.following.upgrades import BetterPayload
from apps.downloads.forgetting import ForgetPayload
from apps.downloads.import_jobs import ImportPayload
from apps.downloads.indexers import LeftAloneError, SpentError, limits
from apps.downloads.profiles import again
from apps.downloads.profiles.again import AgainPayload
from apps.downloads.search import SearchPayload
from apps.downloads.services import StartPayload
from apps.jobs.registry import Running, Snooze, chore, failed, handler
from sokoul.errors import PermanentError, TransientError


@chore(every=3600.0)
def forget_uses_of_indexers() -> int:
    return limits.forget()


@handler("scout", "search", SearchPayload)
def search_releases(payload: SearchPayload, job: Running) -> dict[str, object]:
    found = search.run(payload)
    if payload.download_id is not None:
        asked = (found["media_id"], payload.season, payload.episode, payload.profile_id)
        release = search.best(*asked, user_id=job.user_id)
        refusals = [] if release else search.rejections_of(*asked, user_id=job.user_id)
        services.choose(payload.download_id, release, refusals)
    return found


@failed("scout", "search")
def search_failed(payload: SearchPayload, job: Running, reason: str) -> str | None:
    """The end of a download tells its person by itself; the job's own words would be the same news again."""
    if payload.download_id is None:
        return None
    services.search_failed(payload.download_id, reason)
    return ""


@handler("scout", "redecide", AgainPayload)
def decide_again(payload: AgainPayload, job: Running) -> dict[str, object]:
    return again.run(payload)


@handler("hunter", "start", StartPayload)
def start_download(payload: StartPayload, job: Running) -> None:
    try:
        preparation.prepare(payload.download_id)
    except (SpentError, LeftAloneError) as error:  # nobody was asked, so it is no attempt
        raise Snooze(preparation.wait(payload.download_id, error)) from error
    except TransientError as error:
        if (error.retry_after or 0.0) >= preparation.MINUTE:
            preparation.wait(payload.download_id, error)
        raise
    except PermanentError as error:
        if not replacement.start_faulty(payload, error):
            raise


@failed("hunter", "start")
def start_failed(payload: StartPayload, job: Running, reason: str) -> str:
    replacement.start_failed(payload, reason)
    return ""


@handler("hunter", "forget", ForgetPayload)
def forget_files(payload: ForgetPayload, job: Running) -> dict[str, int]:
    return forgetting.run(payload)


@handler("hunter", "import", ImportPayload)
def import_library(payload: ImportPayload, job: Running) -> dict[str, Any]:
    return import_jobs.run(payload, job)


@handler("scout", "seek", SeekPayload)
def seek(payload: SeekPayload, job: Running) -> dict[str, Any]:
    return seeking.run(payload, job.attempt)


@handler("scout", "better", BetterPayload)
def seek_better(payload: BetterPayload, job: Running) -> dict[str, Any]:
    return upgrades.run(payload, job.attempt)


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


@chore(every=600.0)
def seek_upgrades() -> int:
    return upgrades.ask(timezone.now())


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
