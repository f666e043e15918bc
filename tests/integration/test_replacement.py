"""A release that is to blame is given up: blocked, its remains removed, and the next best one taken, whatever dies meanwhile."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import AuditEntry, User
from apps.downloads import blocklist, faults, preparation, replacement, rows, search, services
from apps.downloads.engine.session import Engine
from apps.downloads.faults import Fault
from apps.downloads.hunter import Hunter
from apps.downloads.library import folder_of
from apps.downloads.models import Blocked, Candidate, Download, Phase, Source, Torrent, TorrentState
from apps.downloads.services import StartPayload
from apps.feed.models import Event
from apps.jobs.models import Job
from apps.media.models import Media
from sokoul.api import Page
from sokoul.env import ENV
from sokoul.errors import PermanentError
from tests.cast import Api
from tests.demo import Content, Demo
from tests.integration.test_search_releases import title
from tests.providers import providers
from tests.wishes import LOCAL, hunting, make_media, phase_of, until
from tests.work import work_off

__all__ = ["providers"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey", "nats")]
Clients = Callable[[User | None], Api]
FAULT = Fault("stalled", "Stalled: no peers for 1 seconds.")


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "download_dir", tmp_path / "downloads")
    monkeypatch.setattr(ENV, "library_dir", tmp_path / "library")


@pytest.fixture
def media(db: None) -> Media:
    return make_media()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hunter looks at everything often."""
    monkeypatch.setattr("apps.downloads.hunter.ROWS_EVERY", 0.1)
    monkeypatch.setattr("apps.downloads.hunter.TICK", 0.1)


def release(media: Media, score: int | None = 10, magnet: str = "", **fields: Any) -> Torrent:
    """One that was found for the title just now; of nobody's swarm unless told."""
    number = Torrent.objects.count() + 1
    hash_ = f"{number:040x}"
    facts = {
        "key": f"btih:{hash_}", "title": f"Release.{number}.2021.1080p", "info_hash_v1": hash_, "indexer": "one",
        "magnet": magnet or f"magnet:?xt=urn:btih:{hash_}", "seen_at": timezone.now(), "seeders": 9,
    }  # fmt: skip
    torrent = Torrent.objects.create(**{**facts, **fields})
    rejections = [] if score is not None else [{"code": "cam", "sentence": "Filmed in a cinema."}]
    Candidate.objects.create(
        media=media, torrent=torrent, score=score, rejections=rejections, decided_at=timezone.now()
    )
    return torrent


def seeded(
    demo: Demo, media: Media, score: int = 1, name: str = "Good.2021.1080p", **file: Any
) -> tuple[Content, Torrent]:
    content = demo.add_content(name, [{"path": f"{name}.mp4", "size": 300_000, "video": True, **file}])
    return content, release(
        media, score, content.magnet, key=f"btih:{content.info_hash_v1}", info_hash_v1=content.info_hash_v1, title=name
    )  # fmt: skip


def chosen(user: User, media: Media, torrent: Torrent | None = None) -> Download:
    """A wish for which Sokoul has just chosen the best release, or this one; its job is still to come."""
    download, _ = services.start(user.pk, media.pk)
    Job.objects.filter(kind="search").delete()
    services.choose(download.pk, torrent or search.best(media.pk, None, None, user_id=user.pk), [])
    return again(download)


def again(download: Download) -> Download:
    return Download.objects.get(pk=download.pk)


def arrives(download: Download, *phases: str, seconds: float = 20) -> Download:
    """The row once it is in one of these phases, its jobs being done meanwhile."""
    until(lambda: (work_off(), phase_of(download) in phases)[1], f"{download.pk} being {phases}", seconds)
    return again(download)


def codes(user: User) -> list[str]:
    told = Event.objects.filter(user=user, type="notification").order_by("id")
    return [event.data["code"] for event in told]


def gone(*_: object) -> bytes:
    raise PermanentError("The indexer has this release no longer. Choose another.", code="release_gone", status=502)


# --- the whole way ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
def test_a_stalled_release_is_replaced_by_the_next_best(
    providers: Demo, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ENV, "stall_timeout", 600)
    providers.set_rate(50_000)
    media_id = title("umbrella", "movie")
    download, _ = services.start(alice.pk, media_id)
    work_off()  # the search
    first = again(download).torrent
    assert first is not None
    with hunting():
        arrives(download, Phase.DOWNLOADING)
        providers.swarm("stop", providers.torrent(first.title).key)
        monkeypatch.setattr(ENV, "stall_timeout", 0.5)
        until(lambda: again(download).replacements, "nobody sending it")
        monkeypatch.setattr(ENV, "stall_timeout", 600)
        providers.set_rate(0)
        done = arrives(download, Phase.SEEDING)
        until(lambda: not folder_of(first.info_hash_v1 or "").exists(), "what came of it being removed")
    assert done.torrent is not None
    assert (done.torrent_id != first.pk, done.replacements, done.automatic) == (True, 1, True)
    (blocked,) = Blocked.objects.all()
    assert (blocked.user_id, blocked.media_id, blocked.torrent_id) == (alice.pk, media_id, first.pk)
    assert (blocked.code, blocked.source) == ("stalled", "automatic")
    assert blocked.reason.startswith("Stalled: no p")
    (tried,) = rows.shown(done)["tried"]
    assert (tried["name"], tried["code"], tried["reason"]) == (first.title, "stalled", blocked.reason)
    assert codes(alice) == ["download_replaced", "download_completed"]
    told = Event.objects.get(user=alice, data__code="download_replaced")
    assert told.data["text"] == (
        f"“{done.media.title}”: the release {first.title} was given up because it stood still. "
        f"The next best is taken: {done.torrent.title}."
    )
    assert "n’avançait plus" in told.data["texts"]["fr"]
    phases = [e.data["phase"] for e in Event.objects.filter(user=alice, type="download.updated").order_by("id")]
    assert phases[phases.index("downloading") :][:4] == ["downloading", "searching", "queued", "queued"]


@pytest.mark.usefixtures("impatient")
def test_without_metadata_or_with_nothing_to_play_the_next_best_is_taken(
    demo: Demo, alice: User, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ENV, "metadata_timeout", 0.2)
    dead = release(media, 30, f"magnet:?xt=urn:btih:{'ab' * 20}&tr={demo.url}/announce", info_hash_v1="ab" * 20)
    trap, _ = seeded(demo, media, 20, "Trap.2021.1080p", path="Trap.2021.exe", video=False)
    seeded(demo, media, 10, "Noise.2021.1080p", path="Noise.2021.mkv", video=False)
    _, good = seeded(demo, media, 1)
    download = chosen(alice, media)
    work_off()
    with hunting():
        until(lambda: again(download).replacements, "nobody sending it")
        monkeypatch.setattr(ENV, "metadata_timeout", 600)
        done = arrives(download, Phase.SEEDING)
    assert done.torrent_id == good.pk
    assert [entry["code"] for entry in rows.shown(done)["tried"]] == ["no_metadata", "dangerous", "no_video"]
    assert {entry.title for entry in Blocked.objects.all()} == {dead.title, trap.name, "Noise.2021.1080p"}
    assert codes(alice) == ["download_replaced"] * 3 + ["download_completed"]
    assert [path.name for path in ENV.downloads.iterdir()] == [done.swarm], "nothing is left of the others"


@pytest.mark.usefixtures("impatient")
def test_what_the_person_chose_fails_and_is_replaced_when_they_say_so(
    demo: Demo, api: Clients, alice: User, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ENV, "metadata_timeout", 0.2)
    dead, (_, good) = release(media, 30), seeded(demo, media)
    download, _ = services.start(alice.pk, media.pk, torrent_id=dead.pk)
    with hunting():
        failed = arrives(download, Phase.FAILED)
        until(lambda: again(download).removal == "", "the clean-up")
        assert failed.reason.startswith("No metadata after 0.2 seconds")
        assert not Blocked.objects.exists()
        monkeypatch.setattr(ENV, "metadata_timeout", 600)
        answer = api(alice).post(f"/downloads/{download.pk}/replace")
        assert (answer.status_code, answer.json()["phase"], answer.json()["torrent_id"]) == (202, "searching", None)
        assert arrives(download, Phase.SEEDING).torrent_id == good.pk
    (blocked,) = Blocked.objects.all()
    assert (blocked.torrent_id, blocked.code, blocked.source) == (dead.pk, "by_hand", "by hand")
    assert codes(alice) == ["download_failed", "download_completed"], "whoever presses the button knows of it"
    assert AuditEntry.objects.get(action="download.replaced").details["release"] == dead.title


def test_a_running_download_is_replaced_by_hand_while_others_keep_the_swarm(
    demo: Demo, api: Clients, alice: User, bob: User, media: Media
) -> None:
    demo.set_rate(50_000)
    content, first = seeded(demo, media, 30, size=900_000)
    _, second = seeded(demo, media, 1, "Other.2021.1080p")
    his, _ = services.start(bob.pk, media.pk, torrent_id=first.pk)
    hers = chosen(alice, media)
    with hunting():
        arrives(his, Phase.DOWNLOADING)
        arrives(hers, Phase.DOWNLOADING)
        assert api(alice).post(f"/downloads/{hers.pk}/replace").json()["phase"] == "searching"
        demo.set_rate(0)
        assert arrives(hers, Phase.SEEDING).torrent_id == second.pk
        assert arrives(his, Phase.SEEDING).torrent_id == first.pk
        assert folder_of(content.info_hash_v1).exists(), "bob shares it"


# --- whatever dies -------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone; nothing catches it."""


@pytest.fixture
def first_hunter() -> Iterator[Hunter]:
    hunter = Hunter(Engine(LOCAL), name="first")
    yield hunter
    hunter._filing.shutdown()
    if "_session" in vars(hunter._engine):
        hunter._engine.close(1)


def dies(*_: Any, **__: Any) -> None:
    raise Killed


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "seam",
    [
        "apps.downloads.blocklist.add",  # as it is given up, before anything is written
        "apps.downloads.engine.session.Engine.remove",  # given up; the torrent is still in the session
        "apps.downloads.disk.Disk.clear",  # out of the session, its folder still there
        "apps.downloads.replacement.cleaned",  # the folder is gone, the row does not know
        "apps.downloads.services.enqueue",  # chosen, without its job; none of it committed
    ],
)
def test_a_hunter_killed_anywhere_in_it_leaves_the_rest_to_its_successor(
    demo: Demo, alice: User, media: Media, first_hunter: Hunter, monkeypatch: pytest.MonkeyPatch, seam: str
) -> None:
    monkeypatch.setattr(ENV, "stall_timeout", 600)
    demo.set_rate(300_000)
    bad, dead = seeded(demo, media, 30, "Bad.2021.1080p", size=2_000_000)
    _, good = seeded(demo, media)
    download = chosen(alice, media)
    work_off()
    until(lambda: (first_hunter._step(), list(folder_of(bad.info_hash_v1).rglob("*.mp4")))[1], "the first byte")
    demo.swarm("stop", bad.key)
    monkeypatch.setattr(ENV, "stall_timeout", 0.5)
    death = pytest.MonkeyPatch()
    death.setattr(seam, dies)
    with pytest.raises(Killed):
        until(first_hunter._step, "the death")
    death.undo()
    monkeypatch.setattr(ENV, "stall_timeout", 4)  # what is good has begun by then
    assert Blocked.objects.exists() == (again(download).phase == Phase.SEARCHING), "either both or neither"
    Download.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    demo.set_rate(0)
    with hunting():
        done = arrives(download, Phase.SEEDING)
        until(lambda: not folder_of(bad.info_hash_v1).exists(), "the remains being removed")
    assert (done.torrent_id, done.replacements, len(done.tried)) == (good.pk, 1, 1)
    assert [entry.torrent_id for entry in Blocked.objects.all()] == [dead.pk]
    assert codes(alice).count("download_replaced") == 1


def test_a_database_that_fails_in_the_middle_leaves_everything_as_it_was(alice: User, media: Media) -> None:
    release(media, 30), release(media, 20)
    download = chosen(alice, media)

    def breaks(_: int) -> None:
        raise DatabaseError("gone")

    broken = pytest.MonkeyPatch()
    broken.setattr(rows, "announce", breaks)
    with pytest.raises(DatabaseError):
        replacement.give_up(download.pk, FAULT)
    broken.undo()
    assert not Blocked.objects.exists()
    assert (again(download).phase, again(download).torrent_id) == (Phase.QUEUED, download.torrent_id)
    assert replacement.give_up(download.pk, FAULT)
    assert again(download).replacements == 1


# --- bounds, and what is nobody's fault --------------------------------------------------------------------------------


def test_after_five_it_ends_with_all_reasons_and_a_retry_takes_none_of_them(
    alice: User, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation.indexers, "fetch_torrent", gone)
    offered = [release(media, 90 - n, magnet="", download_url="http://indexer/1") for n in range(7)]
    Torrent.objects.update(magnet="")
    download = chosen(alice, media)
    until(lambda: not work_off(), "all jobs")
    failed = again(download)
    assert (failed.phase, failed.replacements) == (Phase.FAILED, replacement.MOST + 1)
    assert failed.reason.startswith("6 releases were given up. “Release.1.")
    assert all(f"“{torrent.title}”: The indexer has" in failed.reason for torrent in offered[:6])
    assert [entry["name"] for entry in failed.tried] == [torrent.title for torrent in offered[:6]]
    assert Blocked.objects.count() == 6
    assert codes(alice) == ["download_replaced"] * 5 + ["download_failed"]
    assert not Job.objects.exclude(status="Completed").exists(), "and no dead letter"

    services.retry(alice.pk, download.pk)
    retried = again(download)
    assert (retried.phase, retried.torrent_id, retried.replacements) == (Phase.SEARCHING, None, 0)
    services.choose(download.pk, offered[0], [])
    assert again(download).torrent_id == offered[6].pk, "the one that was not tried, and not the one that was"
    assert replacement.give_up(download.pk, FAULT)
    services.choose(download.pk, None, search.rejections_of(media.pk, None, None, user_id=alice.pk))
    reason = again(download).reason
    assert reason.startswith("Nothing to download: every release found was refused: It is on the blocklist: ")
    assert reason.endswith(f"Given up before: “{offered[6].title}”: {FAULT.reason}")


def test_who_knows_no_other_release_asks_the_indexers_again(alice: User, media: Media) -> None:
    release(media, 30), release(media, 20, seen_at=timezone.now() - replacement.RECENT - timedelta(minutes=1))
    download = chosen(alice, media)
    Job.objects.all().delete()
    assert replacement.give_up(download.pk, FAULT)
    assert again(download).phase == Phase.SEARCHING
    assert again(download).reason.startswith("“Release.1.2021.1080p” was given up: Stalled")
    (job,) = Job.objects.all()
    assert (job.kind, job.payload["download_id"], job.user_id) == ("search", download.pk, alice.pk)


@pytest.mark.parametrize("code", ["indexer", "quota", "invalid", "duplicate", "crowded"])
def test_what_is_not_the_releases_fault_fails_as_ever(
    alice: User, media: Media, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def fails(*_: object) -> bytes:
        raise PermanentError("Not its fault.", code=code)

    monkeypatch.setattr(preparation.indexers, "fetch_torrent", fails)
    release(media, 30, download_url="http://indexer/1"), release(media, 20)
    Torrent.objects.update(magnet="")
    download = chosen(alice, media)
    work_off()
    assert (again(download).phase, again(download).reason) == (Phase.FAILED, "Not its fault.")
    assert not Blocked.objects.exists()


def test_another_torrent_than_was_promised_and_one_that_was_given_up_are_not_taken(
    demo: Demo, alice: User, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, given_up = seeded(demo, media, 40)
    file = demo.http.get(content.torrent_url).content
    monkeypatch.setattr(preparation.indexers, "fetch_torrent", lambda _: file)
    lying = release(media, 30, download_url="http://indexer/1")
    same = release(media, 20, download_url="http://indexer/2", key="url:2", info_hash_v1=None)
    damaged = release(media, 10, download_url="http://indexer/3", key="url:3", info_hash_v1=None)
    Torrent.objects.exclude(pk=given_up.pk).update(magnet="")
    download = chosen(alice, media)
    assert replacement.give_up(download.pk, FAULT)
    for expected in (lying, same, damaged):
        assert again(download).torrent_id == expected.pk
        if expected is damaged:
            monkeypatch.setattr(preparation.indexers, "fetch_torrent", lambda _: file[: len(file) // 2])
        work_off()
    assert [entry["code"] for entry in again(download).tried] == [
        "stalled",
        "wrong_hash",
        "same_torrent",
        "bad_torrent",
    ]


# --- races ---------------------------------------------------------------------------------------------------------------


def owned_by(download: Download, hunter: str, **fields: Any) -> int:
    """Downloading, by this hunter; gives its fence."""
    lease = {"lease_until": timezone.now() + timedelta(minutes=1), "fence": 3}
    swarm = download.torrent.info_hash_v1 if download.torrent else ""
    state = {"phase": Phase.DOWNLOADING, "status": "Running", "swarm": swarm, "hunter": hunter, **lease, **fields}
    Download.objects.filter(pk=download.pk).update(**state)
    return 3


def test_whoever_lost_the_lease_gives_nothing_up(alice: User, media: Media) -> None:
    release(media, 30), release(media, 20)
    download = chosen(alice, media)
    fence = owned_by(download, "frozen")
    Download.objects.update(fence=fence + 1, hunter="eager")
    assert not replacement.give_up(download.pk, FAULT, fence=fence)
    assert not Blocked.objects.exists()
    assert replacement.give_up(download.pk, FAULT, fence=fence + 1)
    assert not replacement.give_up(download.pk, FAULT, fence=fence + 1), "once"
    assert (again(download).replacements, Blocked.objects.count()) == (1, 1)


def test_a_person_and_the_hunter_at_once_replace_it_once(api: Clients, alice: User, media: Media) -> None:
    for score in range(9):
        release(media, score)
    download = chosen(alice, media)
    fence = owned_by(download, "hunter")
    clients, ready = [api(alice) for _ in range(3)], threading.Barrier(4)

    def by_hand(client: Api) -> str:
        ready.wait(40)
        try:
            return str(client.post(f"/downloads/{download.pk}/replace").status_code)
        finally:
            connection.close()

    def by_fault() -> str:
        ready.wait(40)
        try:
            return str(replacement.give_up(download.pk, FAULT, fence=fence))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        hunter = threads.submit(by_fault)
        outcomes = Counter([*threads.map(by_hand, clients), hunter.result(20)])
    assert outcomes in (Counter({"409": 3, "True": 1}), Counter({"409": 2, "202": 1, "False": 1})), outcomes
    row = again(download)
    assert (row.phase, row.removal, len(row.tried), Blocked.objects.count()) == (Phase.SEARCHING, "delete", 1, 1)


def test_who_cancels_or_retries_meanwhile_wins_or_waits(api: Clients, alice: User, media: Media) -> None:
    release(media, 30), release(media, 20)
    download = chosen(alice, media)
    owned_by(download, "hunter")
    assert replacement.give_up(download.pk, FAULT)
    for verb in ("retry", "pause", "resume", "replace"):
        assert api(alice).post(f"/downloads/{download.pk}/{verb}").status_code == 409, verb
    assert api(alice).delete(f"/downloads/{download.pk}").status_code == 204
    assert (again(download).phase, again(download).removal) == (Phase.CANCELLED, "delete")
    assert api(alice).post(f"/downloads/{download.pk}/retry").status_code == 409, "its files are being removed"
    with hunting():  # another one: the first is dead
        Download.objects.update(lease_until=None)
        until(lambda: again(download).removal == "", "the clean-up")
    assert (again(download).phase, again(download).tried[0]["code"]) == (Phase.CANCELLED, "stalled")
    assert api(alice).post(f"/downloads/{download.pk}/retry").status_code == 202


def test_the_job_of_a_release_that_was_given_up_changes_nothing_any_more(
    demo: Demo, alice: User, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, first = seeded(demo, media, 30)
    second = release(media, 20)
    Torrent.objects.filter(pk=first.pk).update(magnet="", download_url="http://indexer/1")
    download = chosen(alice, media)
    late = StartPayload(download_id=download.pk, torrent_id=first.pk)

    def meanwhile(_: object) -> bytes:
        replacement.replace(alice.pk, download.pk)
        return demo.http.get(content.torrent_url).content

    monkeypatch.setattr(preparation.indexers, "fetch_torrent", meanwhile)
    preparation.prepare(download.pk)
    row = again(download)
    assert (row.torrent_id, row.swarm, row.phase) == (second.pk, "", Phase.QUEUED), "it is not the first one's swarm"
    assert not TorrentState.objects.filter(pk=download.pk).exclude(metainfo=b"").exists()
    assert replacement.start_faulty(late, PermanentError("Gone.", code="release_gone")), "nothing to fail for"
    replacement.start_failed(late, "The indexer does not answer.")
    assert (again(download).torrent_id, again(download).phase, len(again(download).tried)) == (
        second.pk, Phase.QUEUED, 1,
    )  # fmt: skip


def test_a_pause_before_the_torrent_is_known_does_not_strand_it(demo: Demo, alice: User, media: Media) -> None:
    _, good = seeded(demo, media)
    download = chosen(alice, media)
    services.pause(alice.pk, download.pk)
    work_off()
    services.resume(alice.pk, download.pk)
    work_off()
    assert again(download).swarm == good.info_hash_v1


# --- the blocklist -------------------------------------------------------------------------------------------------------


def block(user: User, media: Media, torrent: Torrent, code: str = "stalled") -> Blocked:
    download = Download(user=user, media=media, torrent=torrent)
    blocklist.add(download, Fault(code, "Because."), Source.AUTOMATIC)
    blocklist.add(download, Fault(code, "Because."), Source.AUTOMATIC)
    return Blocked.objects.get(user=user, media=media, key=torrent.key)


def told(user: User | None, media: Media) -> list[tuple[int, list[str]]]:
    found = search.releases_of(media.pk, Page(1, 100), user_id=user.pk if user else None)["results"]
    return [(row["id"], [rejection["code"] for rejection in row["rejections"]]) for row in found]


def test_what_is_blocked_is_refused_to_its_person_until_it_is_taken_off(
    api: Clients, alice: User, bob: User, admin: User, media: Media
) -> None:
    first, second, third = release(media, 30), release(media, 20), release(media, None)
    entry = block(alice, media, first)
    assert told(alice, media) == [(second.pk, []), (first.pk, ["blocklisted"]), (third.pk, ["cam"])]
    shown = api(alice).get(f"/media/{media.pk}/torrents").json()["results"][1]
    assert (shown["score"], shown["rejections"][0]["sentence"]) == (None, "It is on the blocklist: it stood still.")
    for user, best in ((alice, second), (bob, first)):
        assert search.best(media.pk, None, None, user_id=user.pk) == best
    assert told(bob, media)[0] == (first.pk, [])

    blocklist.widen(entry.pk, admin)
    blocklist.widen(entry.pk, admin)
    assert search.best(media.pk, None, None, user_id=bob.pk) == search.best(media.pk, None, None) == second
    assert api(alice).delete(f"/blocklist/{entry.pk}").status_code == 403
    blocklist.lift(entry.pk, admin)
    assert told(alice, media) == told(bob, media) == [(first.pk, []), (second.pk, []), (third.pk, ["cam"])]
    noted = AuditEntry.objects.filter(actor="admin").order_by("id").values_list("action", "details__owner")
    assert list(noted) == [("blocklist.widened", "alice"), ("blocklist.removed", None)]


@pytest.mark.parametrize(
    ("known", "offered", "same"),
    [
        ({}, {}, True),  # by its hash, whatever its name
        ({"size": 7}, {"title": "Same.Name", "size": 7, "info_hash_v1": None}, True),
        ({"size": 7, "info_hash_v1": None}, {"title": "same.name", "size": 7, "info_hash_v1": "c" * 40}, True),
        ({"size": 7}, {"title": "Same.Name", "size": 8, "info_hash_v1": None}, False),
        ({"size": 7}, {"title": "Same.Name", "size": 7, "info_hash_v1": "c" * 40}, False),  # a new upload
        ({"size": 0}, {"title": "Same.Name", "size": 0, "info_hash_v1": None}, False),
    ],
)
def test_the_same_release_from_another_indexer_is_known_again(
    alice: User, media: Media, known: dict[str, Any], offered: dict[str, Any], same: bool
) -> None:
    torrent = release(media, 30, title="Same.Name", **known)
    block(alice, media, torrent)
    hash_ = torrent.info_hash_v1
    torrent.delete()
    other = release(media, 20, **{"key": "url:other", "info_hash_v1": hash_, **offered})
    assert told(alice, media) == [(other.pk, ["blocklisted"] if same else [])]


def test_a_person_lists_removes_and_clears_their_own(api: Clients, alice: User, bob: User, media: Media) -> None:
    entries = [block(alice, media, release(media)) for _ in range(3)]
    his = block(bob, media, release(media))
    page = api(alice).get("/blocklist?limit=2&page=2").json()
    assert (page["total"], [row["id"] for row in page["results"]]) == (3, [entries[0].pk])
    assert (page["results"][0]["why"], page["results"][0]["source"]) == ("it stood still", "automatic")
    assert api(alice).delete(f"/blocklist/{his.pk}").status_code == 403
    assert [api(alice).delete(f"/blocklist/{entries[0].pk}").status_code for _ in range(2)] == [204, 404]
    assert api(alice).delete("/blocklist").status_code == 204
    assert list(Blocked.objects.all()) == [his]
    noted = AuditEntry.objects.filter(action__startswith="blocklist.").order_by("id").values_list("action", "actor")
    assert list(noted) == [("blocklist.removed", "alice"), ("blocklist.cleared", "alice")]


def test_a_list_costs_the_same_at_one_row_and_at_fifty(api: Clients, alice: User, media: Media) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api(alice).get(path).status_code == 200
        return len(captured)

    paths = ("/blocklist?limit=100", f"/media/{media.pk}/torrents?limit=100")
    block(alice, media, release(media))
    one = [queries(path) for path in paths]
    for _ in range(49):
        block(alice, media, release(media))
    assert [queries(path) for path in paths] == one


def test_the_pages_show_what_was_given_up_and_offer_another(alice: User, media: Media) -> None:
    first, second = release(media, 30), release(media, 20)
    download = chosen(alice, media)
    page = Client()
    page.force_login(alice, "apps.accounts.authentication.EmailOrUsernameBackend")
    owned_by(download, "hunter", phase=Phase.FAILED, status="Failed", swarm="")
    assert f'id="replace-{download.pk}"' in page.get("/app/downloads").content.decode()
    assert page.post(f"/app/downloads/{download.pk}/replace").status_code == 302
    assert again(download).torrent_id == second.pk
    text = page.get("/app/downloads").content.decode()
    assert "1 release was given up" in text
    assert first.title in text
    (entry,) = Blocked.objects.all()
    listed = page.get("/app/blocklist").content.decode()
    assert first.title in listed
    assert "you did not want it." in listed
    assert "It was not wanted." not in listed, "it says so once, in the reader's language"
    assert page.post(f"/app/blocklist/{entry.pk}/remove").status_code == 302
    assert "Nothing is blocked" in page.get("/app/blocklist").content.decode()
    block(alice, media, first)
    page.post("/app/blocklist/clear")
    assert not Blocked.objects.exists()


@pytest.mark.parametrize("phase", list(Phase))
def test_what_a_state_allows(api: Clients, alice: User, media: Media, phase: Phase) -> None:
    release(media, 30), release(media, 20)
    download = chosen(alice, media)
    owned_by(download, "hunter", phase=phase, status=rows.STATUS_OF[phase])
    allowed = phase in {Phase.QUEUED, Phase.METADATA, Phase.DOWNLOADING, Phase.PAUSED, Phase.FAILED}
    answer = api(alice).post(f"/downloads/{download.pk}/replace")
    assert answer.status_code == (202 if allowed else 409)
    assert again(download).phase == (Phase.SEARCHING if allowed else phase)
    faulty = phase in {Phase.QUEUED, Phase.METADATA, Phase.DOWNLOADING, Phase.FILING}
    owned_by(download, "hunter", phase=phase, status=rows.STATUS_OF[phase])
    Download.objects.update(torrent=Torrent.objects.latest("pk"))
    assert replacement.give_up(download.pk, FAULT) == faulty
    assert again(download).phase == (Phase.SEARCHING if faulty else phase)


def test_a_code_is_a_phrase_in_both_languages() -> None:
    assert faults.of(PermanentError("x", code="no_video")) == Fault("no_video", "x")
    assert faults.of(PermanentError("x", code="quota")) is None
    assert faults.phrase("unheard_of") == "unheard_of"


def test_an_entry_that_has_just_become_everybodys_is_not_taken_off_by_one(
    alice: User, admin: User, media: Media
) -> None:
    entry = block(alice, media, release(media))

    raced = []

    def widened(execute: Callable[..., Any], *call: Any) -> Any:
        """An admin does it between the look and the deleting."""
        found = execute(*call)
        if not raced:
            raced.append(True)
            Blocked.objects.update(user=None)
        return found

    with connection.execute_wrapper(widened), pytest.raises(PermanentError):
        blocklist.remove(alice.pk, entry.pk)
    assert Blocked.objects.filter(pk=entry.pk, user=None).exists()
