"""The torrent engine against a real swarm on loopback."""

import errno
import itertools
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import libtorrent as lt
import pytest

from apps.downloads.engine.events import (
    EngineEvent,
    Finished,
    MetadataReceived,
    MetadataRefused,
    RangeReady,
    Removed,
    ResumeData,
    ResumeRejected,
    TrackerError,
    TrackerReply,
)
from apps.downloads.engine.session import Engine
from apps.downloads.engine.settings import EngineSettings
from sokoul.errors import PermanentError
from tests import engine_process
from tests.swarm import KINDS, Hashless, Swarm, content, make_torrent
from tests.waiting import until

SETTINGS = EngineSettings(listen_interfaces="127.0.0.1:0", progress_interval=0.1)
Told = TypeVar("Told", bound=EngineEvent)
FILM = content(3_000_000)


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Swarm]:
    with Swarm(tmp_path / "seed") as swarm:
        yield swarm


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(SETTINGS)
    yield engine
    engine.close(timeout=5)


def poll_until(engine: Engine, done: Callable[[list[EngineEvent]], object], seconds: float = 40) -> list[EngineEvent]:
    """Everything told until `done`, asked after each poll, says that it is enough."""
    told: list[EngineEvent] = []
    deadline = time.monotonic() + seconds
    while not done(told):
        assert time.monotonic() < deadline, f"still waiting; told so far: {told}, {engine.progress()}"
        told += engine.poll(0.1)
    return told


def wait_for(engine: Engine, kind: type[Told]) -> Told:
    told = poll_until(engine, lambda told: any(isinstance(event, kind) for event in told))
    return next(event for event in told if isinstance(event, kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["magnet", "torrent"])
def test_finished_means_that_the_files_are_whole(
    swarm: Swarm, engine: Engine, tmp_path: Path, kind: str, way: str
) -> None:
    torrent = swarm.share("Film", {"film.mkv": FILM, "film.srt": b"1\n"}, kind=kind)
    if way == "magnet":
        engine.add("film", folder=tmp_path / "got", magnet=swarm.magnet(torrent))
    else:
        engine.add("film", folder=tmp_path / "got", torrent=torrent)
    told = poll_until(engine, lambda told: Finished("film") in told)
    assert (tmp_path / "got/Film/film.mkv").read_bytes() == FILM
    metadata = [event for event in told if isinstance(event, MetadataReceived)]
    assert [sorted(file.path for file in event.meta.files) for event in metadata] == [
        ["Film/film.mkv", "Film/film.srt"]
    ]
    assert metadata[0].meta.total == len(FILM) + 2


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_held_fetches_its_metadata_and_then_only_what_it_may(
    swarm: Swarm, engine: Engine, tmp_path: Path, kind: str
) -> None:
    torrent = swarm.share("Film", {"film.mkv": FILM, "setup.exe": content(400_000, 2)}, kind=kind)
    engine.add("film", folder=tmp_path / "got", magnet=swarm.magnet(torrent), held=True)
    meta = wait_for(engine, MetadataReceived).meta
    poll_until(engine, lambda _: engine.progress()["film"].state == "downloading")
    engine.resume("film")
    for _ in range(5):
        engine.poll(0.1)
    assert (swarm.seeder.uploaded, engine.is_held("film")) == (0, True)
    engine.release("film", without=frozenset(file.index for file in meta.files if file.path.endswith(".exe")))
    poll_until(engine, lambda told: Finished("film") in told)
    assert (tmp_path / "got/Film/film.mkv").read_bytes() == FILM
    assert not (tmp_path / "got/Film/setup.exe").exists()


def is_paused(engine: Engine) -> bool:
    return bool(engine._torrents["film"].handle.status().flags & lt.torrent_flags.paused)


def test_what_knows_its_files_meets_nobody_while_it_is_held(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    """Seeders that were hung up on were called again half a second later."""
    engine.add("film", folder=tmp_path, torrent=swarm.share("film.mkv", FILM), held=True)
    assert is_paused(engine)
    engine.resume("film")
    assert is_paused(engine), "nobody may wake it before it is released"
    engine.release("film")
    wait_for(engine, Finished)


def test_releasing_does_not_end_its_owners_pause(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    engine.add("film", folder=tmp_path, torrent=swarm.share("film.mkv", FILM), held=True)
    engine.pause("film")
    engine.release("film")
    assert is_paused(engine)
    engine.resume("film")
    wait_for(engine, Finished)


def test_resume_data_without_what_was_left_out_is_taken(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    torrent = swarm.share("Film", {"film.mkv": FILM, "setup.exe": content(400_000, 2)})
    engine.add("film", folder=tmp_path / "got", torrent=torrent, held=True)
    meta = wait_for(engine, MetadataReceived).meta
    engine.release("film", without=frozenset(file.index for file in meta.files if file.path.endswith(".exe")))
    wait_for(engine, Finished)
    engine.save_resume()
    data = wait_for(engine, ResumeData).data
    engine.remove("film", delete_files=False)
    wait_for(engine, Removed)
    before = swarm.seeder.uploaded
    engine.add("film", folder=tmp_path / "got", torrent=torrent, resume=data, held=True)
    told = poll_until(engine, lambda told: Finished("film") in told)
    assert not [event for event in told if isinstance(event, ResumeRejected)]
    assert swarm.seeder.uploaded == before


def test_two_torrents_at_once(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    films = {name: content(1_500_000, seed) for seed, name in enumerate(["a.mkv", "b.mkv"])}
    for name, data in films.items():
        engine.add(name, folder=tmp_path / "got", torrent=swarm.share(name, data))
    poll_until(engine, lambda told: {Finished("a.mkv"), Finished("b.mkv")} <= set(told))
    assert {name: (tmp_path / "got" / name).read_bytes() for name in films} == films


def test_what_libtorrent_had_no_room_to_tell_is_found_out(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    engine._session.apply_settings({"alert_queue_size": 1})
    for name in ("a.mkv", "b.mkv", "c.mkv"):
        engine.add(name, folder=tmp_path / "got", magnet=swarm.magnet(swarm.share(name, FILM)))
    handles = [torrent.handle for torrent in engine._torrents.values()]
    until(lambda: all(handle.status().is_finished for handle in handles), what="all of them whole, and nobody told")
    engine._session.apply_settings({"alert_queue_size": 1000})
    told = poll_until(engine, lambda told: sum(isinstance(event, Finished) for event in told) == 3)
    assert {event.key for event in told if isinstance(event, MetadataReceived)} == {"a.mkv", "b.mkv", "c.mkv"}
    assert [(tmp_path / "got" / name).read_bytes() == FILM for name in ("a.mkv", "b.mkv", "c.mkv")] == [True] * 3


def test_progress_counts_bytes_and_percent(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    engine.add("film", folder=tmp_path, torrent=swarm.share("film.mkv", FILM, rate=300_000))
    poll_until(
        engine, lambda _: 0 < engine.progress()["film"].bytes_done < len(FILM) and engine.progress()["film"].rate
    )
    half_way = engine.progress()["film"]
    swarm.seeder.limit(0)
    assert (half_way.state, half_way.paused, half_way.peers, half_way.seeds) == ("downloading", False, 1, 1)
    assert half_way.percent == pytest.approx(100 * half_way.bytes_done / len(FILM))
    poll_until(engine, lambda _: engine.progress()["film"].state == "seeding")
    whole = engine.progress()["film"]
    assert (whole.percent, whole.bytes_done, whole.bytes_verified, whole.bytes_total) == (100, *[len(FILM)] * 3)


def test_pause_stops_the_traffic_and_resume_goes_on(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    engine.add("film", folder=tmp_path, torrent=swarm.share("film.mkv", FILM, rate=200_000))
    poll_until(engine, lambda _: swarm.seeder.uploaded)
    engine.pause("film")
    poll_until(engine, lambda _: engine.progress()["film"].paused and engine.progress()["film"].peers == 0)
    sent = swarm.seeder.uploaded
    swarm.seeder.limit(0)
    looks_end = time.monotonic() + 0.5
    poll_until(engine, lambda _: time.monotonic() > looks_end)
    assert swarm.seeder.uploaded == sent < len(FILM)
    engine.resume("film")
    wait_for(engine, Finished)
    assert (tmp_path / "film.mkv").read_bytes() == FILM


def test_added_paused_waits_for_resume(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    engine.add("film", folder=tmp_path, torrent=swarm.share("film.mkv", FILM), paused=True)
    looks_end = time.monotonic() + 0.5
    poll_until(engine, lambda _: time.monotonic() > looks_end)
    assert not swarm.seeder.uploaded
    engine.resume("film")
    wait_for(engine, Finished)


def saved(engine: Engine) -> list[ResumeData]:
    """What there is to save."""
    engine.save_resume()
    told = poll_until(engine, lambda _: not engine._saving)
    return [event for event in told if isinstance(event, ResumeData)]


def test_that_time_passes_is_nothing_to_save(engine: Engine, tmp_path: Path) -> None:
    """A thousand torrents that nobody seeds would be written to the database every five seconds."""
    (tmp_path / "film.mkv").write_bytes(FILM)
    engine.add("magnet", folder=tmp_path / "one", magnet=f"magnet:?xt=urn:btih:{'1' * 40}")
    engine.add("torrent", folder=tmp_path / "two", torrent=make_torrent(tmp_path / "film.mkv"))
    poll_until(engine, lambda _: engine.progress()["torrent"].state == "downloading" and not saved(engine))
    handles = [torrent.handle for torrent in engine._torrents.values()]
    since = [handle.status().active_duration for handle in handles]
    poll_until(engine, lambda _: all(h.status().active_duration > d for h, d in zip(handles, since, strict=True)))
    assert saved(engine) == []


def test_what_was_sent_is_saved(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    """Where nothing else has changed: how much was seeded says when it is enough."""
    torrent = swarm.share("film.mkv", FILM)
    engine.add("film", folder=tmp_path / "got", torrent=torrent)
    wait_for(engine, Finished)
    poll_until(engine, lambda _: engine.progress()["film"].state == "seeding" and not saved(engine))
    swarm.seeder.pause()
    swarm.tracker.peers.append(engine.port)
    somebody = Engine(SETTINGS)
    try:
        somebody.add("film", folder=tmp_path / "theirs", torrent=torrent)
        poll_until(engine, lambda _: engine.progress()["film"].uploaded == len(FILM))
        [event] = saved(engine)
    finally:
        somebody.close(timeout=5)
    assert lt.read_resume_data(event.data).total_uploaded == len(FILM)


def saved_bytes(resume: bytes, piece: int) -> int:
    """What the resume data counts as present, in pieces and in blocks of 16 KiB (BEP 3's request size)."""
    params = lt.read_resume_data(resume)
    blocks = sum(sum(bits) for bits in params.unfinished_pieces.values())
    return sum(params.have_pieces) * piece + blocks * (16 << 10)


@pytest.mark.parametrize("kind", KINDS)
def test_after_kill_9_only_unsaved_bytes_are_downloaded_again(
    swarm: Swarm, engine: Engine, tmp_path: Path, kind: str
) -> None:
    piece, film = 64 << 10, content(4 << 20)
    torrent = swarm.share("film.mkv", film, kind=kind, rate=512 << 10, piece=piece)
    (tmp_path / "film.torrent").write_bytes(torrent)
    with engine_process.start({tmp_path / "film.torrent": tmp_path / "got"}) as child:
        file = engine_process.resume_file(tmp_path / "film.torrent")
        poll_until(engine, lambda _: file.exists() and saved_bytes(file.read_bytes(), piece) > len(film) // 4)
        child.kill()
    swarm.seeder.limit(0)
    resume = file.read_bytes()
    saved = saved_bytes(resume, piece)
    assert saved < len(film)
    engine.add("film", folder=tmp_path / "got", torrent=torrent, resume=resume)
    wait_for(engine, Finished)
    poll_until(engine, lambda _: engine.progress()["film"].state == "seeding")
    assert engine.progress()["film"].received <= len(film) - saved
    assert (tmp_path / "got/film.mkv").read_bytes() == film


@pytest.mark.parametrize("kind", KINDS)
def test_what_reached_the_disk_after_the_last_save_is_checked_and_not_downloaded_again(
    swarm: Swarm, engine: Engine, tmp_path: Path, kind: str
) -> None:
    torrent = swarm.share("Film", {"film.mkv": FILM, "film.srt": b"1\n" * 40_000}, kind=kind)
    early = lt.load_torrent_buffer(torrent)
    early.have_pieces = [True] * 4
    (tmp_path / "Film").mkdir()
    (tmp_path / "Film/film.srt").write_bytes(b"1\n" * 40_000)
    with (tmp_path / "Film/film.mkv").open("wb") as file:
        file.write(FILM[:2_000_000])
        file.seek(2_300_000)  # a hole
        file.write(b"\1" * 200_000)  # what never was the film
        file.write(FILM[2_500_000:])
    engine.add("film", folder=tmp_path, torrent=torrent, resume=lt.write_resume_data_buf(early))
    told = poll_until(engine, lambda told: Finished("film") in told)
    assert not [event for event in told if isinstance(event, ResumeRejected)]
    assert (tmp_path / "Film/film.mkv").read_bytes() == FILM
    poll_until(engine, lambda _: engine.progress()["film"].state == "seeding")
    assert 500_000 <= engine.progress()["film"].received <= 500_000 + 4 * (64 << 10)


def test_holes_of_a_v2_file_are_not_taken_for_its_data(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    """Killed before anything was saved, with metadata that came from peers and so without the hashes of the pieces. Where those
    are late, libtorrent's own check of the file ends in fetching everything again, or in banning the seeder."""
    torrent = swarm.share("film.mkv", FILM, kind="v2")
    metainfo = b"d4:info" + lt.load_torrent_buffer(torrent).ti.info_section() + b"e"
    late = Hashless(swarm.seeder.port)
    swarm.tracker.peers[:] = [late.port]
    with (tmp_path / "film.mkv").open("wb") as file:
        for piece in range(0, len(FILM), 3 * (64 << 10)):  # every third
            file.seek(piece)
            file.write(FILM[piece : piece + (64 << 10)])
    engine.add("film", folder=tmp_path, magnet=swarm.magnet(torrent), torrent=metainfo)
    poll_until(engine, lambda told: Finished("film") in told)
    assert (tmp_path / "film.mkv").read_bytes() == FILM
    poll_until(engine, lambda _: engine.progress()["film"].state == "seeding")
    assert engine.progress()["film"].received < len(FILM) * 0.7, "what was on disk was not fetched again"
    late.close()


def test_removing_while_resume_data_is_saved_ends_in_removed(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    names = [f"{number}.mkv" for number in range(30)]
    for number, name in enumerate(names):
        engine.add(name, folder=tmp_path / name, torrent=swarm.share(name, content(400_000, number), rate=100_000))
    poll_until(engine, lambda _: all(engine.progress()[name].bytes_done for name in names))
    engine.save_resume()
    for name in names:
        engine.remove(name, delete_files=True)
    poll_until(engine, lambda told: {Removed(name, "") for name in names} <= set(told))


def test_what_was_still_to_be_told_of_one_that_is_removed_harms_nobody(
    swarm: Swarm, engine: Engine, tmp_path: Path
) -> None:
    """It finishes, and is removed before anybody heard of it: a hunter whose download another has taken."""
    engine.add("film", folder=tmp_path, torrent=swarm.share("film.mkv", FILM))
    torrent = engine._torrents["film"]
    until(lambda: torrent.handle.status().is_finished, 30, "the end of the download, unheard")
    engine.remove("film", delete_files=False)
    until(lambda: not torrent.handle.is_valid(), 30, "the torrent's removal, unheard")
    with pytest.raises(LookupError):
        engine.on_disk("film", 0, 0, 1)
    assert Finished("film") not in poll_until(engine, lambda told: Removed("film", "") in told)


def whole_download(swarm: Swarm, folder: Path, torrent: bytes) -> bytes:
    """A finished download in `folder`; returns its resume data."""
    engine = Engine(SETTINGS)
    engine.add("film", folder=folder, torrent=torrent)
    wait_for(engine, Finished)
    return next(event.data for event in engine.close() if isinstance(event, ResumeData))


def test_resume_data_of_a_finished_download_needs_no_peer(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    torrent = swarm.share("film.mkv", FILM)
    resume = whole_download(swarm, tmp_path, torrent)
    swarm.seeder.pause()
    engine.add("film", folder=tmp_path, magnet=swarm.magnet(torrent), resume=resume)
    told = poll_until(engine, lambda told: Finished("film") in told)
    assert not [event for event in told if isinstance(event, ResumeRejected)]
    assert [event.meta.total for event in told if isinstance(event, MetadataReceived)] == [len(FILM)]


@pytest.mark.parametrize("damage", ["garbage", "another torrent's", "truncated"])
def test_resume_data_that_does_not_fit_is_dropped_and_the_files_checked(
    swarm: Swarm, engine: Engine, tmp_path: Path, damage: str
) -> None:
    torrent = swarm.share("film.mkv", FILM)
    resume = whole_download(swarm, tmp_path / "got", torrent)
    if damage == "another torrent's":
        other = whole_download(swarm, tmp_path / "other", swarm.share("other.mkv", content(100_000, 5)))
    bad = {"garbage": b"no bencode", "truncated": resume[: len(resume) // 2]}.get(damage) or other
    engine.add("film", folder=tmp_path / "got", torrent=torrent, resume=bad)
    told = poll_until(engine, lambda told: Finished("film") in told)
    assert [event.key for event in told if isinstance(event, ResumeRejected)] == ["film"]
    assert engine.progress()["film"].received == 0


def test_a_file_that_shrank_since_is_noticed_and_repaired(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    torrent = swarm.share("film.mkv", FILM)
    resume = whole_download(swarm, tmp_path / "got", torrent)
    with (tmp_path / "got/film.mkv").open("r+b") as file:
        file.truncate(len(FILM) // 2)
    engine.add("film", folder=tmp_path / "got", torrent=torrent, resume=resume)
    told = poll_until(engine, lambda told: Finished("film") in told)
    assert any(isinstance(event, ResumeRejected) for event in told)
    assert (tmp_path / "got/film.mkv").read_bytes() == FILM


@pytest.mark.parametrize("place", [0.4, 1.0])
def test_wanted_bytes_come_before_the_others(swarm: Swarm, engine: Engine, tmp_path: Path, place: float) -> None:
    film = content(8 << 20)
    engine.add("film", folder=tmp_path, torrent=swarm.share("film.mkv", film, rate=1 << 20, piece=32 << 10))
    end = round(len(film) * place)
    start = end - 150_000
    assert not engine.on_disk("film", 0, start, end)
    engine.want("film", 0, start, end)
    told = poll_until(engine, lambda told: RangeReady("film", 0, start, end) in told)
    assert engine.progress()["film"].bytes_done < len(film) * 0.8, (
        "the others would have taken 3 s before or all of 8 s"
    )
    with (tmp_path / "film.mkv").open("rb") as file:
        file.seek(start)
        assert file.read(end - start) == film[start:end]
    assert engine.have("film", 0, start, end)
    assert engine.on_disk("film", 0, start, end)
    assert Finished("film") not in told


def test_want_refuses_bytes_that_the_torrent_lacks(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    torrent = swarm.share("film.mkv", FILM)
    engine.add("film", folder=tmp_path, torrent=torrent)
    for file_index, start, end in [(1, 0, 1), (0, 0, len(FILM) + 1), (0, 5, 5), (-1, 0, 1)]:
        with pytest.raises(LookupError):
            engine.want("film", file_index, start, end)


@pytest.mark.parametrize("delete_files", [True, False])
def test_removal_deletes_the_files_where_asked(
    swarm: Swarm, engine: Engine, tmp_path: Path, delete_files: bool
) -> None:
    torrent = swarm.share("Film", {"film.mkv": FILM})
    engine.add("film", folder=tmp_path / "got", torrent=torrent)
    wait_for(engine, Finished)
    engine.remove("film", delete_files=delete_files)
    assert poll_until(engine, lambda told: Removed("film") in told)
    assert "film" not in engine
    assert (tmp_path / "got/Film").exists() is not delete_files
    engine.add("film", folder=tmp_path / "got", torrent=torrent)
    wait_for(engine, Finished)


def test_a_dead_tracker_is_told_without_its_passkey(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    torrent = swarm.share("film.mkv", FILM)
    swarm.tracker.failure = "unregistered torrent"
    dead = "http://127.0.0.1:1/announce/PASSKEY"
    engine.add("film", folder=tmp_path, torrent=torrent, magnet=f"{swarm.magnet(torrent)}&tr={dead}")
    both = poll_until(engine, lambda told: len({e.url for e in told if isinstance(e, TrackerError)}) == 2)
    messages = {event.url: event.message for event in both if isinstance(event, TrackerError)}
    assert messages[swarm.tracker.url.removesuffix("/announce")] == "unregistered torrent"
    assert messages["http://127.0.0.1:1"] == "Connection refused"
    assert "PASSKEY" not in str(both)


def test_no_peers_is_no_progress_and_no_event(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    torrent = swarm.share("film.mkv", FILM)
    swarm.tracker.peers.clear()
    engine.add("film", folder=tmp_path, magnet=swarm.magnet(torrent))
    assert wait_for(engine, TrackerReply).peers == 0
    poll_until(engine, lambda _: engine.progress()["film"].state == "metadata")
    assert engine.progress()["film"].bytes_total == 0


def test_the_same_torrent_under_another_key_is_refused(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    torrent = swarm.share("film.mkv", FILM)
    engine.add("film", folder=tmp_path, torrent=torrent)
    with pytest.raises(PermanentError) as refusal:
        engine.add("again", folder=tmp_path / "again", magnet=swarm.magnet(torrent))
    assert (refusal.value.code, "again" in engine) == ("duplicate", False)


def test_web_seeds_are_dropped(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    web_seed = swarm.tracker.url.replace("announce", "files/")
    torrent = swarm.share("film.mkv", FILM, web_seeds=(web_seed,))
    assert lt.load_torrent_buffer(torrent).url_seeds == [web_seed]
    engine.add("film", folder=tmp_path, torrent=torrent)
    poll_until(engine, lambda told: Finished("film") in told)
    engine.save_resume(only_if_modified=False)
    assert lt.read_resume_data(wait_for(engine, ResumeData).data).url_seeds == []


@pytest.mark.parametrize(("trusted", "asked"), [(frozenset({"127.0.0.1"}), True), (frozenset(), False)])
def test_a_private_tracker_is_asked_only_where_it_is_trusted(
    swarm: Swarm, tmp_path: Path, trusted: frozenset[str], asked: bool
) -> None:
    everywhere = EngineSettings(
        listen_interfaces="lo:0", discovery=False, trusted_hosts=trusted
    )  # not local by its address
    engine = Engine(everywhere)
    engine.add("film", folder=tmp_path, torrent=swarm.share("film.mkv", FILM))
    if asked:
        wait_for(engine, Finished)
    else:
        assert "private network" in wait_for(engine, TrackerError).message
    assert bool(swarm.tracker.hits) is asked
    engine.close(timeout=5)


@pytest.mark.parametrize("kind", KINDS)
def test_received_metadata_is_good_for_another_add(swarm: Swarm, engine: Engine, tmp_path: Path, kind: str) -> None:
    torrent = swarm.share("film.mkv", FILM, kind=kind, rate=100_000)
    engine.add("film", folder=tmp_path, magnet=swarm.magnet(torrent))
    received = wait_for(engine, MetadataReceived).torrent
    engine.remove("film", delete_files=True)
    wait_for(engine, Removed)
    swarm.seeder.limit(0)
    engine.add("film", folder=tmp_path, magnet=swarm.magnet(torrent), torrent=received)
    wait_for(engine, Finished)
    assert (tmp_path / "film.mkv").read_bytes() == FILM


def test_hostile_metadata_from_peers_is_refused(swarm: Swarm, engine: Engine, tmp_path: Path) -> None:
    torrent: Any = lt.bdecode(swarm.share("Film", {"film.mkv": FILM}))
    torrent[b"info"][b"files"][0][b"path"] = [b"..", b"film.mkv"]
    hostile = lt.bencode(torrent)
    swarm.seeder.seed(hostile)
    engine.add("film", folder=tmp_path / "got", magnet=swarm.magnet(hostile))
    refusal = wait_for(engine, MetadataRefused)
    assert refusal.code == "bad_torrent"
    poll_until(engine, lambda _: engine.progress()["film"].paused)


def test_a_full_disk_is_told_once_and_the_others_go_on(swarm: Swarm, tmp_path: Path) -> None:
    big, small = tmp_path / "big.torrent", tmp_path / "small.torrent"
    big.write_bytes(swarm.share("big.mkv", FILM))
    small.write_bytes(swarm.share("small.mkv", content(500_000), rate=500_000))
    (tmp_path / "full").mkdir()
    before, expected = small_disk(tmp_path / "full")
    with engine_process.start({big: tmp_path / "full", small: tmp_path / "roomy"}, before=before) as child:
        assert child.stdout is not None
        lines = list(itertools.takewhile(lambda line: line != f"Finished {small}", map(str.strip, child.stdout)))
        child.terminate()
    assert [line for line in lines if line.startswith("FileError")] == [f"FileError {big} {expected}"]


def small_disk(folder: Path) -> tuple[tuple[str, ...], int]:
    """A command under which `folder` takes 2 MB only, and the errno of what is too much.

    Where the system lets us mount, a real full disk; elsewhere a limit on the size of files.
    """
    mount = f'mount -t tmpfs -o size=2m sokoul-test "{folder}" && exec "$@"'
    unshare = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh")
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0:
        return unshare, errno.ENOSPC
    return ("prlimit", f"--fsize={2 << 20}"), errno.EFBIG
