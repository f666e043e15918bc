"""Three NATS servers hold three copies of each stream: one that dies takes nothing along, not even the one that led."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from apps.feed.models import Event
from apps.jobs import outbox, services
from apps.jobs.models import Job, Status
from tests.integration.jobs import kit
from tests.integration.jobs.cluster import Cluster
from tests.integration.jobs.kit import wait_for

ROOT = Path(__file__).parents[3]
COUNT = 200
kit.register()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    running = Cluster(tmp_path / "cluster")
    yield running
    running.close()


@pytest.fixture
def started(child_environment: dict[str, str], cluster: Cluster) -> Iterator[Callable[..., None]]:
    """Starts a process of the product on the cluster."""
    environment = {**child_environment, "NATS_URL": cluster.url, "NATS_REPLICAS": "3", "JOB_LEASE": "5"}
    with ExitStack() as stack:

        def start(*command: str) -> None:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)

        yield start


def completed() -> int:
    return Job.objects.filter(status=Status.COMPLETED).count()


def test_the_leader_of_three_nodes_dies_and_every_job_ends_once(
    queue: None, cluster: Cluster, started: Callable[..., None], monkeypatch: Any
) -> None:
    monkeypatch.setattr(
        outbox, "hand_over", lambda batch: None
    )  # this process knows only the single server of the tests
    services.enqueue_many("scout", "test.effect", [{} for _ in range(COUNT)])
    started("manage.py", "relay")
    started("-m", "tests.integration.jobs.kit", "scout", "2", "5")
    wait_for(lambda: completed() >= COUNT // 4, 60, "the first jobs")
    leader = cluster.leader("JOBS")
    assert leader
    cluster.kill(leader)
    services.enqueue_many("scout", "test.effect", [{} for _ in range(COUNT)])
    wait_for(lambda: completed() == 2 * COUNT, 90, "all jobs")
    assert cluster.leader("JOBS") != leader
    assert Event.objects.filter(type="test.effect").count() == 2 * COUNT, "each effect once"
