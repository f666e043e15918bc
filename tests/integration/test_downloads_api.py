"""The REST surface of downloads: every outcome of a start, the table of states, lists, files, the library, and strangers."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.downloads import claims, rows
from apps.downloads.models import STATUS_OF, Candidate, Download, LibraryFile, Phase, Torrent, TorrentState
from apps.feed.models import Event
from apps.jobs import registry
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.media.models import Media
from sokoul.env import ENV
from tests.cast import Api
from tests.product import Product
from tests.waiting import until
from tests.web import Web
from tests.wishes import make_media

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey", "nats")]
Clients = Callable[[User | None], Api]
HASH = "c9e15763f722f23e98a29decdfae341b98d53056"
MAGNET = f"magnet:?xt=urn:btih:{HASH}&dn=A+film"


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "download_dir", tmp_path / "downloads")
    monkeypatch.setattr(ENV, "library_dir", tmp_path / "library")


@pytest.fixture
def media(db: None) -> Media:
    return make_media()


def release(media: Media, title: str = "A.Film.2021.1080p", hash_: str = HASH, score: int | None = 10) -> Torrent:
    torrent = Torrent.objects.create(
        key=f"btih:{hash_}", title=title, info_hash_v1=hash_, magnet=MAGNET, indexer="one", seen_at=timezone.now()
    )
    rejections = [] if score is not None else [{"code": "cam", "sentence": "Filmed in a cinema."}]
    Candidate.objects.create(
        media=media, torrent=torrent, score=score, rejections=rejections, decided_at=timezone.now()
    )
    return torrent


def make(user: User, media: Media, phase: Phase, **fields: Any) -> Download:
    fields = {"target": uuid.uuid4().hex, **fields}
    return Download.objects.create(user=user, media=media, phase=phase, status=STATUS_OF[phase], **fields)


# POST /downloads/start


def test_a_start_answers_202_with_its_id_and_job(api: Clients, alice: User, media: Media) -> None:
    for body, phase, kind in (
        ({"media_id": media.pk}, "searching", "search"),
        ({"media_id": make_media("B", 2).pk, "magnet": MAGNET}, "queued", "start"),
        ({"media_id": make_media("C", 3).pk, "magnet": "", "torrent_id": None}, "searching", "search"),
    ):
        answer = api(alice).post("/downloads/start", body, headers={"X-Request-ID": "click-1"})
        assert answer.status_code == 202
        accepted = answer.json()
        assert set(accepted) == {"id", "job_id"}
        download, job = Download.objects.get(pk=accepted["id"]), Job.objects.get(pk=accepted["job_id"])
        assert (download.phase, download.status, download.user_id) == (phase, "Pending", alice.pk)
        assert (job.kind, job.user_id, job.payload["download_id"]) == (kind, alice.pk, download.pk)
        assert download.request_id == job.request_id == answer["X-Request-ID"] == "click-1"
        assert Event.objects.filter(user=alice, type="download.updated", data__id=download.pk).exists()


def test_a_release_is_started_by_its_id_of_its_title_only(api: Clients, alice: User, media: Media) -> None:
    torrent, other = release(media), make_media("Other", 2)
    for torrent_id, media_id in ((torrent.pk, other.pk), (torrent.pk + 1, media.pk)):
        answer = api(alice).post("/downloads/start", {"media_id": media_id, "torrent_id": torrent_id})
        assert (answer.status_code, "release" in answer.json()["detail"]) == (404, True)
    answer = api(alice).post("/downloads/start", {"media_id": media.pk, "torrent_id": torrent.pk})
    assert answer.status_code == 202
    shown = api(alice).get(f"/downloads/{answer.json()['id']}").json()
    assert (shown["torrent_id"], shown["name"], shown["title"]) == (torrent.pk, torrent.title, media.title)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "media_id"),
        ({"media_id": "x"}, 400, "media_id"),
        ({"media_id": -1}, 400, "media_id"),
        ({"media_id": 2**70}, 400, "media_id"),
        ({"media_id": 10**9}, 404, None),
        ({"media_id": 1, "magnet": "http://example.com/a.torrent"}, 400, None),
        ({"media_id": 1, "magnet": "magnet:?dn=nothing"}, 400, None),
        ({"media_id": 1, "magnet": "magnet:?xt=urn:btih:zz"}, 400, None),
        ({"media_id": 1, "magnet": "x" * 40_000}, 400, "magnet"),
        ({"media_id": 1, "magnet": "a\0b"}, 400, "magnet"),
        ({"media_id": 1, "magnet": MAGNET, "torrent_id": 1}, 400, "magnet"),
        ({"media_id": 1, "url": "x"}, 400, "url"),
        ({"media_id": 1, "season": -1}, 400, "season"),
        ({"media_id": 1, "episode": 10**6}, 400, "episode"),
        ([], 400, None),
        ("x", 400, None),
    ],
)
def test_what_cannot_be_started_is_said_in_a_sentence(
    api: Clients, alice: User, body: Any, status: int, field: str | None
) -> None:
    if isinstance(body, dict) and body.get("media_id") == 1:
        body = {**body, "media_id": make_media().pk}
    answer = api(alice).post("/downloads/start", body)
    assert answer.status_code == status
    problem = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert len(problem["detail"]) > 10
    assert problem["request_id"] == answer["X-Request-ID"]
    assert field is None or field in problem["errors"]
    assert not Download.objects.exists()
    assert not Job.objects.exists()


def test_only_json_is_read(api: Clients, alice: User) -> None:
    client = api(alice)
    answer = client.client.post(
        "/downloads/start", {"media_id": 1}, headers={"Authorization": f"Bearer {client.token}"}
    )
    assert (answer.status_code, answer["Content-Type"]) == (415, "application/problem+json")


def test_malformed_json_is_400(api: Clients, alice: User) -> None:
    client = api(alice)
    answer = client.client.post(
        "/downloads/start", "{", content_type="application/json", headers={"Authorization": f"Bearer {client.token}"}
    )
    assert (answer.status_code, "JSON" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in {Phase.FAILED, Phase.CANCELLED}])
def test_what_is_active_or_complete_is_not_started_again(api: Clients, alice: User, media: Media, phase: Phase) -> None:
    there = make(alice, media, phase, target="")
    answer = api(alice).post("/downloads/start", {"media_id": media.pk})
    assert (answer.status_code, answer.json()["download_id"]) == (409, there.pk)
    assert str(there.pk) in answer.json()["detail"]
    assert ("library" in answer.json()["detail"]) == (there.status == "Completed")


def test_what_failed_or_was_cancelled_may_be_started_again(api: Clients, alice: User, bob: User, media: Media) -> None:
    for phase in (Phase.FAILED, Phase.CANCELLED):
        make(alice, media, phase, target="")
    make(bob, media, Phase.DOWNLOADING, target="")
    assert api(alice).post("/downloads/start", {"media_id": media.pk}).status_code == 202


def test_episodes_of_a_series_are_different_things(api: Clients, alice: User) -> None:
    series = make_media("A Series", 5, kind="tv")

    def start(**body: int) -> int:
        return int(api(alice).post("/downloads/start", {"media_id": series.pk, **body}).status_code)

    assert [start(season=1, episode=1), start(season=1, episode=2), start(season=1), start(season=2)] == [202] * 4
    assert [start(season=1, episode=1), start(season=1)] == [409] * 2


def test_the_sixth_at_a_time_is_429(api: Clients, alice: User, bob: User, media: Media) -> None:
    running = [make(alice, media, phase) for phase in (Phase.SEARCHING, Phase.QUEUED, Phase.DOWNLOADING, Phase.PAUSED)]
    for phase in (Phase.SEEDING, Phase.DONE, Phase.FAILED, Phase.CANCELLED):
        make(alice, media, phase)
    assert api(alice).post("/downloads/start", {"media_id": make_media("Fifth", 5).pk}).status_code == 202
    sixth = {"media_id": make_media("Sixth", 6).pk}
    answer = api(alice).post("/downloads/start", sixth)
    assert answer.status_code == 429
    assert "5" in answer.json()["detail"]
    assert api(bob).post("/downloads/start", sixth).status_code == 202
    retried = make(alice, media, Phase.FAILED)
    assert api(alice).post(f"/downloads/{retried.pk}/retry").status_code == 429
    running[0].delete()
    assert api(alice).post("/downloads/start", sixth).status_code == 202


def race(api: Clients, user: User, bodies: list[dict[str, Any]]) -> Counter[int]:
    """All at once, each in a thread of its own; how many got which status."""
    clients, ready = [api(user) for _ in bodies], threading.Barrier(len(bodies))

    def start(client: Api, body: dict[str, Any]) -> int:
        ready.wait(40)
        try:
            return int(client.post("/downloads/start", body).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(bodies)) as threads:
        return Counter(threads.map(start, clients, bodies))


def test_of_eight_at_once_five_are_accepted(api: Clients, alice: User) -> None:
    bodies = [{"media_id": make_media(f"Film {number}", number).pk} for number in range(1, 9)]
    assert race(api, alice, bodies) == {202: 5, 429: 3}
    assert Download.objects.filter(user=alice).count() == Job.objects.filter(user=alice).count() == 5


def test_of_the_same_at_once_one_is_accepted(api: Clients, alice: User, media: Media) -> None:
    assert race(api, alice, [{"media_id": media.pk}] * 6) == {202: 1, 409: 5}
    assert Download.objects.count() == Job.objects.count() == 1


# Who may


def test_each_verb_is_for_the_owner(api: Clients, alice: User, mallory: User, admin: User, media: Media) -> None:
    download = make(alice, media, Phase.DOWNLOADING)
    base = f"/downloads/{download.pk}"
    verbs = [
        ("get", base), ("get", f"{base}/files"), ("post", f"{base}/pause"), ("post", f"{base}/resume"),
        ("post", f"{base}/retry"), ("delete", base), ("delete", f"{base}?files=true"),
    ]  # fmt: skip
    for method, path in verbs:
        for other in (mallory, admin):
            answer = api(other).request(method, path)
            assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json"), path
        answer = api(None).request(method, path)
        assert (answer.status_code, bool(answer["WWW-Authenticate"])) == (401, True), path
        unknown = path.replace(str(download.pk), "99999999999999999999")
        assert api(alice).request(method, unknown).status_code == 404
    for path in ("/downloads", "/library", "/notifications", "/jobs"):
        assert api(None).get(path).status_code == 401
        assert api(mallory).get(path).json()["total"] == 0
    assert api(None).post("/downloads/start", {"media_id": media.pk}).status_code == 401
    download.refresh_from_db()
    assert download.phase == Phase.DOWNLOADING


# States

TABLE = {  # phase: what pause, resume, retry and DELETE answer
    Phase.SEARCHING: (409, 409, 409, 204),
    Phase.QUEUED: (200, 409, 409, 204),
    Phase.METADATA: (200, 409, 409, 204),
    Phase.DOWNLOADING: (200, 409, 409, 204),
    Phase.PAUSED: (200, 200, 409, 204),
    Phase.FILING: (409, 409, 409, 204),
    Phase.SEEDING: (409, 409, 409, 204),
    Phase.DONE: (409, 409, 409, 409),
    Phase.FAILED: (409, 409, 202, 204),
    Phase.CANCELLED: (409, 409, 202, 204),
}


@pytest.mark.parametrize("phase", list(Phase))
def test_what_a_state_allows(api: Clients, alice: User, media: Media, phase: Phase) -> None:
    verbs = (("post", "/pause"), ("post", "/resume"), ("post", "/retry"), ("delete", ""))
    for (method, verb), status in zip(verbs, TABLE[phase], strict=True):
        download = make(alice, media, phase, swarm=HASH, magnet=MAGNET)
        answer = api(alice).request(method, f"/downloads/{download.pk}{verb}")
        assert answer.status_code == status, verb
        if status == 409:
            assert answer.json()["phase"] == phase
            assert Download.objects.get(pk=download.pk).phase == phase
        Download.objects.filter(pk=download.pk).delete()


def test_pause_and_resume_show_what_became_of_it(api: Clients, alice: User, media: Media) -> None:
    download = make(alice, media, Phase.DOWNLOADING, swarm=HASH, rate=100)
    paused = api(alice).post(f"/downloads/{download.pk}/pause").json()
    assert (paused["phase"], paused["status"], paused["rate"]) == ("paused", "Running", 0)
    resumed = api(alice).post(f"/downloads/{download.pk}/resume").json()
    assert (resumed["phase"], resumed["status"]) == ("queued", "Pending")
    phases = [event.data["phase"] for event in Event.objects.filter(type="download.updated").order_by("id")]
    assert phases == ["paused", "queued"]


def test_a_retry_goes_on_with_what_was_chosen(api: Clients, alice: User, media: Media) -> None:
    torrent = release(media)
    cases = [
        (make(alice, media, Phase.FAILED, magnet=MAGNET, swarm=HASH), "queued", "start"),
        (make(alice, media, Phase.CANCELLED, torrent=torrent, swarm=HASH), "queued", "start"),
        (make(alice, media, Phase.FAILED, reason="Nothing to download"), "searching", "search"),
    ]
    for download, phase, kind in cases:
        accepted = api(alice).post(f"/downloads/{download.pk}/retry")
        assert (accepted.status_code, accepted.json()["id"]) == (202, download.pk)
        assert Job.objects.get(pk=accepted.json()["job_id"]).kind == kind
        download.refresh_from_db()
        assert (download.phase, download.reason, download.swarm, download.progress) == (phase, "", "", 0)
    busy = make(alice, media, Phase.FAILED, removal="delete", swarm=HASH)
    assert api(alice).post(f"/downloads/{busy.pk}/retry").status_code == 409


def test_two_retries_at_once_are_one(api: Clients, alice: User, media: Media) -> None:
    download = make(alice, media, Phase.FAILED, magnet=MAGNET)
    clients, ready = [api(alice) for _ in range(4)], threading.Barrier(4)

    def retry(client: Api) -> int:
        ready.wait(40)
        try:
            return int(client.post(f"/downloads/{download.pk}/retry").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert Counter(threads.map(retry, clients)) == {202: 1, 409: 3}
    assert Job.objects.count() == 1


def filed(user: User, media: Media, path: str, **fields: Any) -> tuple[Download, Path]:
    download = make(user, media, Phase.DONE, **fields)
    file = ENV.library / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"film")
    LibraryFile.objects.create(user=user, media=media, download=download, index=0, path=path, size=4)
    return download, file


def test_files_go_with_it_only_when_asked_and_when_nobody_else_has_them(
    api: Clients, alice: User, bob: User, media: Media
) -> None:
    path = "Movies/The Film (2021)/The Film (2021) - 1080p.mkv"
    hers, file = filed(alice, media, path)
    his, _ = filed(bob, media, path)
    for wrong in ("maybe", "", "2"):
        assert api(alice).delete(f"/downloads/{hers.pk}?files={wrong}").status_code == 400
    answer = api(alice).delete(f"/downloads/{hers.pk}")
    assert (answer.status_code, "?files=true" in answer.json()["detail"]) == (409, True)
    assert api(alice).delete(f"/downloads/{hers.pk}?files=true").status_code == 204
    assert api(alice).get("/library").json()["total"] == 0
    assert file.exists(), "it is in Bob's library"
    assert api(bob).delete(f"/downloads/{his.pk}?files=true").status_code == 204
    assert not file.parent.exists()
    assert ENV.library.exists()
    assert api(alice).get(f"/downloads/{hers.pk}").json()["phase"] == "cancelled"
    assert api(alice).delete(f"/downloads/{hers.pk}").status_code == 204
    assert api(alice).get(f"/downloads/{hers.pk}").status_code == 404


def test_ending_the_seeding_keeps_the_file(api: Clients, alice: User, media: Media) -> None:
    download, file = filed(alice, media, "Movies/A/A.mkv")
    Download.objects.filter(pk=download.pk).update(phase=Phase.SEEDING, swarm=HASH)
    assert api(alice).delete(f"/downloads/{download.pk}").status_code == 204
    assert api(alice).get(f"/downloads/{download.pk}").json()["phase"] == "done"
    assert file.exists()


# Lists


@pytest.mark.parametrize("path", ["/downloads", "/library", "/notifications", "/jobs"])
@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=", "limit=0", "limit=101", "limit=1.5", "page=²", "page=1e3", "page=" + "9" * 30]
)  # fmt: skip
def test_pages_that_cannot_be_are_400(api: Clients, alice: User, path: str, query: str) -> None:
    answer = api(alice).get(f"{path}?{query}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [query.partition("=")[0]])


def fill(user: User, media: Media, count: int) -> None:
    begun = timezone.now()
    for number in range(count):
        download = make(user, media, Phase.DONE)
        Download.objects.filter(pk=download.pk).update(created_at=begun + timedelta(seconds=number))
        LibraryFile.objects.create(
            user=user, media=media, download=download, index=0, path=f"{uuid.uuid4()}.mkv", size=1
        )
        Event.objects.create(user=user, type="notification", data={"code": "x", "text": "X", "download_id": 1})
        jobs.enqueue("scout", "noop", {}, user_id=user.pk)


@pytest.mark.parametrize("path", ["/downloads", "/library", "/notifications", "/jobs"])
def test_a_list_costs_the_same_at_one_row_and_at_fifty(api: Clients, alice: User, path: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert api(alice).get(f"{path}?limit=100").status_code == 200
        return len(captured)

    titles = [make_media(f"Title {number}", number) for number in range(50)]
    fill(alice, titles[0], 1)
    one = queries()
    for title in titles[1:]:
        fill(alice, title, 1)
    assert api(alice).get(path).json()["total"] == 50
    assert queries() == one


def test_lists_are_paged_newest_first(api: Clients, alice: User, bob: User, media: Media) -> None:
    fill(alice, media, 5)
    fill(bob, media, 3)
    newest = list(Download.objects.filter(user=alice).order_by("-created_at").values_list("pk", flat=True))
    for path in ("/downloads", "/library", "/notifications", "/jobs"):
        first, last, beyond = (api(alice).get(f"{path}?page={page}&limit=2").json() for page in (1, 3, 4))
        assert (first["page"], first["limit"], first["total"]) == (1, 2, 5)
        assert [len(part["results"]) for part in (first, last, beyond)] == [2, 1, 0]
        whole = api(alice).get(path).json()
        assert whole["limit"] == 20
        assert whole["results"][:2] == first["results"]
    assert [row["id"] for row in api(alice).get("/downloads").json()["results"]] == newest


def test_downloads_are_filtered_by_status(api: Clients, alice: User, media: Media) -> None:
    for phase in Phase:
        make(alice, media, phase)
    for status in ("Pending", "Running", "Completed", "Failed"):
        listed = api(alice).get(f"/downloads?status={status}").json()
        expected = {str(phase) for phase, its in STATUS_OF.items() if its == status}
        assert {row["phase"] for row in listed["results"]} == expected
        assert {row["status"] for row in listed["results"]} == {status}
    assert api(alice).get("/downloads?status=running").status_code == 400
    assert api(alice).get("/api/v1/downloads").json() == api(alice).get("/downloads").json()


def test_a_download_is_shown_as_the_contract_says(api: Clients, alice: User, media: Media) -> None:
    download = make(alice, media, Phase.DOWNLOADING, progress=12.5, bytes_done=10, bytes_total=80, eta=7, peers=2)
    shown = api(alice).get(f"/downloads/{download.pk}").json()
    wanted = {
        "id",
        "media_id",
        "status",
        "phase",
        "progress",
        "bytes_done",
        "bytes_total",
        "rate",
        "eta",
        "peers",
        "reason",
    }
    assert wanted <= set(shown)
    assert "user_id" not in shown
    assert (shown["progress"], shown["eta"], shown["status"]) == (12.5, 7, "Running")
    assert shown["created_at"].endswith("Z")


def test_the_files_of_a_download(api: Clients, alice: User, media: Media) -> None:
    unknown = make(alice, media, Phase.METADATA)
    assert api(alice).get(f"/downloads/{unknown.pk}/files").json() == {"results": []}
    download, _ = filed(alice, media, "Movies/A/A.mkv")
    files = [{"index": 0, "path": "A/A.mkv", "size": 4}, {"index": 1, "path": "A/read me.txt", "size": 9}]
    TorrentState.objects.create(download=download, files=files)
    results = api(alice).get(f"/downloads/{download.pk}/files").json()["results"]
    assert [(row["index"], row["path"], row["size"]) for row in results] == [(0, "A/A.mkv", 4), (1, "A/read me.txt", 9)]
    assert [row["library_path"] for row in results] == ["Movies/A/A.mkv", None]
    assert results[0]["stream_url"] == f"/downloads/{download.pk}/files/0/stream"
    (listed,) = api(alice).get("/library").json()["results"]
    assert (listed["title"], listed["size"], listed["stream_url"]) == (media.title, 4, results[0]["stream_url"])


# What people are told


@pytest.mark.parametrize(("kind", "phase"), [("search", Phase.SEARCHING), ("start", Phase.QUEUED)])
def test_a_failed_job_of_a_download_is_told_once(alice: User, media: Media, kind: str, phase: Phase) -> None:
    registry.load()
    download = make(alice, media, phase)
    worker = "scout" if kind == "search" else "hunter"
    payload = {"download_id": download.pk} | ({"media_id": media.pk} if kind == "search" else {})
    job = jobs.enqueue(worker, kind, payload, user_id=alice.pk)
    from apps.jobs import claims as job_claims

    (claimed,) = job_claims.claim({job.pk: 1})
    assert job_claims.fail(claimed, "The indexer does not answer.")
    download.refresh_from_db()
    assert (download.phase, download.reason) == (Phase.FAILED, "The indexer does not answer.")
    (told,) = Event.objects.filter(user=alice, type="notification")
    assert (told.data["code"], told.data["download_id"]) == ("download_failed", download.pk)
    assert "The indexer does not answer." in told.data["text"]


def test_a_failed_search_without_a_download_is_told_as_a_job(alice: User, media: Media) -> None:
    registry.load()
    from apps.jobs import claims as job_claims

    job = jobs.enqueue("scout", "search", {"media_id": media.pk}, user_id=alice.pk)
    (claimed,) = job_claims.claim({job.pk: 1})
    job_claims.fail(claimed, "TMDB does not answer.")
    (told,) = Event.objects.filter(user=alice, type="notification")
    assert told.data["code"] == "job_failed"


def test_numbers_of_a_download_that_has_moved_on_are_not_written(alice: User, media: Media) -> None:
    download = make(alice, media, Phase.DOWNLOADING, swarm=HASH, fence=4)
    assert not rows.move(download.pk, Phase.DONE)
    assert rows.move(download.pk, Phase.CANCELLED)
    numbers = dict.fromkeys(
        ("progress", "bytes_done", "bytes_total", "rate", "upload_rate", "uploaded", "eta", "peers", "received"), 7
    )
    claims.write_progress([{"id": download.pk, "fence": 4, "reason": "", "moved": True, **numbers}])
    assert Download.objects.get(pk=download.pk).rate == 0


# One request from the click to the byte


def test_one_id_from_the_click_to_the_workers_logs_and_the_rows(product: Product, alice: User) -> None:
    product.start("web", "scout", "hunter", "relay")
    from tests.web import token_of

    headers = {"Authorization": f"Bearer {token_of(alice)}", "X-Request-ID": "click.42"}
    found = product.http.get("/search", params={"query": "last night tram"}, headers=headers).json()["results"][0]
    answer = product.http.post("/downloads/start", json={"media_id": found["id"]}, headers=headers)
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (202, "click.42")
    download_id = answer.json()["id"]
    until(lambda: Download.objects.get(pk=download_id).phase in {"seeding", "done"}, 30, "the film")
    download = Download.objects.get(pk=download_id)
    assert download.request_id == "click.42"
    assert {job.kind for job in Job.objects.filter(request_id="click.42")} == {"search", "start"}

    def lines(name: str) -> Iterator[dict[str, Any]]:
        for line in product.log(name).splitlines():
            if line.startswith("{") and (entry := orjson.loads(line)).get("request_id") == "click.42":
                yield entry

    scout = list(lines("scout"))
    assert {"releases searched", "job ended"} <= {entry["message"] for entry in scout}
    assert {entry["user_id"] for entry in scout} == {alice.pk}

    def moved() -> list[str]:
        return [entry["phase"] for entry in lines("hunter") if entry["message"] == "download moved"]

    until(lambda: moved()[-2:] == ["filing", "seeding"], what="the line after the commit")
    hunter = list(lines("hunter"))
    assert {entry["download_id"] for entry in hunter if "download_id" in entry} == {download_id}


def test_every_answer_carries_a_request_id(web: Web, alice: User) -> None:
    paths = (
        "/", "/nothing", "/downloads", "/downloads/1", "/downloads/1/files/0/stream", "/search", "/health", "/health/live",
        "/schema", "/static/nothing.css", "/app/", "/api/v1/jobs/x", "/%00", "/downloads?page=0",
    )  # fmt: skip
    for path in paths:
        for headers in ({}, {"X-Request-ID": "mine_1.2-3"}, {"X-Request-ID": "not mine!"}, {"X-Request-ID": "x" * 65}):
            for user in (None, alice):
                answer = web.get(path, user, headers=headers)
                given = answer.headers["X-Request-ID"]
                if headers.get("X-Request-ID") == "mine_1.2-3":
                    assert given == "mine_1.2-3", path
                else:
                    assert len(given) == 32, path
                if answer.headers.get("Content-Type") == "application/problem+json":
                    assert answer.json()["request_id"] == given
    big = web.request("POST", "/downloads/start", alice, content=b"x" * 1_500_000)
    assert (big.status_code, len(big.headers["X-Request-ID"])) == (413, 32)
