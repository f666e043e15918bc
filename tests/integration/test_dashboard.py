"""The admin dashboard: who gets in, what the lists show and do, the path of one request."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin import site as admin_site
from django.contrib.admin.utils import label_for_field
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation
from unfold.widgets import UnfoldBooleanWidget

from apps.accounts import audit
from apps.accounts.admin import Listed
from apps.accounts.models import AuditEntry, User
from apps.downloads.indexers import torznab
from apps.downloads.models import Candidate, Download, Indexer, LibraryFile, Torrent
from apps.feed import push
from apps.jobs import broker, deadletters, messages, streams
from apps.jobs.models import Job, Status
from apps.media.models import Media
from sokoul import request_id
from sokoul.dashboard import timeline
from sokoul.env import ENV
from tests.demo import Demo
from tests.factories import make_user
from tests.providers import providers

__all__ = ["providers"]

LISTS = (
    "accounts/user", "downloads/candidate", "downloads/download", "downloads/indexer", "downloads/torrent", "jobs/job", "media/media",
)  # fmt: skip
OWN = ("", "live", "indexers/", "settings/", "requests/", "requests/click-1/", "dlq/")
FOR_ADMINS = (*(f"{name}/" for name in LISTS), *OWN[1:])
EVIL = "<img src=x onerror=alert(1)>"


def signed_in(user: User) -> Client:
    client = Client(headers={"Accept": "text/html"})
    client.force_login(user)
    return client


def film(**fields: Any) -> Media:
    number = Media.objects.count() + 1
    return Media.objects.create(
        **{"tmdb_id": number, "kind": "movie", "title": f"Film {number}", "genres": ["Drama"], "slug": "f", **fields}
    )


def release(**fields: Any) -> Torrent:
    number = Torrent.objects.count() + 1
    magnet = f"magnet:?xt=urn:btih:{number:040d}"
    return Torrent.objects.create(
        **{
            "key": str(number),
            "title": f"r{number}",
            "magnet": magnet,
            "indexer": "x",
            "seen_at": timezone.now(),
            **fields,
        }
    )


def wish(user: User, phase: str = "downloading", status: str = "Running", **fields: Any) -> Download:
    return Download.objects.create(user=user, media=film(), phase=phase, status=status, **fields)


def failed_job(**fields: Any) -> Job:
    ended = {"status": Status.FAILED, "attempts": 4, "finished_at": timezone.now()}
    return Job.objects.create(**{"worker": "scout", "kind": "search", **ended, **fields})


def rows_of(user: User) -> None:
    """One of everything that a list shows."""
    title = film()
    for score in (None, 5):
        refused = [{"code": "cam", "sentence": "It was filmed in a cinema (CAM)."}] if score is None else []
        why = [] if score is None else [{"code": "source", "sentence": "Source WEB-DL."}]
        Candidate.objects.create(
            media=title, torrent=release(), score=score, reasons=why, rejections=refused, decided_at=timezone.now()
        )
    wish(user)
    Indexer.objects.create(name=f"Indexer {user.pk}", kind="torznab", failures=1, last_error="It hangs.")
    failed_job(user=user)
    audit.record("auth.login", user.username, user)


def told(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


@pytest.fixture
def dlq(transactional_db: None, nats: str) -> None:
    broker.call(broker.declare())
    for stream in streams.STREAMS:
        broker.call(broker.purge(stream.name))


def bury(job: Job | None = None, data: bytes = b'{"payload": "p"}') -> int:
    headers = {messages.REASON_HEADER: json.dumps(f"No such title {EVIL}")}
    if job:
        headers[messages.JOB_HEADER] = str(job.pk)
    return broker.call(broker.publish([broker.Outgoing("dlq.scout.search", data, headers)]))[0]


# --- who gets in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["password", "password__startswith", "token_epoch__gt", "avatar__regex"])
def test_a_list_is_filtered_by_what_it_offers_and_gives_nothing_else_away(admin: User, column: str) -> None:
    """Else the hash of a password could be read letter by letter."""
    client = signed_in(admin)
    assert client.get("/dashboard/accounts/user/", {column: "a"}).status_code == 400
    assert client.get("/dashboard/accounts/user/", {"role__exact": "admin", "is_active__exact": "1"}).status_code == 200
    assert (
        client.get(
            "/dashboard/accounts/auditentry/", {"topic": "auth", "at__gte": "2026-01-01 00:00:00+00:00"}
        ).status_code
        == 200
    )


def test_a_filter_that_postgresql_cannot_read_is_left_out(admin: User) -> None:
    answer = signed_in(admin).get("/dashboard/accounts/user/?role__exact=%00")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/dashboard/accounts/user/?e=1")


def test_every_list_names_its_columns_in_french_too(admin: User, db: None) -> None:
    same = {"action", "genres", "id", "ip", "points", "quotas", "tmdb id", "e-mail"}
    with translation.override("fr"):
        french = {(model, name): _label(model, name) for model, name in _columns()}
    found = {key: _label(*key) for key, name in french.items() if name.lower() == _label(*key).lower()}
    assert {key: name for key, name in found.items() if name.lower() not in same} == {}
    client = Client(headers={"Accept-Language": "fr"})
    User.objects.filter(pk=admin.pk).update(language="fr")
    client.force_login(User.objects.get(pk=admin.pk))
    Indexer.objects.create(name="Lanterne", kind="prowlarr")
    assert "requêtes en échec" in client.get("/dashboard/downloads/indexer/").content.decode().lower()


def _columns() -> list[tuple[Any, str]]:
    listed = [(model, site) for model, site in admin_site._registry.items() if isinstance(site, Listed)]
    return [(model, str(name)) for model, site in listed for name in site.list_display]


def _label(model: Any, name: str) -> str:
    return str(label_for_field(name, model, admin_site._registry[model]))


def test_strangers_sign_in_first_and_come_back(client: Client, db: None) -> None:
    for path in ("", "settings/", "accounts/auditentry/"):
        assert client.get(f"/dashboard/{path}").headers["Location"] == f"/app/login?next=/dashboard/{path}"
    part = client.get("/dashboard/live", headers={"HX-Request": "true"})
    assert (part.status_code, "HX-Redirect" in part.headers, part.content) == (200, True, b"")
    assert client.post("/dashboard/verify").status_code == 302
    assert not AuditEntry.objects.exists()


def test_users_are_turned_away_everywhere(alice: User) -> None:
    client = signed_in(alice)
    for path in (*FOR_ADMINS, "", "accounts/auditentry/"):
        assert client.get(f"/dashboard/{path}").status_code == 403, path
    assert client.post("/dashboard/verify").status_code == 403


def test_moderators_see_the_audit_trail_and_nothing_else(moderator: User) -> None:
    client = signed_in(moderator)
    audit.record("auth.login", "somebody", moderator)
    assert client.get("/dashboard/").headers["Location"] == "/dashboard/accounts/auditentry/"
    page = client.get("/dashboard/accounts/auditentry/")
    assert page.status_code == 200
    assert "somebody" in page.content.decode()
    assert "/dashboard/accounts/user/" not in page.content.decode()
    assert client.get(f"/dashboard/accounts/auditentry/{AuditEntry.objects.get().pk}/change/").status_code == 200
    for path in FOR_ADMINS:
        assert client.get(f"/dashboard/{path}").status_code == 403, path
    for path in ("dlq/purge", "dlq/1/replay", "dlq/1/purge", "indexers/test"):
        assert client.post(f"/dashboard/{path}").status_code == 403, path


@pytest.mark.usefixtures("dlq", "valkey")
def test_admins_see_every_page(admin: User) -> None:
    rows_of(admin)
    client = signed_in(admin)
    for path in (*FOR_ADMINS, "", "accounts/auditentry/"):
        answer = client.get(f"/dashboard/{path}")
        assert answer.status_code == 200, path
    for model in (User, Candidate, Download, Indexer, Torrent, Job, Media, AuditEntry):
        first: Any = model.objects.order_by("pk")[0]
        address = reverse(f"admin:{first._meta.app_label}_{first._meta.model_name}_change", args=[first.pk])
        assert client.get(address).status_code == 200, address


def test_nothing_is_added_changed_or_deleted_behind_the_services(admin: User) -> None:
    rows_of(admin)
    client = signed_in(admin)
    for name in (*LISTS, "accounts/auditentry"):
        assert client.get(f"/dashboard/{name}/add/").status_code == 403, name
        listed = client.get(f"/dashboard/{name}/").content.decode()
        assert "delete_selected" not in listed, name
    entry = AuditEntry.objects.get()
    assert client.post(f"/dashboard/accounts/auditentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"/dashboard/jobs/job/{Job.objects.get().pk}/change/", {"status": "x"}).status_code == 403


@pytest.mark.parametrize("name", [*LISTS, "accounts/auditentry"])
def test_a_list_costs_the_same_at_1_and_at_50_rows(admin: User, name: str) -> None:
    client = signed_in(admin)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(f"/dashboard/{name}/").status_code == 200
        return len(asked)

    rows_of(make_user())
    few = queries()
    for _ in range(49):
        rows_of(make_user())
    assert queries() == few <= 8


def test_the_boxes_that_choose_rows_are_drawn_once_a_list_and_not_once_a_row(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    draw = UnfoldBooleanWidget.render

    def drawing(widget: Any, name: str, *rest: Any, **more: Any) -> Any:
        drawn.append(name)
        return draw(widget, name, *rest, **more)

    monkeypatch.setattr(UnfoldBooleanWidget, "render", drawing)
    jobs = [failed_job() for _ in range(20)]
    page = signed_in(admin).get("/dashboard/jobs/job/").content.decode()
    for job in jobs:
        assert f'name="_selected_action" value="{job.pk}"' in page
    assert drawn.count("action-toggle") == 1
    assert drawn.count("_selected_action") <= 1


def test_downloads_are_filtered_by_their_status(admin: User, alice: User) -> None:
    wish(alice, "failed", "Failed", request_id="went-wrong")
    wish(alice, request_id="goes-on")
    client = signed_in(admin)
    every = client.get("/dashboard/downloads/download/").content.decode()
    for status in ("Completed", "Failed", "Pending", "Running"):
        assert f'href="?status={status}"' in every
    failed = client.get("/dashboard/downloads/download/?status=Failed").content.decode()
    assert "went-wrong" in failed
    assert "goes-on" not in failed


# --- what admins do ---------------------------------------------------------------------------------------------------


def test_a_role_is_changed_on_the_page_and_noted(admin: User, alice: User) -> None:
    client = signed_in(admin)
    address = f"/dashboard/accounts/user/{alice.pk}/change/"
    wanted = {"role": "moderator", "is_active": "on"}
    assert "Tick this to go on." in client.post(address, wanted).content.decode()
    assert User.objects.get(pk=alice.pk).role == "user"
    assert client.post(address, {**wanted, "confirmed": "on"}).status_code == 302
    alice.refresh_from_db()
    assert (alice.role, alice.is_active) == ("moderator", True)
    assert AuditEntry.objects.get(action="user.role_changed").actor == "admin"
    assert client.post(address, {"role": "moderator"}).status_code == 200  # the switch is off
    client.post(address, {"role": "moderator", "confirmed": "on"})
    alice.refresh_from_db()
    assert not alice.is_active
    closed = AuditEntry.objects.get(action="user.deactivated")
    assert (closed.target, closed.details["before"], closed.details["after"]) == ("alice", True, False)


def test_quotas_are_set_on_the_page_and_noted(admin: User, alice: User) -> None:
    client = signed_in(admin)
    address = f"/dashboard/accounts/user/{alice.pk}/change/"
    form = {"role": "user", "is_active": "on", "quota_active": "3", "quota_gigabytes": "1.5", "quota_weekly": ""}
    assert client.post(address, form).status_code == 302
    alice.refresh_from_db()
    assert (alice.quota_active, alice.quota_bytes, alice.quota_weekly) == (3, 1_500_000_000, None)
    noted = AuditEntry.objects.get(action="user.quotas_changed")
    assert (noted.details["before"]["active"], noted.details["after"]["bytes"]) == (None, 1_500_000_000)
    page = client.get(address).content.decode()
    assert "0 of 3" in page
    assert "0 B of 1.5 GB" in page
    assert "3 at once, 1.5 GB kept" in client.get("/dashboard/accounts/user/").content.decode()
    for wrong in ({"quota_active": "101"}, {"quota_gigabytes": "-1"}, {"quota_weekly": "x"}):
        assert client.post(address, {**form, **wrong}).status_code == 200, wrong
    client.post(address, {"role": "user", "is_active": "on"})  # empty: the defaults
    alice.refresh_from_db()
    assert (alice.quota_active, alice.quota_bytes) == (None, None)


def test_deactivating_from_the_list_asks_first(admin: User, alice: User, bob: User) -> None:
    client = signed_in(admin)
    chosen = {"action": "deactivate", "_selected_action": [alice.pk, bob.pk, admin.pk]}
    asked = client.post("/dashboard/accounts/user/", chosen).content.decode()
    assert "Yes, deactivate them" in asked
    assert "alice@example.com" in asked
    assert User.objects.filter(is_active=True).count() == 3
    answer = client.post("/dashboard/accounts/user/", {**chosen, "confirmed": "yes"})
    assert set(User.objects.filter(is_active=True).values_list("username", flat=True)) == {"admin"}
    assert told(answer) == ["admin: This is your own account. Ask another admin to change it.", "2 accounts changed."]
    client.post("/dashboard/accounts/user/", {"action": "activate", "_selected_action": [alice.pk]})
    assert User.objects.get(pk=alice.pk).is_active


def test_an_admin_cannot_shut_themself_out(admin: User) -> None:
    client = signed_in(admin)
    answer = client.post(
        f"/dashboard/accounts/user/{admin.pk}/change/", {"role": "user", "is_active": "on", "confirmed": "on"}
    )
    assert told(answer) == ["This is your own account. Ask another admin to change it."]
    client.post(
        "/dashboard/accounts/user/", {"action": "deactivate", "_selected_action": [admin.pk], "confirmed": "yes"}
    )
    admin.refresh_from_db()
    assert (admin.role, admin.is_active) == ("admin", True)


@pytest.mark.usefixtures("valkey")
def test_downloads_are_paused_on_behalf_of_their_owner(admin: User, alice: User) -> None:
    moving, done = wish(alice), wish(alice, "done", "Completed", finished_at=timezone.now())
    chosen = {"action": "pause", "_selected_action": [moving.pk, done.pk]}
    answer = signed_in(admin).post("/dashboard/downloads/download/", chosen)
    assert Download.objects.get(pk=moving.pk).phase == "paused"
    assert Download.objects.get(pk=done.pk).phase == "done"
    assert told(answer) == [
        f"Download {done.pk}: This download is done; it cannot be paused now.",
        "Done for 1 downloads.",
    ]
    entry = AuditEntry.objects.get(action="download.paused")
    assert (entry.actor, entry.target) == ("admin", str(moving.pk))
    assert entry.details == {"owner": "alice", "media_id": moving.media_id}


@pytest.mark.usefixtures("dlq", "valkey")
@pytest.mark.parametrize(
    ("action", "phase", "status", "after"),
    [
        ("resume", "paused", "Running", "queued"),
        ("cancel", "downloading", "Running", "cancelled"),
        ("retry", "failed", "Failed", "searching"),
    ],
)
def test_downloads_are_resumed_cancelled_and_retried(
    admin: User, alice: User, action: str, phase: str, status: str, after: str
) -> None:
    download = wish(alice, phase, status)
    signed_in(admin).post("/dashboard/downloads/download/", {"action": action, "_selected_action": [download.pk]})
    assert Download.objects.get(pk=download.pk).phase == after
    assert AuditEntry.objects.filter(action__startswith="download.", actor="admin").count() == 1


@pytest.mark.usefixtures("dlq")
def test_a_failed_job_is_found_by_request_and_run_again(admin: User, alice: User) -> None:
    job, other = failed_job(user=alice, request_id="click-1"), failed_job(request_id="click-2")
    client = signed_in(admin)
    page = client.get("/dashboard/jobs/job/", {"q": "click-1"}).content.decode()
    assert str(job.pk) in page
    assert str(other.pk) not in page
    assert str(job.pk) in client.get("/dashboard/jobs/job/", {"q": str(job.pk)}).content.decode()
    assert str(job.pk) not in client.get("/dashboard/jobs/job/", {"kind": "hunter.start"}).content.decode()
    client.post("/dashboard/jobs/job/", {"action": "retry", "_selected_action": [job.pk]})
    job.refresh_from_db()
    assert job.status == Status.PENDING
    assert AuditEntry.objects.get(action="job.retried").target == str(job.pk)


@pytest.mark.usefixtures("dlq")
def test_dead_letters_are_shown_replayed_and_purged(admin: User) -> None:
    job = failed_job()
    of_job, unreadable = bury(job), bury(data=b"\xff not JSON")
    client = signed_in(admin)
    page = client.get("/dashboard/dlq/").content.decode()
    assert EVIL not in page
    assert "No such title &lt;img" in page
    assert "&quot;payload&quot;: &quot;p&quot;" in client.get(f"/dashboard/dlq/{of_job}/").content.decode()
    assert r"\xff not JSON" in client.get(f"/dashboard/dlq/{unreadable}/").content.decode()
    client.post(f"/dashboard/dlq/{of_job}/replay")
    job.refresh_from_db()
    assert job.status == Status.PENDING
    client.post(f"/dashboard/dlq/{unreadable}/purge")
    assert deadletters.count() == 0
    assert told(client.get(f"/dashboard/dlq/{unreadable}/"))[-1] == "This dead letter was not found."
    bury()
    bury()
    client.post("/dashboard/dlq/purge")
    assert deadletters.count() == 0
    noted = AuditEntry.objects.order_by("id").values_list("action", "target")
    assert list(noted) == [("dlq.replayed", str(job.pk)), ("dlq.purged", str(unreadable)), ("dlq.purged", "all")]


@pytest.mark.usefixtures("dlq")
def test_a_get_changes_nothing(admin: User) -> None:
    sequence = bury()
    client = signed_in(admin)
    for path in (f"dlq/{sequence}/replay", f"dlq/{sequence}/purge", "dlq/purge", "verify", "indexers/test"):
        assert client.get(f"/dashboard/{path}").status_code == 405, path
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin)
    assert strict.post("/dashboard/dlq/purge").status_code == 403
    assert deadletters.count() == 1


def test_the_audit_trail_is_verified(admin: User) -> None:
    for number in range(3):
        audit.record("auth.login", str(number), admin)
    client = signed_in(admin)
    assert re.match(
        r"The chain is whole: 3 entries, the last one is \d+ with hash [0-9a-f]{64}\.",
        told(client.post("/dashboard/verify"))[0],
    )
    second = AuditEntry.objects.order_by("pk")[1]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE logs DISABLE TRIGGER logs_refuse_rows")
        cursor.execute("UPDATE logs SET target = 'forged' WHERE id = %s", [second.pk])
        cursor.execute("ALTER TABLE logs ENABLE TRIGGER logs_refuse_rows")
    assert f"Entry {second.pk} was altered" in told(signed_in(admin).post("/dashboard/verify"))[0]
    assert AuditEntry.objects.filter(action="audit.verified").count() == 2


def test_settings_are_shown_without_a_secret(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "torznab_feeds", {"mine": ("http://feed.example/api", "feed-key-123")})
    monkeypatch.setattr(ENV, "metrics_token", "m-token")
    page = signed_in(admin).get("/dashboard/settings/").content.decode()
    passwords = [re.search(r"://[^/@]*:([^@]+)@", url) for url in (ENV.database_url, ENV.redis_url)]
    hidden = [ENV.jwt_secret, ENV.tmdb_api_key, ENV.telegram_bot_token, "feed-key-123", "m-token"]
    for secret in [*hidden, *(found.group(1) for found in passwords if found)]:
        assert secret
        assert secret not in page
    assert "mine=http://feed.example/api|sk_...***" in page
    assert f"<code>{ENV.seed_ratio}</code>" in page


def test_an_indexer_is_tested(admin: User, providers: Demo) -> None:
    client = signed_in(admin)
    page = client.get("/dashboard/indexers/").content.decode()
    feed = torznab.feeds()[0].name
    assert "Prowlarr" in page
    assert feed in page
    answer = client.post("/dashboard/indexers/test", {"name": "Prowlarr"}).content.decode()
    assert "has 2 torrent indexers switched on" in answer
    assert answer.count("dash-ok") == 3
    assert re.search(
        r"It answers, with [1-9]\d* releases", client.post("/dashboard/indexers/test", {"name": feed}).content.decode()
    )
    ENV.torznab_feeds[feed] = (ENV.torznab_feeds[feed][0], "wrong-key")
    refused = client.post("/dashboard/indexers/test", {"name": feed}).content.decode()
    assert "dash-down" in refused
    assert "wrong-key" not in refused
    assert AuditEntry.objects.filter(action="indexer.tested").order_by("pk").last().details == {"well": False}  # type: ignore[union-attr]
    assert (
        client.post("/dashboard/indexers/test", {"name": "unknown"}, headers={"HX-Request": "true"}).status_code == 404
    )


# --- the path of one request ------------------------------------------------------------------------------------------


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ENV, "data_dir", tmp_path)
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def log_line(request: str, seconds: int, message: str, **more: Any) -> str:
    at = f"2026-01-01T00:00:{seconds:02d}.000000+00:00"
    return json.dumps(
        {"timestamp": at, "level": "INFO", "service": "web", "request_id": request, **more, "message": message}
    )


def test_the_path_of_a_request_is_told_in_order(admin: User, alice: User, logs: Path) -> None:
    with request_id.bound("click-1"):
        audit.record("auth.login", "alice", alice)
        job = failed_job(user=alice, request_id="click-1", error=f"No seeds {EVIL}")
        download = wish(alice, request_id="click-1", started_at=timezone.now(), name="Release")
        LibraryFile.objects.create(
            user=alice, media=download.media, download=download, index=0, path="Movies/f.mp4", size=1
        )
        push.notify(alice.pk, "download_completed", "It is in your library.", download_id=download.pk)
        push.record(alice.pk, "job.updated", {"job_id": str(job.pk), "status": "Failed"})
    wish(alice, request_id="click-11")
    (logs / "web.log").write_text("\n".join([
        log_line("click-1", 2, "second"), "not JSON click-1", log_line("click-11", 1, "of another"), log_line("", 1, "click-1"),
        log_line("click-1", 1, "first", method="POST"),
    ]))  # fmt: skip
    moments = timeline.of("click-1")
    assert [moment.at for moment in moments] == sorted(moment.at for moment in moments)
    assert [moment.what for moment in moments[:2]] == ["first", "second"]
    kinds = {moment.source for moment in moments}
    assert kinds == {"log web", "audit", "job", "download", "file", "event"}
    assert [moment.what for moment in moments if moment.source == "event"] == [
        "notification: It is in your library.", "job.updated: Failed",
    ]  # fmt: skip
    page = signed_in(admin).get("/dashboard/requests/", {"id": " click-1 "}, follow=True).content.decode()
    for text in ("first", "method: POST", "scout.search failed", "filed as Movies/f.mp4", "auth.login alice"):
        assert text in page, text
    assert EVIL not in page
    assert "of another" not in page


def test_an_id_that_is_none_or_unknown_says_so(admin: User, logs: Path) -> None:
    client = signed_in(admin)
    assert "Nothing is known of this request" in client.get("/dashboard/requests/click-9/").content.decode()
    assert "Nothing is known of this request" in client.get("/dashboard/requests/%00/").content.decode()
    assert "up to 64 letters" in client.get("/dashboard/requests/", {"id": EVIL}).content.decode()


def test_only_the_end_of_a_long_log_is_read(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        log_line("click-1", 1, "long ago"),
        *(log_line("", 2, "x" * 80) for _ in range(20)),
        log_line("click-1", 3, "now"),
    ]
    (logs / "web.log").write_text("\n".join(lines))
    monkeypatch.setattr(timeline, "TAIL", 1000)
    assert [moment.what for moment in timeline.log_lines("click-1")] == ["now"]


def test_a_secret_that_reached_a_log_goes_no_further(logs: Path) -> None:
    (logs / "web.log").write_text(
        log_line("click-1", 1, "called", url="http://x/?apikey=abcdef123456", password="hunter2")
    )
    (moment,) = timeline.log_lines("click-1")
    assert "abcdef123456" not in str(moment)
    assert "hunter2" not in str(moment)
