"""Many people at once (the plan's chapter 6.2): 100 and 1,000 who ask without a pause, 1,000 who ask now and then, and a spike.

Everybody has an account, a token and a connection of their own, and asks for one thing after another: favourites, downloads,
a search that is cached, what they have watched; and writes how far they came. All of Sokoul runs but the bot. Whoever is
refused, cut or answered wrongly is an error; only of the spike some may be, and they are counted.

Ten thousand connections are `make crowd`'s: whoever does not get an answer is told to come back.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import orjson

from tests.bench import lists, load, stack, usage
from tests.bench.report import Figure, at_most, percentile, progress, tell

PEOPLE = int(os.environ.get("PEOPLE") or 1_000)
FEW = 100
SECONDS = 6.0
PAUSE = 4.0  # seconds between two calls of one of those who ask now and then
BASE, SPIKE = 50, 500  # requests a second
BEFORE, DURING, AFTER = 6, 10, 12  # seconds
PATHS = ("/media/favorites", "/downloads?limit=20", f"/search?query={lists.QUERY}", "/watch-history?limit=20")


def calls(tokens: Sequence[str]) -> list[bytes]:
    """Each person's first call, then each one's second, and so on; all are answered 200."""
    from apps.media.models import Media

    titles = list(Media.objects.order_by("pk").values_list("pk", flat=True)[:100])
    watched = (
        orjson.dumps({"media_id": titles[n % 100], "position": n % 90, "duration": 90}) for n in range(len(tokens))
    )
    bodies = list(watched)
    reads = [load.request("GET", path, token) for path in PATHS for token in tokens]
    return reads + [load.request("PUT", "/watch-history", *pair) for pair in zip(tokens, bodies, strict=True)]


def restless(port: int, tokens: Sequence[str]) -> Iterator[Figure]:
    requests, waited, rates = calls(tokens), [], []
    for round_ in range(stack.ROUNDS):
        progress(f"  round {round_ + 1}: {len(tokens):,} people without a pause")
        done = load.closed_loop(port, requests, connections=len(tokens), seconds=SECONDS)
        rates.append(done.rate)  # raises where one of them failed
        waited.append(percentile(done.milliseconds, 95))
    what = f"{len(tokens):,} people without a pause, no error"
    yield Figure(what, "requests/s", rates)
    yield Figure(f"{what}: p95", "ms", waited)


def calm(port: int, tokens: Sequence[str], programs: Sequence[int]) -> Iterator[Figure]:
    rate, cores = len(tokens) / PAUSE, os.cpu_count() or 1
    requests = list(itertools.islice(itertools.cycle(calls(tokens)), int(rate * 2 * SECONDS)))
    waited, used = [], []
    for round_ in range(stack.ROUNDS):
        progress(f"  round {round_ + 1}: {len(tokens):,} people who ask every {PAUSE:g} s")
        with usage.watched([*programs, *usage.of_servers()]) as all_of_it, usage.watched(programs) as ours:
            done = load.open_loop(port, requests, rate, connections=len(tokens))
        _ = done.rate
        waited.append(percentile(done.milliseconds, 95))
        used.append((100 * all_of_it.cores / cores, ours.memory, all_of_it.disk))
    what = f"{len(tokens):,} people, a call every {PAUSE:g} s each"
    yield Figure(f"{what}: p95", "ms", waited)
    yield Figure(f"{what}: processor, servers included", "%", [one[0] for one in used], bar=at_most(80))
    yield Figure(f"{what}: memory of web, relay, scout, hunter", "MB", [one[1] for one in used], bar=at_most(1000))
    if disks := [one[2] for one in used if one[2] is not None]:
        yield Figure(f"{what}: disk busy", "%", disks, bar=at_most(80))


def spike(port: int, tokens: Sequence[str]) -> Iterator[Figure]:
    waits = [1 / BASE] * (BASE * BEFORE) + [1 / SPIKE] * (SPIKE * DURING) + [1 / BASE] * (BASE * AFTER)
    due = list(itertools.accumulate(waits[:-1], initial=0.0))
    requests = list(itertools.islice(itertools.cycle(calls(tokens)), len(due)))
    errors, back, late = [], [], []
    for round_ in range(stack.ROUNDS):
        progress(f"  round {round_ + 1}: from {BASE} to {SPIKE} requests a second and back")
        done = load.timetable(port, requests, due, connections=len(tokens))
        errors.append(100 * done.errors / len(due))
        back.append(recovery(done))
        late.append(percentile(_between(done, BEFORE, BEFORE + DURING), 95))
    what = f"a spike from {BASE} to {SPIKE} requests a second for {DURING} s"
    yield Figure(f"{what}: errors", "%", errors, bar=at_most(10))
    yield Figure(f"{what}: p95 within it", "ms", late)
    yield Figure(f"{what}: back after its end within", "s", back, bar=at_most(5))


def recovery(done: load.Load) -> float:
    """Seconds after the end of the spike until one second's p95 is no more than that of the slowest second before it; all that
    were looked at where it never is."""
    before = max(percentile(_between(done, second, second + 1), 95) for second in range(1, BEFORE))
    end = BEFORE + DURING
    for second in range(AFTER):
        answered = _between(done, end + second, end + second + 1)
        if answered and percentile(answered, 95) <= before:
            return second
    return AFTER


def _between(done: load.Load, first: float, last: float) -> list[float]:
    """Milliseconds of what was due then."""
    pairs = zip(done.asked, done.milliseconds, strict=True)
    return [milliseconds for asked, milliseconds in pairs if first <= asked < last]


def measure() -> Iterator[Figure]:
    tokens = lists.fill(PEOPLE, downloads=20)
    with ExitStack() as parts:
        rest = [parts.enter_context(stack.manage(name)) for name in ("relay", "scout", "hunter")]
        port, web = parts.enter_context(stack.listening(lists.ours))
        load.closed_loop(port, calls(tokens), seconds=3.0)  # warm
        for crowd in (tokens[:FEW], tokens):
            yield from restless(port, crowd)
        yield from calm(port, tokens, [web, *(process.pid for process in rest)])
        yield from spike(port, tokens[:SPIKE])


def main() -> None:
    with stack.running():
        tell(measure())


if __name__ == "__main__":
    main()
