"""What every HTML page shares: who may see it, which page of a list it shows, and plain words when something goes wrong."""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from sokoul import logs, request_id
from sokoul.api import MAX_PAGE, Page
from sokoul.errors import PermanentError, SokoulError, TransientError, as_response, problem_response

log = logs.logger(__name__)
View = Callable[..., HttpResponse]
PER_PAGE = 24


class Paging(NamedTuple):
    """Where in a list a page stands; pages count from 1."""

    page: int
    pages: int
    total: int

    @property
    def previous(self) -> int | None:
        return min(self.page - 1, self.pages) if self.page > 1 else None

    @property
    def next(self) -> int | None:
        return self.page + 1 if self.page < self.pages else None


def page_of(request: HttpRequest, limit: int = PER_PAGE) -> Page:
    """`page` of the query string; what is no page is the first one."""
    text = request.GET.get("page", "")
    good = text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= MAX_PAGE
    return Page(int(text) if good else 1, limit)


def paging(found: dict[str, Any]) -> Paging:
    """Of a listing {results, page, limit, total}."""
    return Paging(found["page"], max(1, -(-found["total"] // found["limit"])), found["total"])


def number(text: str | None) -> int | None:
    """A season or episode as typed into a form; None for nothing. Raises PermanentError (400) for anything else."""
    text = (text or "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise PermanentError(_("Season and episode are whole numbers."))
    return int(text) if text else None


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx wants a part of the page; a history restore wants all of it."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def signed_in(view: View) -> View:
    """The page is for people with an account; a stranger is led to the sign-in page and back."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_login(request)
        if language := getattr(request.user, "language", ""):
            translation.activate(language)
        response = view(request, *args, **kwargs)
        patch_vary_headers(response, ["HX-Request", "Cookie"])
        return response

    return never_cache(guarded)


def user_id(request: HttpRequest) -> int:
    """Of the person whom `signed_in` let in."""
    assert request.user.pk is not None
    return int(request.user.pk)


def _to_login(request: HttpRequest) -> HttpResponse:
    wanted = request.get_full_path()
    if request.method != "GET" or is_fragment(request):
        wanted = _came_from(request)
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": redirect_to_login(wanted).url})
    return redirect_to_login(wanted)


def _came_from(request: HttpRequest) -> str:
    """The page of ours that this request was sent from, else the first one."""
    referer = request.headers.get("Referer", "")
    parts = urlsplit(referer)
    place = f"{parts.path}?{parts.query}" if parts.query else parts.path
    ours = url_has_allowed_host_and_scheme(referer, {request.get_host()}, require_https=request.is_secure())
    # The path of a page of ours may itself read like another host: //elsewhere.
    if ours and url_has_allowed_host_and_scheme(place, None):
        return place
    return resolve_url(settings.LOGIN_REDIRECT_URL)


def back(request: HttpRequest) -> HttpResponse:
    """After a form without htmx: to the page that it stands on."""
    return HttpResponseRedirect(_came_from(request), status=303)


def toast(request: HttpRequest, text: str, *, status: int = 200) -> HttpResponse:
    """A short notice for htmx, in the page's live region."""
    body = render_to_string("_toast.html", {"text": text, "level": "error" if status >= 400 else "success"}, request)
    return HttpResponse(body, status=status, headers={"HX-Retarget": "#toasts", "HX-Reswap": "innerHTML"})


def for_people(request: HttpRequest) -> bool:
    """Whether a person reads the answer, and not a program."""
    return request.path.startswith("/app/") or "text/html" in request.headers.get("Accept", "")


def failure(request: HttpRequest, status: int, text: str = "") -> HttpResponse:
    """A whole page, or a notice where htmx asked. The page asks neither session nor database: it may be they that failed."""
    if "HX-Request" in request.headers:
        return toast(request, text or _("That did not work. Reload the page and try again."), status=status)
    context = {"detail": text, "request_id": request_id.current(), "path": request.get_full_path()}
    template = f"{status}.html" if status in {403, 404, 429, 503} else "400.html" if status < 500 else "500.html"
    response = HttpResponse(render_to_string(template, context), status=status)
    if status == 503:
        response["Retry-After"] = "5"
    return response


class Faults:
    """Middleware: what services raise becomes a page, a notice beside the button that was pressed, or a problem document."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OperationalError | InterfaceError):
            log.error("database unavailable", error=str(error))
            error = TransientError(_("The database does not answer. Try again shortly."))
        if not isinstance(error, SokoulError):
            return None
        if not for_people(request):
            return as_response(error)
        if not isinstance(error, PermanentError):
            return failure(request, 503, error.message)
        if request.method == "POST" and "HX-Request" not in request.headers:
            messages.error(request, error.message)
            return back(request)
        return failure(request, error.status, error.message)


# Django's own ways out (handler400 and so on of sokoul.urls)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    text = _("Sokoul does not understand this request.")
    return failure(request, 400, text) if for_people(request) else problem_response(400, text, code="invalid")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if for_people(request):
        return failure(request, 403)
    return problem_response(403, "You may not do that.", code="forbidden")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    text = _("This page was open for too long, or in two windows. Go back, reload it and try again.")
    return failure(request, 403, text) if for_people(request) else problem_response(403, text, code="csrf")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if for_people(request):
        return failure(request, 404)
    return problem_response(404, "There is nothing here.", code="not_found")


def server_error(request: HttpRequest) -> HttpResponse:
    if for_people(request):
        return failure(request, 500)
    return problem_response(500, "Something went wrong here. Try again; tell the operator the request id if it stays.")


def shown(request: HttpRequest, template: str, context: dict[str, Any], *, fragment: str = "") -> HttpResponse:
    """The page, or only its `fragment` template where htmx asks for that."""
    return render(request, fragment if fragment and is_fragment(request) else template, context)
