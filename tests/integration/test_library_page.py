"""The dashboard's page that imports a library: only below what the operator allows, seen first, then done once."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import AuditEntry, User
from apps.downloads import import_jobs, importing, placing, tasks
from apps.downloads.import_jobs import ImportPayload
from apps.downloads.models import LibraryFile
from apps.jobs import services as jobs
from apps.jobs.models import Job, Status
from apps.jobs.registry import Running
from sokoul.env import ENV
from sokoul.errors import PermanentError
from tests.clips import make_clip
from tests.demo import Demo
from tests.integration.test_import_library import FILM
from tests.providers import providers

__all__ = ["providers"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey", "nats")]
PAGE = "/dashboard/import/"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root beside the library; a secret lies beside both, and links lead there."""
    for name in ("library", "shelf/films", "shelf/.hidden", "secret/films"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "shelf/link").symlink_to(tmp_path / "secret")
    (tmp_path / "shelf/inner").symlink_to(tmp_path / "shelf/films")
    monkeypatch.setattr(ENV, "library_dir", tmp_path / "library")
    monkeypatch.setattr(ENV, "import_dirs", [str(tmp_path / "shelf"), str(tmp_path / "not there")])
    return tmp_path / "shelf"


@pytest.fixture
def dashboard(admin: User) -> Client:
    client = Client(headers={"Accept": "text/html", "Accept-Language": "fr"})
    client.force_login(admin)
    return client


def work(job: Job) -> dict[str, Any]:
    """What the hunter's worker does with it."""
    Job.objects.filter(pk=job.pk).update(status=Status.RUNNING, attempts=1, finished_at=None)
    running = Running(job.pk, job.kind, job.user_id, job.request_id, 1)
    result = tasks.import_library(ImportPayload.model_validate(job.payload), running)
    Job.objects.filter(pk=job.pk).update(status=Status.COMPLETED, result=result, finished_at=timezone.now())
    return result


@pytest.mark.parametrize(
    "folder",
    [
        "..",
        "films/../..",
        "../secret",
        "link",
        "link/films",
        "/",
        "/etc",
        ".hidden",
        "nothing",
        "a\x00b",
        "x" * 300,
        "\udcff",
    ],
)
def test_no_path_leads_out_of_the_roots(dashboard: Client, shelf: Path, folder: str) -> None:
    with pytest.raises(PermanentError):
        import_jobs.folder_of(str(shelf), folder)
    if folder.isprintable():
        asked = {"root": str(shelf), "folder": folder, "user": "admin"}
        assert "secret" not in dashboard.get(PAGE, asked).content.decode().replace(folder, "")
        assert dashboard.post(PAGE, asked).status_code == 200, "shown again, with the fault"
    assert not Job.objects.exists()
    payload = ImportPayload(user_id=1, root=str(shelf), folder=folder, dry_run=True, language="en")
    with pytest.raises(PermanentError):  # what was swapped for a link since it was asked for
        tasks.import_library(payload, Running(UUID(int=1), "import", None, "", 1))


def test_only_what_the_operator_allows_is_a_root(dashboard: Client, shelf: Path) -> None:
    assert import_jobs.roots() == [ENV.library, shelf]
    assert import_jobs.folder_of(str(shelf), "inner") == shelf / "films", "a link that stays within"
    for root in (str(shelf.parent), str(shelf / "films"), "", "/"):
        with pytest.raises(PermanentError):
            import_jobs.folder_of(root, "")
    html = dashboard.get(PAGE, {"root": str(shelf)}).content.decode()
    assert "films/" in html
    assert not any(f">{name}/<" in html for name in ("link", ".hidden", "inner"))
    for root in ("9", str(shelf / "films"), "/", str(shelf.parent)):
        assert "films/" not in dashboard.get(PAGE, {"root": root}).content.decode()


def test_it_is_seen_first_and_then_done_once(
    providers: Demo, dashboard: Client, alice: User, admin: User, shelf: Path
) -> None:
    make_clip(shelf / "films" / FILM)
    (shelf / "films/Unheard.Of.2020.mkv").write_bytes(b"no film")
    asked = {"root": str(shelf), "folder": "films", "user": "alice"}
    assert "Personne d’actif" in dashboard.post(PAGE, {**asked, "user": "nobody"}).content.decode()
    answer = dashboard.post(PAGE, asked)
    seen = Job.objects.get(kind="import")
    assert answer["Location"] == f"{PAGE}{seen.pk}/"
    assert 'hx-trigger="every 2s"' in dashboard.get(answer["Location"]).content.decode()
    assert dashboard.post(f"{PAGE}{seen.pk}/start").status_code == 302, "refused: nothing was seen yet"
    assert work(seen)["counts"] == {"WOULD": 1, "LEFT": 1}
    assert not LibraryFile.objects.exists()
    html = dashboard.get(answer["Location"]).content.decode()
    for words in (
        "Lighthouse Keeper",
        "serait importé",
        "non importé",
        "Chez TMDB, rien ne s’appelle «\xa0Unheard Of\xa0».",
        "Les importer",
    ):
        assert words in html, words
    assert "<html" not in dashboard.get(answer["Location"], headers={"HX-Request": "true"}).content.decode()
    for _ in range(2):
        begun = dashboard.post(f"{PAGE}{seen.pk}/start")
    real = Job.objects.exclude(pk=seen.pk).get()
    assert begun["Location"] == f"{PAGE}{real.pk}/"
    assert work(real)["counts"] == {"IMPORTED": 1, "LEFT": 1}
    assert work(real)["counts"] == {"THERE": 1, "LEFT": 1}, "a second run finds it there"
    assert LibraryFile.objects.get().user == alice
    assert "Les importer" not in dashboard.get(begun["Location"]).content.decode()
    told = AuditEntry.objects.filter(action__startswith="library.").order_by("id")
    assert [entry.details.get("dry_run") for entry in told] == [True, False, None], (
        "pressed twice, it is asked for once"
    )
    assert (told[0].action, told[0].target) == ("library.import_asked", "alice")
    assert {entry.actor for entry in told} == {"admin"}
    assert told[0].details == {"folder": str(shelf / "films"), "dry_run": True}


class Killed(BaseException):
    """The worker is gone; nothing catches it."""


@pytest.mark.parametrize(
    ("module", "seam", "before"),
    [
        (importing, "_placed", True),  # nothing of the second file is there
        (placing, "place", False),  # it is in the library, what lies beside it is not
        (importing, "_record", True),  # all of it is there, and no row knows
        (importing, "_record", False),  # the row knows, the job does not
    ],
)
def test_an_import_whose_worker_was_killed_goes_on_where_it_was(
    providers: Demo, dashboard: Client, admin: User, shelf: Path, module: Any, seam: str, before: bool
) -> None:
    names = ["Some Shelf/" + FILM, *(f"The Tiny Planet Club/Season 01/Tiny Planet Club - S01E0{n}.mp4" for n in (1, 2))]
    videos = [make_clip(shelf / "films" / name, seconds=number) for number, name in enumerate(names, 1)]
    videos[1].with_suffix(".fr.srt").write_text("1\n")
    payload = {"user_id": admin.pk, "root": str(shelf), "folder": "films", "dry_run": False, "language": "en"}
    job = jobs.enqueue("hunter", "import", payload, user_id=admin.pk)
    real, calls = getattr(module, seam), []

    def dies_at_the_second(*given: Any, **named: Any) -> Any:
        calls.append(given)
        if len(calls) == 2 and before:
            raise Killed
        done = real(*given, **named)
        if len(calls) == 2:
            raise Killed
        return done

    with pytest.MonkeyPatch.context() as death:
        death.setattr(module, seam, dies_at_the_second)
        with pytest.raises(Killed):
            work(job)
    known = LibraryFile.objects.count()
    assert known == (2 if (seam, before) == ("_record", False) else 1)
    assert work(job)["counts"] == {"THERE": known, "IMPORTED": 3 - known}
    filed = [ENV.library / row.path for row in LibraryFile.objects.order_by("path")]
    assert [file.samefile(video) for file, video in zip(filed, videos, strict=True)] == [True] * 3
    (words,) = ENV.library.rglob("*.srt")
    assert words == filed[1].with_suffix(".fr.srt")
    assert {file for file in ENV.library.rglob("*") if file.is_file()} == {*filed, words}
    assert work(job)["counts"] == {"THERE": 3}


def test_how_far_it_is_is_told_while_it_runs(
    dashboard: Client, admin: User, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_jobs, "NOTED_EVERY", -1.0)
    for number in range(3):
        (shelf / f"films/sample-{number}.mkv").write_bytes(b"")
    dashboard.post(PAGE, {"root": str(shelf), "folder": "films", "user": "admin"})
    job = Job.objects.get(kind="import")
    Job.objects.update(status=Status.RUNNING, attempts=1)
    tasks.import_library(ImportPayload.model_validate(job.payload), Running(job.pk, job.kind, admin.pk, "", 1))
    assert Job.objects.get().result == {"total": 3, "done": 3, "counts": {"LEFT": 3}}
    html = dashboard.get(f"{PAGE}{job.pk}/").content.decode()
    assert "3 fichiers sur 3" in html
    Job.objects.update(attempts=2, result={})
    tasks.import_library(ImportPayload.model_validate(job.payload), Running(job.pk, job.kind, admin.pk, "", 1))
    assert Job.objects.get().result == {}, "an attempt that was taken for dead writes nothing any more"
