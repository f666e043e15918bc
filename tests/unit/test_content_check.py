"""The list of a release's files, judged before a byte of it is fetched."""

import pytest

from apps.downloads.checking import REFUSALS, check_content, left_out
from apps.downloads.engine.metainfo import MetaInfo, TorrentFile
from sokoul.errors import PermanentError

GB = 1 << 30


def holding(*files: tuple[str, int]) -> MetaInfo:
    listed = tuple(TorrentFile(index, f"Release/{path}", size) for index, (path, size) in enumerate(files))
    return MetaInfo("Release", "ab" * 20, None, listed, sum(size for _, size in files), 1 << 20, (), private=False)


FILM = ("film.mkv", 2 * GB)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([("film.mkv.exe", GB)], "dangerous"),
        ([FILM, ("Film.2021.mp4 .scr ", 1)], "dangerous"),
        ([FILM, ("film.mkv.exe...", 1)], "dangerous"),
        ([FILM, ("film.mkv.jnlp", 1)], "dangerous"),
        ([("film.mkv", 1000), (".exe", 5000)], "dangerous"),
        ([("film.mkv", 1000), ("Film.vhdx", 5000)], "dangerous"),
        ([FILM, ("film.mkv.\u200bexe", 1)], "dangerous"),
        ([("film.mkv", 1000), ("player.exe", 5000)], "dangerous"),
        ([("film.rar", GB), ("film.r00", GB), ("film.r01", GB), ("film.nfo", 1)], "archived"),
        ([("film.part01.rar", GB)], "archived"),
        ([("film.zip.001", GB), ("film.zip.002", GB)], "archived"),
        ([("film.rar", GB), ("Sample/film-sample.mkv", 20_000_000)], "only_samples"),
        ([("sample.mkv", 30_000_000)], "only_samples"),
        ([("film.txt", 10), ("cover.jpg", 10)], "no_video"),
        ([], "no_video"),
    ],
)
def test_what_is_no_film_is_refused_with_a_code(files: list[tuple[str, int]], code: str) -> None:
    with pytest.raises(PermanentError) as refused:
        check_content(holding(*files))
    assert (refused.value.code, code in REFUSALS) == (code, True)


@pytest.mark.parametrize(
    "files",
    [
        [FILM, ("Subs/film.rar", 1000)],
        [FILM, ("Sample/sample.mkv", 30_000_000)],
        [("The.Sample.2019/film.mkv", 2 * GB)],
        [("sample.mkv", GB)],
        [("film.com.mkv", GB)],
        [("film.264.mkv", GB), ("\u202efilm.nfo", 10)],
    ],
)
def test_a_film_is_taken(files: list[tuple[str, int]]) -> None:
    check_content(holding(*files))


def test_programs_beside_a_film_are_left_out_and_nothing_else() -> None:
    meta = holding(
        FILM,
        ("setup.exe", 10),
        ("visit us.URL", 10),
        ("film.srt", 10),
        ("film.rar", 10),
        ("run.sh. ", 10),
        ("a\u202e4pm.exe", 1),
    )
    check_content(meta)
    assert left_out(meta) == {1, 2, 5, 6}
