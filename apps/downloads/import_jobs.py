"""The import of an existing library from the dashboard: which folders may be picked, and the job that looks at one or takes it.

A folder lies below one of the roots that the operator allows: LIBRARY_DIR and IMPORT_DIRS. That is looked at when it is asked
for and again when the job runs, with every link followed, so that neither `..` nor a link leads elsewhere.
"""

import os
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from pydantic import BaseModel

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads import importing
from apps.downloads.importing import Outcome
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.jobs.registry import Running
from sokoul.env import ENV
from sokoul.errors import PermanentError, not_found

WORKER, KIND = "hunter", "import"
MOST_FOLDERS = 500  # of one list
MOST_SHOWN = 500  # files that a job tells one by one, those that were refused first
NOTED_EVERY = 1.0  # seconds


class ImportPayload(BaseModel):
    """Job `hunter.import`: the videos below `root`/`folder`, for a person; `dry_run` only tells. Reasons in `language`."""

    user_id: int
    root: str
    folder: str
    dry_run: bool
    language: str


def roots() -> list[Path]:
    """Below which folders may be picked: as configured, and there."""
    found = [ENV.library, *(Path(text).expanduser().absolute() for text in ENV.import_dirs)]
    return [root for root in dict.fromkeys(found) if root.is_dir()]


def folder_of(root: str, folder: str) -> Path:
    """The real place of a folder below one of the roots. PermanentError for whatever leads elsewhere, is hidden or not there."""
    allowed = {str(one): one for one in roots()}.get(root)
    if allowed is None:
        raise PermanentError(_("Folders are picked below LIBRARY_DIR and IMPORT_DIRS only."), code="no_folder")
    try:
        home = allowed.resolve(strict=True)
        place = (home / folder).resolve(strict=True)
        str(place).encode()
    except (OSError, RuntimeError, ValueError):
        raise PermanentError(_("There is no such folder, or it may not be read."), code="no_folder") from None
    if not place.is_relative_to(home):
        raise PermanentError(_("This folder leads out of the one that may be imported."), code="no_folder")
    if not place.is_dir() or any(part.startswith(".") for part in place.relative_to(home).parts):
        raise PermanentError(_("There is no such folder, or it may not be read."), code="no_folder")
    return place


def folders_in(place: Path) -> list[str]:
    """The names of the folders in it, no links and nothing hidden, in their order."""
    try:
        with os.scandir(place) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(name for name in names if not name.startswith(".") and name.isprintable())[:MOST_FOLDERS]


def ask(by: User, login: str, root: str, folder: str, *, dry_run: bool, job_id: UUID | None = None) -> Job:
    """Have it looked at, or taken into the library of whom `login` names (user name or e-mail address). PermanentError where
    the folder may not be picked, or nobody active is called that. `job_id`: the same is asked for once."""
    folder_of(root, folder)
    user = User.objects.by_login(login.strip()[:254].replace("\x00", ""))
    if user is None or not user.is_active:
        raise PermanentError(
            _("Nobody active is called “%(name)s”.") % {"name": login[:100]}, code="not_found", status=404
        )
    language = get_language() or ENV.default_language
    payload = ImportPayload(user_id=user.pk, root=root, folder=folder, dry_run=dry_run, language=language)
    with transaction.atomic():
        if job_id and (known := Job.objects.filter(pk=job_id).first()):
            return known
        job = jobs.enqueue(WORKER, KIND, payload, user_id=by.pk, job_id=job_id)
        audit.record("library.import_asked", user.username, by, folder=str(Path(root, folder)), dry_run=dry_run)
    return job


def of(job_id: UUID, by: User) -> Job:
    """An import that this admin asked for. PermanentError: 403 somebody else's, 404 unknown."""
    job = jobs.visible(job_id, by.pk)
    if (job.worker, job.kind) != (WORKER, KIND):
        raise not_found("This import")
    return job


def latest(by: User, most: int = 5) -> list[Job]:
    return list(Job.objects.filter(user_id=by.pk, worker=WORKER, kind=KIND).order_by("-created_at")[:most])


def run(payload: ImportPayload, job: Running) -> dict[str, Any]:
    """The body of the job. It may run twice: what is in the library already is recognised."""
    user = User.objects.filter(pk=payload.user_id, is_active=True).first()
    with override(payload.language):
        place = folder_of(payload.root, payload.folder)
        if user is None:
            raise PermanentError(_("This account is gone."), code="not_found")
        total, told, counts, noted = len(importing.videos_in(place)), [], Counter[str](), time.monotonic()
        by = User.objects.filter(pk=job.user_id or 0).first()
        for result in importing.run(user, place, dry_run=payload.dry_run, by=by):
            told.append(result)
            counts[result.outcome.name] += 1
            if time.monotonic() - noted > NOTED_EVERY:
                jobs.note(job, {"total": total, "done": len(told), "counts": dict(counts)})
                noted = time.monotonic()
    told.sort(key=lambda result: result.outcome is not Outcome.LEFT)
    files = [{**asdict(result), "outcome": result.outcome.name} for result in told[:MOST_SHOWN]]
    return {"total": total, "done": len(told), "counts": dict(counts), "files": files}
