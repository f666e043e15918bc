"""Prowlarr's API v1: each of its indexers is asked by itself, so that a slow one delays nobody else."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from django.utils.translation import gettext as _
from pydantic import BaseModel, BeforeValidator, ValidationError

from apps.accounts import refused_keys
from apps.downloads.indexers import caps, flags, offer
from apps.downloads.indexers.caps import Caps
from apps.downloads.indexers.newest import Seen
from apps.downloads.indexers.offer import Batch, Offer
from apps.downloads.indexers.paging import Slice, first_answer, read_all, read_new
from apps.downloads.indexers.questions import Question, as_prowlarr, questions
from apps.downloads.indexers.turn import Source, Turn
from apps.downloads.indexers.wish import MOVIES, TV, Wish
from sokoul import http, logs, moments
from sokoul.env import ENV, secrets_of
from sokoul.errors import PermanentError, TransientError
from sokoul.said import said

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


Names = Annotated[list[str], BeforeValidator(lambda value: value or [])]


class _Category(BaseModel):
    id: Number = 0
    subCategories: "Annotated[list[_Category], BeforeValidator(lambda value: value or [])]" = []


class _Capabilities(BaseModel):
    limitsMax: Number = 0
    categories: Annotated[list[_Category], BeforeValidator(lambda value: value or [])] = []
    searchParams: Names = []
    tvSearchParams: Names = []
    movieSearchParams: Names = []

    def caps(self) -> Caps:
        numbers = [one.id for top in self.categories for one in (top, *top.subCategories)]
        modes = (
            ("search", self.searchParams),
            ("tv-search", self.tvSearchParams),
            ("movie-search", self.movieSearchParams),
        )
        return caps.made(self.limitsMax, modes, numbers)


class _Indexer(BaseModel):
    id: int
    name: str
    enable: bool = False
    protocol: str = ""
    capabilities: Annotated[_Capabilities, BeforeValidator(lambda value: value or {})] = _Capabilities()


@dataclass(frozen=True, slots=True)
class Inner:
    """One of Prowlarr's own indexers, by a name that nobody else has here."""

    id: int
    name: str
    caps: Caps


class _Release(BaseModel):
    title: Text = ""
    guid: Text = ""
    protocol: str = "torrent"
    size: Number = 0
    seeders: Number = 0
    leechers: Number = 0
    infoHash: Text = ""
    downloadUrl: Text = ""
    magnetUrl: Text = ""
    infoUrl: Text = ""
    indexerFlags: Annotated[list[Any], BeforeValidator(lambda value: value if isinstance(value, list) else [])] = []
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
    refused = said(lambda: _("Prowlarr refused every API key. Check PROWLARR_API_KEY."))
    raise PermanentError(refused, code="prowlarr_key", status=502)


def _rows(answer: Any) -> list[Any]:
    if not isinstance(answer, list):
        raise TransientError(said(lambda: _("Prowlarr answered with something unexpected.")))
    return answer


def indexers(seconds: float) -> list[Inner]:
    """Each torrent indexer that is switched on there."""
    found: list[Inner] = []
    for row in _rows(get("api/v1/indexer", SERVICE, seconds)):
        try:
            entry = _Indexer.model_validate(row)
        except ValidationError:
            log.warning("Prowlarr indexer skipped: unknown shape")
            continue
        if entry.enable and entry.protocol == "torrent":
            taken = {one.name for one in found}
            found.append(Inner(entry.id, _name(entry, taken), entry.capabilities.caps()))
    return found


def _name(entry: _Indexer, taken: set[str]) -> str:
    """Its own, unless a feed or another one is called so."""
    name = " ".join(entry.name.replace("\0", "").split())[:80]
    alone = name and name not in ENV.torznab_feeds and name not in taken
    return name if alone else f"{name} (Prowlarr {entry.id})".strip()


def sources(ask: Callable[[Inner, Turn], Batch], seconds: float) -> list[Source]:
    """Each indexer behind Prowlarr; none where no Prowlarr is configured. PermanentError where it has none."""
    if not ENV.prowlarr_url:
        return []
    found = indexers(seconds)
    if not found:
        none = said(lambda: _("Prowlarr has no torrent indexer that is switched on. Add one there."))
        raise PermanentError(none, code="no_indexer")
    return [Source(inner.name, functools.partial(ask, inner), caps=inner.caps) for inner in found]


def search(inner: Inner, turn: Turn, wish: Wish) -> Batch:
    """What one of Prowlarr's indexers has, by the first way of asking that finds anything."""

    def ask(question: Question) -> Batch:
        page = functools.partial(_page, inner, turn, as_prowlarr(question), [wish.category])
        return read_all(inner.name, page, LIMIT, turn.end)

    return first_answer(questions(wish, inner.caps) if inner.caps.below(wish.category) else [], ask)


def latest(inner: Inner, turn: Turn, seen: Seen) -> Batch:
    """The newest films and series of one indexer: Prowlarr reads its feed when it is asked for nothing in particular."""
    wanted = [number for number in (MOVIES, TV) if inner.caps.below(number)]
    question: Question = {"type": "search", "query": ""}
    page = functools.partial(_page, inner, turn, question, wanted)
    return read_new(inner.name, page, LIMIT, turn.end, seen) if wanted else Batch()


def _page(inner: Inner, turn: Turn, question: Question, categories: list[int], offset: int, seconds: float) -> Slice:
    service = f"Prowlarr ({inner.name})"
    with turn.call():
        answer = get(
            "api/v1/search", service, seconds,
            **question, indexerIds=inner.id, categories=categories, limit=LIMIT, offset=offset,
        )  # fmt: skip
    rows = _rows(answer)
    return Slice([found for row in rows if (found := _offer(row, inner.name))], len(rows))


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
        indexer=name,
        guid=release.guid,
        links=[release.downloadUrl, release.magnetUrl, release.guid if release.guid.startswith("magnet:?") else ""],
        info_hash=release.infoHash,
        size=release.size,
        seeders=release.seeders,
        peers=release.seeders + release.leechers,
        published_at=release.publishDate,
        page_url=release.infoUrl,
        keys=secrets_of("PROWLARR_API_KEY"),
        flags=flags.named(release.indexerFlags),
    )
