"""Guessing passwords: so many tries for a name and from an address, and nothing that tells known names from unknown ones."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection, transaction
from django.db.models import F
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts import attempts, audit, lockouts, notices, passwords, services
from apps.accounts.attempts import Limit, Try
from apps.accounts.models import Attempt, AuditEntry, RefreshToken, User
from apps.feed.models import Event
from apps.jobs.models import Job
from sokoul import client_ip
from sokoul.env import ENV
from sokoul.errors import PermanentError
from sokoul.postgres import message
from sokoul.postgres.message import MessagePart
from tests.cast import Api
from tests.factories import PASSWORD, make_user
from tests.integration.test_accounts_auth import at_once
from tests.outages import broken
from tests.waiting import until
from tests.web import Web

Clients = Callable[[User | None], Api]
HERE, THERE = "203.0.113.7", "198.51.100.8"
_READ = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'attempts'"


@pytest.fixture(autouse=True)
def asking_as_often_as_one_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted here is passwords and codes, which TRUSTED_IPS do not exempt; requests are counted elsewhere."""
    monkeypatch.setattr(ENV, "trusted_ips", [ip_network("0.0.0.0/0"), ip_network("::/0")])


def login(name: str, password: str = "wrong", ip: str = HERE) -> HttpResponse:
    client = Client(REMOTE_ADDR=ip)
    answer: HttpResponse = client.post(
        "/auth/login", {"username": name, "password": password}, content_type="application/json"
    )
    return answer


def fail(name: str, times: int, ip: str = HERE) -> None:
    assert {login(name, ip=ip).status_code for _ in range(times)} == {401}


def later(seconds: int) -> None:
    Attempt.objects.update(at=F("at") - timedelta(seconds=seconds))


def locks() -> list[Any]:
    return list(AuditEntry.objects.filter(action="auth.locked").order_by("id").values_list("target", "details__limit"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each time that a password is hashed, by whichever way."""
    done: list[str] = []
    for where, method in (
        (Argon2PasswordHasher, "encode"),
        (Argon2PasswordHasher, "verify"),
        (passwords._Memory, "hash"),
    ):
        plain = getattr(where, method)

        def counting(*args: Any, plain: Any = plain, method: str = method) -> Any:
            done.append(method)
            return plain(*args)

        monkeypatch.setattr(where, method, counting)
    return done


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_after_ten_wrong_passwords_even_the_right_one_is_refused(db: None, alice: User, name: str) -> None:
    fail(name, 10)
    answer = login(name, PASSWORD, THERE)
    assert answer.status_code == 429
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Retry-After"] == "900"
    assert answer.json()["detail"] == "Too many attempts. Try again in 15 minutes."
    assert login("bob", ip=THERE).status_code == 401, "another name is as before"


def test_a_lock_ends_by_itself(db: None, alice: User) -> None:
    fail("alice", 10)
    later(901)
    assert login("alice", PASSWORD).status_code == 200


def test_the_window_slides(db: None, alice: User) -> None:
    fail("alice", 4)
    later(600)
    fail("alice", 6)
    answer = login("alice", PASSWORD)
    assert (answer.status_code, answer["Retry-After"]) == (429, "300")
    later(301)
    assert login("alice", PASSWORD).status_code == 200


def test_the_case_of_a_name_does_not_give_more_tries(db: None, alice: User) -> None:
    for name in ("alice", "ALICE", "Alice"):
        fail(name, 3)
    fail("aLiCe", 1)
    assert login("alicE").status_code == 429


def test_letters_that_the_database_folds_do_not_give_more_tries(db: None, alice: User) -> None:
    """Kelvin's K and the dotted capital I: what finds the account has to be what is counted."""
    odd = ["al\u0130ce", "\u212alaus"]
    make_user("klaus")
    for typed, name in zip(odd, ("alice", "klaus"), strict=True):
        Attempt.objects.all().delete()
        fail(typed, 10)
        is_same = User.objects.by_login(typed) is not None
        assert (login(name, PASSWORD).status_code == 429) == is_same


def test_mail_address_and_user_name_are_counted_apart_so_that_nobody_learns_they_belong_together(
    db: None, alice: User
) -> None:
    fail("alice", 10)
    assert login("alice").status_code == 429
    assert login("alice@example.com").status_code == 401


def test_a_right_password_gives_the_tries_back(db: None, alice: User) -> None:
    for _ in range(3):
        fail("alice", 9)
        assert login("alice", PASSWORD).status_code == 200
    assert Attempt.objects.filter(scope="login.name").count() == 0
    assert Attempt.objects.filter(scope="login.address").count() == 27, (
        "its own good try is not counted, the bad ones are"
    )


def test_signing_in_all_day_locks_nobody_out(db: None, alice: User) -> None:
    assert {login("alice", PASSWORD).status_code for _ in range(35)} == {200}
    assert not Attempt.objects.exists()


def test_thirty_wrong_passwords_lock_an_address_whatever_the_names(db: None, alice: User) -> None:
    for number in range(30):
        fail(f"somebody{number}", 1)
    assert login("alice", PASSWORD).status_code == 429
    assert login("alice", PASSWORD, THERE).status_code == 200
    assert locks() == [(f"{HERE}/32", "login.address")]


def test_ipv6_is_counted_by_the_network_of_one_household(db: None, alice: User) -> None:
    for number in range(30):
        fail(f"somebody{number}", 1, f"2001:db8:1:2:{number:x}::1")
    assert login("alice", PASSWORD, "2001:db8:1:2:ffff::9").status_code == 429
    assert login("alice", PASSWORD, "2001:db8:1:3::1").status_code == 200


def test_trusted_addresses_are_not_trusted_to_guess(db: None, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "trusted_ips", [client_ip.ipaddress.ip_network("203.0.113.0/24")])
    fail("alice", 10)
    assert login("alice", PASSWORD).status_code == 429


def shown(answer: HttpResponse, name: str) -> tuple[Any, ...]:
    """All that an answer says, without what is new in each: the time, the request's id, the CSRF token, the name as typed."""
    body = answer.content.decode().replace(answer["X-Request-ID"], "ID").replace(name, "NAME")
    body = re.sub(r'(?<=csrfmiddlewaretoken" value=")\w+|(?<=csrf-token" content=")\w+', "CSRF", body)
    headers = {key: value for key, value in answer.headers.items() if key not in ("X-Request-ID", "Expires")}
    return answer.status_code, body, headers


@pytest.mark.parametrize("path", ["/auth/login", "/app/login"])
def test_known_and_unknown_names_are_answered_alike_at_every_step(db: None, path: str) -> None:
    names = ("known.one", "not.there", "inactive1", "unusable1", "no@x.test")  # as long as each other
    make_user(names[0])
    make_user(names[2], is_active=False)
    make_user(names[3], password="!")

    def step(number: int, name: str, password: str) -> tuple[Any, ...]:
        client = Client(REMOTE_ADDR=f"10.0.{number}.{names.index(name)}")
        kind = {"content_type": "application/json"} if path == "/auth/login" else {}
        return shown(client.post(path, {"username": name, "password": password}, **kind), name)  # type: ignore[arg-type]

    for number in range(12):
        password = PASSWORD if number > 9 else "wrong"
        answers = [step(number, name, password) for name in names]
        assert all(answer == answers[0] for answer in answers), f"step {number}"
        assert answers[0][0] == (429 if number > 9 else 401 if path == "/auth/login" else 200)


@pytest.mark.parametrize("name", ["alice", "nobody", "inactive", "unusable", "nobody@example.com"])
def test_every_refusal_costs_one_hash(db: None, alice: User, name: str, computed: list[str]) -> None:
    """An unknown name takes as long as a wrong password because the same work is done for it."""
    make_user("inactive", is_active=False)
    make_user("unusable", password="!")
    computed.clear()
    assert login(name).status_code == 401
    assert computed == ["hash"]
    fail(name, 9)
    computed.clear()
    assert login(name).status_code == 429
    assert computed == [], "refused without looking"


def test_of_fifty_wrong_passwords_at_once_exactly_ten_are_tried(
    transactional_db: None, alice: User, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_gate", threading.BoundedSemaphore(50))  # as from many processes
    answers = at_once(50, lambda: login("alice"))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 40
    assert len(computed) == 10
    assert locks() == [("alice", "login.name")]


def test_many_right_passwords_at_once_from_one_address_are_all_let_in(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though there are no more places than one process may hold."""
    monkeypatch.setattr(lockouts, "ADDRESS", Limit("login.address", passwords.AT_ONCE, 900))
    people = [make_user().username for _ in range(40)]
    waiting = iter(people)
    answers = at_once(40, lambda: login(next(waiting), PASSWORD))
    assert {answer.status_code for answer in answers} == {200}
    assert not Attempt.objects.exists()


def test_a_lock_holds_in_every_process_and_without_redis(
    another_web: Callable[..., Web], valkey: str, alice: User
) -> None:
    web = another_web()
    wrong, right = ({"username": "alice", "password": password} for password in ("wrong", PASSWORD))
    with broken("redis", "stopped"):
        statuses = [web.request("POST", "/auth/login", json=wrong).status_code for _ in range(10)]
        assert statuses == [401] * 10
        assert web.request("POST", "/auth/login", json=right).status_code == 429
        assert login("alice", PASSWORD, THERE).status_code == 429, "here too"
    assert web.request("POST", "/auth/login", json=right).status_code == 429, "and once Redis is back"


def test_a_lock_is_written_down_once_and_refusals_not_at_all(db: None, alice: User) -> None:
    fail("alice", 10)
    rows = AuditEntry.objects.count()
    for _ in range(5):
        assert login("alice").status_code == 429
    assert AuditEntry.objects.count() == rows
    assert locks() == [("alice", "login.name")]
    entry = AuditEntry.objects.get(action="auth.locked")
    assert entry.details == {"user_id": alice.pk, "limit": "login.name"}
    assert entry.ip == HERE


def test_the_owner_is_told_once_a_lock_and_not_all_day(db: None, alice: User) -> None:
    for _ in range(2):
        fail("alice", 10)
        for job in Job.objects.filter(kind="locked"):
            notices.tell_locked(job.payload["user_id"])
        assert [event.data["code"] for event in Event.objects.filter(user_id=alice.pk)] == ["account_locked"]
        later(901)
    assert len(locks()) == 2
    later(6 * 3600)
    notices.tell_locked(alice.pk)
    assert Event.objects.filter(user_id=alice.pk).count() == 2
    assert "ten wrong passwords" in Event.objects.last().data["text"]  # type: ignore[union-attr]
    assert set(Event.objects.last().data["texts"]) == {"fr"}  # type: ignore[union-attr]


def test_the_job_tells_the_owner(notifier: None, alice: User) -> None:
    fail("alice", 10)
    fail("nobody", 10)
    until(lambda: Job.objects.filter(kind="locked", status="Completed").count() == 2, what="both jobs")
    assert Event.objects.get(type="notification").user_id == alice.pk


def test_what_was_typed_is_kept_nowhere_but_in_the_audit_trail(db: None, alice: User) -> None:
    fail("hunter2 typed into the wrong field", 10)
    assert {len(attempt.key) for attempt in Attempt.objects.all()} == {64}
    assert "hunter2" not in str(list(Attempt.objects.values()) + list(Job.objects.values("payload")))


def test_the_current_password_cannot_be_guessed_either(api: Clients, alice: User, bob: User) -> None:
    def change(user: User, current: str) -> HttpResponse:
        return api(user).patch("/user/profile", {"email": f"{user}2@example.com", "current_password": current})  # type: ignore[no-any-return]

    answers = [change(alice, "wrong") for _ in range(10)]
    assert {answer.status_code for answer in answers} == {400}
    answer = change(alice, PASSWORD)
    assert (answer.status_code, answer["Retry-After"]) == (429, "900")
    assert change(bob, PASSWORD).status_code == 200
    assert locks() == [("", "password")]
    assert login("alice", PASSWORD).status_code == 200, "whoever holds a session must not lock its owner out"


def test_no_password_at_all_is_no_guess(api: Clients, alice: User) -> None:
    answers = [api(alice).patch("/user/profile", {"email": "a2@example.com"}) for _ in range(12)]
    assert {answer.status_code for answer in answers} == {400}


def test_places_are_taken_in_every_limit_or_in_none(db: None) -> None:
    narrow, wide = Limit("narrow", 1, 60), Limit("wide", 5, 60)
    first = attempts.take(Try(narrow, "x"), Try(wide, "x"))
    assert [place.last for place in first] == [True, False]
    with pytest.raises(PermanentError) as refused:
        attempts.take(Try(narrow, "x"), Try(wide, "x"))
    assert refused.value.retry_after == 60
    assert Attempt.objects.filter(scope="wide").count() == 1
    attempts.give_back(first)
    assert attempts.take(Try(narrow, "X"))


def test_tries_alone_need_not_wait_for_the_disk_and_what_they_are_part_of_does(transactional_db: None) -> None:
    def waits() -> str:
        return str(cursor.execute("SHOW synchronous_commit").fetchone()[0])

    here = Try(Limit("test", 5, 60), "x")
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = 'on'")
        with CaptureQueriesContext(connection) as asked:
            attempts.take(here)
        assert "'synchronous_commit', 'off'" in asked[0]["sql"]
        assert waits() == "on"
        with transaction.atomic():
            attempts.take(here)
            assert waits() == "on"
        cursor.execute("RESET synchronous_commit")


def test_who_counts_the_same_waits_for_whoever_came_first(transactional_db: None) -> None:
    """The place of somebody who has not committed yet is taken."""
    one = Try(Limit("test", 1, 60), "x")
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            attempts.take(one)
            second = threads.submit(lambda: (attempts.first(*one), connection.close()))
            with connection.cursor() as cursor:
                waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                until(lambda: cursor.execute(waiting).fetchone()[0], what="the second one waiting")
        assert second.result()[0] is False


def test_signing_in_asks_the_database_seven_times(db: None, alice: User) -> None:
    """200 people at once wait for one another at each of them (`make bench ONLY=logins`)."""
    login("alice", PASSWORD)
    with CaptureQueriesContext(connection) as asked:
        assert login("alice", PASSWORD).status_code == 200
    assert len(asked) <= 7, [query["sql"] for query in asked]


def test_a_sign_in_that_cannot_be_written_down_has_not_happened(
    transactional_db: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what it leaves behind the note comes last: here the server goes before it."""
    killed = MessagePart("SELECT pg_terminate_backend(pg_backend_pid())")
    monkeypatch.setattr(audit, "writing", Mock(return_value=killed))
    assert login("alice", PASSWORD).status_code == 503
    connection.close()  # Django's test client leaves it to us
    assert not RefreshToken.objects.filter(user=alice).exists()
    assert Attempt.objects.count() == 2, "name and address: it may have been a guess"


@pytest.mark.parametrize(
    "plan", [(), ("hashjoin", "mergejoin", "hashagg", "sort", "material", "indexscan", "bitmapscan")]
)
def test_old_tries_are_forgotten_in_passing(db: None, plan: tuple[str, ...]) -> None:
    """`plan`: what PostgreSQL does not choose, as where it knows the table's size badly; the rest reads the old ones repeatedly."""
    with connection.cursor() as cursor:
        for way in plan:
            cursor.execute(f"SET LOCAL enable_{way} = off")
    limit = Limit("test", 100, attempts.DAY)
    for number in range(30):
        attempts.take(Try(limit, str(number)))
    later(attempts.DAY + 1)
    attempts.take(Try(limit, "x"))
    assert Attempt.objects.count() == 11, "twenty at a time"
    attempts.take(Try(limit, "x"))
    assert Attempt.objects.count() == 2


def test_many_tries_are_not_all_read_by_plans_that_were_made_for_none(transactional_db: None) -> None:
    """A connection keeps the plans of the night, when the table was empty, until autovacuum has looked at it again."""
    tries = [Try(Limit("test", 10, 60), "x"), Try(Limit("there", 30, 60), "y")]

    def tried() -> None:
        named, there = attempts.take(*tries)
        message.send(attempts.forgetting([there], [named.of]))

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE attempts")
        for _ in range(10):  # the first five plans are not kept
            tried()
        ages = "now() - make_interval(days => i % 2 * 2) FROM generate_series(1, 4000) i"
        cursor.execute(f"INSERT INTO attempts (scope, key, at) SELECT 'test', md5(i::text), {ages}")
        with transaction.atomic():
            cursor.execute(_READ)
            before = cursor.fetchone()[0]
            tried()
            cursor.execute(_READ)
            assert cursor.fetchone()[0] - before < 200


def test_without_an_address_only_the_name_counts(db: None, alice: User) -> None:
    """A command of the operator, or a socket file."""
    for _ in range(35):
        with pytest.raises(PermanentError):
            services.login(f"somebody{_}", "wrong")
    assert services.login("alice", PASSWORD) == alice
    assert lockouts.by_address(lockouts.ADDRESS) == []


def test_the_sign_in_page_says_so(db: None, alice: User) -> None:
    client = Client(REMOTE_ADDR=HERE)
    fail("alice", 10)
    answer = client.post("/app/login", {"username": "alice", "password": PASSWORD})
    assert (answer.status_code, answer["Retry-After"]) == (429, "900")
    assert b"Too many attempts. Try again in 15 minutes." in answer.content
    assert b"/app/password/forgot" in answer.content
    assert "_auth_user_id" not in client.session
