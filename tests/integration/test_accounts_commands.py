"""The operator's commands, and the audit trail that nobody can alter unseen."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.utils import DatabaseError

from apps.accounts import audit
from apps.accounts.models import AuditEntry, User
from apps.jobs import broker
from sokoul import client_ip
from sokoul.env import ENV
from tests.factories import make_user


def run(*arguments: str) -> str:
    said = StringIO()
    call_command(*arguments, stdout=said)
    return said.getvalue()


def test_the_first_admin_gets_a_password_that_is_shown_once(db: None) -> None:
    said = run("createadmin")
    found = re.fullmatch(
        r"Admin admin \(admin@localhost\.localdomain\) was made; its password, shown only now: (\S+)\n", said
    )
    assert found
    admin = User.objects.get()
    assert admin.is_admin
    assert admin.check_password(found.group(1))
    assert run("createadmin") == "The admin exists already: admin\n"
    assert User.objects.count() == 1
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.actor, entry.actor_id) == ("auth.registered", "admin", "", None)
    assert entry.details == {"user_id": admin.pk, "role": "admin", "command": "createadmin"}


def test_a_given_password_is_never_printed(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "admin_password", "given, by the operator")
    monkeypatch.setattr(ENV, "admin_email", "boss@example.com")
    assert "given, by" not in run("createadmin")
    assert User.objects.get(email="boss@example.com").check_password("given, by the operator")


def test_one_more_admin(admin: User) -> None:
    assert "Admin second (second@example.com) was made" in run(
        "createadmin", "--username", "second", "--email", "second@example.com"
    )
    assert run("createadmin", "--username", "SECOND") == "The admin exists already: second\n"
    make_user("plain")
    with pytest.raises(CommandError, match="taken"):
        run("createadmin", "--username", "plain", "--email", "third@example.com")
    with pytest.raises(CommandError, match="letters"):
        run("createadmin", "--username", "no good", "--email", "third@example.com")


@contextmanager
def behind_the_back() -> Iterator[None]:
    """As somebody who owns the database would do it."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE logs DISABLE TRIGGER USER")
        yield
        cursor.execute("ALTER TABLE logs ENABLE TRIGGER USER")


@pytest.fixture
def trail(alice: User, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of seven rows, longer than a batch, with every kind of content."""
    monkeypatch.setattr(audit, "BATCH", 3)
    for number in range(7):
        ip = [None, "192.0.2.7", "2001:db8::7"][number % 3]
        with client_ip.bound(ip):
            audit.record("test", "nul\0 ünï 'quoted'" * 20, alice if number % 2 else None, number=number, text="é\n\\")
    return list(AuditEntry.objects.order_by("id").values_list("id", flat=True))


@pytest.fixture
def copies(nats: str) -> None:
    """The stream of the trail's copies, empty."""
    broker.call(broker.declare())
    broker.call(broker.purge("LOGS"))


def test_a_whole_trail(trail: list[int], copies: None) -> None:
    assert run("verify_audit").startswith(f"The audit trail is whole: 7 rows, last {trail[-1]} ")


def test_an_empty_trail(db: None, copies: None) -> None:
    assert run("verify_audit").startswith("The audit trail is whole: 0 rows")


@pytest.mark.parametrize(
    "change",
    ["action = 'other'", "target = ''", "actor = 'mallory'", "actor_id = 99", "ip = '192.0.2.9'", "at = at + interval '1 us'",
     "details = '{}'", "request_id = 'x'", "hash = 'x'", "previous_hash = 'x'"],
)  # fmt: skip
@pytest.mark.parametrize("row", [0, 3, 6])
def test_the_first_altered_row_is_named(trail: list[int], change: str, row: int) -> None:
    with behind_the_back(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE logs SET {change} WHERE id = %s", [trail[row]])
    with pytest.raises(CommandError, match=f"row {trail[row]} does not fit; {row} rows before"):
        run("verify_audit")


@pytest.mark.parametrize("row", [0, 3])
def test_a_removed_row_shows_at_the_next(trail: list[int], row: int) -> None:
    with behind_the_back(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM logs WHERE id = %s", [trail[row]])
    assert audit.verify().altered == trail[row + 1]


def test_a_row_altered_with_its_own_hash_shows_at_the_next(trail: list[int]) -> None:
    with behind_the_back(), connection.cursor() as cursor:
        cursor.execute("UPDATE logs SET action = 'other' WHERE id = %s", [trail[2]])
        cursor.execute(audit._ROWS, [trail[1], 1])
        cursor.execute("UPDATE logs SET hash = %s WHERE id = %s", [cursor.fetchone()[3], trail[2]])
    assert audit.verify().altered == trail[3]


@pytest.mark.parametrize("statement", ["UPDATE logs SET action = 'x'", "DELETE FROM logs", "TRUNCATE logs"])
def test_the_database_refuses_to_alter_the_trail(trail: list[int], statement: str) -> None:
    with pytest.raises(DatabaseError, match="insert-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert audit.verify().rows == 7
