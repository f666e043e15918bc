"""What JetStream may do to a message: bring garbage, bring it twice, bring it late."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils.timezone import now

from apps.feed.models import Event
from apps.jobs import broker, claims, deadletters, messages, outbox, reconciling, services
from apps.jobs.models import Job, Status
from apps.jobs.streams import JOBS
from tests.integration.jobs import kit
from tests.integration.jobs.kit import published, wait_for

StartWorker = Callable[..., Any]
kit.register()


def publish(data: bytes, subject: str = "jobs.scout.noop", **headers: str) -> int:
    [sequence] = broker.call(broker.publish([broker.Outgoing(subject, data, headers)]))
    assert sequence
    return sequence


def queue_is_empty() -> bool:
    return broker.call(broker.extent(JOBS)).messages == 0


@pytest.mark.parametrize("data", [b"\xff\x00 not JSON", b"{}", b'{"schema": 1}', b"[" * 2000])
def test_garbage_comes_to_the_dead_letters_with_its_bytes(worker: StartWorker, data: bytes) -> None:
    worker()
    publish(data)
    [letter] = wait_for(deadletters.letters)
    assert letter.data == data
    assert (letter.job_id, letter.attempts) == (None, 4)
    assert letter.subject == "dlq.scout.noop"
    assert letter.reason.startswith("unreadable message")
    wait_for(queue_is_empty)


def test_garbage_does_not_hold_up_the_others(worker: StartWorker) -> None:
    publish(b"poison")
    job = services.enqueue("scout", "noop", {})
    wait_for(published)
    worker(slots=1, delays=(5, 5, 5))
    wait_for(lambda: Job.objects.get(pk=job.pk).status == Status.COMPLETED)


def test_a_message_of_a_job_that_is_gone_goes_too(worker: StartWorker) -> None:
    job = services.enqueue("scout", "noop", {})
    wait_for(published)
    job.delete()
    worker()
    wait_for(queue_is_empty)
    assert deadletters.count() == 0


def test_the_same_job_twice_to_two_workers_has_one_effect(
    worker: StartWorker, tmp_path: Path, steady_lease: float
) -> None:
    started, release = tmp_path / "started", tmp_path / "release"
    job = services.enqueue("scout", "test.hold", {"started": str(started), "release": str(release)})
    wait_for(published)
    for copy in range(5):
        publish(messages.encode(Job.objects.get(pk=job.pk)), "jobs.scout.test.hold", **{"Nats-Msg-Id": f"copy-{copy}"})
    worker()
    worker()
    wait_for(started.exists)
    release.touch()
    wait_for(lambda: Job.objects.get(pk=job.pk).status == Status.COMPLETED)
    publish(messages.encode(Job.objects.get(pk=job.pk)), "jobs.scout.test.hold", **{"Nats-Msg-Id": "late copy"})
    wait_for(everything_delivered)
    assert started.read_text().count("\n") == 1
    assert Event.objects.filter(type="test.effect").count() == 1
    assert Job.objects.get(pk=job.pk).attempts == 1


def everything_delivered() -> bool:
    """Whatever copies there are have been looked at."""
    scout = next(item for item in broker.call(broker.overview())[0]["consumers"] if item["name"] == "scout")
    return not scout["pending"] and not scout["unacknowledged"]


def test_of_two_claims_at_once_one_holds(queue: None) -> None:
    job = services.enqueue("scout", "noop", {})
    [mine] = claims.claim({job.pk: 1})
    assert claims.claim({job.pk: 1}) == []
    assert mine.attempts == 1


def test_who_was_taken_for_dead_cannot_write(queue: None, short_lease: float) -> None:
    job = services.enqueue("scout", "noop", {})
    [first] = claims.claim({job.pk: 1})
    Job.objects.filter(pk=job.pk).update(lease_until="2000-01-01T00:00:00Z")
    [second] = claims.claim({job.pk: 1})
    assert claims.complete([claims.Finished(first, "{}")]) == set()
    assert claims.fail(first, "late") is None
    assert not claims.put_back(first)
    assert not claims.put_back_anew(first)
    claims.renew([first])
    assert claims.complete([claims.Finished(second, '{"by": "the second"}')]) == {job.pk}
    assert Job.objects.get(pk=job.pk).result == {"by": "the second"}


def test_a_renewed_lease_keeps_others_away(queue: None) -> None:
    job = services.enqueue("scout", "noop", {})
    [mine] = claims.claim({job.pk: 1})
    Job.objects.filter(pk=job.pk).update(lease_until="2000-01-01T00:00:00Z")
    claims.renew([mine])
    assert claims.claim({job.pk: 1}) == []


def test_a_long_job_is_not_delivered_to_another(
    queue: None, steady_lease: float, worker: StartWorker, tmp_path: Path
) -> None:
    broker.call(broker.declare())  # anew, with this ack wait
    started, release = tmp_path / "started", tmp_path / "release"
    job = services.enqueue("scout", "test.hold", {"started": str(started), "release": str(release)})
    wait_for(published)
    worker()
    worker()
    wait_for(started.exists)
    later = now() + timedelta(seconds=2.1 * steady_lease)  # its first lease and ack wait have passed by then
    wait_for(lambda: Job.objects.filter(pk=job.pk, lease_until__gt=later).exists())
    release.touch()
    wait_for(lambda: Job.objects.get(pk=job.pk).status == Status.COMPLETED)
    assert Job.objects.get(pk=job.pk).attempts == 1
    assert started.read_text().count("\n") == 1


def test_a_failed_job_whose_dead_letter_was_not_sent_gets_it_with_the_next_delivery(worker: StartWorker) -> None:
    """A worker was killed between writing Failed and publishing the dead letter."""
    job = services.enqueue("scout", "noop", {})
    wait_for(published)
    [mine] = claims.claim({job.pk: 1})
    assert claims.fail(mine, "It broke.") is not None
    worker()
    [letter] = wait_for(deadletters.letters)
    assert letter.reason == "It broke."
    wait_for(queue_is_empty)


def test_a_dead_letter_published_twice_is_one(queue: None) -> None:
    job = services.enqueue("scout", "noop", {})
    [mine] = claims.claim({job.pk: 1})
    letter = claims.fail(mine, "Zerstört: größer als 1 %\nsecond line")
    assert letter is not None
    outbox.publish([letter])
    outbox.publish([letter])
    [found] = deadletters.letters()
    assert found.reason == "Zerstört: größer als 1 %\nsecond line"


def test_a_message_given_up_by_jetstream_comes_to_its_end(
    queue: None, monkeypatch: pytest.MonkeyPatch, short_lease: float
) -> None:
    """Killed before the claim, so often that JetStream delivers it no more: the advisory brings it to the relay."""
    from apps.jobs import streams

    monkeypatch.setattr(streams, "MAX_DELIVER", 2)
    broker.call(broker.declare())
    try:
        publish(b"poison")
        job = services.enqueue("scout", "noop", {})
        wait_for(published)
        wait_for(lambda: _deliver_and_drop() and broker.call(broker.extent("ADVISORIES")).messages == 2)
        assert broker.call(broker.extent(JOBS)).messages == 2
        assert wait_for(reconciling.take_advisories) == 2
    finally:
        monkeypatch.undo()
        broker.call(broker.declare())
    [letter] = deadletters.letters()
    assert letter.data == b"poison"
    assert queue_is_empty()
    job.refresh_from_db()
    assert (job.status, job.publication, job.published_at) == (Status.PENDING, 1, None)


def _deliver_and_drop() -> bool:
    broker.call(broker.take(JOBS, "scout", 10, 0.2))
    return True


def test_the_sweeper_finds_what_no_advisory_told_of(queue: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "STRANDED", 0)
    job = services.enqueue("scout", "noop", {})
    wait_for(published)
    publish(b"poison")
    assert reconciling.sweep() == 0, "what was never delivered is only waiting"
    assert len(broker.call(broker.take(JOBS, "scout", 10, 2))) == 2
    assert reconciling.sweep() == 2
    assert [letter.data for letter in deadletters.letters()] == [b"poison"]
    job.refresh_from_db()
    assert job.publication == 1
    assert queue_is_empty()


def test_an_unknown_job_id_is_refused_without_a_row(queue: None) -> None:
    assert claims.claim({uuid4(): 1}) == []
