"""How long a hundred people wait for their answers, all of them at one web process: the plan's chapter 6.1.

Each has an account and a connection of their own. They ask once a second each, and then without any pause, which is not how
people are but how wrk and ab ask, and what says how much there is to give. The world outside is the demo providers, which
share the machine.
"""

import asyncio
import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import uvloop

from tests import servers
from tests.bench import lists, load, sockets, stack, starting
from tests.bench.report import Figure, at_most, percentile, progress, tell
from tests.demo import Demo

PEOPLE = 100
SECONDS = 5  # of a round
SEARCHES = 3 * PEOPLE  # a round
PINGS = 50  # of each socket, a round
READ = {"GET /search, cached": (f"/search?query={lists.QUERY}", 500), "GET /media/favorites": ("/media/favorites", 100)}
STARTED = 200
CALMLY, WITHOUT_PAUSE = f"{PEOPLE} people, a call a second each, p95", f"{PEOPLE} people without a pause, p95"


def unheard_of() -> Iterator[str]:
    """Words that find something at TMDB and that nobody has searched for yet: beginnings of two words of a name, or of three."""
    from sokoul.demo.catalogue import TITLES, words

    told = set()
    for number, title in itertools.product((2, 3), TITLES):
        for chosen in itertools.permutations([word for word in words(title.names()[0]) if len(word) > 3], number):
            beginnings = ([word[:size] for size in range(2, len(word) + 1)] for word in chosen)
            for query in map("+".join, itertools.product(*beginnings)):
                if query not in told:  # by another title, or another word
                    told.add(query)
                    yield query


def searches(tokens: Sequence[str], queries: Iterator[str], count: int) -> list[bytes]:
    asked = itertools.islice(zip(itertools.cycle(tokens), queries, strict=False), count)
    return [load.request("GET", f"/search?query={words}", token) for token, words in asked]


class Socket:
    """A person's socket, which says something and waits until it comes back, PINGS times."""

    def __init__(self, path: str) -> None:
        self._back = asyncio.Event()
        self._reader = sockets.Reader(sockets.upgrade(path), self._back.set, self._back.set)

    async def open(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(partial(sockets.itself, self._reader), "127.0.0.1", port)
        await self._answer()

    async def talk(self) -> list[float]:
        """Milliseconds of each round trip. Raises TimeoutError where a pong does not come."""
        waited = []
        for number in range(PINGS):
            began = time.perf_counter()
            self._reader.say(b'{"type":"ping","data":{"text":"%s%d"}}' % (sockets.MARK, number))
            await self._answer()
            waited.append((time.perf_counter() - began) * 1000)
        return waited

    async def _answer(self) -> None:
        await asyncio.wait_for(self._back.wait(), 30)
        self._back.clear()

    def close(self) -> None:
        self._reader.close()


async def _round_trips(port: int, tokens: Sequence[str]) -> list[float]:
    crew = [Socket(f"/ws?token={token}") for token in tokens]
    for socket in crew:
        await socket.open(port)
    waited = await asyncio.gather(*(socket.talk() for socket in crew))
    for socket in crew:
        socket.close()
    return list(itertools.chain.from_iterable(waited))


def late(done: load.Load) -> float:
    """The 95th percentile, where all was as it should be."""
    _ = done.rate
    return percentile(done.milliseconds, 95)


def measure(demo: Demo) -> Iterator[Figure]:
    tokens, queries = lists.fill(PEOPLE), unheard_of()
    serve = partial(stack.manage, "serve", **demo.env())
    with stack.listening(lambda port: serve("--port", str(port))) as (port, _), stack.manage("relay"):
        for what, (path, most) in READ.items():
            yield from _reading(port, what, [load.request("GET", path, token) for token in tokens], most)
        yield _searching(port, tokens, queries)
        yield from _starting(port)
        progress("  messages and their answers")
        trips = [uvloop.run(_round_trips(port, tokens)) for _ in range(stack.ROUNDS)]
        back = [percentile(waited, 95) for waited in trips]
        yield Figure(f"a socket's ping and its pong: {WITHOUT_PAUSE}", "ms", back, bar=at_most(100))


def _reading(port: int, what: str, requests: list[bytes], most: int) -> Iterator[Figure]:
    load.closed_loop(port, requests, connections=PEOPLE, seconds=1.0)  # warm
    calm, restless = [], []
    for round_ in range(stack.ROUNDS):
        progress(f"  round {round_ + 1}: {what}")
        calm.append(late(load.open_loop(port, requests * SECONDS, PEOPLE, connections=PEOPLE)))
        restless.append(late(load.closed_loop(port, requests, connections=PEOPLE, seconds=SECONDS)))
    yield Figure(f"{what}: {CALMLY}", "ms", calm, bar=at_most(most))
    yield Figure(f"{what}: {WITHOUT_PAUSE}", "ms", restless)


def _searching(port: int, tokens: Sequence[str], queries: Iterator[str]) -> Figure:
    """An answer without TMDB (`degraded`) would be quick, and wrong."""
    ask = partial(load.each_once, port, connections=PEOPLE, holds=b'"degraded":false')
    ask(searches(tokens, queries, 8))  # warm
    waited = []
    for round_ in range(stack.ROUNDS):
        progress(f"  round {round_ + 1}: searching at TMDB")
        waited.append(late(ask(searches(tokens, queries, SEARCHES))))
    return Figure(f"GET /search, at TMDB (demo): {WITHOUT_PAUSE}", "ms", waited, bar=at_most(2000))


def _starting(port: int) -> Iterator[Figure]:
    calm, restless = [], []
    for round_ in range(stack.ROUNDS):
        progress(f"  round {round_ + 1}: starting downloads")
        calm.append(late(load.open_loop(port, starting.requests(), PEOPLE, connections=PEOPLE, status=202)))
        _until_published()
        restless.append(late(load.each_once(port, starting.requests(), connections=PEOPLE, status=202)))
        _until_published()
    yield Figure(f"POST /downloads/start: {CALMLY}", "ms", calm, bar=at_most(STARTED))
    yield Figure(f"POST /downloads/start: {WITHOUT_PAUSE}", "ms", restless)


def _until_published() -> None:
    from apps.jobs.models import Job

    stack.until(lambda: not Job.objects.filter(published_at=None).exists(), "publishing the jobs")


def main() -> None:
    with stack.running(), tempfile.TemporaryDirectory(dir=servers.FOLDER) as name:
        demo = Demo(Path(name))
        try:
            tell(measure(demo))
        finally:
            demo.close()


if __name__ == "__main__":
    main()
