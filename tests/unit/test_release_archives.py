"""A release whose name says that it is an archive is refused, by whichever way it says so."""

import pytest

from apps.downloads.releases.match import Wanted
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.rank import decide

NAME = "Lamp.2019.1080p.WEB-DL.x264-GRP"
LAMP = Wanted(kind="movie", title="Lamp", year=2019, runtime=100)


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        (".rar", "rar"), (".RAR", "rar"), (".part01.rar", "rar"), (".mkv.rar", "rar"), (".r00", "rar"), (".zip", "zip"),
        (".zip.001", "zip"), (".z01", "zip"), (".7z", "7z"), (".7z.002", "7z"), (".tar", "tar"), (".tar.gz", "tar"),
        (".tar.zst", "tar"), (".tar.gz.001", "tar"), (".tgz", "tar"),
        (".rar.torrent", "rar"), (".rar.par2", "rar"),
    ],
)  # fmt: skip
def test_an_archive_is_refused(ending: str, kind: str) -> None:
    read = parse(NAME + ending)
    assert (read.title, read.group, read.container) == ("Lamp", "GRP", kind)
    [refusal] = decide(LAMP, read, 6 * 10**9, 50, Profile()).rejections
    assert refusal.sentence() == f"It is packed in an archive ({kind})."


@pytest.mark.parametrize(
    ("name", "container"),
    [
        (NAME, None), (f"{NAME}.mkv", "mkv"), (f"{NAME}.mkv.torrent", "mkv"), (f"{NAME}.torrent", "torrent"),
        ("[Grp] Lamp - 001", None), ("Lamp.001", None), ("Lamp.2019.R5", None), ("Lamp.2019.1080p.WEB-DL.x264-ZIP", None),
        ("Lamp.2019.1080p.WEB-DL.x264-R00", None), ("Tar", None),
    ],
)  # fmt: skip
def test_what_only_looks_like_one_is_none(name: str, container: str | None) -> None:
    assert parse(name).container == container
