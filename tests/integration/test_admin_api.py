"""The admin's calls of the REST API, and who may make them."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import audit, families, managing
from apps.accounts.models import AuditEntry, Role, User
from apps.jobs import broker, deadletters, messages, streams
from apps.jobs.models import Job, Status
from sokoul import client_ip
from sokoul.errors import PermanentError
from tests.cast import Api
from tests.factories import PASSWORD, make_user
from tests.waiting import until

CALLS = [
    ("get", "/admin/users", None, 200),
    ("patch", "/admin/users/{alice}", {"role": "user"}, 200),
    ("get", "/admin/dlq", None, 200),
    ("post", "/admin/dlq/999999/replay", None, 404),
    ("get", "/admin/stats", None, 200),
]
Clients = Callable[[User | None], Api]


@pytest.fixture
def dead(transactional_db: None, nats: str) -> Callable[..., int]:
    """Puts a message into an empty dead-letter queue; gives its sequence."""
    broker.call(broker.declare())
    for stream in streams.STREAMS:
        broker.call(broker.purge(stream.name))

    def put(job: Job | None = None, data: bytes = b"{}") -> int:
        headers = {messages.REASON_HEADER: '"no such title"', messages.ATTEMPTS_HEADER: "4"}
        if job:
            headers[messages.JOB_HEADER] = str(job.pk)
        message = broker.Outgoing("dlq.scout.search", data, headers)
        return broker.call(broker.publish([message]))[0]

    return put


@pytest.mark.parametrize(("method", "path", "body", "status"), CALLS)
def test_only_admins_call_them(
    api: Clients, dead: object, valkey: str, alice: User, moderator: User, admin: User, method: str, path: str,
    body: Any, status: int,
) -> None:  # fmt: skip
    path = path.format(alice=alice.pk)
    asked = {who: api(who).request(method, path, body).status_code for who in (None, alice, moderator, admin)}
    assert asked == {None: 401, alice: 403, moderator: 403, admin: status}


def test_moderators_read_the_audit_trail_newest_first(api: Clients, alice: User, moderator: User, admin: User) -> None:
    for number in range(3):
        with client_ip.bound("10.1.2.3"):
            audit.record("auth.login", f"person {number}", alice, number=number)
    audit.record("user.changed", "alice", alice)
    assert api(None).get("/logs").status_code == 401
    assert api(alice).get("/logs").status_code == 403
    assert api(admin).get("/logs").status_code == 200
    found = api(moderator).get("/logs", limit=3, page=1).json()
    assert [row["action"] for row in found["results"]] == ["user.changed", "auth.login", "auth.login"]
    assert (found["total"], found["page"], found["limit"]) == (4, 1, 3)
    login = found["results"][1]
    assert (login["actor"], login["ip"], login["details"]) == ("alice", "10.1.2.3", {"number": 2})
    filtered = api(moderator).get("/logs", action="user.changed").json()
    assert [row["target"] for row in filtered["results"]] == ["alice"]
    assert api(moderator).get("/logs", actor="a\0b").status_code == 400
    assert api(moderator).get("/logs", limit=101).status_code == 400


def test_an_admin_finds_people(api: Clients, alice: User, bob: User, admin: User) -> None:
    everybody = api(admin).get("/admin/users").json()
    assert [user["username"] for user in everybody["results"]] == ["admin", "bob", "alice"]
    found = api(admin).get("/admin/users", query="ALI").json()
    assert [(user["email"], user["is_active"], "password" in user) for user in found["results"]] == [
        ("alice@example.com", True, False)
    ]


def test_a_role_is_given_and_noted(api: Clients, alice: User, admin: User) -> None:
    answer = api(admin).patch(f"/admin/users/{alice.pk}", {"role": "moderator"})
    assert (answer.status_code, answer.json()["role"]) == (200, "moderator")
    assert api(alice).get("/logs").status_code == 200
    entry = AuditEntry.objects.get(action="user.role_changed")
    assert (entry.actor, entry.target, entry.details["after"]) == ("admin", "alice", "moderator")
    assert entry.request_id == answer.headers["X-Request-ID"]


def test_deactivating_ends_every_sign_in_for_good(api: Clients, alice: User, admin: User) -> None:
    hers, keeper = api(alice), api(admin)
    refresh = families.start(alice).refresh
    assert keeper.patch(f"/admin/users/{alice.pk}", {"is_active": False}).json()["is_active"] is False
    assert hers.get("/user/profile").status_code == 401
    assert api(None).post("/auth/refresh", {"refresh": refresh}).status_code == 401
    assert api(None).post("/auth/login", {"username": "alice", "password": PASSWORD}).status_code == 401
    assert keeper.patch(f"/admin/users/{alice.pk}", {"role": "moderator"}).status_code == 409
    assert keeper.patch(f"/admin/users/{alice.pk}", {"is_active": True}).status_code == 200
    assert hers.get("/user/profile").status_code == 401  # the old token stays dead
    assert api(None).post("/auth/login", {"username": "alice", "password": PASSWORD}).status_code == 200
    noted = AuditEntry.objects.filter(actor="admin").order_by("id").values_list("action", flat=True)
    assert list(noted) == ["user.deactivated", "user.activated"]


@pytest.mark.parametrize("body", [{"role": "god"}, {"is_active": "perhaps"}, {"password": "x"}, []])
def test_what_makes_no_sense_is_refused(api: Clients, alice: User, admin: User, body: Any) -> None:
    assert api(admin).patch(f"/admin/users/{alice.pk}", body).status_code == 400


def test_an_admin_is_left(api: Clients, admin: User) -> None:
    assert api(admin).patch(f"/admin/users/{admin.pk}", {"role": "user"}).status_code == 409
    assert api(admin).patch("/admin/users/999999999", {"role": "user"}).status_code == 404
    assert api(admin).patch(f"/admin/users/{2**70}", {"role": "user"}).status_code == 404
    other = make_user("other", role=Role.ADMIN)
    managing.change(admin.pk, by=other, role=Role.USER)
    with pytest.raises(PermanentError, match="no admin any more"):  # `admin` still holds the old object
        managing.change(other.pk, by=admin, role=Role.USER)
    assert User.objects.filter(role=Role.ADMIN, is_active=True).count() == 1


def failed_job(**fields: Any) -> Job:
    return Job.objects.create(
        worker="scout", kind="search", status=Status.FAILED, attempts=4, finished_at=timezone.now(), **fields
    )


def test_dead_letters_are_listed_newest_first(api: Clients, dead: Callable[..., int], admin: User) -> None:
    first, second, third = (dead(data=f'{{"n": {n}}}'.encode()) for n in range(3))
    deadletters.remove(second)
    found = api(admin).get("/admin/dlq").json()
    assert ([row["sequence"] for row in found["results"]], found["total"]) == ([third, first], 2)
    assert found["results"][0]["data"] == '{"n": 2}'
    assert [row["sequence"] for row in api(admin).get("/admin/dlq", limit=1, page=2).json()["results"]] == [first]


def test_a_dead_letter_is_replayed_once_and_noted(api: Clients, dead: Callable[..., int], admin: User) -> None:
    job = failed_job()
    sequence = dead(job)
    answer = api(admin).post(f"/admin/dlq/{sequence}/replay")
    assert (answer.status_code, answer.json()) == (200, {"sequence": sequence, "job_id": str(job.pk)})
    job.refresh_from_db()
    assert (job.status, job.attempts) == (Status.PENDING, 0)
    published = until(lambda: broker.call(broker.extent(streams.JOBS)).messages, what="the job's publication")
    assert published == 1
    assert deadletters.count() == 0
    assert api(admin).post(f"/admin/dlq/{sequence}/replay").status_code == 404
    entry = AuditEntry.objects.get(action="dlq.replayed")
    assert (entry.actor, entry.target, entry.details["sequence"]) == ("admin", str(job.pk), sequence)


def test_a_replay_that_is_refused_leaves_letter_and_trail_alone(
    api: Clients, dead: Callable[..., int], admin: User
) -> None:
    job = Job.objects.create(worker="scout", kind="search")
    sequence = dead(job)
    assert api(admin).post(f"/admin/dlq/{sequence}/replay").status_code == 409
    assert deadletters.count() == 1
    assert not AuditEntry.objects.filter(action="dlq.replayed").exists()


def test_the_stats_tell_of_rows_queues_and_disks(
    api: Clients, dead: Callable[..., int], valkey: str, alice: User, admin: User
) -> None:
    with transaction.atomic():
        failed_job(user=alice)
        Job.objects.create(worker="hunter", kind="start", user=alice)
    dead()
    stats = api(admin).get("/admin/stats").json()
    assert stats["unknown"] == []
    assert {name: stats["components"][name]["status"] for name in ("postgres", "redis", "nats")} == {
        "postgres": "ok", "redis": "ok", "nats": "ok",
    }  # fmt: skip
    assert stats["dead_letters"] == 1
    assert stats["queues"]["hunter"]["pending"] == 1
    assert {row["kind"]: (row["Failed"], row["Pending"]) for row in stats["jobs"]["kinds"]} == {
        "scout.search": (1, 0), "hunter.start": (0, 1),
    }  # fmt: skip
    assert sum(row["Failed"] for row in stats["jobs"]["hours"]) == 1
    assert len(stats["jobs"]["hours"]) == 25
    assert 0 < stats["disks"]["data"]["free"] < stats["disks"]["data"]["size"]
    assert stats["requests"]["total"] >= 0


@pytest.mark.parametrize("path", ["/logs", "/admin/users"])
def test_lists_cost_the_same_at_1_and_at_50_rows(api: Clients, admin: User, path: str) -> None:
    client = api(admin)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(path, limit=100).status_code == 200
        return len(asked)

    audit.record("auth.login", str(uuid4()), admin)
    few = queries()
    for number in range(50):
        audit.record("auth.login", str(number), make_user())
    assert queries() == few <= 4
