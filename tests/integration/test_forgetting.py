"""Files leave the library with their rows, whatever dies meanwhile."""

import os
import uuid
from pathlib import Path

import pytest
from django.db import transaction

from apps.accounts.models import User
from apps.downloads import forgetting, services, tasks
from apps.downloads.forgetting import ForgetPayload
from apps.downloads.models import STATUS_OF, Download, LibraryFile, Phase
from apps.jobs.models import Job
from apps.jobs.registry import Running, Snooze
from apps.media.models import Media
from sokoul.env import ENV
from tests.wishes import make_media

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey", "nats")]
FILM = "Movies/Film (2021)/Film (2021).mkv"
WORDS = "Movies/Film (2021)/Film (2021).en.srt"


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ENV, "library_dir", tmp_path)
    return tmp_path


@pytest.fixture
def media(db: None) -> Media:
    return make_media()


def lay(*paths: str) -> None:
    for path in paths:
        file = ENV.library / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"film")


def filed(user: User, media: Media, path: str = FILM) -> Download:
    download = Download.objects.create(user=user, media=media, phase=Phase.DONE, status=STATUS_OF[Phase.DONE])
    LibraryFile.objects.create(user=user, media=media, download=download, index=0, path=path, size=4)
    return download


def left() -> set[str]:
    return {str(file.relative_to(ENV.library)) for file in ENV.library.rglob("*") if file.is_file()}


def work() -> dict[str, int]:
    """What the hunter does a minute later."""
    job = Job.objects.get(kind="forget")
    payload = ForgetPayload.model_validate(job.payload)
    return tasks.forget_files(payload, Running(uuid.uuid4(), "forget", None, "", 1)) or {}


def cancel_and_die(monkeypatch: pytest.MonkeyPatch, download: Download) -> None:
    """The process ends between the commit and the removal of the files."""

    def dies(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(forgetting, "_remove", dies)
        with pytest.raises(KeyboardInterrupt):
            services.cancel(download.user_id, download.pk, files=True)


def test_they_go_at_once_with_what_lies_beside_them(alice: User, media: Media) -> None:
    lay(FILM, WORDS, "Movies/Other.mkv")
    services.cancel(alice.pk, filed(alice, media).pk, files=True)
    assert left() == {"Movies/Other.mkv"}
    assert not (ENV.library / FILM).parent.exists()
    assert work() == {"removed": 0}


def test_what_a_process_that_died_on_commit_has_left_goes_later(
    alice: User, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(FILM, WORDS)
    download = filed(alice, media)
    cancel_and_die(monkeypatch, download)
    assert not LibraryFile.objects.exists()
    assert left() == {FILM, WORDS}
    assert (work(), left()) == ({"removed": 2}, set())
    assert work() == {"removed": 0}, "twice is once"


def test_nothing_goes_and_nothing_is_to_be_done_where_the_rows_stay(alice: User, media: Media) -> None:
    lay(FILM)
    download = filed(alice, media)
    with transaction.atomic():
        forgetting.forget(download.pk)
        transaction.set_rollback(True)
    assert (left(), LibraryFile.objects.count(), Job.objects.count()) == ({FILM}, 1, 0)


def test_what_somebody_else_has_stays_and_so_does_what_has_come_since(
    alice: User, bob: User, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(FILM, WORDS)
    other = filed(bob, media)
    hers = filed(alice, media)
    forgetting.forget(hers.pk)
    hers.delete()
    assert (left(), Job.objects.count()) == ({FILM, WORDS}, 0)
    cancel_and_die(monkeypatch, other)
    (ENV.library / WORDS).rename(ENV.library / "old")
    lay(WORDS)
    again = filed(alice, media)
    assert (work(), left()) == ({"removed": 0}, {FILM, WORDS, "old"})
    again.delete()
    assert (work(), left()) == ({"removed": 1}, {WORDS, "old"})


def test_a_new_file_that_was_given_the_inode_of_an_old_one_stays_and_so_does_a_link_to_where_it_went(
    alice: User, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(FILM, WORDS)
    download = filed(alice, media)
    cancel_and_die(monkeypatch, download)
    (ENV.library / FILM).rename(ENV.library / "elsewhere")
    (ENV.library / FILM).symlink_to(ENV.library / "elsewhere")
    words = ENV.library / WORDS
    inode, written = words.stat().st_ino, words.stat().st_mtime_ns
    lay(WORDS)
    os.utime(words, ns=(written + 1, written + 1))
    assert words.stat().st_ino == inode, "as a file system gives it to the next file"
    assert (work(), left()) == ({"removed": 0}, {FILM, WORDS, "elsewhere"})


def test_nothing_is_removed_while_something_is_filed_whose_rows_are_still_to_come(
    alice: User, bob: User, media: Media
) -> None:
    lay(FILM)
    services.cancel(alice.pk, filed(alice, media).pk, files=True)
    Download.objects.create(user=bob, media=media, phase=Phase.FILING, status=STATUS_OF[Phase.FILING])
    with pytest.raises(Snooze):
        work()
