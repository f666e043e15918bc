"""Drills of the task layer: what a worker does while a server is away, and what becomes of the work meanwhile."""

import dataclasses
import logging
import resource
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from apps.feed.models import Event
from apps.jobs import broker, deadletters, reconciling, registry, relay, services, streams
from apps.jobs.models import Job, Status
from apps.jobs.streams import JOBS
from apps.jobs.worker import PAUSE, Worker
from tests import servers
from tests.integration.jobs import kit
from tests.integration.jobs.kit import published, wait_for
from tests.outages import broken

StartWorker = Callable[..., Any]
kit.register()


class Watched(Worker):
    """Notes its pauses between looks whether a server is back, and shortens them."""

    def __init__(self, name: str) -> None:
        super().__init__(name, 4, delays=kit.DELAYS, drain=5.0)
        self.pauses: list[float] = []

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await super()._pause(seconds / 5)


@pytest.fixture
def watched(queue: None) -> Iterator[Watched]:
    one = Watched("scout")
    yield one
    one.stop()


def all_completed() -> bool:
    return not Job.objects.exclude(status=Status.COMPLETED).exists()


def with_relay(condition: Callable[[], Any]) -> None:
    one = relay.Relay()
    wait_for(lambda: one.turn() or condition(), 40)


def enqueued(count: int) -> None:
    """Jobs whose messages are in the stream."""
    services.enqueue_many("scout", "noop", [{} for _ in range(count)])
    wait_for(published)


def doubling(pauses: list[float]) -> bool:
    return len(pauses) >= 3 and pauses == [min(PAUSE[0] * 2**n, PAUSE[1]) for n in range(len(pauses))]


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_without_the_database_a_worker_takes_nothing_more_and_goes_on_by_itself(
    watched: Watched, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    enqueued(50)
    with broken("postgres", how):
        watched.start()
        wait_for(lambda: doubling(watched.pauses), 30, "ever longer pauses")
        assert "database unavailable, fetching pauses" in caplog.text
        taken = broker.call(pending_acks())
        assert taken <= watched.slots, "no more than it had seats for when it noticed"
        looks = len(watched.pauses)
        wait_for(lambda: len(watched.pauses) > looks, 30, "one more look")
        assert broker.call(pending_acks()) <= taken, "nothing was fetched meanwhile"
    with_relay(all_completed)
    assert max(Job.objects.values_list("attempts", flat=True)) == 1, "the outage cost no attempt"


async def pending_acks() -> int:
    from apps.jobs.broker.connection import jetstream

    return int((await (await jetstream()).consumer_info(JOBS, "scout")).num_ack_pending or 0)


def test_without_nats_a_worker_looks_for_it_ever_less_often_and_goes_on_by_itself(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    watched.start()
    enqueued(1)
    wait_for(all_completed)
    watched.pauses.clear()
    with broken("nats", "stopped"):
        wait_for(lambda: doubling(watched.pauses), 40, "ever longer pauses")
        assert "NATS unavailable, fetching pauses" in caplog.text
        services.enqueue_many("scout", "noop", [{} for _ in range(20)])
        assert Job.objects.filter(status=Status.PENDING).count() == 20
    with_relay(all_completed)


def test_who_was_away_catches_up_with_everything_also_over_a_death_of_nats(queue: None, worker: StartWorker) -> None:
    enqueued(300)
    server = servers.SERVERS["NATS_URL"]
    assert server.process
    server.process.kill()
    server.process.wait()
    server.start()
    wait_for(broker.is_connected)
    assert broker.call(broker.extent(JOBS)).messages == 300
    worker()
    with_relay(all_completed)
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}


@pytest.fixture
def store(queue: None) -> Iterator[Path]:
    """Where NATS keeps its streams; whatever a drill does there, it runs again afterwards with streams as declared."""
    server = servers.SERVERS["NATS_URL"]
    yield server.folder / "store"
    server.stop()
    shutil.rmtree(server.folder / "store")
    server.start()
    wait_for(broker.is_connected)
    broker.call(broker.declare())


def restarted(change: Callable[[], object]) -> None:
    """NATS stopped, its disk changed, started again."""
    server = servers.SERVERS["NATS_URL"]
    server.stop()
    change()
    server.start()
    wait_for(broker.is_connected)


def test_a_store_restored_from_an_older_copy_costs_no_job(
    store: Path, worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not one that the old copy still has though it is done."""
    monkeypatch.setattr(reconciling, "SETTLED", 0)
    first = worker()
    services.enqueue_many("scout", "test.effect", [{} for _ in range(20)])
    wait_for(published)
    restarted(lambda: shutil.copytree(store, tmp_path / "older"))
    with_relay(all_completed)
    first.stop()
    services.enqueue_many("scout", "test.effect", [{} for _ in range(20)])
    wait_for(published)
    restarted(lambda: (shutil.rmtree(store), shutil.copytree(tmp_path / "older", store)))
    worker()
    one = relay.Relay()
    wait_for(lambda: (one.turn(), reconciling.republish_lost()) and all_completed(), 40, "all jobs")
    assert Event.objects.filter(type="test.effect").count() == 40, "each effect once"


def test_a_store_that_lost_its_end_costs_no_job(
    store: Path, worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a power cut that took what was not yet on the disk."""
    monkeypatch.setattr(reconciling, "SETTLED", 0)
    enqueued(50)

    def cut() -> None:
        for block in store.rglob("*.blk"):
            with block.open("r+b") as file:
                file.truncate(block.stat().st_size // 2)

    restarted(cut)
    assert broker.call(broker.extent(JOBS)).messages < 50
    worker()
    one = relay.Relay()
    wait_for(lambda: (one.turn(), reconciling.republish_lost()) and all_completed(), 40, "all jobs")


def test_what_outlived_the_retention_makes_room_and_is_published_anew(
    queue: None, worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JetStream prunes what nobody took for so long (here a second instead of seven days); the rows remember it."""
    monkeypatch.setattr(reconciling, "SETTLED", 0)
    jobs = next(stream for stream in streams.STREAMS if stream.name == JOBS)
    assert jobs.max_age == 7 * 86_400
    broker.call(broker.declare([dataclasses.replace(jobs, max_age=1, duplicate_window=1)], []))
    try:
        enqueued(20)
        wait_for(lambda: broker.call(broker.extent(JOBS)).messages == 0, what="the oldest pruned")
        enqueued(1)
    finally:
        broker.call(broker.declare())
    assert reconciling.republish_lost() >= 20
    worker()
    with_relay(all_completed)
    assert Job.objects.count() == 21


def resident() -> int:
    """Bytes of this process's memory (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_behind_a_slow_worker_memory_and_callers_stay_as_they_were(worker: StartWorker) -> None:
    """Ten thousand jobs wait behind one that holds the only seat: whoever asks for another is answered as before."""

    class Slow(BaseModel):
        pass

    @registry.handler("scout", "test.slow", Slow)
    def slow(payload: Slow, job: registry.Running) -> None:
        threading.Event().wait(0.2)

    worker(slots=1)
    enqueued(100)
    before = resident()
    services.enqueue_many("scout", "test.slow", [{} for _ in range(10_000)])
    seconds = []
    for _ in range(20):
        began = time.monotonic()
        services.enqueue("scout", "noop", {})
        seconds.append(time.monotonic() - began)
    assert sorted(seconds)[-3] < 1.0, "the contract's bound for accepting a wish; a busy machine may hold up one or two"
    wait_for(published, 60)
    wait_for(lambda: Job.objects.filter(kind="test.slow", status=Status.COMPLETED).exists())
    assert resident() - before < 50 * 2**20
    Job.objects.filter(kind="test.slow").delete()
    broker.call(broker.purge(JOBS))


def test_a_breaking_change_waits_in_the_dead_letters_until_the_version_that_knows_it(worker: StartWorker) -> None:
    """Blue and green: a message of the new release reaches an old worker, which loses nothing; the new one runs it."""

    class Blue(BaseModel):
        media_id: int

    class Green(BaseModel):
        title_id: int

    done: list[int] = []
    registry.handler("scout", "test.changed", Blue)(lambda payload, job: done.append(payload.media_id))
    blue = worker()
    job = services.enqueue("scout", "test.changed", {"title_id": 7})
    wait_for(published)
    wait_for(lambda: Job.objects.get(pk=job.pk).status == Status.FAILED)
    [letter] = wait_for(deadletters.letters)
    blue.stop()
    registry.handler("scout", "test.changed", Green)(lambda payload, job: done.append(payload.title_id))
    worker()
    deadletters.replay(letter.sequence)
    with_relay(lambda: Job.objects.get(pk=job.pk).status == Status.COMPLETED)
    assert done == [7]
    assert deadletters.count() == 0
