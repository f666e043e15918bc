"""What operators see and do: streams, dead letters, jobs; and questions between processes."""

import asyncio
import dataclasses
import json
from contextlib import suppress
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from apps.jobs import broker, claims, deadletters, messages, outbox, services, streams
from apps.jobs.models import Job, Status
from sokoul.errors import PermanentError
from tests import servers
from tests.integration.jobs.kit import published, wait_for


def manage(*arguments: Any) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def dead(queue: None) -> Job:
    """A job that failed, and its dead letter."""
    job = services.enqueue("scout", "noop", {})
    [mine] = claims.claim({job.pk: 1})
    letter = claims.fail(mine, "It broke.")
    assert letter is not None
    outbox.publish([letter])
    job.refresh_from_db()
    return job


@pytest.fixture
def poison(queue: None) -> bytes:
    """A dead letter of bytes that nobody could read."""
    data = b"\xff poison " + uuid4().bytes  # JetStream remembers the ids of letters, also of purged ones
    letter = outbox.unreadable_letter("JOBS", 7, "jobs.scout.noop", data, 4, "message: Invalid JSON")
    assert broker.call(broker.publish([letter]))[0]
    return data


# --- streams ------------------------------------------------------------------------------------------------------------


def test_the_streams_are_as_the_plan_says(queue: None) -> None:
    found = {stream.name: broker.call(_config(stream.name)) for stream in streams.STREAMS}
    day = 86_400
    assert {name: config.max_age / day for name, config in found.items()} == {
        "JOBS": 7,
        "LOGS": 7,
        "DLQ": 30,
        "ADVISORIES": 14,
    }
    jobs = found["JOBS"]
    assert (jobs.retention, jobs.discard, jobs.storage, jobs.subjects) == ("workqueue", "new", "file", ["jobs.>"])
    assert {config.storage for config in found.values()} == {"file"}
    consumers = {item["name"] for item in broker.call(broker.overview())[0]["consumers"]}
    assert consumers == {"scout", "hunter", "notifier"}


async def _config(name: str) -> Any:
    from apps.jobs.broker.connection import jetstream

    return (await (await jetstream()).stream_info(name)).config


def test_declaring_again_changes_nothing(queue: None) -> None:
    assert set(broker.call(broker.declare()).values()) == {"unchanged"}
    assert "JOBS: unchanged" in manage("streams", "declare")


def test_a_changed_declaration_reaches_the_server(queue: None) -> None:
    logs = next(stream for stream in streams.STREAMS if stream.name == "LOGS")
    longer = dataclasses.replace(logs, max_age=9 * 86_400)
    try:
        assert broker.call(broker.declare([longer], [])) == {"LOGS": "updated"}
        assert broker.call(_config("LOGS")).max_age == 9 * 86_400
    finally:
        broker.call(broker.declare())
    assert broker.call(_config("LOGS")).max_age == 7 * 86_400


def test_streams_are_shown(dead: Job) -> None:
    shown = manage("streams", "show")
    assert "DLQ: 1 messages" in shown
    assert "scout:" in shown


def test_without_nats_the_commands_say_so(queue: None) -> None:
    server = servers.SERVERS["NATS_URL"]
    server.stop()
    try:
        for arguments in (("streams", "show"), ("dlq", "list")):
            with pytest.raises(CommandError, match="NATS"):
                manage(*arguments)
    finally:
        server.start()
        wait_for(broker.is_connected)


def test_messages_survive_a_restart_of_nats(queue: None) -> None:
    job = services.enqueue("scout", "noop", {})
    wait_for(published)
    server = servers.SERVERS["NATS_URL"]
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    server.start()
    wait_for(broker.is_connected)
    stored = broker.call(broker.following("JOBS", 1, "jobs.>"))
    assert stored is not None
    assert messages.decode(stored.data).job_id == job.pk


# --- dead letters -------------------------------------------------------------------------------------------------------


def test_dead_letters_are_listed_and_shown(dead: Job, poison: bytes) -> None:
    listed = manage("dlq", "list").splitlines()
    assert len(listed) == 2
    assert str(dead.pk) in listed[0]
    assert "It broke." in listed[0]
    assert "unreadable" in listed[1]
    shown = json.loads(manage("dlq", "show", dead.sequence))
    assert (shown["job_id"], shown["reason"], shown["attempts"]) == (str(dead.pk), "It broke.", 1)
    assert json.loads(shown["data"])["job_id"] == str(dead.pk)


def test_replaying_runs_the_job_with_all_its_attempts(dead: Job, worker: Any) -> None:
    assert dead.sequence is not None
    manage("dlq", "replay", dead.sequence)
    assert deadletters.count() == 0
    wait_for(published)
    worker()
    wait_for(lambda: Job.objects.get(pk=dead.pk).status == Status.COMPLETED)
    assert Job.objects.get(pk=dead.pk).attempts == 1


def test_replaying_unreadable_bytes_publishes_them_as_they_were(poison: bytes) -> None:
    [letter] = deadletters.letters()
    deadletters.replay(letter.sequence)
    stored = broker.call(broker.following("JOBS", 1, "jobs.>"))
    assert stored is not None
    assert (stored.subject, stored.data) == ("jobs.scout.noop", poison)
    assert deadletters.count() == 0


def test_all_are_replayed_at_once(dead: Job, poison: bytes) -> None:
    manage("dlq", "replay", "--all")
    assert deadletters.count() == 0
    assert Job.objects.get(pk=dead.pk).status == Status.PENDING


def test_dead_letters_are_purged(dead: Job, poison: bytes) -> None:
    manage("dlq", "purge", dead.sequence)
    assert [letter.data for letter in deadletters.letters()] == [poison]
    manage("dlq", "purge", "--all")
    assert deadletters.count() == 0
    assert Job.objects.get(pk=dead.pk).status == Status.FAILED


def test_a_letter_that_is_not_there(queue: None) -> None:
    for verb in ("show", "replay", "purge"):
        with pytest.raises(CommandError, match="not found"):
            manage("dlq", verb, 99)


def test_letters_are_read_page_by_page(queue: None) -> None:
    letters = [outbox.unreadable_letter("JOBS", at, "jobs.scout.noop", b"%d" % at, 4, "") for at in range(100, 105)]
    broker.call(broker.publish(letters))
    first = deadletters.letters(limit=2)
    rest = deadletters.letters(first[-1].sequence + 1)
    assert [letter.data for letter in first + rest] == [b"100", b"101", b"102", b"103", b"104"]


# --- jobs ---------------------------------------------------------------------------------------------------------------


def test_jobs_are_listed(dead: Job) -> None:
    services.enqueue("hunter", "noop", {})
    assert len(manage("jobs", "list").splitlines()) == 2
    [line] = manage("jobs", "list", "--status", "Failed").splitlines()
    assert str(dead.pk) in line
    assert "It broke." in line


def test_a_failed_job_is_retried_and_its_letter_removed(dead: Job) -> None:
    manage("jobs", "retry", str(dead.pk))
    job = Job.objects.get(pk=dead.pk)
    assert (job.status, job.attempts, job.error, job.publication) == (Status.PENDING, 0, "", 1)
    assert deadletters.count() == 0


def test_only_a_failed_job_is_retried(queue: None) -> None:
    job = services.enqueue("scout", "noop", {})
    with pytest.raises(CommandError, match="Only a failed job"):
        manage("jobs", "retry", str(job.pk))
    with pytest.raises(CommandError, match="not found"):
        manage("jobs", "retry", str(uuid4()))


# --- asking for jobs ------------------------------------------------------------------------------------------------------


def test_a_job_is_published_on_commit_and_not_before(queue: None) -> None:
    from django.db import transaction

    with transaction.atomic():
        job = services.enqueue("scout", "noop", {"a": 1})
        kept = services.enqueue("scout", "noop", {})
    wait_for(published)
    assert broker.call(broker.extent("JOBS")).messages == 2
    assert {job.pk, kept.pk} == set(Job.objects.values_list("pk", flat=True))


def test_whoever_asks_for_a_job_publishes_it_without_the_relay(queue: None) -> None:
    def is_published() -> bool:
        job = services.enqueue("scout", "noop", {})
        with suppress(AssertionError):  # JetStream did not take it in time, which may happen
            return bool(wait_for(lambda: Job.objects.get(pk=job.pk).published_at, 4))
        return False

    wait_for(is_published)


def test_what_is_rolled_back_is_never_published(queue: None) -> None:
    from django.db import transaction

    def undone() -> None:
        with transaction.atomic():
            services.enqueue("scout", "noop", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    services.enqueue("scout", "noop", {})
    wait_for(published)
    assert broker.call(broker.extent("JOBS")).messages == 1


def test_a_known_job_id_is_the_same_job(queue: None) -> None:
    known = uuid4()
    first = services.enqueue("scout", "noop", {"first": True}, job_id=known)
    second = services.enqueue("scout", "noop", {"first": False}, job_id=known)
    assert (first.pk, second.pk) == (known, known)
    assert Job.objects.get().payload == {"first": True}


def test_many_jobs_are_written_at_once(queue: None, user: Any) -> None:
    from sokoul import request_id

    with request_id.bound("req-bulk"):
        ids = services.enqueue_many(
            "scout", "noop", [{"number": n, "text": 'a\tb\\n"é'} for n in range(300)], user_id=user.pk
        )
    assert len(set(ids)) == 300
    job = Job.objects.get(pk=ids[7])
    assert job.payload == {"number": 7, "text": 'a\tb\\n"é'}
    assert (job.user_id, job.request_id, job.status, job.attempts) == (user.pk, "req-bulk", Status.PENDING, 0)
    wait_for(published)
    assert broker.call(broker.extent("JOBS")).messages == 300


def test_a_payload_that_is_too_large_is_refused(queue: None) -> None:
    with pytest.raises(PermanentError, match="too much"):
        services.enqueue("scout", "noop", {"text": "x" * (services.MAX_PAYLOAD + 1)})
    services.enqueue("scout", "noop", {"text": "x" * (services.MAX_PAYLOAD - 100)})
    wait_for(published)


def test_a_full_stream_leaves_the_row_waiting(queue: None) -> None:
    jobs = next(stream for stream in streams.STREAMS if stream.name == "JOBS")
    broker.call(broker.declare([dataclasses.replace(jobs, max_bytes=2000)], []))
    try:
        services.enqueue_many("scout", "noop", [{"text": "x" * 200} for _ in range(20)])
        wait_for(lambda: published() or Job.objects.filter(published_at__isnull=False).exists())
    finally:
        broker.call(broker.declare())
    assert Job.objects.filter(published_at=None).count() > 0
    wait_for(published)


# --- questions between processes, and copies --------------------------------------------------------------------------------


def test_a_question_is_answered_by_whoever_listens(queue: None) -> None:
    async def answer(question: bytes) -> bytes:
        return question.upper()

    broker.reply("test.upper", answer)
    assert wait_for(lambda: _asked(b"hello")) == b"HELLO"


def _asked(question: bytes) -> bytes | None:
    try:
        return asyncio.run(broker.request("test.upper", question, 1))
    except broker.BrokerDown:
        return None


def test_a_question_that_nobody_answers_is_a_transient_error(queue: None) -> None:
    with pytest.raises(broker.BrokerDown):
        asyncio.run(broker.request("test.nobody", b"", 0.2))
