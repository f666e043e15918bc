"""So many people who sign in at the same moment (`LOGINS`, 200): how long they wait, and how much memory the web takes for it.

Each has an account and a connection of their own; they come from one address, as behind a proxy that hides them.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence

import orjson
import uvloop

from tests.bench import load, stack
from tests.bench.lists import ours
from tests.bench.report import Figure, at_most, percentile, progress, tell

LOGINS = int(os.environ.get("LOGINS") or 200)
MEGABYTES, MILLISECONDS = 1000, 3000  # what the contract allows


def fill() -> list[bytes]:
    """A request for each of LOGINS people."""
    from tests.factories import PASSWORD, make_user

    names = [make_user().username for _ in range(LOGINS)]
    bodies = [orjson.dumps({"username": name, "password": PASSWORD}) for name in names]
    return [load.request("POST", "/auth/login", "", body) for body in bodies]


async def _at_once(port: int, requests: Sequence[bytes]) -> list[float]:
    """Milliseconds of each. Raises RuntimeError where one was not let in: that would be quick, and wrong."""
    crew = await load.connect(port, len(requests))
    began = time.perf_counter()

    async def sign_in(connection: load.Connection, request: bytes) -> float:
        answer = await connection.ask(request)
        if answer[9:12] != b"200":
            raise RuntimeError(f"not let in: {answer[:300]!r}")
        return (time.perf_counter() - began) * 1000

    times = await asyncio.gather(*(sign_in(*pair) for pair in zip(crew, requests, strict=True)))
    for connection in crew:
        connection.close()
    return list(times)


def measure() -> Iterator[Figure]:
    requests = fill()
    with stack.listening(ours) as (port, pid):
        uvloop.run(_at_once(port, requests[:4]))  # warm
        idle, waited, peaks = stack.memory(pid), [], []
        for round_ in range(stack.ROUNDS):
            progress(f"  round {round_ + 1}: {LOGINS} logins at once")
            waited.append(percentile(uvloop.run(_at_once(port, requests)), 95))
            peaks.append(stack.memory(pid, "VmHWM"))
    work = f"{LOGINS} logins at once"
    yield Figure(f"{work}, p95", "ms", waited, bar=at_most(MILLISECONDS))
    yield Figure(f"{work}, peak of the web process", "MB", peaks[-1:], bar=at_most(MEGABYTES))
    yield Figure("web process before them", "MB", [idle])


def main() -> None:
    with stack.running():
        tell(measure())


if __name__ == "__main__":
    main()
