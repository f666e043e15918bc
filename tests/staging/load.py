"""Some people who use a deployment at a steady pace, from outside: what they asked, how long it took, what went wrong.

Each request's time counts from when it was due: a server that stands still is not asked less often for it. They keep within what one
address and one person may ask (SPEC 16), so that no deployment has to make an exception for them.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import httpx

PEOPLE, RATE = 10, 14.0  # 84 requests a minute each, of 100; 840 of one address, of 1,000
SECONDS = 30.0  # in which an answer has to be there
Ask = tuple[str, str, str, Any]


class Refused(Exception):
    """What has to work before there can be a load. The text is for people."""


@dataclass(frozen=True)
class Sample:
    """One request: what for, the phase it belonged to, milliseconds since it was due; `fault` is empty where it was answered well."""

    what: str
    phase: int
    ms: float
    fault: str = ""


@dataclass(frozen=True)
class Summary:
    what: str
    requests: int
    errors: int
    p50: float
    p95: float


@dataclass
class Person:
    """Somebody with an account made for this, who is gone again after `leave`."""

    http: httpx.AsyncClient
    title: str
    name: str = field(default_factory=lambda: f"staging-{secrets.token_hex(6)}")
    media_id: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    async def enter(self) -> None:
        """Raises Refused."""
        account = {"email": f"{self.name}@example.com", "username": self.name, "password": secrets.token_urlsafe(16)}
        answer = await self._patiently("POST", "/auth/register", account)
        if answer.status_code != 201:
            raise Refused(f"No account can be made: {answer.status_code} {answer.text[:200]}")
        self.headers = {"Authorization": f"Bearer {answer.json()['access']}"}
        found = await self._patiently("GET", f"/search?query={self.title}", None)
        results = found.json()["results"] if found.status_code == 200 else []
        if results:
            self.media_id = results[0]["id"]

    async def _patiently(self, method: str, path: str, body: Any) -> httpx.Response:
        """As often as it takes: so many accounts at once are more than a stranger may make in a minute."""
        while True:
            answer = await self.http.request(method, path, json=body, headers=self.headers)
            if answer.status_code != 429:
                return answer
            await asyncio.sleep(int(answer.headers["Retry-After"]))

    async def leave(self) -> None:
        if self.headers:
            await self.http.delete("/user", headers=self.headers)

    def asks(self) -> Iterator[Ask]:
        """What they do, over and over: (what, method, path, body)."""
        reads = [
            ("GET", path) for path in ("/media/favorites", "/downloads?limit=20", "/library", "/watch-history", "/jobs")
        ]
        round_: list[Ask] = [(path.partition("?")[0], method, path, None) for method, path in (*reads, *reads[:3])]
        round_.append(("/search", "GET", f"/search?query={self.title}", None))
        if self.media_id:
            watched = {"media_id": self.media_id, "position": 60.0, "duration": 5400.0}
            round_ += [
                ("like", "POST", "/media/favorite", {"media_id": self.media_id}),
                ("watched", "PUT", "/watch-history", watched),
                ("like no more", "DELETE", f"/media/favorite/{self.media_id}", None),
            ]
        return itertools.cycle(round_)


async def performed(people: list[Person], phases: list[tuple[float, float]]) -> list[Sample]:
    """All of them for each (requests a second, seconds), one phase after the other."""
    samples: list[Sample] = []
    asks = [person.asks() for person in people]
    for phase, (rate, seconds) in enumerate(phases):
        begun, pause = time.monotonic(), len(people) / rate
        first = [begun + pause * number / len(people) for number in range(len(people))]
        await asyncio.gather(
            *(
                _going_on(person, own, due, pause, begun + seconds, phase, samples)
                for person, own, due in zip(people, asks, first, strict=True)
            )
        )
    return samples


async def _going_on(
    person: Person, asks: Iterator[Ask], due: float, pause: float, until: float, phase: int, samples: list[Sample]
) -> None:
    while due < until:
        await asyncio.sleep(due - time.monotonic())
        what, method, path, body = next(asks)
        fault = await _fault(person, method, path, body)
        samples.append(Sample(what, phase, 1000 * (time.monotonic() - due), fault))
        due += pause


async def _fault(person: Person, method: str, path: str, body: Any) -> str:
    try:
        answer = await person.http.request(method, path, json=body, headers=person.headers)
    except httpx.TransportError as error:
        return type(error).__name__
    return "" if answer.is_success else str(answer.status_code)


def summaries(samples: Iterable[Sample]) -> list[Summary]:
    """One for each thing that was asked, in the order of the first requests."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.what, []).append(sample)
    return [summary(what, some) for what, some in found.items()]


def summary(what: str, samples: list[Sample]) -> Summary:
    times = sorted(sample.ms for sample in samples)
    errors = sum(bool(sample.fault) for sample in samples)
    return Summary(what, len(samples), errors, median(times), times[min(len(times) - 1, int(len(times) * 0.95))])
