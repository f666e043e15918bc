"""Prowlarr's API v1: each of its indexers is asked by itself, so that a slow one delays nobody else."""

import functools
import time
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ValidationError

from apps.accounts import refused_keys
from apps.downloads.indexers import offer
from apps.downloads.indexers.offer import Batch, Offer
from apps.downloads.indexers.paging import Slice, read_all
from apps.downloads.indexers.wish import MOVIES, TV, Wish
from sokoul import http, logs, moments
from sokoul.env import ENV, secrets_of
from sokoul.errors import PermanentError, TransientError

log = logs.logger(__name__)

SERVICE = "Prowlarr"
LIMIT = 100
REFUSALS = (401, 403)


def _aware(value: object) -> object:
    try:
        return moments.read(value) if isinstance(value, str) else None
    except ValueError:
        return None


Text = Annotated[str, BeforeValidator(lambda value: value or "")]
Number = Annotated[int, BeforeValidator(lambda value: value or 0)]


class _Indexer(BaseModel):
    id: int
    name: str
    enable: bool = False
    protocol: str = ""


class _Release(BaseModel):
    title: Text = ""
    guid: Text = ""
    protocol: str = "torrent"
    indexer: Text = ""
    size: Number = 0
    seeders: Number = 0
    leechers: Number = 0
    infoHash: Text = ""
    downloadUrl: Text = ""
    magnetUrl: Text = ""
    infoUrl: Text = ""
    publishDate: Annotated[datetime | None, BeforeValidator(_aware)] = None


def get(path: str, service: str, seconds: float, **params: str | int | list[int]) -> Any:
    """JSON of Prowlarr; a refused key falls to the next."""
    assert ENV.prowlarr_url
    for position, key in enumerate(secrets_of("PROWLARR_API_KEY") or ("",), 1):
        response = http.get(
            f"{ENV.prowlarr_url.rstrip('/')}/{path}",
            service=service,
            params=params,
            headers={"X-Api-Key": key, "Accept": "application/json"},
            seconds=seconds,
            answers=REFUSALS,
        )
        if response.status not in REFUSALS:
            return response.json()
        refused_keys.report("Prowlarr", "PROWLARR_API_KEY", position, response.status)
    raise PermanentError("Prowlarr refused every API key. Check PROWLARR_API_KEY.", code="prowlarr_key", status=502)


def _rows(answer: Any) -> list[Any]:
    if not isinstance(answer, list):
        raise TransientError("Prowlarr answered with something unexpected.")
    return answer


def indexers(seconds: float) -> list[tuple[int, str]]:
    """(id, name) of each torrent indexer that is switched on there."""
    found = []
    for row in _rows(get("api/v1/indexer", SERVICE, seconds)):
        try:
            entry = _Indexer.model_validate(row)
        except ValidationError:
            log.warning("Prowlarr indexer skipped: unknown shape")
            continue
        if entry.enable and entry.protocol == "torrent":
            found.append((entry.id, entry.name))
    return found


def switched_on(seconds: float) -> list[tuple[int, str]]:
    """(id, name) of each indexer behind Prowlarr; empty where no Prowlarr is configured. PermanentError where it has none."""
    if not ENV.prowlarr_url:
        return []
    found = indexers(seconds)
    if not found:
        raise PermanentError("Prowlarr has no torrent indexer that is switched on. Add one there.", code="no_indexer")
    return found


def search(number: int, name: str, end: float, wish: Wish) -> Batch:
    """What one of Prowlarr's indexers has, by the first spelling of the title that finds anything."""
    batch = Batch()
    for text in wish.texts:
        fetch = functools.partial(_page, number, name, text, [wish.category])
        found = read_all(name, fetch, LIMIT, end)
        batch.offers += found.offers
        batch.warnings += found.warnings
        if batch.offers:
            break
    return batch


def latest(number: int, name: str, end: float) -> Batch:
    """The newest films and series of one indexer: Prowlarr reads its feed when it is asked for nothing in particular."""
    return Batch(_page(number, name, "", [MOVIES, TV], 0, max(0.001, end - time.monotonic())).offers)


def _page(number: int, name: str, text: str, categories: list[int], offset: int, seconds: float) -> Slice:
    rows = _rows(
        get(
            "api/v1/search", f"Prowlarr ({name})", seconds,
            query=text, type="search", indexerIds=number, categories=categories, limit=LIMIT, offset=offset,
        )
    )  # fmt: skip
    return Slice([found for row in rows if (found := _offer(row, name))], len(rows))


def _offer(row: Any, name: str) -> Offer | None:
    try:
        release = _Release.model_validate(row)
    except ValidationError as error:
        log.warning("release skipped: unknown shape", indexer=name, at=str(error.errors()[0]["loc"]))
        return None
    if release.protocol != "torrent":
        return None
    return offer.build(
        title=release.title,
        indexer=release.indexer or name,
        guid=release.guid,
        links=[release.downloadUrl, release.magnetUrl, release.guid if release.guid.startswith("magnet:?") else ""],
        info_hash=release.infoHash,
        size=release.size,
        seeders=release.seeders,
        peers=release.seeders + release.leechers,
        published_at=release.publishDate,
        page_url=release.infoUrl,
        keys=secrets_of("PROWLARR_API_KEY"),
    )
