"""What the workers run for this app."""

from apps.downloads import preparation, rows, search
from apps.downloads.models import Phase
from apps.downloads.search import SearchPayload
from apps.downloads.services import StartPayload
from apps.jobs.registry import Running, failed, handler


@handler("scout", "search", SearchPayload)
def search_releases(payload: SearchPayload, job: Running) -> dict[str, object]:
    return search.run(payload)


@failed("scout", "search")
def search_failed(payload: SearchPayload, job: Running, reason: str) -> None:
    if payload.download_id:
        rows.move(payload.download_id, Phase.FAILED, after=[Phase.SEARCHING], reason=reason)


@handler("hunter", "start", StartPayload)
def start_download(payload: StartPayload, job: Running) -> None:
    preparation.prepare(payload.download_id)


@failed("hunter", "start")
def start_failed(payload: StartPayload, job: Running, reason: str) -> None:
    rows.move(payload.download_id, Phase.FAILED, after=[Phase.QUEUED], reason=reason)
