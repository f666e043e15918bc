"""The dashboard's pages of quality profiles: list, form, what if, import."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.models import User
from apps.downloads.profiles import deciding, imports, services
from apps.downloads.profiles.forms import ProfileForm
from apps.downloads.releases.qualities import RADARR
from apps.media.models import Media
from sokoul.dashboard.site import Dashboard, View
from sokoul.errors import PermanentError, not_found
from sokoul.pages import page_of, paging

PER_PAGE = 50
MOST_SHOWN = 100
form_page = require_http_methods(["GET", "HEAD", "POST"])


def _page(request: HttpRequest, name: str, title: str, **context: Any) -> HttpResponse:
    shown = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, f"dashboard/{name}.html", shown)


def _me(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the site lets nobody else in
    return request.user


def telling_at(place: str) -> Callable[[View], View]:
    """What a service refuses is told above the page of that name."""

    def telling(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, *args, **kwargs)
            except PermanentError as error:
                messages.error(request, error.message)
                return redirect(place)

        return guarded

    return telling


telling = telling_at("admin:profiles")


@require_safe
def profiles(request: HttpRequest) -> HttpResponse:
    found = services.listed(page_of(request, PER_PAGE))
    names = services.names()
    default = next((row["id"] for row in names if row["is_default"]), None)
    return _page(
        request,
        "profiles",
        _("Quality profiles"),
        profiles=found["results"],
        paging=paging(found),
        names=names,
        default=default,
    )


@telling
@form_page
def profile(request: HttpRequest, profile_id: int | None = None) -> HttpResponse:
    """One profile, or a new one: saved, or asked what it would do (`what_if`), which saves nothing."""
    row = services.get(profile_id) if profile_id is not None else None
    app = request.GET.get("app", "")
    data = request.POST if request.method == "POST" else None
    form = ProfileForm(data, row=row, app=app if app in imports.APPS else "")
    context: dict[str, Any] = {"form": form, "qualities": list(RADARR), "wanted": request.POST.get("title", "")}
    if request.method == "POST" and form.is_valid():
        if "what_if" in request.POST:
            context |= _what_if(form, context["wanted"])
        elif (saved := form.save(_me(request))) is not None:
            messages.success(request, _("“%(name)s” is saved.") % {"name": saved.name})
            return redirect("admin:profile", saved.pk)
    return _page(request, "profile", row.name if row else _("New quality profile"), row=row, **context)


def _what_if(form: ProfileForm, words: str) -> dict[str, Any]:
    """The title that is meant, and what the profile as it is typed thinks of its releases."""
    try:
        media = _title(words)
    except PermanentError as error:
        return {"what_if": True, "fault": error.message}
    rules = form.rules()
    opinions = deciding.as_rows(deciding.what_if(media.pk, rules)) if rules else []
    return {"what_if": True, "media": media, "opinions": opinions[:MOST_SHOWN], "count": len(opinions)}


def _title(words: str) -> Media:
    """By its id, or by words of it: of those that releases were found for, the most popular."""
    words = words.strip().replace("\x00", "")[:200]
    if words.isascii() and words.isdigit() and len(words) < 19:
        media = Media.objects.filter(pk=int(words)).first()
    else:
        titles = (
            Media.objects.filter(title__icontains=words, candidates__isnull=False) if words else Media.objects.none()
        )
        media = titles.order_by("-popularity", "pk").first()
    if media is None:
        raise PermanentError(_("No title that releases were found for is called that."), code="not_found", status=404)
    return media


@telling
@require_POST
def copy(request: HttpRequest, profile_id: int) -> HttpResponse:
    return redirect("admin:profile", services.duplicate(profile_id, _me(request)).pk)


@telling
@require_POST
def delete(request: HttpRequest, profile_id: int) -> HttpResponse:
    services.delete(profile_id, _me(request))
    messages.success(request, _("The profile is gone. Its titles use the default."))
    return redirect("admin:profiles")


@telling
@require_POST
def default(request: HttpRequest) -> HttpResponse:
    services.make_default(_chosen(request), _me(request))
    messages.success(request, _("What is stored is being decided again by the new default."))
    return redirect("admin:profiles")


@telling
@require_POST
def of_title(request: HttpRequest) -> HttpResponse:
    media = _title(request.POST.get("title", ""))
    services.use_for_title(media.pk, _chosen(request), _me(request))
    messages.success(request, _("The releases of “%(title)s” are being decided again.") % {"title": media})
    return redirect("admin:profiles")


def _chosen(request: HttpRequest) -> int | None:
    text = request.POST.get("profile_id", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise not_found("This quality profile")
    return int(text) if text else None


@form_page
def take(request: HttpRequest) -> HttpResponse:
    """Upload published documents; the page then says what became of each."""
    outcomes: list[imports.Outcome] = []
    if request.method == "POST":
        app = next((app for app in imports.APPS if app == request.POST.get("app")), None)
        files = request.FILES.getlist("files")
        outcomes = imports.take([imports.Source(file.name or "?", file.read()) for file in files], _me(request), app)
        if not files:
            messages.error(request, _("Choose one file at least."))
    return _page(request, "profile_import", _("Import profiles and formats"), outcomes=outcomes)


def urls(site: Dashboard) -> list[URLPattern]:
    only = site.for_admins
    return [
        path("profiles/", only(profiles), name="profiles"),
        path("profiles/new/", only(profile), name="profile_new"),
        path("profiles/import/", only(take), name="profile_import"),
        path("profiles/default", only(default), name="profile_default"),
        path("profiles/title", only(of_title), name="profile_title"),
        path("profiles/<int:profile_id>/", only(profile), name="profile"),
        path("profiles/<int:profile_id>/copy", only(copy), name="profile_copy"),
        path("profiles/<int:profile_id>/delete", only(delete), name="profile_delete"),
    ]
