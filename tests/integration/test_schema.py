"""The database itself refuses what must not be, and migrations go both ways (SPEC 5)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.accounts.models import AuditEntry, Channel, Preference, Sending, User
from apps.downloads.models import Candidate, Download, LibraryFile, Torrent
from apps.feed.models import Event
from apps.jobs.models import Job
from apps.media.models import Favorite, Media, Watch
from tests.factories import make_user

pytestmark = pytest.mark.django_db
TABLES = {"users", "media", "torrents", "downloads", "favorites", "watch_history", "jobs", "logs"}


def media(**fields: Any) -> Media:
    facts = {"tmdb_id": 1, "kind": "movie", "title": "Mint", "genres": ["Drama"], "slug": "mint"}
    return Media.objects.create(**{**facts, **fields})


def torrent(**fields: Any) -> Torrent:
    facts = {"key": "k", "title": "Mint 2021", "magnet": "magnet:?xt=urn:btih:" + "a" * 40, "indexer": "x"}
    return Torrent.objects.create(**{**facts, "seen_at": timezone.now(), **fields})


def download(**fields: Any) -> Download:
    user, film = fields.pop("user", None) or make_user(), fields.pop("media", None) or media()
    return Download.objects.create(user=user, media=film, **fields)


def job(**fields: Any) -> Job:
    return Job.objects.create(**{"worker": "scout", "kind": "search", **fields})


def channel(**fields: Any) -> Channel:
    return Channel.objects.create(user=fields.pop("user", None) or make_user(), **{"kind": "email", **fields})


def preference(**fields: Any) -> Preference:
    return Preference.objects.create(user=make_user(), code="job_failed", **fields)


def watch(**fields: Any) -> Watch:
    facts = {"position": 1.0, "duration": 2.0, "watched_at": timezone.now()}
    return Watch.objects.create(user=make_user(), media=media(), **{**facts, **fields})


def candidate(**fields: Any) -> Candidate:
    return Candidate.objects.create(media=media(), torrent=torrent(), decided_at=timezone.now(), **fields)


def test_the_plans_tables_stand_in_schema_public() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        assert {row[0] for row in cursor.fetchall()} >= TABLES


@pytest.mark.parametrize(
    ("write", "fields"),
    [
        (make_user, {"username": "ab"}),
        (make_user, {"username": "a b c"}),
        (make_user, {"email": "nobody"}),
        (make_user, {"role": "god"}),
        (make_user, {"password": "plain text"}),
        (make_user, {"email": None}),
        (media, {"tmdb_id": -1}),
        (media, {"title": ""}),
        (media, {"genres": []}),
        (media, {"kind": "podcast"}),
        (media, {"year": 12}),
        (torrent, {"magnet": ""}),
        (torrent, {"magnet": "http://example.com"}),
        (torrent, {"info_hash_v1": "xyz"}),
        (torrent, {"seeders": -1}),
        (torrent, {"peers": -1}),
        (download, {"phase": "dreaming"}),
        (download, {"phase": "done", "status": "Running"}),
        (download, {"progress": 101}),
        (download, {"bytes_done": -1}),
        (job, {"status": "Sleeping"}),
        (job, {"status": "Completed"}),
        (job, {"kind": ""}),
        (watch, {"position": 3.0}),
        (watch, {"duration": 0.0, "position": 0.0}),
        (channel, {"kind": "pigeon"}),
        (channel, {"kind": "webhook", "target": "https://example.com/"}),
        (channel, {"kind": "email", "secret": "s"}),
        (preference, {"kind": "pigeon"}),
        (candidate, {"score": None, "rejections": []}),
        (candidate, {"score": 5, "rejections": [{"code": "cam"}]}),
    ],
)
def test_the_database_refuses(write: Callable[..., Any], fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        write(**fields)


def test_what_is_unique_is_so_whatever_its_case() -> None:
    make_user("alice", email="Alice@example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_user("ALICE", email="other@example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_user("someone", email="alice@EXAMPLE.com")
    media()
    with pytest.raises(IntegrityError), transaction.atomic():
        media()
    media(kind="tv")
    torrent(info_hash_v1="a" * 40, info_hash_v2="b" * 64)
    for taken in ({"info_hash_v1": "a" * 40}, {"info_hash_v2": "b" * 64}):
        with pytest.raises(IntegrityError), transaction.atomic():
            torrent(key="other", **taken)


def test_one_mail_address_a_person_and_every_target_once() -> None:
    user, fields = make_user(), {"kind": "webhook", "secret": "s"}
    channel(user=user, target="alice@example.com")
    channel(user=user, target="https://example.com/", **fields)
    channel(user=user, target="https://example.com/2", **fields)
    for taken in ({"target": "other@example.com"}, {"target": "https://example.com/", **fields}):
        with pytest.raises(IntegrityError), transaction.atomic():
            channel(user=user, **taken)


def test_a_notification_goes_through_a_channel_once() -> None:
    way = channel()
    event = Event.objects.create(user=way.user, type="notification", data={})
    Sending.objects.create(channel=way, event=event)
    with pytest.raises(IntegrityError), transaction.atomic():
        Sending.objects.create(channel=way, event=event)


def test_one_wish_a_title_until_it_failed() -> None:
    user, film = make_user(), media()
    first = download(user=user, media=film)
    with pytest.raises(IntegrityError), transaction.atomic():
        download(user=user, media=film)
    Download.objects.filter(pk=first.pk).update(phase="failed", status="Failed")
    download(user=user, media=film)


def test_deleting_a_person_takes_their_data_and_leaves_the_trail() -> None:
    user, film = make_user("leaver"), media()
    Favorite.objects.create(user=user, media=film)
    Watch.objects.create(user=user, media=film, position=1, duration=2, watched_at=timezone.now())
    wish = download(user=user, media=film)
    LibraryFile.objects.create(user=user, media=film, download=wish, index=0, path="x.mp4", size=1)
    job(user=user)
    AuditEntry.objects.create(actor_id=user.pk, actor="leaver", action="login")
    user.delete()
    assert not any(
        model.objects.exists()  # type: ignore[attr-defined]
        for model in (Favorite, Watch, Download, LibraryFile, Job)
    )
    assert Media.objects.exists()
    assert AuditEntry.objects.get().actor == "leaver"


@pytest.mark.parametrize("statement", ["UPDATE logs SET actor = 'x'", "DELETE FROM logs", "TRUNCATE logs"])
def test_the_audit_trail_only_grows(statement: str) -> None:
    AuditEntry.objects.create(action="login")
    with pytest.raises(Exception, match="insert-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT * FROM users WHERE id = 5", "users_pkey"),
        ("SELECT * FROM downloads WHERE user_id = 5 ORDER BY created_at DESC, id DESC LIMIT 20", "downloads_newest"),
        ("SELECT * FROM favorites WHERE user_id = 5 ORDER BY created_at DESC, id DESC LIMIT 20", "favorites_newest"),
        (
            "SELECT * FROM watch_history WHERE user_id = 5 ORDER BY watched_at DESC, id DESC LIMIT 20",
            "watch_history_newest",
        ),
        ("SELECT * FROM jobs WHERE user_id = 5 ORDER BY created_at DESC, id DESC LIMIT 20", "jobs_newest"),
        (
            "SELECT * FROM library_files WHERE user_id = 5 ORDER BY created_at DESC, id DESC LIMIT 20",
            "library_files_newest",
        ),
    ],
)
def test_the_apis_queries_have_their_index(sql: str, index: str) -> None:
    """Only one index has both the rows and their order, so that what the tables hold, or held, decides nothing."""
    assert index in plan(sql)


def plan(sql: str) -> str:
    """How PostgreSQL would answer, if it could neither read a whole table nor sort."""
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(row[0] for row in cursor.fetchall())


def test_a_replay_reads_the_events_of_one_person_alone() -> None:
    """The key has the order, too: which of the two is read is a matter of how many events are others', here nearly all."""
    reader, other = make_user(), make_user()
    Event.objects.bulk_create(Event(user=other if n % 500 else reader, type="note") for n in range(2000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE events")
    asked = f"SELECT id FROM events WHERE user_id = {reader.pk} AND id > 100 ORDER BY id LIMIT 1000"
    assert "using events_replay" in plan(asked)


# Of each index that has all rows: its table, its name, its columns in their order; of expressions, 0.
INDEXES = """SELECT c.relname, i.indexrelid::regclass::text, string_to_array(i.indkey::text, ' ')::int[]
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relnamespace = 'public'::regnamespace AND i.indpred IS NULL"""
KEYS = """SELECT conrelid::regclass::text, conname, conkey::int[] FROM pg_constraint
    WHERE contype = 'f' AND connamespace = 'public'::regnamespace"""
STARTED = {"downloads", "download_starts", "jobs", "events", "logs", "candidates"}  # what a start or a search writes


def test_every_foreign_key_is_found_by_an_index() -> None:
    """Or deleting what it points to would read the whole table for each row."""
    with connection.cursor() as cursor:
        cursor.execute(INDEXES)
        found = {(table, columns[0]) for table, _, columns in cursor.fetchall()}
        cursor.execute(KEYS)
        assert not [name for table, name, (column,) in cursor.fetchall() if (table, column) not in found]


def test_no_index_repeats_how_another_begins() -> None:
    with connection.cursor() as cursor:
        cursor.execute(INDEXES)
        found = [row for row in cursor.fetchall() if row[0] in STARTED]
    assert {table for table, _, _ in found} == STARTED
    repeated = [
        (name, other)
        for table, name, columns in found
        for its, other, longer in found
        if its == table and other != name and longer[: len(columns)] == columns
    ]
    assert not repeated


@pytest.mark.django_db(transaction=True)
def test_migrations_are_whole_and_go_back_and_forth() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    call_command("migrate", verbosity=0)  # once more: nothing to do, no error
    try:
        for app in ("downloads", "media", "jobs", "feed"):
            call_command("migrate", app, "zero", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('downloads'), to_regclass('jobs'), to_regclass('users')")
            assert cursor.fetchone() == (None, None, "users")
    finally:
        call_command("migrate", verbosity=0)
    user = make_user()
    assert User.objects.get(pk=user.pk).created_at > timezone.now() - timedelta(minutes=1)
