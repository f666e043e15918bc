"""What it would cost to have JetStream on disk before each acknowledgement: the same server with both settings."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

from sokoul.stack.embedded import Nats
from tests import servers
from tests.bench import stack
from tests.bench.peers import nats_bare
from tests.bench.report import Figure, percentile, progress, tell

COUNT, RATE, PACED = 5_000, 100, 300


def once(sync_interval: str) -> tuple[float, float, float]:
    """(messages published a second, taken and acknowledged a second, p95 of a paced one in ms)"""
    server = Nats(Path(mkdtemp(dir=servers.FOLDER)))
    server.sync_interval = sync_interval
    server.prepare()
    server.start()
    try:
        published, rate, milliseconds = asyncio.run(nats_bare.measure(server.url, COUNT, RATE, PACED))
    finally:
        server.stop()
    return published, rate, percentile(milliseconds, 95)


def measure() -> Iterator[Figure]:
    found: dict[str, list[tuple[float, float, float]]] = {"always": [], Nats.sync_interval: []}
    for round_ in range(stack.ROUNDS):
        for setting, samples in found.items():
            progress(f"  round {round_ + 1}: {setting}")
            samples.append(once(setting))
    names = ("publish", "messages/s"), ("take and acknowledge", "messages/s"), ("one message at 100/s, p95", "ms")
    for number, (what, unit) in enumerate(names):
        always, ours = ([sample[number] for sample in samples] for samples in found.values())
        yield Figure(f"JetStream: {what}, synced always", unit, always, f"every {Nats.sync_interval}", ours)


if __name__ == "__main__":
    servers.FOLDER.mkdir(parents=True, exist_ok=True)
    tell(measure())
