"""The hunter on a real swarm: from the wish to the file in the library, and every way to end otherwise."""

import hashlib
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import libtorrent as lt
import pytest
from django.db import connection, connections
from django.utils import timezone

from apps.accounts.models import User
from apps.downloads import claims, forgetting, hunter, library, rows, services
from apps.downloads.hunter import TICK
from apps.downloads.library import folder_of
from apps.downloads.models import Download, LibraryFile, Phase, TorrentState
from apps.feed.models import Event
from sokoul.env import ENV
from tests.demo import Content, Demo
from tests.wishes import hunting, make_media, phase_of, reaches, until, wish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey", "nats")]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test downloads, the next must not find on disk."""
    monkeypatch.setattr(ENV, "download_dir", tmp_path / "downloads")
    monkeypatch.setattr(ENV, "library_dir", tmp_path / "library")


def film(demo: Demo, name: str = "Film.2021.1080p", kind: str = "v1", size: int = 1_500_000) -> Content:
    return demo.add_content(name, [{"path": f"{name}.mp4", "size": size, "video": True}], kind)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["v1", "v2", "hybrid"])
def test_a_wish_becomes_a_playable_file_in_the_library(demo: Demo, alice: User, kind: str) -> None:
    content = film(demo, kind=kind)
    with hunting():
        download = reaches(wish(alice, make_media(), content.magnet), Phase.SEEDING)

    filed = LibraryFile.objects.get(download=download)
    file = ENV.library / filed.path
    assert filed.path == f"Movies/The Last Night Tram (2021)/The Last Night Tram (2021) - {filed.height}p.mp4"
    assert sha256(file) in content.sha256.values()
    assert filed.linked
    assert file.stat().st_nlink == 2
    assert (filed.video_codec, filed.audio_codec) == ("h264", "aac")
    assert filed.duration > 1
    assert (download.status, download.progress, download.bytes_done) == ("Completed", 100, filed.size)
    assert download.completed_at
    events = [event.data for event in Event.objects.filter(user=alice, type="download.updated").order_by("id")]
    assert events[0]["phase"] == "queued"
    assert [(event["phase"], event["progress"], event["bytes_done"]) for event in events[-2:]] == [
        ("filing", 100, filed.size), ("seeding", 100, filed.size),
    ]  # fmt: skip
    told = Event.objects.get(user=alice, type="notification")
    assert told.data["code"] == "download_completed"
    assert "The Last Night Tram" in told.data["text"]


def test_what_is_prepared_here_starts_and_ends_without_waiting_for_the_next_look(
    demo: Demo, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.downloads.hunter.TICK", 3600)
    content = film(demo)
    with hunting() as hunter:
        until(lambda: hunter._due.get("tick"), "the hunter's first look")
        reaches(wish(alice, make_media(), content.magnet), Phase.SEEDING)


def test_pause_holds_and_resume_goes_on(demo: Demo, alice: User) -> None:
    demo.set_rate(300_000)
    content = film(demo)
    with hunting() as hunter:
        download = wish(alice, make_media(), content.magnet)
        reaches(download, Phase.DOWNLOADING)
        services.pause(alice.pk, download.pk)
        until(lambda: [p.paused for p in hunter._engine.progress().values()] == [True], "the pause")
        assert Download.objects.get(pk=download.pk).rate == 0
        demo.set_rate(0)
        services.resume(alice.pk, download.pk)
        reaches(download, Phase.SEEDING)


def test_cancel_removes_what_was_downloaded(demo: Demo, alice: User) -> None:
    demo.set_rate(200_000)
    content = film(demo)
    with hunting():
        download = wish(alice, make_media(), content.magnet)
        row = reaches(download, Phase.DOWNLOADING)
        until(folder_of(row.swarm).exists, "the first byte")
        services.cancel(alice.pk, download.pk)
        until(lambda: not folder_of(row.swarm).exists(), "the clean-up")
        until(lambda: Download.objects.get(pk=download.pk).removal == "", "the row's clean-up")
    assert Download.objects.get(pk=download.pk).phase == Phase.CANCELLED
    services.cancel(alice.pk, download.pk)
    assert not Download.objects.filter(pk=download.pk).exists()


@pytest.mark.parametrize(
    ("path", "video", "reason"),
    [
        ("Film.2021.exe", False, "holds a program posing as a film (Film.2021.exe)"),
        ("readme.txt", False, "no playable video"),
        ("Film.2021.part01.rar", False, "packed in archives"),
        ("Film.2021.mkv", False, "no playable video"),  # random bytes that call themselves a film
    ],
)
def test_what_cannot_be_played_is_refused_and_reported(
    demo: Demo, alice: User, path: str, video: bool, reason: str
) -> None:
    content = demo.add_content("Film.2021.1080p", [{"path": path, "size": 200_000, "video": video}], "v1")
    with hunting():
        download = reaches(wish(alice, make_media(), content.magnet), Phase.FAILED)
        until(lambda: not folder_of(download.swarm).exists(), "the clean-up")
    assert reason in download.reason
    assert not LibraryFile.objects.exists()
    told = Event.objects.get(user=alice, type="notification")
    assert (told.data["code"], reason in told.data["text"]) == ("download_failed", True)


def test_a_program_beside_a_film_is_neither_fetched_nor_filed(demo: Demo, alice: User) -> None:
    files = [
        {"path": "film.mp4", "size": 1_500_000, "video": True},
        {"path": "setup.exe", "size": 300_000, "video": False},
    ]
    content = demo.add_content("Film.2021.1080p", files, "v1")
    with hunting():
        download = reaches(wish(alice, make_media(), content.magnet), Phase.SEEDING)
    assert [file["path"].rpartition("/")[2] for file in rows.files(download.pk)] == ["film.mp4"]
    assert [row.path.rpartition(".")[2] for row in LibraryFile.objects.all()] == ["mp4"]
    assert not list(folder_of(download.swarm).rglob("setup.exe"))


def test_two_people_share_one_swarm_and_one_file(demo: Demo, alice: User, bob: User) -> None:
    content, media = film(demo), make_media()
    with hunting():
        first, second = wish(alice, media, content.magnet), wish(bob, media, content.magnet)
        for download in (first, second):
            reaches(download, Phase.SEEDING)
    paths = {file.path for file in LibraryFile.objects.all()}
    assert len(paths) == 1
    assert {file.user_id for file in LibraryFile.objects.all()} == {alice.pk, bob.pk}
    forgetting.forget(first.pk)
    assert (ENV.library / paths.pop()).exists(), "bob still has it"


@pytest.mark.parametrize("phase", [Phase.DOWNLOADING, Phase.SEEDING])
def test_who_joins_a_running_swarm_by_magnet_gets_the_file_too(
    demo: Demo, alice: User, bob: User, phase: Phase
) -> None:
    content, media = film(demo), make_media()
    demo.set_rate(700_000)
    with hunting():
        reaches(wish(alice, media, content.magnet), phase)
        reaches(wish(bob, media, content.magnet), Phase.SEEDING)
    assert {file.user_id for file in LibraryFile.objects.all()} == {alice.pk, bob.pk}


def test_a_dead_swarm_fails_with_the_reason(demo: Demo, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "metadata_timeout", 0.1)
    monkeypatch.setattr("apps.downloads.hunter.ROWS_EVERY", 0.2)
    magnet = "magnet:?xt=urn:btih:" + "ab" * 20 + "&tr=http%3A%2F%2F127.0.0.1%3A9%2Fannounce"
    with hunting():
        download = reaches(wish(alice, make_media(), magnet), Phase.FAILED)
    assert download.reason.startswith("No metadata after 0.1 seconds")


def test_a_download_that_stands_still_fails_with_the_reason(
    demo: Demo, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ENV, "stall_timeout", 0.5)
    monkeypatch.setattr("apps.downloads.hunter.ROWS_EVERY", 0.2)
    demo.set_rate(50_000)
    content = film(demo)
    with hunting():
        download = wish(alice, make_media(), content.magnet)
        reaches(download, Phase.DOWNLOADING)
        demo.swarm("stop", content.info_hash_v1)
        row = reaches(download, Phase.FAILED)
    assert row.reason.startswith("Stalled: no p")


def test_a_cut_network_halts_it_and_it_goes_on_when_the_peers_are_back(
    demo: Demo, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.downloads.hunter.ROWS_EVERY", 0.2)
    demo.set_rate(400_000)
    content = film(demo, size=6_000_000)
    with hunting():
        download = wish(alice, make_media(), content.magnet)
        until(lambda: Download.objects.get(pk=download.pk).progress > 20, "a fifth")
        demo.swarm("pause", content.info_hash_v1)
        until(lambda: (row := Download.objects.get(pk=download.pk)).peers == row.rate == 0, "the cut")
        assert phase_of(download) == Phase.DOWNLOADING, "it waits, until STALL_TIMEOUT"
        demo.set_rate(0)
        demo.swarm("resume", content.info_hash_v1)
        done = reaches(download, Phase.SEEDING, seconds=60)
    assert done.bytes_received <= content.size + 8 * 65536, "what was there was not fetched again"


def test_the_numbers_come_to_the_row_every_five_seconds_and_to_sockets_every_second(
    demo: Demo, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[float] = []
    told: list[float] = []

    def write_progress(rows: list[dict[str, object]]) -> None:
        written.extend([time.monotonic()] if rows else [])
        real(rows)

    real = claims.write_progress
    monkeypatch.setattr(claims, "write_progress", write_progress)
    monkeypatch.setattr("apps.feed.push.progress", lambda *_: told.append(time.monotonic()))
    demo.set_rate(50_000)
    content = film(demo)
    with hunting():
        download = wish(alice, make_media(), content.magnet)
        until(lambda: len(written) >= 2 and len(told) >= 5, "two statements", 40)
        until(lambda: 0 < Download.objects.get(pk=download.pk).progress < 100, "progress in the row", 40)
    assert written[1] - written[0] > 4.9, "seconds between two statements"
    gaps = [later - earlier for earlier, later in pairwise(told)]
    assert median(gaps) < 3, "seconds between two messages; a busy machine may hold one of them up"


@pytest.mark.parametrize(
    ("ratio", "hours", "age", "ends"),
    [
        (1.0, 24, timedelta(hours=23, minutes=59), False),
        (1.0, 24, timedelta(hours=24), True),
        (1.0, 2, timedelta(hours=2), True),
        (0.0, 24, timedelta(), True),
    ],
)
def test_seeding_ends_at_the_ratio_or_after_the_hours_whichever_comes_first(
    demo: Demo, alice: User, monkeypatch: pytest.MonkeyPatch, ratio: float, hours: float, age: timedelta, ends: bool
) -> None:
    content = film(demo, size=300_000)
    with hunting() as hunter:
        download = reaches(wish(alice, make_media(), content.magnet), Phase.SEEDING)
        monkeypatch.setattr(ENV, "seed_ratio", ratio)
        monkeypatch.setattr(ENV, "seed_hours", hours)
        Download.objects.filter(pk=download.pk).update(completed_at=timezone.now() - age)
        looks = hunter._due["tick"]
        hunter.wake()
        if ends:
            reaches(download, Phase.DONE)
            until(lambda: not folder_of(download.swarm).exists(), "the download folder's end")
        else:
            until(lambda: hunter._due["tick"] > looks + 2 * TICK, "three more looks")
            assert phase_of(download) == Phase.SEEDING
    assert (ENV.library / LibraryFile.objects.get(download=download).path).exists(), "the library's link stays"


def test_without_room_it_fails_as_disk_full(demo: Demo, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    content = film(demo)
    monkeypatch.setattr("apps.downloads.disk.RESERVE", 1e12)
    with hunting():
        download = reaches(wish(alice, make_media(), content.magnet), Phase.FAILED)
        until(lambda: Download.objects.get(pk=download.pk).removal == "", "the clean-up")
    assert download.reason == "Disk full"
    assert not folder_of(download.swarm).exists()


def test_a_second_hunter_takes_over_where_the_first_saved(demo: Demo, alice: User) -> None:
    demo.set_rate(400_000)
    content = film(demo)
    with hunting():
        download = wish(alice, make_media(), content.magnet)
        reaches(download, Phase.DOWNLOADING)
        until(lambda: Download.objects.get(pk=download.pk).progress > 20, "a fifth")
    left = Download.objects.get(pk=download.pk)
    assert (left.hunter, left.lease_until) == ("", None), "given back at once"
    assert TorrentState.objects.get(pk=download.pk).resume
    demo.set_rate(0)
    with hunting():
        done = reaches(download, Phase.SEEDING)
    assert done.fence == left.fence + 1
    assert done.bytes_received <= content.size + 4 * 65536, "nothing saved was fetched again"


def test_what_has_come_is_saved_on_the_way(demo: Demo, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.downloads.hunter.ROWS_EVERY", 0.3)
    demo.set_rate(75_000)
    download = wish(alice, make_media(), film(demo).magnet)

    def saved() -> lt.add_torrent_params | None:
        state = TorrentState.objects.filter(pk=download.pk).exclude(resume=b"").first()
        known = lt.read_resume_data(bytes(state.resume)) if state else None
        return known if known and any(known.have_pieces) else None

    with hunting():
        known = until(saved, "resume data with a piece")
    assert known is not None
    assert known.ti is not None
    assert sum(known.have_pieces) < known.ti.num_pieces(), "saved when all had come, not on the way"


def test_who_lost_the_lease_cannot_write(alice: User) -> None:
    download = Download.objects.create(user=alice, media=make_media(), phase=Phase.QUEUED, swarm="ab" * 20)
    (first,) = claims.take("frozen", 10)
    assert claims.take("eager", 10) == [], "held by a living hunter"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE downloads SET lease_until = now() - interval '1 second'")
    (second,) = claims.take("eager", 10)
    assert second.fence == first.fence + 1

    assert not rows.move(download.pk, Phase.METADATA, fence=first.fence)
    assert claims.renew("frozen") == []
    assert rows.move(download.pk, Phase.METADATA, fence=second.fence)
    numbers = dict.fromkeys(
        ("progress", "bytes_done", "bytes_total", "rate", "upload_rate", "uploaded", "eta", "peers", "received"), 7
    )
    claims.write_progress(
        [{"id": download.pk, "fence": first.fence, "reason": "", "reason_texts": {}, "moved": True, **numbers}]
    )
    assert Download.objects.get(pk=download.pk).bytes_done == 0
    claims.write_progress(
        [{"id": download.pk, "fence": second.fence, "reason": "", "reason_texts": {}, "moved": True, **numbers}]
    )
    assert Download.objects.get(pk=download.pk).bytes_done == 7


def test_numbers_that_a_row_has_are_not_written_again(alice: User) -> None:
    """So that a thousand downloads which wait for somebody are not a thousand new rows every five seconds."""
    download = Download.objects.create(
        user=alice, media=make_media(), phase=Phase.METADATA, status="Running", bytes_total=5
    )
    row = {
        "id": download.pk, "fence": 0, "reason": "Tracker unreachable, retrying…", "reason_texts": {"fr": "…"}, "moved": False,
        "progress": 0, "bytes_done": 0, "bytes_total": 0, "rate": 0, "upload_rate": 0, "uploaded": 0, "eta": None, "peers": 0,
        "received": 0,
    }  # fmt: skip

    def written(**changed: object) -> bool:
        with connection.cursor() as cursor:
            claims.write_progress([{**row, **changed}])
            cursor.execute("SELECT ctid FROM downloads WHERE id = %s", [download.pk])
            versions.append(cursor.fetchone()[0])
        return versions[-1] != versions[-2]

    versions: list[object] = [None]
    assert written()
    assert not written()
    for name in (
        "progress",
        "bytes_done",
        "rate",
        "upload_rate",
        "uploaded",
        "eta",
        "peers",
        "received",
        "bytes_total",
    ):
        row[name] = 3
        assert written(), name
        assert not written(), name
    row |= {"reason": "", "reason_texts": {}}
    assert written()
    assert written(moved=True), "when the last byte came is news, too"


def test_a_swarm_is_not_torn_apart_while_its_owner_renews(alice: User, bob: User) -> None:
    """Seen: the renewal of one row was under way, so another hunter took the other one alone, and removed the files of both."""
    media = make_media()
    lapsed = timezone.now() - timedelta(seconds=1)
    mine = {
        "media": media,
        "phase": Phase.SEEDING,
        "status": "Completed",
        "swarm": "ef" * 20,
        "hunter": "slow",
        "lease_until": lapsed,
    }
    first, second = (Download.objects.create(user=user, **mine) for user in (alice, bob))
    renewing = connections.create_connection("default")
    try:
        renewing.set_autocommit(False)
        with renewing.cursor() as cursor:
            cursor.execute("UPDATE downloads SET lease_until = now() + interval '1 minute' WHERE id = %s", [second.pk])
        assert claims.take("eager", 10) == [], "the owner may be alive"
        renewing.commit()
    finally:
        renewing.close()
    assert claims.take("eager", 10) == [], "it is"
    Download.objects.update(lease_until=lapsed)
    assert {claim.id for claim in claims.take("eager", 10)} == {first.pk, second.pk}


def test_a_film_that_was_looked_at_for_too_long_is_looked_at_again(
    demo: Demo, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hunter that was frozen for half a minute must not take a film for none."""
    monkeypatch.setattr(hunter, "LATE_PROBES", 10**9)
    with monkeypatch.context() as late, hunting():
        late.setattr(library, "PROBE_SECONDS", 0.001)
        download = reaches(wish(alice, make_media(), film(demo).magnet), Phase.FILING)
        late.undo()
        reaches(download, Phase.SEEDING)


def test_a_film_that_is_always_looked_at_for_too_long_fails_in_words(
    demo: Demo, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "PROBE_SECONDS", 0.001)
    with hunting():
        download = reaches(wish(alice, make_media(), film(demo).magnet), Phase.FAILED)
    assert download.reason == "Filing failed: Connection timed out."


def test_one_swarm_never_has_two_hunters(alice: User, bob: User) -> None:
    media = make_media()
    for user in (alice, bob):
        Download.objects.create(user=user, media=media, phase=Phase.QUEUED, swarm="cd" * 20)
    assert len(claims.take("one", 1)) == 1
    assert claims.take("two", 10) == []
    assert len(claims.take("one", 10)) == 1
