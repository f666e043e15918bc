"""What one request's limits cost: ours beside the moving window of `limits`, on the same Valkey.

Both find out the same: whether a request may go on by two limits, what each has left, and when there is more.
"""

import os
import time
from collections.abc import Callable, Iterator
from itertools import count

import django
import redis

from tests import servers
from tests.bench import stack
from tests.bench.report import Figure, percentile, progress, tell

REQUESTS = 3_000
QUOTA = 2 * REQUESTS  # nobody is refused, unless that is what is measured
_names = count()


def ours(quota: int) -> Callable[[], object]:
    from sokoul.throttling import Claim, Limiter, Policy

    limiter, name = Limiter(), str(next(_names))
    claims = [Claim(Policy("bench", quota), name), Claim(Policy("bench-ip", QUOTA), name)]
    return lambda: limiter.ask(claims)


def theirs(quota: int) -> Callable[[], object]:
    from limits import RateLimitItemPerMinute
    from limits.storage import storage_from_string
    from limits.strategies import MovingWindowRateLimiter

    limiter = MovingWindowRateLimiter(storage_from_string(os.environ["REDIS_URL"]))
    items, name = (RateLimitItemPerMinute(quota), RateLimitItemPerMinute(QUOTA, namespace="ip")), str(next(_names))

    def ask() -> object:
        return [(limiter.hit(item, name), limiter.get_window_stats(item, name)) for item in items]

    return ask


def timed(ask: Callable[[], object]) -> tuple[float, float, float]:
    """(requests a second, p95 in ms, questions to Valkey a request)"""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as store:
        ask()  # which sends the scripts
        before = _scripts_run(store)
        begun, milliseconds = time.perf_counter(), []
        for _ in range(REQUESTS):
            at = time.perf_counter()
            ask()
            milliseconds.append((time.perf_counter() - at) * 1000)
        seconds = time.perf_counter() - begun
        return REQUESTS / seconds, percentile(milliseconds, 95), (_scripts_run(store) - before) / REQUESTS


def _scripts_run(store: redis.Redis) -> int:
    calls: int = store.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
    return calls


def measure() -> Iterator[Figure]:
    servers.start("REDIS_URL")
    django.setup()
    for what, quota in (("let through", QUOTA), ("refused", 1)):
        samples: dict[Callable[[int], Callable[[], object]], list[tuple[float, float, float]]] = {ours: [], theirs: []}
        for round_ in range(stack.ROUNDS):
            for way, found in samples.items():
                progress(f"  round {round_ + 1}: {way.__name__}, {what}")
                found.append(timed(way(quota)))
        names = ("", "requests/s"), (", p95", "ms"), (": questions to Valkey", "each")
        for number, (name, unit) in enumerate(names):
            own, peer = ([sample[number] for sample in found] for found in samples.values())
            yield Figure(f"limits: a request that is {what}{name}", unit, own, "limits, moving window", peer)


if __name__ == "__main__":
    try:
        tell(measure())
    finally:
        servers.SERVERS["REDIS_URL"].stop()
