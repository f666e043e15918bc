"""The dashboard's page that imports an existing library: walk to a folder, see what would come in, start it, watch it."""

from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID, uuid5

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.models import User
from apps.downloads import import_jobs
from apps.downloads.importing import Outcome
from apps.jobs.models import Job, Status
from apps.jobs.services import error_of
from sokoul.dashboard.profiles import telling_at
from sokoul.dashboard.site import Dashboard
from sokoul.errors import PermanentError
from sokoul.pages import is_fragment

ORDER = (Outcome.WOULD, Outcome.IMPORTED, Outcome.THERE, Outcome.LEFT)
telling = telling_at("admin:library_import")


def _me(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the site lets nobody else in
    return request.user


def _page(request: HttpRequest, name: str, title: str, **context: Any) -> HttpResponse:
    return TemplateResponse(
        request, f"dashboard/{name}.html", {**admin.site.each_context(request), "title": title, **context}
    )


@require_http_methods(["GET", "HEAD", "POST"])
def pick(request: HttpRequest) -> HttpResponse:
    """`root` is one of those that are allowed, `folder` a path below it. A POST has the folder looked at for `user`."""
    asked = request.POST if request.method == "POST" else request.GET
    roots, folder, fault = import_jobs.roots(), asked.get("folder", ""), ""
    root, names = asked.get("root", "") or (str(roots[0]) if len(roots) == 1 else ""), list[str]()
    try:
        if request.method == "POST":
            job = import_jobs.ask(_me(request), asked.get("user", ""), root, folder, dry_run=True)
            return redirect("admin:library_import_job", job.pk)
        if root:
            names = import_jobs.folders_in(import_jobs.folder_of(root, folder))
    except PermanentError as error:
        fault = error.message
    if root not in map(str, roots):
        root = ""
    here = PurePosixPath(folder)
    context = {
        "roots": roots, "root": root, "folder": folder,
        "up": "" if str(here.parent) == "." else str(here.parent), "fault": fault,
        "folders": [(name, str(here / name)) for name in names], "user_name": asked.get("user") or _me(request).username,
        "latest": import_jobs.latest(_me(request)),
    }  # fmt: skip
    return _page(request, "library_import", _("Import a library"), **context)


@telling
@require_safe
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """How far it is and what has become of each file; the part that changes alone, for htmx."""
    context = _told(import_jobs.of(job_id, _me(request)))
    if is_fragment(request):
        return TemplateResponse(request, "dashboard/_import.html", context)
    return _page(request, "library_import_job", _("Import a library"), **context)


def _told(found: Job) -> dict[str, Any]:
    payload, result = import_jobs.ImportPayload.model_validate(found.payload), found.result
    counts = result.get("counts", {})
    files = result.get("files", [])
    return {
        "job": found, "folder": Path(payload.root, payload.folder), "dry_run": payload.dry_run,
        "person": User.objects.filter(pk=payload.user_id).first(),
        "running": found.status in {Status.PENDING, Status.RUNNING}, "failed": found.status == Status.FAILED,
        "error": error_of(found), "total": result.get("total"), "done": result.get("done", 0), "files": files,
        "hidden": result.get("done", 0) - len(files),
        "counts": [(outcome.name, counts[outcome.name]) for outcome in ORDER if counts.get(outcome.name)],
        "startable": payload.dry_run and found.status == Status.COMPLETED and counts.get(Outcome.WOULD.name, 0) > 0,
    }  # fmt: skip


@telling
@require_POST
def start(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Import what was looked at. Pressed twice, it is one job."""
    seen = import_jobs.of(job_id, _me(request))
    payload = import_jobs.ImportPayload.model_validate(seen.payload)
    person = User.objects.filter(pk=payload.user_id).first()
    if not payload.dry_run or seen.status != Status.COMPLETED or person is None:
        raise PermanentError(_("Only what was looked at can be imported."), code="conflict", status=409)
    once = uuid5(seen.pk, "import")
    begun = import_jobs.ask(_me(request), person.username, payload.root, payload.folder, dry_run=False, job_id=once)
    messages.success(request, _("The import has begun."))
    return redirect("admin:library_import_job", begun.pk)


def urls(site: Dashboard) -> list[URLPattern]:
    only = site.for_admins
    return [
        path("import/", only(pick), name="library_import"),
        path("import/<uuid:job_id>/", only(job), name="library_import_job"),
        path("import/<uuid:job_id>/start", only(start), name="library_import_start"),
    ]
