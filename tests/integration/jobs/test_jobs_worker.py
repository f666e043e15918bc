"""A job's way through JetStream: done, tried again, given up."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pydantic import BaseModel

from apps.feed.models import Event
from apps.jobs import broker, deadletters, running, services
from apps.jobs.models import Job, Status
from apps.jobs.registry import Running, Snooze, failed, handler
from sokoul import request_id
from sokoul.errors import PermanentError, TransientError
from tests.integration.jobs.kit import published, wait_for

StartWorker = Callable[..., Any]
calls: list[Running] = []
failures: list[tuple[str, str]] = []


class Order(BaseModel):
    """What the handler is to do: at each attempt the next of `deeds`; after the last one it succeeds."""

    deeds: list[str] = []


@handler("scout", "test.obey", Order)
def obey(payload: Order, job: Running) -> dict[str, Any]:
    calls.append(job)
    deed = payload.deeds[len(calls) - 1] if len(calls) <= len(payload.deeds) else ""
    if deed == "permanent":
        raise PermanentError("There is no such film.")
    if deed == "transient":
        raise TransientError("The indexer does not answer.")
    if deed == "retry-after":
        raise TransientError("Too many requests.", retry_after=0.4)
    if deed == "at once":
        raise TransientError("Too many requests.", retry_after=0.0)
    if deed == "much later":
        raise TransientError("Too many requests.", retry_after=3600)
    if deed == "snooze":
        raise Snooze(0.05)
    if deed == "bug":
        raise ZeroDivisionError("division by zero")
    return {"attempt": job.attempt, "request_id": request_id.current(), "user_id": request_id.current_user()}


@failed("scout", "test.obey")
def obey_failed(payload: Order, job: Running, reason: str) -> None:
    failures.append((str(job.id), reason))


@pytest.fixture(autouse=True)
def fresh() -> None:
    calls.clear()
    failures.clear()


def ended(job: Job) -> Job:
    def look() -> Job | None:
        published()
        job.refresh_from_db()
        return job if job.status in {Status.COMPLETED, Status.FAILED} else None

    found: Job = wait_for(look, what="the job's end")
    return found


def test_a_job_runs_with_its_request_id_and_leaves_the_queue(worker: StartWorker, user: Any) -> None:
    worker()
    with request_id.bound("req-12345"):
        job = ended(services.enqueue("scout", "test.obey", {}, user_id=user.pk))
    assert job.status == Status.COMPLETED
    assert job.attempts == 1
    assert job.result == {"attempt": 1, "request_id": "req-12345", "user_id": user.pk}
    assert job.lease is None
    assert job.finished_at is not None
    wait_for(lambda: broker.call(broker.extent("JOBS")).messages == 0)
    [event] = Event.objects.filter(user=user)
    assert event.type == "job.updated"
    assert event.data == {"job_id": str(job.pk), "kind": "test.obey", "status": "Completed", "error": ""}


def test_a_transient_error_is_tried_again(worker: StartWorker) -> None:
    worker()
    job = ended(services.enqueue("scout", "test.obey", {"deeds": ["transient", "bug"]}))
    assert job.status == Status.COMPLETED
    assert [call.attempt for call in calls] == [1, 2, 3]
    assert job.error == ""
    assert deadletters.count() == 0


def test_a_permanent_error_fails_at_once_and_tells_the_user(worker: StartWorker, user: Any) -> None:
    worker()
    job = ended(services.enqueue("scout", "test.obey", {"deeds": ["permanent"]}, user_id=user.pk))
    assert (job.status, job.error, job.attempts) == (Status.FAILED, "There is no such film.", 1)
    assert failures == [(str(job.pk), "There is no such film.")]
    [letter] = wait_for(deadletters.letters)
    assert (letter.job_id, letter.reason, letter.attempts) == (job.pk, "There is no such film.", 1)
    assert letter.subject == "dlq.scout.test.obey"
    told = {event.type: event.data for event in Event.objects.filter(user=user)}
    assert told["job.updated"]["status"] == "Failed"
    assert told["notification"] == {
        "code": "job_failed",
        "text": "There is no such film.",
        "texts": {"fr": "There is no such film."},
        "job_id": str(job.pk),
    }
    wait_for(lambda: broker.call(broker.extent("JOBS")).messages == 0)
    wait_for(published)


def test_after_the_third_redelivery_a_job_fails(worker: StartWorker, user: Any) -> None:
    worker()
    job = ended(services.enqueue("scout", "test.obey", {"deeds": ["transient"] * 9}, user_id=user.pk))
    assert (job.status, job.attempts, job.error) == (Status.FAILED, 4, "The indexer does not answer.")
    assert len(calls) == 4
    [letter] = wait_for(deadletters.letters)
    assert letter.attempts == 4
    assert Event.objects.filter(user=user, type="notification").count() == 1
    wait_for(lambda: broker.call(broker.extent("JOBS")).messages == 0)


def test_a_provider_that_names_a_time_is_obeyed(worker: StartWorker) -> None:
    worker()
    job = ended(services.enqueue("scout", "test.obey", {"deeds": ["retry-after"]}))
    assert job.attempts == 2
    assert job.finished_at is not None
    assert (job.finished_at - job.created_at).total_seconds() >= 0.4


@pytest.mark.parametrize(("deed", "delay"), [("at once", None), ("much later", 3600)])
def test_a_time_that_is_over_is_none(deed: str, delay: float | None) -> None:
    job = Job(worker="scout", kind="test.obey", payload={"deeds": [deed]}, attempts=1)
    assert running._attempt(job) == running.Again("Too many requests.", delay)


def test_a_long_wait_is_spent_in_the_row_and_not_in_the_queue(worker: StartWorker) -> None:
    worker()
    job = services.enqueue("scout", "test.obey", {"deeds": ["much later"]})
    wait_for(lambda: Job.objects.get(pk=job.pk).run_at)
    job.refresh_from_db()
    assert (job.status, job.attempts, job.publication, job.published_at) == (Status.PENDING, 1, 1, None)
    wait_for(lambda: broker.call(broker.extent("JOBS")).messages == 0)


def test_a_snooze_gives_the_attempt_back(worker: StartWorker) -> None:
    worker()
    job = ended(services.enqueue("scout", "test.obey", {"deeds": ["snooze"] * 6}))
    assert (job.status, job.attempts, len(calls)) == (Status.COMPLETED, 1, 7)


def test_a_payload_that_its_kind_refuses_fails_at_once(worker: StartWorker) -> None:
    worker()
    job = ended(services.enqueue("scout", "test.obey", {"deeds": "not a list"}))
    assert (job.status, job.attempts, calls) == (Status.FAILED, 1, [])
    assert "payload" in job.error


def test_a_kind_that_nobody_knows_fails_after_its_attempts(worker: StartWorker) -> None:
    worker()
    job = ended(services.enqueue("scout", "test.unheard-of", {}))
    assert (job.status, job.attempts) == (Status.FAILED, 4)


def test_a_failure_hook_may_say_it_better(worker: StartWorker, user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.jobs import registry

    monkeypatch.setitem(registry._on_failed, ("scout", "test.obey"), lambda payload, job, reason: "Heat: no release.")
    worker()
    job = ended(services.enqueue("scout", "test.obey", {"deeds": ["permanent"]}, user_id=user.pk))
    assert Event.objects.get(type="notification").data["text"] == "Heat: no release."
    assert job.error == "There is no such film."


def test_a_system_job_tells_nobody(worker: StartWorker) -> None:
    worker()
    ended(services.enqueue("scout", "test.obey", {"deeds": ["permanent"]}))
    wait_for(deadletters.count)
    assert not Event.objects.exists()


def test_a_fault_in_a_failure_hook_does_not_keep_the_job_alive(
    worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.jobs import registry

    def broken(payload: Order, job: Running, reason: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(registry._on_failed, ("scout", "test.obey"), broken)
    worker()
    job = ended(services.enqueue("scout", "test.obey", {"deeds": ["permanent"]}))
    assert job.status == Status.FAILED


def test_the_delays_between_attempts_are_the_plans() -> None:
    from apps.jobs.worker import DELAYS

    assert DELAYS == (2, 4, 8)


def test_the_next_attempt_comes_after_its_delay(worker: StartWorker) -> None:
    """The delays as the rows show them."""
    worker(delays=(0.3, 0.6, 0.9))
    starts = []
    job = services.enqueue("scout", "test.obey", {"deeds": ["transient"] * 3})
    for attempt in (1, 2, 3, 4):
        wait_for(lambda number=attempt: Job.objects.get(pk=job.pk).attempts == number)  # type: ignore[misc]
        started = Job.objects.get(pk=job.pk).started_at
        assert started is not None
        starts.append(started)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(starts)]
    assert [gap >= delay for gap, delay in zip(gaps, (0.3, 0.6, 0.9), strict=True)] == [True] * 3


@pytest.mark.timeout(300)
def test_ten_thousand_jobs_at_once_are_all_completed(worker: StartWorker) -> None:
    services.enqueue_many("scout", "noop", [{"number": number} for number in range(10_000)])
    worker(slots=8)
    wait_for(lambda: Job.objects.filter(status=Status.COMPLETED).count() == 10_000, 200)
    assert Job.objects.filter(attempts=1).count() == 10_000
    wait_for(lambda: broker.call(broker.extent("JOBS")).messages == 0)
