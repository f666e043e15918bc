"""Placing files in the library: where they lie, and that nothing lies there twice."""

from pathlib import Path, PurePosixPath

import pytest

from apps.downloads import library
from sokoul.env import ENV

FILM = PurePosixPath("Movies/Up (2009)/Up (2009) - 1080p.mp4")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ENV, "library_dir", tmp_path / "library")
    return tmp_path / "library"


def downloaded(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    file = folder / "up.mp4"
    file.write_bytes(content)
    return file


def files(shelf: Path) -> list[str]:
    return sorted(str(path.relative_to(shelf)) for path in shelf.rglob("*") if path.is_file())


def test_placing_twice_gives_the_same_link(shelf: Path, tmp_path: Path) -> None:
    source = downloaded(tmp_path / "first", b"a film")
    for _ in range(2):
        assert library.place(source, FILM) == (FILM, True)
    assert files(shelf) == [str(FILM)]
    assert (shelf / FILM).samefile(source)


def test_the_same_film_downloaded_anew_does_not_lie_there_twice(shelf: Path, tmp_path: Path) -> None:
    library.place(downloaded(tmp_path / "first", b"a film"), FILM)
    assert library.place(downloaded(tmp_path / "second", b"a film"), FILM) == (FILM, False)
    assert files(shelf) == [str(FILM)]


def test_another_film_of_that_name_gets_a_number(shelf: Path, tmp_path: Path) -> None:
    library.place(downloaded(tmp_path / "first", b"a film"), FILM)
    other = FILM.with_stem(f"{FILM.stem} (2)")
    assert library.place(downloaded(tmp_path / "second", b"b film"), FILM) == (other, True)
    assert files(shelf) == [str(other), str(FILM)]
    assert (shelf / FILM).read_bytes() == b"a film"
