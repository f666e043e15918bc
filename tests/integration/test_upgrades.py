"""A better release takes the place of what it replaces: all or nothing, whenever the process dies."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from apps.accounts.models import User
from apps.downloads import forgetting, library, placing, recycling, rows, services, upgrading
from apps.downloads.models import STATUS_OF, Download, LibraryFile, Phase, TorrentState
from apps.downloads.tasks import sweep_recycle_bin
from apps.media.models import Media
from sokoul.env import ENV
from sokoul.errors import PermanentError
from tests.clips import make_clip
from tests.wishes import make_media

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
OLD_PATH = "Movies/Film (2021)/Film (2021) - 720p.mkv"
OLD, NEW = b"the old film", b"the new and better film"
SWARMS = "aa" * 20, "bb" * 20


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "download_dir", tmp_path / "downloads")
    monkeypatch.setattr(ENV, "library_dir", tmp_path / "library")


def make(user: User, media: Media, phase: Phase, **fields: Any) -> Download:
    return Download.objects.create(user=user, media=media, phase=phase, status=STATUS_OF[phase], **fields)


def lay(path: str, content: bytes) -> Path:
    """A file of the library."""
    file = ENV.library / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)  # never through a hard link
    file.write_bytes(content)
    return file


@dataclass
class Upgrade:
    """An old film in the library, and a new one that has just been downloaded."""

    old: Download
    new: Download
    source: Path
    path: PurePosixPath

    def swap(self) -> list[LibraryFile]:
        def row(index: int, path: PurePosixPath, linked: bool) -> LibraryFile:
            return LibraryFile(
                user_id=self.new.user_id, media_id=self.new.media_id, download=self.new, index=index, path=str(path),
                size=len(NEW), linked=linked,
            )  # fmt: skip

        if upgrading.is_due(self.new):
            return upgrading.swap(self.new, {0: (self.source, self.path)}, row)
        return library._file(self.new, {0: (self.source, self.path)}, row)

    @property
    def filed(self) -> dict[int, str]:
        return dict(LibraryFile.objects.order_by("pk").values_list("download_id", "path"))

    @property
    def contents(self) -> set[bytes]:
        return {file.read_bytes() for file in ENV.library.rglob("*") if file.is_file()}


@pytest.fixture
def upgrade(alice: User, request: pytest.FixtureRequest) -> Upgrade:
    return prepare(alice, getattr(request, "param", "Movies/Film (2021)/Film (2021) - 1080p.mkv"))


def prepare(user: User, path: str, number: int = 1) -> Upgrade:
    media = make_media(tmdb_id=number)
    old = make(user, media, Phase.SEEDING, swarm=SWARMS[0])
    lay(OLD_PATH, OLD)
    LibraryFile.objects.create(user=user, media=media, download=old, index=0, path=OLD_PATH, size=len(OLD))
    new = make(user, media, Phase.FILING, swarm=SWARMS[1], replaces=old, is_upgrade=True)
    source = library.folder_of(new.swarm) / "Film.mkv"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.unlink(missing_ok=True)
    source.write_bytes(NEW)
    return Upgrade(old, new, source, PurePosixPath(path))


BOTH = pytest.mark.parametrize(
    "upgrade", ["Movies/Film (2021)/Film (2021) - 1080p.mkv", OLD_PATH], indirect=True, ids=["other name", "same name"]
)


@BOTH
def test_the_new_file_is_in_place_and_the_old_one_in_the_bin(upgrade: Upgrade) -> None:
    lay("Movies/Film (2021)/Film (2021) - 720p.en.srt", b"old words")
    [filed] = upgrade.swap()
    assert upgrade.filed == {upgrade.new.pk: str(upgrade.path)}
    assert (ENV.library / filed.path).samefile(upgrade.source)
    kept = recycling.bin_of(upgrade.new.pk)
    assert (kept / OLD_PATH).read_bytes() == OLD
    assert (kept / OLD_PATH).with_suffix(".en.srt").read_bytes() == b"old words"
    assert [file.name for file in (ENV.library / filed.path).parent.iterdir()] == [Path(filed.path).name]
    old = Download.objects.get(pk=upgrade.old.pk)
    assert (old.phase, old.reason, old.removal) == ("cancelled", "Replaced by a better release.", "delete")
    assert rows.move(upgrade.new.pk, Phase.SEEDING), "the constraint lets it be the one that is complete"


@BOTH
def test_the_bin_is_emptied_after_its_days(upgrade: Upgrade, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade.swap()
    rows.move(upgrade.new.pk, Phase.SEEDING)
    kept = recycling.bin_of(upgrade.new.pk)
    assert (sweep_recycle_bin(), kept.exists()) == (0, True)
    os.utime(kept, (time.time() - 8 * 86_400,) * 2)
    assert (sweep_recycle_bin(), kept.exists()) == (1, False)
    assert upgrade.contents == {NEW}


def test_without_days_nothing_is_kept(upgrade: Upgrade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "recycle_days", 0)
    upgrade.swap()
    assert upgrade.contents == {NEW}


@BOTH
def test_what_somebody_else_has_stays(upgrade: Upgrade, bob: User) -> None:
    his = make(bob, upgrade.old.media, Phase.DONE)
    LibraryFile.objects.create(user=bob, media=his.media, download=his, index=0, path=OLD_PATH, size=len(OLD))
    upgrade.swap()
    assert (ENV.library / OLD_PATH).read_bytes() == OLD
    assert upgrade.filed[his.pk] == OLD_PATH
    assert (ENV.library / upgrade.filed[upgrade.new.pk]).read_bytes() == NEW
    assert Download.objects.get(pk=upgrade.old.pk).phase == Phase.CANCELLED


def test_one_that_was_cancelled_meanwhile_changes_nothing(upgrade: Upgrade) -> None:
    rows.move(upgrade.new.pk, Phase.CANCELLED)
    assert upgrade.swap() == []
    assert upgrade.filed == {upgrade.old.pk: OLD_PATH}
    assert upgrade.contents == {OLD}


# They change nothing: to die in them is to die before the line that called them.
LOOKS = {
    "is_due",
    "_replaced_by",
    "_where",
    "numbered",
    "is_same",
    "_files",
    "_pending",
    "bin_of",
    "<genexpr>",
    "<listcomp>",
}


class Crash(BaseException):
    """The process is gone: no line runs any more."""


@contextmanager
def dying_before(line: int) -> Iterator[list[int]]:
    """The `line`th line from here on, of what replaces and recycles, and all behind it, do not happen."""
    ours = {module.__file__ for module in (upgrading, recycling, placing)}
    ran = [0]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in ours or frame.f_code.co_name in LOOKS:
            return None
        if event == "line":
            ran[0] += 1
            if ran[0] >= line:
                raise Crash
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield ran
    finally:
        sys.settrace(before)


def crash(upgrade: Upgrade, line: int) -> bool:
    """Whether it died there, rather than having come to its end."""
    outer, blocks = list(connection.savepoint_ids), list(connection.atomic_blocks)
    try:
        with dying_before(line):
            upgrade.swap()
    except Crash:
        if begun := connection.savepoint_ids[
            len(outer) :
        ]:  # it died before the end of a transaction, which never was one
            connection.savepoint_rollback(begun[0])
            connection.savepoint_ids, connection.atomic_blocks = outer, blocks
        return True
    return False


@BOTH
def test_a_crash_on_any_line_loses_nothing(
    upgrade: Upgrade, alice: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every other line the upgrade goes on, after the rest it is cancelled; for the two names the other way round."""
    path, line, died = str(upgrade.path), 0, True
    while died:
        line += 1
        then = "goes on" if (line % 2 == 0) == (path == OLD_PATH) else "is cancelled"
        died = crash(upgrade, line)
        state = f"having died before line {line}"
        assert upgrade.contents & {OLD, NEW}, state
        for filed in upgrade.filed.values():
            assert (ENV.library / filed).exists() or (recycling._pending(upgrade.new.pk) / filed).exists(), state
        if then == "goes on":
            upgrade.swap()
            rows.move(upgrade.new.pk, Phase.SEEDING)
        else:
            rows.move(upgrade.new.pk, Phase.CANCELLED)
        sweep_recycle_bin()
        committed = upgrade.new.pk in upgrade.filed
        assert committed or then == "is cancelled", state
        [filed] = upgrade.filed.values()
        assert (ENV.library / filed).read_bytes() == (NEW if committed else OLD), state
        left = {file for file in (ENV.library / "Movies").rglob("*") if file.is_file()}
        assert left == {ENV.library / filed}, state
        assert not recycling._pending(upgrade.new.pk).exists(), state
        if committed:
            assert (recycling.bin_of(upgrade.new.pk) / OLD_PATH).read_bytes() == OLD, state
        LibraryFile.objects.all().delete()
        monkeypatch.setattr(ENV, "library_dir", tmp_path / f"library {line}")
        upgrade = prepare(alice, path, line + 1)
    assert line > 30, "the lines were counted"


def test_a_bin_is_left_alone_while_its_upgrade_is_filed(upgrade: Upgrade) -> None:
    recycling.keep(upgrade.new.pk, OLD_PATH)
    sweep_recycle_bin()
    assert recycling._pending(upgrade.new.pk).exists()


# Wishes that replace


def complete(user: User, media: Media, **fields: Any) -> Download:
    return make(user, media, Phase.DONE, **fields)


MAGNET = "magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056"


@pytest.mark.usefixtures("nats")
def test_an_upgrade_is_started_beside_what_is_complete_and_only_once(alice: User, bob: User) -> None:
    media, other = make_media(), make_media("Another", 2)
    old = complete(alice, media)
    with pytest.raises(PermanentError, match="already in your library"):
        services.start(alice.pk, media.pk, magnet=MAGNET)
    for whose, what, code in ((bob, media, 403), (alice, other, 409)):
        with pytest.raises(PermanentError) as refused:
            services.start(whose.pk, what.pk, magnet=MAGNET, replaces=old.pk)
        assert refused.value.status == code
    new, _ = services.start(alice.pk, media.pk, magnet=MAGNET, replaces=old.pk)
    assert (new.replaces_id, new.target) == (old.pk, old.target)
    for replaces in (old.pk, new.pk):
        with pytest.raises(PermanentError) as refused:
            services.start(alice.pk, media.pk, magnet=MAGNET, replaces=replaces)
        assert refused.value.status == 409
    rows.move(new.pk, Phase.FAILED)
    services.retry(alice.pk, new.pk)
    assert Download.objects.get(pk=new.pk).phase == Phase.QUEUED


def test_the_database_knows_one_complete_download_of_a_thing(alice: User) -> None:
    media = make_media()
    old = complete(alice, media)
    new = make(alice, media, Phase.FILING, replaces=old, is_upgrade=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.move(new.pk, Phase.SEEDING)
    with pytest.raises(IntegrityError), transaction.atomic():
        make(alice, media, Phase.QUEUED)
    old.delete()
    assert Download.objects.get(pk=new.pk).replaces_id is None


# Filing as a whole


def downloaded(user: User, files: dict[str, Callable[[Path], object]], **fields: Any) -> Download:
    """A download whose files have come."""
    download = make(
        user, fields.pop("media", None) or make_media(runtime=None), Phase.FILING, swarm=SWARMS[1], **fields
    )
    listed = []
    for index, (path, write) in enumerate(files.items()):
        file = library.folder_of(download.swarm) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file)
        listed.append({"index": index, "path": path, "size": file.stat().st_size})
    TorrentState.objects.create(download=download, files=listed)
    return download


def text(file: Path) -> int:
    return file.write_text("1\n")


def in_library() -> set[str]:
    return {str(file.relative_to(ENV.library)) for file in (ENV.library / "Movies").rglob("*") if file.is_file()}


def test_subtitles_and_extras_come_along_and_go_with_the_film(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    files: dict[str, Callable[[Path], object]] = {
        "R/film.mp4": lambda file: make_clip(file, 4),
        "R/Featurettes/making of.mp4": make_clip,
        "R/Subs/2_English.srt": text, "R/Subs/3_French.forced.srt": text, "R/film.nfo": text, "R/readme.txt": text,
    }  # fmt: skip
    download = downloaded(alice, files)
    filed = library.file_download(download.pk)
    library.file_download(download.pk)
    home = "Movies/The Last Night Tram (2021)"
    film = f"{home}/The Last Night Tram (2021) - 48p"
    assert in_library() == {
        f"{film}.mp4", f"{film}.en.srt", f"{film}.fr.forced.srt", f"{home}/extras/making of.mp4"
    }  # fmt: skip
    assert [row.path for row in filed] == [f"{film}.mp4", f"{home}/extras/making of.mp4"]
    files = forgetting._marks({row.path for row in filed})
    download.library_files.all().delete()
    assert forgetting._remove(files) == 4
    assert not (ENV.library / "Movies").exists()
    monkeypatch.setattr(ENV, "library_extras", ["nfo"])
    library.file_download(download.pk)
    assert in_library() == {f"{film}.mp4", f"{film}.nfo"}


def test_an_upgrade_is_filed_by_the_same_way(alice: User) -> None:
    media = make_media()
    old = complete(alice, media)
    path = "Movies/The Last Night Tram (2021)/The Last Night Tram (2021) - 48p.mp4"
    lay(path, OLD)
    lay(path.replace(".mp4", ".en.srt"), b"old words")
    LibraryFile.objects.create(user=alice, media=media, download=old, index=0, path=path, size=len(OLD))
    new = downloaded(
        alice, {"R/film.mp4": make_clip, "R/film.en.srt": text}, media=media, replaces=old, is_upgrade=True
    )
    for _ in range(2):  # filed again after a crash
        assert [row.path for row in library.file_download(new.pk)] == [path]
    assert in_library() == {path, path.replace(".mp4", ".en.srt")}
    assert (ENV.library / path).with_suffix(".en.srt").read_text() == "1\n"
    assert LibraryFile.objects.get().download_id == new.pk
