"""A job's way through JetStream: done, tried again, given up."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from apps.feed.models import Event
from apps.jobs import broker, deadletters, services
from apps.jobs.models import Job, Status
from apps.jobs.registry import Running, Snooze, failed, handler
from sokoul import request_id
from sokoul.errors import PermanentError, TransientError
from tests.integration.jobs.kit import wait_for

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
def fresh() -> Iterator[None]:
    calls.clear()
    failures.clear()
    yield


def ended(job: Job) -> Job:
    def look() -> Job | None:
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
        "job_id": str(job.pk),
    }
    wait_for(lambda: broker.call(broker.extent("JOBS")).messages == 0)
    assert wait_for(lambda: Job.objects.get(pk=job.pk).published_at)


def test_after_the_third_redelivery_a_job_fails(worker: StartWorker, user: Any) -> None:
    worker()
    job = ended(services.enqueue("scout", "test.obey", {"deeds": ["transient"] * 9}, user_id=user.pk))
    assert (job.status, job.attempts, job.error) == (Status.FAILED, 4, "The indexer does not answer.")
    assert len(calls) == 4
    [letter] = wait_for(deadletters.letters)
    assert letter.attempts == 4
    assert Event.objects.filter(user=user, type="notification").count() == 1
    wait_for(lambda: broker.call(broker.extent("JOBS")).messages == 0)
