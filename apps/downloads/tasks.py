"""What the workers run for this app."""

from apps.downloads import preparation, rows, search, services
from apps.downloads.models import Phase
from apps.downloads.profiles import again
from apps.downloads.profiles.again import AgainPayload
from apps.downloads.search import SearchPayload
from apps.downloads.services import StartPayload
from apps.jobs.registry import Running, failed, handler


@handler("scout", "search", SearchPayload)
def search_releases(payload: SearchPayload, job: Running) -> dict[str, object]:
    found = search.run(payload)
    if payload.download_id is not None:
        asked = (found["media_id"], payload.season, payload.episode, payload.profile_id)
        release = search.best(*asked)
        refusals = [] if release else search.rejections_of(*asked)
        services.choose(payload.download_id, release, refusals)
    return found


@failed("scout", "search")
def search_failed(payload: SearchPayload, job: Running, reason: str) -> str | None:
    """The end of a download tells its person by itself; the job's own words would be the same news again."""
    if payload.download_id is None:
        return None
    rows.move(payload.download_id, Phase.FAILED, after=[Phase.SEARCHING], reason=reason)
    return ""


@handler("scout", "redecide", AgainPayload)
def decide_again(payload: AgainPayload, job: Running) -> dict[str, object]:
    return again.run(payload)


@handler("hunter", "start", StartPayload)
def start_download(payload: StartPayload, job: Running) -> None:
    preparation.prepare(payload.download_id)


@failed("hunter", "start")
def start_failed(payload: StartPayload, job: Running, reason: str) -> str:
    rows.move(payload.download_id, Phase.FAILED, after=[Phase.QUEUED], reason=reason)
    return ""
