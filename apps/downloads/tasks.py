"""What the workers run for this app."""

from apps.downloads import preparation, recycling, replacement, search, services
from apps.downloads.indexers import limits
from apps.downloads.profiles import again
from apps.downloads.profiles.again import AgainPayload
from apps.downloads.search import SearchPayload
from apps.downloads.services import StartPayload
from apps.jobs.registry import Running, chore, failed, handler
from sokoul.errors import PermanentError


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
    except PermanentError as error:
        if not replacement.start_faulty(payload, error):
            raise


@failed("hunter", "start")
def start_failed(payload: StartPayload, job: Running, reason: str) -> str:
    replacement.start_failed(payload, reason)
    return ""


@chore(every=600)
def sweep_recycle_bin() -> int:
    return recycling.sweep()
