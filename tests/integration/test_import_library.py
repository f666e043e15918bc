"""Files that lie on disk already come into somebody's library: recognised, linked, once, and nothing of theirs is touched."""

import json
import os
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import AuditEntry, User
from apps.downloads import importing, rows
from apps.downloads.models import Download, LibraryFile
from sokoul.api import Page
from sokoul.env import ENV
from tests.clips import make_clip
from tests.demo import Demo
from tests.providers import providers

__all__ = ["providers"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey", "nats")]
UMBRELLA = "The Lighthouse Keeper's Umbrella"
FILM = f"{UMBRELLA} (2021)/the.lighthouse.keepers.umbrella.2021.1080p.bluray.mp4"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ENV, "library_dir", tmp_path / "library")
    (tmp_path / "shelf").mkdir()
    return tmp_path / "shelf"


def run(user: User, shelf: Path, **options: Any) -> dict[str, dict[str, Any]]:
    output = StringIO()
    call_command("import_library", str(shelf), user=user.username, json=True, stdout=output, **options)
    return {Path(row["path"]).name: row for row in json.loads(output.getvalue())}


def test_what_is_sure_is_linked_and_the_rest_left_alone_with_its_reason(
    providers: Demo, alice: User, bob: User, shelf: Path
) -> None:
    film = make_clip(shelf / FILM)
    film.with_suffix(".fr.srt").write_text("1\n")
    episode = make_clip(shelf / "The Tiny Planet Club/Season 01/Tiny Planet Club - S01E02.mp4")
    (shelf / "Unheard.Of.2020.mkv").write_bytes(b"no film")
    (shelf / "lighthouse.keepers.umbrella.1950.mkv").write_bytes(b"no film")
    (shelf / "Sample").mkdir()
    (shelf / "Sample/film-sample.mkv").write_bytes(b"no film")
    (shelf / ".hidden.mkv").write_bytes(b"no film")
    before = {path: path.stat().st_ino for path in shelf.rglob("*")}

    assert run(alice, shelf, dry_run=True)[film.name]["outcome"] == "would import"
    assert not LibraryFile.objects.exists()
    assert not ENV.library.exists() or not list(ENV.library.rglob("*.mp4"))

    found = run(alice, shelf)
    row = found[film.name]
    assert (row["outcome"], row["title"], row["year"], row["confidence"]) == ("imported", UMBRELLA, 2021, 100)
    assert row["target"] == f"Movies/{UMBRELLA} (2021)/{UMBRELLA} (2021) - 48p.mp4"
    filed = ENV.library / row["target"]
    assert filed.samefile(film)
    assert filed.with_suffix(".fr.srt").read_text() == "1\n"
    assert found[episode.name]["outcome"] == "imported"
    assert found[episode.name]["target"].endswith("Season 01/The Tiny Planet Club - S01E02.mp4")
    assert "nothing is called" in found["Unheard.Of.2020.mkv"]["reason"]
    assert "not sure enough" in found["lighthouse.keepers.umbrella.1950.mkv"]["reason"]
    assert "sample" in found["film-sample.mkv"]["reason"]
    assert ".hidden.mkv" not in found
    assert {path: path.stat().st_ino for path in shelf.rglob("*")} == before
    assert rows.library(alice.pk, Page(1, 20))["total"] == 2
    told = AuditEntry.objects.get(action="library.imported")
    assert (told.target, told.details["imported"]) == ("alice", 2)

    again = Counter(row["outcome"] for row in run(alice, shelf).values())
    assert again == {"there already": 2, "left alone": 3}
    assert Download.objects.filter(user=alice).count() == 2
    assert run(bob, shelf)[film.name]["outcome"] == "imported", "everybody has a library of their own"


def test_what_lies_below_the_library_is_imported_where_it_is(providers: Demo, alice: User, shelf: Path) -> None:
    file = make_clip(ENV.library / FILM)
    assert run(alice, ENV.library)[file.name]["target"] == FILM
    assert [path for path in ENV.library.rglob("*") if path.is_file()] == [file]
    assert run(alice, ENV.library)[file.name]["outcome"] == "there already"


def test_another_file_of_a_title_and_one_that_is_no_film_are_left(providers: Demo, alice: User, shelf: Path) -> None:
    make_clip(shelf / "a" / f"{UMBRELLA} (2021).mp4")
    make_clip(shelf / "b" / f"{UMBRELLA} 2021 720p.mp4", seconds=3)
    (shelf / "The Last Night Tram (2015).mkv").write_bytes(b"no film")
    reasons = [(row["outcome"], row["reason"]) for row in run(alice, shelf).values()]
    assert sorted(reasons) == [
        ("imported", ""),
        ("left alone", "Another file of this title is in the library already."),
        ("left alone", "It holds no video that can be played."),
    ]


@pytest.mark.parametrize(("season", "target"), [(1, "s01"), (None, "a" * 40)], ids=["season", "series"])
def test_an_episode_that_a_pack_has_brought_is_there(
    providers: Demo, alice: User, shelf: Path, season: int | None, target: str
) -> None:
    """The download of a pack does not say which of its files is which episode: their names do."""
    second = make_clip(shelf / "The Tiny Planet Club - S01E02.mp4")
    assert run(alice, shelf)[second.name]["outcome"] == "imported"
    Download.objects.update(target=target, season=season, episode=None)
    make_clip(shelf / "other" / "The Tiny Planet Club - S01E02 - 720p.mp4", seconds=3)
    make_clip(shelf / "The Tiny Planet Club - S01E03.mp4")
    make_clip(shelf / "The Tiny Planet Club - S02E02.mp4")
    found = {name: row["outcome"] for name, row in run(alice, shelf).items()}
    assert found == {
        "The Tiny Planet Club - S01E02.mp4": "there already",
        "The Tiny Planet Club - S01E02 - 720p.mp4": "left alone",
        "The Tiny Planet Club - S01E03.mp4": "imported",
        "The Tiny Planet Club - S02E02.mp4": "imported",
    }


def test_pipes_links_and_odd_names_are_left_alone(providers: Demo, alice: User, shelf: Path, tmp_path: Path) -> None:
    film = make_clip(shelf / FILM)
    (tmp_path / "secret").write_text("not yours")
    film.with_suffix(".en.srt").symlink_to(tmp_path / "secret")
    os.mkfifo(shelf / "The Last Night Tram (2015).mkv")
    (shelf / "The Tiny Planet Club - S99999E01.mkv").write_bytes(b"no film")
    (shelf / os.fsdecode(b"The Last Night Tram \xff (2015).mp4")).write_bytes(b"no film")
    (shelf / "The Last\x1b[2J Night Tram (2015).mp4").write_bytes(b"no film")
    found = run(alice, shelf)
    assert found.pop(film.name)["outcome"] == "imported"
    assert not [path for path in ENV.library.rglob("*") if path.suffix == ".srt"]
    assert {name: row["outcome"] for name, row in found.items()} == dict.fromkeys(
        (
            "The Last Night Tram \ufffd (2015).mp4",
            "The Last\ufffd[2J Night Tram (2015).mp4",
            "The Tiny Planet Club - S99999E01.mkv",
        ),
        "left alone",
    )


def test_a_crash_between_the_file_and_its_row_leaves_nothing_twice(providers: Demo, alice: User, shelf: Path) -> None:
    film = make_clip(shelf / FILM)
    run(alice, shelf)
    Download.objects.all().delete()  # as if they had never been written
    assert run(alice, shelf)[film.name]["outcome"] == "imported"
    assert len(list(ENV.library.rglob("*.mp4"))) == 1


@pytest.mark.parametrize(("title", "year", "percent"), [
    ("The Film", 2021, 100), ("the film", 2020, 80), ("The Film", None, 85), ("The Film", 1999, 20),
    ("Another", 2021, 60), ("Another", None, 0), ("Le Film", 2021, 100),
])  # fmt: skip
def test_how_sure_a_title_is(title: str, year: int | None, percent: int) -> None:
    row = {"title": "The Film", "original_title": "Le Film", "year": 2021}
    assert importing.confidence(row, title, year) == percent


def test_a_folder_or_person_that_is_not_there_is_said(alice: User, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no such folder"):
        call_command("import_library", str(tmp_path / "nowhere"), user="alice")
    with pytest.raises(CommandError, match="Nobody active"):
        call_command("import_library", str(tmp_path), user="nobody")


def test_names_are_previewed_for_examples_and_the_library(providers: Demo, alice: User, shelf: Path) -> None:
    make_clip(shelf / FILM)
    [row] = run(alice, shelf).values()
    output = StringIO()
    call_command("naming", json=True, movie="F/{title} [{quality}]", stdout=output)
    told = json.loads(output.getvalue())
    assert told["examples"][0]["name"] == "F/The Last Night Tram [1080p].mkv"
    assert told["library"] == [{"from": row["target"], "name": f"F/{UMBRELLA} [48p].mp4"}]
    with pytest.raises(CommandError, match="does not know"):
        call_command("naming", movie="{title} {nonsense}")
