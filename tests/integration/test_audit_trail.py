"""The audit trail outside of the database: its copy on the stream, its anchors, and what they show that the chain cannot."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from apps.accounts import anchors, audit, copying, services, telegram
from apps.accounts.models import AuditCopy, AuditEntry, TelegramCode, User
from apps.downloads import services as downloads
from apps.downloads.models import Download
from apps.jobs import broker, relay
from apps.jobs.models import Job, Status
from apps.media.models import Media
from sokoul import component
from sokoul.dashboard import configuration
from sokoul.env import ENV
from sokoul.stack.embedded import Postgres
from tests import servers
from tests.factories import PASSWORD
from tests.outages import lose_stream
from tests.waiting import until


@pytest.fixture
def stream(transactional_db: None, nats: str, valkey: str) -> None:
    """The streams as declared, empty."""
    broker.call(broker.declare())
    for name in ("JOBS", "LOGS"):
        broker.call(broker.purge(name))


def record(*actions: str) -> list[int]:
    return [audit.record(action) for action in actions]


def copies() -> list[dict[str, Any]]:
    found, sequence = [], 1
    while stored := broker.call(broker.following("LOGS", sequence, "logs.>")):
        sequence = stored.sequence + 1
        found.append({"subject": stored.subject, **json.loads(stored.data)})
    return found


def verify(*options: str) -> str:
    said = StringIO()
    call_command("verify_audit", *options, stdout=said)
    return said.getvalue()


@contextmanager
def as_superuser() -> Iterator[psycopg.Cursor[Any]]:
    """Who owns the server, and whom no trigger holds. The test's own transaction must be none."""
    server = servers.SERVERS["DATABASE_URL"]
    assert isinstance(server, Postgres)
    address = server.admin_url.removesuffix("/postgres") + f"/{connection.settings_dict['NAME']}"
    with psycopg.connect(address, autocommit=True) as link, link.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield cursor


def rewrite(action: str, row_id: int) -> None:
    """Alter a row, and give it and all that follow it hashes that fit."""
    with as_superuser() as cursor:
        cursor.execute("UPDATE logs SET action = %s WHERE id = %s", [action, row_id])
        cursor.execute("SELECT hash FROM logs WHERE id < %s ORDER BY id DESC LIMIT 1", [row_id])
        previous = (cursor.fetchone() or [b""])[0]
        for later in AuditEntry.objects.filter(pk__gte=row_id).order_by("pk").values_list("pk", flat=True):
            cursor.execute("UPDATE logs SET previous_hash = %s WHERE id = %s", [previous, later])
            cursor.execute(audit._ROWS.encode(), [later - 1, 1])
            (*_, previous) = cursor.fetchone() or ()
            cursor.execute("UPDATE logs SET hash = %s WHERE id = %s", [previous, later])


# --- in the database ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["UPDATE logs SET action = 'x'", "DELETE FROM logs", "TRUNCATE logs"])
def test_the_applications_own_role_can_only_insert(db: None, statement: str) -> None:
    record("one")
    with connection.cursor() as cursor:
        cursor.execute("SELECT usename, usesuper FROM pg_user WHERE usename = current_user")
        assert cursor.fetchone() == (connection.settings_dict["USER"], False)
    with pytest.raises(Exception, match="insert-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEntry.objects.count() == 1


def test_a_row_altered_as_superuser_is_found_with_its_id(transactional_db: None) -> None:
    ids = record("one", "two", "three")
    with as_superuser() as cursor:
        cursor.execute("UPDATE logs SET action = 'other' WHERE id = %s", [ids[1]])
    with pytest.raises(CommandError, match=f"row {ids[1]} does not fit; 1 rows before it are whole"):
        verify()


def test_a_row_removed_from_the_middle_is_found_at_the_next(transactional_db: None) -> None:
    ids = record("one", "two", "three")
    with as_superuser() as cursor:
        cursor.execute("DELETE FROM logs WHERE id = %s", [ids[1]])
    with pytest.raises(CommandError, match=f"row {ids[2]} does not fit"):
        verify()


# --- on the stream ------------------------------------------------------------------------------------------------------


def test_each_committed_row_is_copied_once_in_order(stream: None, alice: User) -> None:
    audit.record("first", "x", alice, number=1)
    with transaction.atomic():
        audit.record("never")
        transaction.set_rollback(True)
    record("second")
    assert copying.copy() == 2
    assert copying.copy() == 0
    first, second = copies()
    row = AuditEntry.objects.get(action="first")
    assert (first["subject"], first["id"], first["actor"], first["target"]) == ("logs.audit", row.pk, "alice", "x")
    assert (first["details"], first["hash"]) == ({"number": 1}, bytes(row.hash).hex())
    assert (second["action"], second["previous_hash"]) == ("second", first["hash"])


def test_without_nats_the_copy_is_late_and_whole(stream: None) -> None:
    record("before")
    copying.copy()
    server = servers.SERVERS["NATS_URL"]
    server.stop()
    try:
        until(lambda: not broker.is_connected())
        record("one", "two")
        with pytest.raises(broker.BrokerDown):
            copying.copy()
    finally:
        server.start()
        until(broker.is_connected)
    record("three")
    until(lambda: copying.copy() == 3, what="the copy")
    assert [row["action"] for row in copies()] == ["before", "one", "two", "three"]


def test_what_jetstream_does_not_take_is_sent_again(stream: None) -> None:
    lose_stream("LOGS")
    record("one", "two")
    assert copying.copy() == 0
    broker.call(broker.declare())
    assert copying.copy() == 2


def test_a_row_that_nats_could_not_carry_holds_up_nothing(stream: None) -> None:
    audit.record("large", text="x" * 2_000_000)
    record("next")
    assert copying.copy() == 2
    large, after = copies()
    assert large["details"]["left_out"] > 2_000_000
    assert (large["hash"], after["action"]) == (after["previous_hash"], "next")


def test_a_relay_that_died_before_it_noted_how_far_it_came_doubles_nothing(stream: None) -> None:
    record("one", "two")
    copying.copy()
    AuditCopy.objects.update(last_id=0)
    assert copying.copy() == 2
    assert [row["action"] for row in copies()] == ["one", "two"]


def test_the_relay_copies_and_anchors_by_itself(stream: None) -> None:
    (row_id,) = record("one")
    relay.Relay().turn()
    assert [row["id"] for row in copies()] == [row_id]
    assert [witness.row_id for witness in anchors.witnesses()[0]] == [row_id]


# --- anchors ------------------------------------------------------------------------------------------------------------


def test_the_newest_row_is_noted_once_and_for_the_owner_alone(db: None) -> None:
    assert anchors.write() == 0, "nothing to note"
    ids = record("one", "two")
    assert (anchors.write(), anchors.write()) == (1, 0)
    ids += record("three")
    assert anchors.write() == 1
    lines = anchors.path().read_text().splitlines()
    rows = AuditEntry.objects.in_bulk(ids)
    expected = [[str(row_id), bytes(rows[row_id].hash).hex()] for row_id in ids[1:]]
    assert [line.split()[1:] for line in lines] == expected
    assert anchors.path() == ENV.data_dir / "audit" / "heads.log"
    assert anchors.path().stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_power_cut_tore_costs_that_line(db: None) -> None:
    ids = record("one")
    anchors.write()
    with anchors.path().open("a") as file:
        file.write("2026-01-01T00:00:00+00:00 2 abc")
    ids += record("two")
    assert anchors.write() == 1
    assert [witness.row_id for witness in anchors.witnesses()[0]] == ids


def test_rows_cut_off_at_the_end_are_named_by_the_file(stream: None) -> None:
    ids = record("one", "two", "three")
    anchors.write()
    with as_superuser() as cursor:
        cursor.execute("DELETE FROM logs WHERE id > %s", [ids[0]])
    assert audit.verify().altered is None, "the chain itself cannot know"
    with pytest.raises(CommandError, match=rf"ends with row {ids[0]} and lacks row {ids[2]}, which heads\.log noted"):
        verify()
    entry = AuditEntry.objects.get(action="audit.verified")
    assert (entry.details["altered"], entry.details["witness"]) == (ids[2], "heads.log")


def test_rows_cut_off_at_the_end_are_named_by_the_stream(stream: None) -> None:
    ids = record("one", "two", "three")
    copying.copy()
    with as_superuser() as cursor:
        cursor.execute("DELETE FROM logs WHERE id > %s", [ids[0]])
    with pytest.raises(CommandError, match=rf"lacks row {ids[1]}, which stream LOGS noted"):
        verify()


def test_a_chain_written_anew_as_a_whole_is_found(stream: None) -> None:
    ids = record("one", "two", "three")
    anchors.write()
    rewrite("other", ids[0])
    assert audit.verify().altered is None, "every hash fits"
    with pytest.raises(CommandError, match=f"written anew: row {ids[2]}, .*is another one now"):
        verify()
    copying.copy()
    anchors.path().unlink()
    rewrite("again", ids[1])
    with pytest.raises(CommandError, match=f"written anew: row {ids[1]}, which stream LOGS"):
        verify()


def test_a_contradicted_trail_is_anchored_no_more_and_told(
    transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    ids = record("one")
    anchors.write()
    rewrite("other", ids[0])
    record("two")
    assert anchors.write() == 0
    assert "the audit trail is not what it was" in caplog.text
    assert len(anchors.witnesses()[0]) == 1


def test_after_a_restore_a_new_anchor_is_asked_for_and_audited(stream: None) -> None:
    ids = record("one", "two", "three")
    anchors.write()
    copying.copy()
    with as_superuser() as cursor:  # what restoring a backup of the first row's time does
        cursor.execute("DELETE FROM logs WHERE id > %s", [ids[0]])
    with pytest.raises(CommandError, match="After a backup was restored this is as it must be"):
        verify()
    assert "The audit trail is whole" in verify("--new-anchor")
    entry = AuditEntry.objects.get(action="audit.anchored_anew")
    assert entry.details["before"]["id"] == ids[2]
    assert (entry.actor, entry.details["command"]) == ("", "verify_audit")
    record("later")
    copying.copy()
    anchors.write()
    assert "The audit trail is whole" in verify()
    rewrite("other", entry.pk)
    with pytest.raises(CommandError, match=f"row {entry.pk}"):
        verify()


def test_an_altered_chain_gets_no_new_anchor(transactional_db: None) -> None:
    ids = record("one", "two")
    with as_superuser() as cursor:
        cursor.execute("UPDATE logs SET action = 'other' WHERE id = %s", [ids[0]])
    with pytest.raises(CommandError, match="was altered"):
        verify("--new-anchor")
    assert not anchors.path().exists()


# --- what is told -------------------------------------------------------------------------------------------------------


def last() -> tuple[str, str, str, dict[str, Any]]:
    entry = AuditEntry.objects.latest("pk")
    return entry.action, entry.target, entry.actor, entry.details


def wish(user: User, phase: str, status: str, **fields: Any) -> Download:
    title = Media.objects.create(tmdb_id=1, kind="movie", title="Tram", slug="tram", genres=["Drama"])
    return Download.objects.create(user=user, media=title, phase=phase, status=status, **fields)


def test_sign_ins_and_deletions_are_told_with_who_when_and_where(alice: User, valkey: str) -> None:
    client, began = Client(REMOTE_ADDR="192.0.2.7"), timezone.now()
    for password in ("wrong", PASSWORD):
        answer = client.post(
            "/auth/login", {"username": "alice", "password": password}, content_type="application/json"
        )
    bearer = {"Authorization": f"Bearer {answer.json()['access']}"}
    gone = client.delete("/user", headers={**bearer, "X-Request-ID": "the-last-one"})
    assert gone.status_code == 204
    rows = list(AuditEntry.objects.order_by("pk"))
    assert [(row.action, row.actor, row.actor_id) for row in rows] == [
        ("auth.login_failed", "", None), ("auth.login", "alice", alice.pk), ("user.deleted", "alice", alice.pk),
    ]  # fmt: skip
    assert (rows[0].target, rows[0].details) == ("alice", {"user_id": alice.pk})
    assert all(row.ip == "192.0.2.7" and began <= row.at <= timezone.now() and row.request_id for row in rows)
    assert rows[2].request_id == "the-last-one"


@pytest.mark.usefixtures("valkey")
def test_what_a_person_does_to_a_download_is_told(alice: User) -> None:
    row = wish(alice, "downloading", "Running")
    target, about = str(row.pk), {"media_id": row.media_id}
    downloads.pause(alice.pk, row.pk)
    assert last() == ("download.paused", target, "alice", about)
    downloads.pause(alice.pk, row.pk)
    assert AuditEntry.objects.count() == 1, "it was paused already"
    downloads.resume(alice.pk, row.pk)
    assert last() == ("download.resumed", target, "alice", about)
    downloads.cancel(alice.pk, row.pk, files=True)
    assert last() == ("download.cancelled", target, "alice", {**about, "files": True})
    downloads.retry(alice.pk, row.pk)
    assert last() == ("download.retried", target, "alice", about)
    downloads.cancel(alice.pk, row.pk)
    downloads.cancel(alice.pk, row.pk)
    assert last() == ("download.removed", target, "alice", about)


@pytest.mark.usefixtures("valkey")
def test_the_end_of_seeding_is_told(alice: User) -> None:
    row = wish(alice, "seeding", "Completed", finished_at=timezone.now(), completed_at=timezone.now())
    downloads.cancel(alice.pk, row.pk)
    assert last() == ("download.seeding_ended", str(row.pk), "alice", {"media_id": row.media_id})


def test_a_change_of_the_password_is_told_without_it(alice: User) -> None:
    services.change_profile(alice, {"password": "another long phrase", "current_password": PASSWORD})
    assert last() == ("user.changed", "alice", "alice", {"fields": ["password"], "before": {}, "after": {}})


def test_a_refused_telegram_account_is_told(alice: User) -> None:
    ends = timezone.now() + timedelta(minutes=5)
    asked = {"used_at": timezone.now(), "telegram_id": 7, "chat_id": 7, "name": "mallory"}
    TelegramCode.objects.create(user=alice, digest="0" * 64, expires_at=ends, **asked)
    telegram.refuse(alice.pk)
    assert last() == ("telegram.refused", "alice", "alice", {"telegram_id": 7})
    telegram.refuse(alice.pk)
    assert AuditEntry.objects.count() == 1, "nobody asks any more"


@pytest.mark.usefixtures("stream")
def test_what_the_operator_does_names_the_command_and_nobody() -> None:
    ended = {"status": Status.FAILED, "attempts": 4, "finished_at": timezone.now() - timedelta(minutes=1)}
    job = Job.objects.create(worker="scout", kind="noop", **ended)
    call_command("jobs", "retry", str(job.pk), stdout=StringIO())
    assert last() == ("job.retried", str(job.pk), "", {"command": "jobs"})
    broker.call(broker.publish([broker.Outgoing("dlq.scout.noop", b"poison", {"Sokoul-Failed": ""})]))
    call_command("dlq", "purge", "--all", stdout=StringIO())
    assert last() == ("dlq.purged", "all", "", {"command": "dlq"})


def test_a_changed_configuration_is_told_with_before_and_after(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def start() -> None:
        with component.commanded("setup"):
            configuration.note()

    start()
    first = AuditEntry.objects.get()
    assert first.details["after"]["JWT_SECRET"] == "***"
    monkeypatch.setattr(ENV, "seed_hours", 48)
    start()
    assert last() == (
        "configuration.changed", "", "", {"before": {"SEED_HOURS": None}, "after": {"SEED_HOURS": "48"}, "command": "setup"},
    )  # fmt: skip
    start()
    assert AuditEntry.objects.count() == 2, "nothing changed"
    monkeypatch.setattr(ENV, "seed_hours", 24)
    start()
    assert last()[3]["before"] == {"SEED_HOURS": "48"}
