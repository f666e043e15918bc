"""Putting files into the library: by link where that can be, and never over what lies there."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from apps.accounts.models import User
from apps.downloads import sidecars
from apps.downloads.library import probe
from apps.downloads.placing import place
from apps.feed.models import Event
from sokoul.env import ENV
from sokoul.errors import PermanentError

FILM = PurePosixPath("Movies", "Film (2021)", "Film (2021) - 1080p.mkv")
SECOND = FILM.with_stem(f"{FILM.stem} (2)")


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ENV, "library_dir", tmp_path / "library")
    return tmp_path / "library"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder of another file system."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        if folder.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("/dev/shm and the temporary folder are one file system here")
        yield folder


def test_what_lies_beside_one_copy_is_not_the_others(tmp_path: Path) -> None:
    """A name that begins with the other's whole name."""
    for name in (
        "Film.mkv",
        "Film.en.srt",
        "Film.4K.mkv",
        "Film.4K.en.srt",
        "Film.4K.nfo",
        "Film (2).mkv",
        "Film (2).srt",
    ):
        made(tmp_path / name, name)
    found = {
        name: [entry.name for entry in sidecars.beside(tmp_path / name)]
        for name in ("Film.mkv", "Film.4K.mkv", "Film (2).mkv")
    }
    assert found == {
        "Film.mkv": ["Film.en.srt"], "Film.4K.mkv": ["Film.4K.en.srt", "Film.4K.nfo"], "Film (2).mkv": ["Film (2).srt"]
    }  # fmt: skip


def made(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_a_file_of_that_name_is_never_overwritten(tmp_path: Path, library: Path) -> None:
    first, second = made(tmp_path / "first", "one"), made(tmp_path / "second", "two")
    assert place(first, FILM) == (FILM, True)
    assert place(second, FILM) == (SECOND, True)
    assert [(library / name).read_text() for name in (FILM, SECOND)] == ["one", "two"]
    assert [place(first, FILM), place(second, FILM)] == [(FILM, True), (SECOND, True)], "repeated after a crash"
    assert len(list((library / FILM).parent.iterdir())) == 2


@pytest.mark.django_db
def test_across_file_systems_it_is_copied_once(library: Path, elsewhere: Path) -> None:
    first, second = made(elsewhere / "first", "one"), made(elsewhere / "second", "two")
    os.utime(second, (1, 1))
    for _ in range(2):
        assert place(first, FILM) == (FILM, False)
        assert place(second, FILM) == (SECOND, False)
    assert [(library / name).read_text() for name in (FILM, SECOND)] == ["one", "two"]
    assert len(list((library / FILM).parent.iterdir())) == 2


@pytest.mark.django_db
def test_where_no_link_can_be_the_setting_decides_and_a_copy_is_told(
    library: Path, elsewhere: Path, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(elsewhere / "first", "one")
    monkeypatch.setattr(ENV, "link_mode", "refuse")
    with pytest.raises(PermanentError) as refused:
        place(first, FILM)
    assert (refused.value.code, "LINK_MODE" in refused.value.message) == ("no_hard_link", True)
    assert not [path for path in library.rglob("*") if path.is_file()]
    monkeypatch.setattr(ENV, "link_mode", "hardlink")
    for name in (FILM, SECOND):
        place(first, name)
    told = Event.objects.get(type="notification")  # once a day
    assert (told.user_id, told.data["code"]) == (admin.pk, "library_copied")


def test_a_copy_may_be_wanted(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "link_mode", "copy")
    first = made(tmp_path / "first", "one")
    assert place(first, FILM) == place(first, FILM) == (FILM, False)
    first.write_text("another")
    assert (library / FILM).read_text() == "one"


def test_a_disk_that_is_full_is_no_reason_to_copy(
    tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="No space"):
        place(made(tmp_path / "first", "one"), FILM)


def test_the_same_film_downloaded_anew_does_not_lie_there_twice(tmp_path: Path, library: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    assert place(made(tmp_path / "first" / "film", "one"), FILM) == (FILM, True)
    assert place(made(tmp_path / "second" / "film", "one"), FILM) == (FILM, False)
    assert len(list((library / FILM).parent.iterdir())) == 1


def test_only_a_file_that_was_looked_at_is_no_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "film.mp4"
    text.write_text("no film")
    assert probe(text) is None
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "gone.mp4")
    monkeypatch.setattr("apps.downloads.library.PROBE_SECONDS", 0.001)
    with pytest.raises(TimeoutError):
        probe(text)
