"""GET /jobs and GET /jobs/{id}: one's own, with attempts and errors."""

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from apps.jobs.models import Job


@pytest.fixture
def alice(db: None) -> Any:
    from apps.accounts.models import User

    return User.objects.create_user("alice@example.org", "alice", None)


@pytest.fixture
def mallory(db: None) -> Any:
    from apps.accounts.models import User

    return User.objects.create_user("mallory@example.org", "mallory", None)


def client_of(user: Any) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def job(alice: Any) -> Job:
    return Job.objects.create(
        worker="scout",
        kind="search",
        user=alice,
        status="Failed",
        attempts=4,
        error="The indexer does not answer.",
        finished_at="2026-11-22T20:00:00Z",
        request_id="req-12345",
    )


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_ones_own_job_with_attempts_and_error(alice: Any, job: Job, prefix: str) -> None:
    answer = client_of(alice).get(f"{prefix}/jobs/{job.pk}")
    assert answer.status_code == 200
    found = answer.json()
    assert found["id"] == str(job.pk)
    assert (found["worker"], found["kind"], found["status"]) == ("scout", "search", "Failed")
    assert (found["attempts"], found["error"]) == (4, "The indexer does not answer.")
    assert found["finished_at"] == "2026-11-22T20:00:00Z"
    assert found["request_id"] == "req-12345"


def test_somebody_elses_job_is_forbidden(mallory: Any, job: Job) -> None:
    answer = client_of(mallory).get(f"/jobs/{job.pk}")
    assert answer.status_code == 403
    assert "indexer" not in answer.content.decode()


def test_the_systems_jobs_are_nobodys(alice: Any) -> None:
    system = Job.objects.create(worker="scout", kind="noop")
    assert client_of(alice).get(f"/jobs/{system.pk}").status_code == 403


def test_an_unknown_job_is_not_found(alice: Any) -> None:
    assert client_of(alice).get(f"/jobs/{uuid4()}").status_code == 404


def test_strangers_are_sent_away(job: Job) -> None:
    assert APIClient().get("/jobs").status_code == 401
    assert APIClient().get(f"/jobs/{job.pk}").status_code == 401


def test_the_list_has_ones_own_newest_first(alice: Any, mallory: Any, job: Job) -> None:
    newer = Job.objects.create(worker="scout", kind="details", user=alice)
    Job.objects.create(worker="scout", kind="details", user=mallory)
    answer = client_of(alice).get("/jobs").json()
    assert [item["id"] for item in answer["results"]] == [str(newer.pk), str(job.pk)]
    assert (answer["page"], answer["limit"], answer["total"]) == (1, 20, 2)
    assert len(client_of(alice).get("/jobs?limit=1&page=2").json()["results"]) == 1


@pytest.mark.parametrize("query", ["page=0", "limit=101", "limit=x", "page=-1"])
def test_bad_paging_is_refused(alice: Any, query: str) -> None:
    assert client_of(alice).get(f"/jobs?{query}").status_code == 400


def test_the_list_takes_as_many_queries_for_fifty_as_for_one(alice: Any, django_assert_num_queries: Any) -> None:
    client = client_of(alice)
    Job.objects.create(worker="scout", kind="noop", user=alice)
    with django_assert_num_queries(2):
        client.get("/jobs?limit=100")
    Job.objects.bulk_create(Job(worker="scout", kind="noop", user=alice) for _ in range(49))
    with django_assert_num_queries(2):
        assert len(client.get("/jobs?limit=100").json()["results"]) == 50
