"""Faults on demand: what a provider does wrong, for which paths and how often."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from sokoul.demo import prowlarr, telegram, tmdb, torznab, tracker
from sokoul.demo.web import Request, Response

KINDS = ("status", "html", "delay", "hang", "endless_pages", "broken_json", "cut", "empty", "huge", "refusal")
MOUNTS = {
    "/tmdb/images/": "images",
    "/tmdb/3/": "tmdb",
    "/prowlarr/": "prowlarr",
    "/torznab": "torznab",
    "/telegram/bot": "telegram",
    "/announce": "tracker",
    "/scrape": "tracker",
}
PROVIDERS = tuple(dict.fromkeys(MOUNTS.values()))
CHUNK = 64 * 1024
GONE = 0.05  # seconds until the end of a connection is known here
FAILURES: dict[str, Callable[[int], Response]] = {
    "tmdb": tmdb.failure,
    "prowlarr": prowlarr.failure,
    "torznab": torznab.failure,
}
PAGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment</title></head><body><h1>Checking your browser</h1></body></html>"
)


def place(path: str) -> tuple[str, str]:
    """(provider, path within it); a bot's token is not part of the path. ("", path) for none of them."""
    for mount, provider in MOUNTS.items():
        if path.startswith(mount):
            rest = path.removeprefix(mount)
            return provider, (rest.partition("/")[2] if provider == "telegram" else rest).lstrip("/")
    return "", path


@dataclass
class Rule:
    """One fault. `path_prefix` is within the provider (search/movie, sendMessage); the first `skip` requests that fit go
    well, then it strikes `times` times (None: until it is cleared). `seconds` of delay, `size` in bytes of a huge body. A
    refusal is one of Newznab's error documents, with that `code`."""

    provider: str
    kind: str
    path_prefix: str = ""
    times: int | None = None
    skip: int = 0
    code: int = 500
    retry_after: int | None = None
    seconds: float = 1.0
    size: int = 64 * 1024 * 1024
    cleared: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def read(cls, body: dict[str, Any]) -> "Rule":
        """Raises ValueError for a rule that makes no sense."""
        rule = cls(**{name: value for name, value in body.items() if name != "cleared"})
        if rule.provider not in PROVIDERS:
            raise ValueError(f"provider must be one of {', '.join(PROVIDERS)}")
        if rule.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        return rule


class Misbehaviour:
    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def add(self, rule: Rule) -> None:
        self._rules.append(rule)

    def clear(self) -> None:
        for rule in self._rules:
            rule.cleared.set()
        self._rules.clear()

    def listed(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in vars(rule).items() if name != "cleared"} for rule in self._rules]

    def strike(self, request: Request) -> Rule | None:
        """The rule that this request falls under, counted."""
        provider, path = place(request.path)
        for rule in self._rules:
            if rule.provider == provider and path.startswith(rule.path_prefix.lstrip("/")):
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times <= 0:
                        self._rules.remove(rule)
                return rule
        return None


async def before(rule: Rule, request: Request) -> Response | None:
    """What the rule answers instead of the provider; None when the provider is to answer."""
    if rule.kind == "status":
        return failed(rule)
    if rule.kind == "html":
        return Response(PAGE, 200 if rule.code == 500 else rule.code, "text/html; charset=utf-8")
    if rule.kind == "delay":
        await asyncio.sleep(rule.seconds)
    elif rule.kind == "hang":
        await hang(rule, request)
    elif rule.kind == "endless_pages":
        request.endless = True
    elif rule.kind == "refusal":
        return torznab.refusal(rule.code)
    elif rule.kind == "empty":
        return Response(b"")
    elif rule.kind == "huge":
        return Response(stream=huge(rule.size))
    return None


def after(rule: Rule, response: Response) -> Response:
    """What the rule makes of the provider's answer: half of it, whole by its headers (broken_json) or not (cut)."""
    half = response.body[: max(1, len(response.body) // 2)]
    if rule.kind == "broken_json":
        response.body = half
    elif rule.kind == "cut":
        response.declared = max(len(response.body), len(half) + 1)
        response.body = half
    return response


def failed(rule: Rule) -> Response:
    if rule.provider == "telegram":
        return telegram.failure(rule.code, rule.retry_after)
    if rule.provider == "tracker":
        response = tracker.failure("The tracker is unwell")
        response.status = rule.code
    elif rule.provider == "images":
        response = Response(b"", rule.code, "text/html")
    else:
        response = FAILURES[rule.provider](rule.code)
    if rule.retry_after is not None:
        response.headers["retry-after"] = str(rule.retry_after)
    return response


async def hang(rule: Rule, request: Request) -> None:
    """Wait until the rule is cleared; raises ConnectionError when the caller gives up before."""
    assert request.gone is not None
    gone = asyncio.ensure_future(request.gone())
    cleared = asyncio.ensure_future(rule.cleared.wait())
    try:
        await asyncio.wait({gone, cleared}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({gone}, timeout=GONE)  # who gave up just before the rule was cleared has given up
        if gone.done():
            raise ConnectionError("the caller gave up")
    finally:
        gone.cancel()
        cleared.cancel()


async def huge(size: int) -> AsyncIterator[bytes]:
    """A JSON string that goes on and on."""
    yield b'"'
    for _ in range(max(1, size // CHUNK)):
        yield b"x" * CHUNK
    yield b'"'
