"""Any order of what may befall a job: claimed, finished, handed back, failed, taken for dead; written by who may and who may not."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from apps.feed.models import Event
from apps.jobs import broker, claims, outbox, reconciling, services
from apps.jobs.claims import ATTEMPTS, Finished
from apps.jobs.models import Job, Status
from apps.jobs.streams import JOBS
from apps.jobs.worker import Worker
from sokoul.env import ENV
from tests.integration.jobs import kit
from tests.integration.jobs.kit import wait_for

kit.register()
ENDED = {"Completed", "Failed"}


@dataclass
class Expected:
    """What a job's row must say. `holder` is the lease of the claim that may write."""

    status: str = "Pending"
    attempts: int = 0
    holder: UUID | None = None
    effects: list[str] = field(default_factory=list)


class Claims(RuleBasedStateMachine):
    """Rows against a model in memory. Old claims stay in the bundle: a worker that was taken for dead writes as well."""

    jobs = Bundle("jobs")
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.expected: dict[UUID, Expected] = {}

    @initialize(target=jobs)
    def enqueue(self) -> UUID:
        job = services.enqueue("scout", "noop", {})
        self.expected[job.pk] = Expected()
        return job.pk

    @rule(target=held, job=jobs)
    def claim(self, job: UUID) -> Any:
        model = self.expected[job]
        free = model.status == "Pending" and model.attempts < ATTEMPTS
        claimed = claims.claim({job: 1})
        assert bool(claimed) == free
        if not claimed:
            return multiple()
        model.status, model.attempts, model.holder = "Running", model.attempts + 1, claimed[0].lease
        assert claimed[0].attempts == model.attempts
        return claimed[0]

    @rule(mine=held)
    def complete(self, mine: Job) -> None:
        self._written(mine, bool(claims.complete([Finished(mine, "{}")])), "Completed")

    @rule(mine=held)
    def fail(self, mine: Job) -> None:
        self._written(mine, claims.fail(mine, "It broke.") is not None, "Failed")

    @rule(mine=held, refund=st.booleans(), anew=st.booleans())
    def hand_back(self, mine: Job, refund: bool, anew: bool) -> None:
        back = claims.put_back_anew if anew else claims.put_back
        if self._written(mine, back(mine, refund=refund), "Pending"):
            self.expected[mine.pk].attempts -= refund

    @rule(job=jobs)
    def lapse(self, job: UUID) -> None:
        """Its worker is silent for longer than its lease; who comes next may claim it."""
        model = self.expected[job]
        Job.objects.filter(pk=job, status=Status.RUNNING).update(lease_until="2000-01-01T00:00:00Z")
        if model.status == "Running":
            ended = model.attempts >= ATTEMPTS
            reconciling.rescue_lapsed()
            model.status, model.holder = ("Failed" if ended else "Pending"), None
            model.effects += ["Failed"] if ended else []

    def _written(self, mine: Job, written: bool, status: str) -> bool:
        model = self.expected[mine.pk]
        may = model.status == "Running" and model.holder == mine.lease
        assert written == may, "only the newest claim writes, and once"
        if may:
            model.status, model.holder = status, None
            model.effects += [status] if status in ENDED else []
        return may

    @invariant()
    def rows_are_as_expected(self) -> None:
        for row in Job.objects.filter(pk__in=self.expected):
            model = self.expected[row.pk]
            assert (row.status, row.attempts, row.lease) == (model.status, model.attempts, model.holder)
            assert (row.finished_at is not None) == (row.status in ENDED)
            assert len(model.effects) <= 1


def test_only_the_newest_claim_writes_and_a_job_ends_once(queue: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "hand_over", lambda batch: None)
    _run(Claims, examples=60, steps=20)


class Deliveries(RuleBasedStateMachine):
    """The same over the real JetStream: messages come, workers crash between any two steps, messages come again."""

    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        broker.call(broker.purge(JOBS))
        Job.objects.all().delete()
        Event.objects.all().delete()

    @rule(count=st.integers(1, 5))
    def enqueue(self, count: int) -> None:
        services.enqueue_many("scout", "test.effect", [{}] * count)

    @rule(target=taken, most=st.integers(1, 4))
    def deliver(self, most: int) -> Any:
        return multiple(*broker.call(broker.take(JOBS, "scout", most, timeout=0.05)))

    @rule(delivery=consumes(taken))
    def crash_before_the_claim(self, delivery: broker.Delivery) -> None:
        """Nothing was said: JetStream brings it again after its ack wait."""

    @rule(delivery=consumes(taken))
    def crash_after_the_claim(self, delivery: broker.Delivery) -> None:
        claims.claim({_job_of(delivery): delivery.sequence})

    @rule(delivery=consumes(taken))
    def crash_before_the_ack(self, delivery: broker.Delivery) -> None:
        for mine in claims.claim({_job_of(delivery): delivery.sequence}):
            Event.objects.create(type="test.effect", data={"job_id": str(mine.pk)})
            claims.complete([Finished(mine, "{}")])

    @rule(delivery=consumes(taken))
    def hand_back(self, delivery: broker.Delivery) -> None:
        broker.call(delivery.nak(0))

    @rule()
    def lose_the_stream(self) -> None:
        broker.call(broker.purge(JOBS))

    def teardown(self) -> None:
        """Then a worker that lives, and the relay: everything ends, once."""
        Job.objects.filter(status=Status.RUNNING).update(lease_until="2000-01-01T00:00:00Z")
        worker = Worker("scout", 4, delays=kit.DELAYS, drain=5.0)
        worker.start()
        try:
            wait_for(_all_completed, 30, "every job's end")
            wait_for(lambda: broker.call(broker.extent(JOBS)).messages == 0, 30, "an empty stream")
        finally:
            worker.stop()
        assert Event.objects.filter(type="test.effect").count() == Job.objects.count(), "each effect once"


def _job_of(delivery: broker.Delivery) -> UUID:
    from apps.jobs import messages

    return messages.decode(delivery.data).job_id


def _all_completed() -> bool:
    reconciling.rescue_lapsed()
    reconciling.republish_lost()
    outbox.publish([outbox.publication_of(job) for job in Job.objects.filter(status=Status.PENDING, published_at=None)])
    return not Job.objects.exclude(status=Status.COMPLETED).exists()


def test_whatever_crashes_between_delivery_and_acknowledgement_each_job_ends_once(
    queue: None, short_lease: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "SETTLED", 0)
    broker.call(broker.declare())  # anew, with the short ack wait
    monkeypatch.setattr(ENV, "job_lease", 5.0)  # a worker that lives is not taken for dead when it is held up
    _run(Deliveries, examples=8, steps=15)


def _run(machine: type[RuleBasedStateMachine], examples: int, steps: int) -> None:
    connection.ensure_connection()
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,  # the same run everywhere: what fails in CI fails here
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)
