"""Processes are killed, servers go away and come back: every job still ends, once."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.utils.timezone import now

from apps.feed.models import Event
from apps.jobs import broker, claims, deadletters, reconciling, relay, services
from apps.jobs.models import Job, Status
from apps.jobs.streams import JOBS
from sokoul.stack.embedded import Postgres
from tests import servers
from tests.integration.jobs import kit
from tests.integration.jobs.kit import published, wait_for
from tests.outages import lose_stream

StartWorker = Callable[..., Any]
StartProcess = Callable[..., "subprocess.Popen[bytes]"]
kit.register()


@pytest.fixture
def hold(tmp_path: Path) -> tuple[Path, Path, dict[str, str]]:
    started, release = tmp_path / "started", tmp_path / "release"
    return started, release, {"started": str(started), "release": str(release)}


def has(job: Job, status: Status) -> bool:
    job.refresh_from_db()
    return job.status == status


def starts(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


# --- processes ----------------------------------------------------------------------------------------------------------


def test_what_a_killed_worker_was_doing_is_done_by_another(
    worker_process: StartProcess, hold: tuple[Path, Path, dict[str, str]]
) -> None:
    started, release, payload = hold
    first = worker_process()
    job = services.enqueue("scout", "test.hold", payload)
    wait_for(lambda: starts(started))
    first.kill()
    first.wait()
    release.touch()
    second = worker_process()
    wait_for(lambda: has(job, Status.COMPLETED))
    assert (job.attempts, job.result) == (2, {"pid": second.pid})
    assert starts(started) == [str(first.pid), str(second.pid)]
    assert Event.objects.filter(type="test.effect").count() == 1
    wait_for(lambda: broker.call(broker.extent(JOBS)).messages == 0)


def test_a_job_that_kills_every_worker_ends_in_the_dead_letters(worker_process: StartProcess, user: Any) -> None:
    """Two attempts were lost already; two workers die, the second one during the last delivery; the third finds none left."""
    job = services.enqueue("scout", "test.die", {}, user_id=user.pk)
    Job.objects.filter(pk=job.pk).update(attempts=claims.ATTEMPTS - 2)
    # A lease that lapsed between a claim and the death would have one worker try twice.
    for _ in range(2):
        assert worker_process(lease=3).wait(30) == -signal.SIGKILL
    worker_process(lease=3)
    wait_for(lambda: has(job, Status.FAILED))
    assert (job.attempts, job.error) == (4, claims.DIED)
    [letter] = wait_for(deadletters.letters)
    assert letter.job_id == job.pk
    assert Event.objects.filter(user=user, type="notification").count() == 1
    wait_for(lambda: broker.call(broker.extent(JOBS)).messages == 0)


def test_the_relay_ends_such_a_job_where_no_worker_is_left(queue: None, short_lease: float) -> None:
    job = services.enqueue("scout", "test.die", {})
    Job.objects.filter(pk=job.pk).update(
        status=Status.RUNNING, attempts=claims.ATTEMPTS, lease_until="2000-01-01T00:00:00Z"
    )
    assert reconciling.rescue_lapsed() == 1
    assert has(job, Status.FAILED)
    assert [letter.job_id for letter in deadletters.letters()] == [job.pk]
    assert reconciling.rescue_lapsed() == 0


def test_sigterm_lets_the_running_job_end(
    worker_process: StartProcess, hold: tuple[Path, Path, dict[str, str]]
) -> None:
    started, release, payload = hold
    process = worker_process(drain=20)
    job = services.enqueue("scout", "test.hold", payload)
    wait_for(lambda: starts(started))
    process.terminate()
    later = services.enqueue("scout", "noop", {})
    release.touch()
    assert process.wait(20) == 0
    assert has(job, Status.COMPLETED)
    assert has(later, Status.PENDING)
    wait_for(lambda: broker.call(broker.extent(JOBS)).messages == 1, what="acknowledged what was done, and only that")


def test_sigterm_hands_back_what_does_not_end_and_burns_no_attempt(
    worker_process: StartProcess, hold: tuple[Path, Path, dict[str, str]]
) -> None:
    started, release, payload = hold
    process = worker_process(slots=1, drain=0.3)
    job = services.enqueue("scout", "test.hold", payload)
    wait_for(lambda: starts(started))
    process.terminate()
    assert process.wait(20) == 0
    assert has(job, Status.PENDING)
    assert (job.attempts, job.publication, job.lease) == (0, 1, None)
    release.touch()
    relay.publish_due()
    worker_process()
    wait_for(lambda: has(job, Status.COMPLETED))
    assert job.attempts == 1
    wait_for(
        lambda: broker.call(broker.extent(JOBS)).messages == 0, what="the old message terminated, the new one done"
    )


# --- NATS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def without_nats(queue: None) -> Iterator[Callable[[], None]]:
    """NATS is stopped; gives what starts it again. Whatever happens, it runs again afterwards."""
    servers.SERVERS["NATS_URL"].stop()
    wait_for(lambda: not broker.is_connected())

    def back() -> None:
        if servers.SERVERS["NATS_URL"].process is None:
            servers.SERVERS["NATS_URL"].start()
        wait_for(broker.is_connected)

    yield back
    back()


def relay_turns(until: Callable[[], Any]) -> Any:
    one = relay.Relay()

    def turn() -> Any:
        one.turn()
        return until()

    return wait_for(turn)


def test_without_nats_a_job_is_accepted_at_once_and_runs_later(
    without_nats: Callable[[], None], worker: StartWorker
) -> None:
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        job = services.enqueue("scout", "noop", {})
        seconds.append(time.monotonic() - began)
    assert min(seconds) < 0.5
    worker()
    one = relay.Relay()
    one.turn()
    assert has(job, Status.PENDING)
    assert job.published_at is None
    without_nats()
    relay_turns(lambda: has(job, Status.COMPLETED))


def test_a_worker_goes_on_after_nats_was_killed(worker: StartWorker) -> None:
    worker()
    before = services.enqueue("scout", "noop", {})
    wait_for(lambda: has(before, Status.COMPLETED))
    server = servers.SERVERS["NATS_URL"]
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    server.start()
    job = services.enqueue("scout", "noop", {})
    relay_turns(lambda: has(job, Status.COMPLETED))


def test_what_nats_has_lost_is_published_anew(queue: None, worker: StartWorker, monkeypatch: Any) -> None:
    """Its disk is gone, or restored from older."""
    monkeypatch.setattr(reconciling, "SETTLED", 0)
    job = services.enqueue("scout", "noop", {})
    wait_for(published)
    assert reconciling.republish_lost() == 0
    broker.call(broker.purge(JOBS))
    assert reconciling.republish_lost() == 1
    worker()
    relay_turns(lambda: has(job, Status.COMPLETED))
    assert job.publication == 1


def test_streams_that_vanished_are_made_again(queue: None, worker: StartWorker) -> None:
    worker()
    lose_stream(JOBS)
    job = services.enqueue("scout", "noop", {})
    relay_turns(lambda: has(job, Status.COMPLETED))


def test_a_failed_job_is_told_without_nats_and_its_letter_comes_later(
    without_nats: Callable[[], None], user: Any
) -> None:
    job = services.enqueue("scout", "noop", {}, user_id=user.pk)
    [mine] = claims.claim({job.pk: 1})
    assert claims.fail(mine, "It broke.") is not None
    assert Event.objects.filter(user=user, type="notification").count() == 1
    without_nats()
    assert relay_turns(deadletters.letters)[0].job_id == job.pk
    assert relay_turns(lambda: Job.objects.get(pk=job.pk).published_at)


# --- PostgreSQL -----------------------------------------------------------------------------------------------------------


def test_a_worker_goes_on_after_its_database_connections_were_cut(
    worker: StartWorker, hold: tuple[Path, Path, dict[str, str]]
) -> None:
    started, release, payload = hold
    worker()
    job = services.enqueue("scout", "test.hold", payload)
    wait_for(lambda: starts(started))
    _cut_connections()
    release.touch()
    wait_for(lambda: _quietly(lambda: has(job, Status.COMPLETED)))
    assert job.attempts <= 2
    after = services.enqueue("scout", "noop", {})
    relay_turns(lambda: has(after, Status.COMPLETED))


def _cut_connections() -> None:
    from django.conf import settings
    from django.db import connection

    server = servers.SERVERS["DATABASE_URL"]
    assert isinstance(server, Postgres)
    with psycopg.connect(server.admin_url) as admin:
        name = settings.DATABASES["default"]["NAME"]
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    connection.close()


def _quietly(condition: Callable[[], Any]) -> Any:
    from django.db import Error, connection

    try:
        return condition()
    except Error:
        connection.close()
        return None


# --- the relay ------------------------------------------------------------------------------------------------------------


def test_the_relay_publishes_what_nobody_published(queue: None, worker: StartWorker, monkeypatch: Any) -> None:
    """The process was killed between its commit and its publication."""
    from apps.jobs import outbox

    monkeypatch.setattr(outbox, "hand_over", lambda batch: None)
    job = services.enqueue("scout", "noop", {})
    Job.objects.filter(pk=job.pk).update(created_at=now() + timedelta(seconds=30))
    assert relay.publish_due() == 0, "what is younger than a second is left to the process that committed it"
    Job.objects.filter(pk=job.pk).update(created_at=job.created_at)
    worker()
    relay_turns(lambda: has(job, Status.COMPLETED))
    assert job.publication == 0


def test_a_job_for_later_is_published_when_its_time_has_come(queue: None) -> None:
    job = services.enqueue("scout", "noop", {}, run_at=now() + timedelta(seconds=60))
    Job.objects.filter(pk=job.pk).update(created_at="2000-01-01T00:00:00Z")
    assert relay.publish_due() == 0
    Job.objects.filter(pk=job.pk).update(run_at=now())
    assert relay.publish_due() == 1
    assert relay.publish_due() == 0


def test_the_relay_command_ends_in_order(child_environment: dict[str, str], queue: None, monkeypatch: Any) -> None:
    import sys

    from apps.jobs import outbox

    monkeypatch.setattr(outbox, "hand_over", lambda batch: None)
    job = services.enqueue("scout", "noop", {})
    process = subprocess.Popen([sys.executable, "manage.py", "relay"], env=child_environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: Job.objects.get(pk=job.pk).published_at)
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
