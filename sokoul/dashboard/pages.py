"""The dashboard's own pages: overview, dead letters, indexers, settings, and the path of one request."""

import json
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import anchors, audit, operating
from apps.accounts.admin import moment
from apps.accounts.models import User
from apps.downloads.indexers import trial
from apps.jobs import deadletters
from sokoul.dashboard import configuration, figures, timeline
from sokoul.dashboard.site import LOGS, Dashboard, View
from sokoul.errors import PermanentError, TransientError
from sokoul.pages import page_of, paging

PER_PAGE = 50


def _page(request: HttpRequest, name: str, title: str, **context: Any) -> HttpResponse:
    return TemplateResponse(
        request, f"dashboard/{name}.html", {**admin.site.each_context(request), "title": title, **context}
    )


def _me(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the site lets nobody else in
    return request.user


def telling(view: View) -> View:
    """What a service refuses is told above the page, also where the page is what it refuses."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (PermanentError, TransientError) as error:
            messages.error(request, error.message)
            return redirect("admin:dlq")

    return guarded


# --- overview ---------------------------------------------------------------------------------------------------------


def overview(request: HttpRequest) -> HttpResponse:
    """The frame; its content comes by `live`, at once and every few seconds."""
    return _page(request, "overview", _("Overview"))


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    now = figures.look()
    points = {
        "at": now["at"].timestamp(),
        "requests": now["requests"],
        "rate": now["rate"],
        "queues": {name: sum((queue["pending"], queue["running"])) for name, queue in now["queues"].items()},
        "hours": [{**hour, "hour": hour["hour"].isoformat()} for hour in now["jobs"]["hours"]],
    }
    return TemplateResponse(request, "dashboard/_live.html", {"now": now, "points": points})


# --- dead letters -----------------------------------------------------------------------------------------------------


@require_safe
def letters(request: HttpRequest) -> HttpResponse:
    page = page_of(request, PER_PAGE)
    try:
        found, total = deadletters.listed(page.rows)
        down = ""
    except TransientError as error:
        found, total, down = [], 0, error.message
    shown = paging({"page": page.page, "limit": page.limit, "total": total})
    return _page(request, "letters", _("Dead letters"), letters=found, paging=shown, down=down)


@telling
@require_safe
def letter(request: HttpRequest, sequence: int) -> HttpResponse:
    found = deadletters.letter(sequence)
    return _page(request, "letter", _("Dead letter %(number)d") % {"number": sequence}, letter=found, text=_text(found))


def _text(letter: deadletters.Letter) -> str:
    """Its message laid out, where it is JSON."""
    try:
        return json.dumps(json.loads(letter.data), indent=2, ensure_ascii=False)
    except ValueError:
        return letter.data.decode(errors="backslashreplace")


@telling
@require_POST
def replay(request: HttpRequest, sequence: int) -> HttpResponse:
    operating.replay(sequence, by=_me(request))
    messages.success(request, _("Dead letter %(number)d runs again.") % {"number": sequence})
    return redirect("admin:dlq")


@telling
@require_POST
def purge(request: HttpRequest, sequence: int) -> HttpResponse:
    operating.purge(sequence, by=_me(request))
    messages.success(request, _("Dead letter %(number)d is gone.") % {"number": sequence})
    return redirect("admin:dlq")


@telling
@require_POST
def purge_all(request: HttpRequest) -> HttpResponse:
    operating.purge(by=_me(request))
    messages.success(request, _("All dead letters are gone."))
    return redirect("admin:dlq")


# --- the others -------------------------------------------------------------------------------------------------------


@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    verdict = audit.verify()
    outside = anchors.check() if verdict.altered is None else None
    altered = outside.witness.row_id if outside else verdict.altered
    if outside:
        text = _("Entry %(id)d is not the one that was noted outside of the database on %(at)s: entries were removed or written "
                 "anew, or a backup was restored. `manage.py verify_audit` tells more.")  # fmt: skip
        messages.error(request, text % {"id": altered, "at": moment(outside.witness.at)})
    elif altered is None:
        text = _("The chain is whole: %(rows)d entries, the last one is %(last)d with hash %(hash)s.")
        messages.success(request, text % {"rows": verdict.rows, "last": verdict.last_id, "hash": verdict.last_hash})
    else:
        text = _(
            "Entry %(id)d was altered, or entries before it were removed. The %(rows)d before it are as they were."
        )
        messages.error(request, text % {"id": altered, "rows": verdict.rows})
    with transaction.atomic():
        audit.record("audit.verified", "", _me(request), altered=altered, rows=verdict.rows)
    return redirect(LOGS)


@require_safe
def indexers(request: HttpRequest) -> HttpResponse:
    return _page(request, "indexers", _("Indexers"), names=trial.names())


@require_POST
def test_indexer(request: HttpRequest) -> HttpResponse:
    name = request.POST.get("name", "")
    trials = trial.test(name)
    with transaction.atomic():
        audit.record("indexer.tested", name, _me(request), well=all(one.well for one in trials))
    return TemplateResponse(request, "dashboard/_trials.html", {"trials": trials})


@require_safe
def settings(request: HttpRequest) -> HttpResponse:
    return _page(request, "settings", _("Settings"), settings=configuration.settings())


@require_safe
def find_request(request: HttpRequest) -> HttpResponse:
    wanted = request.GET.get("id", "").strip()
    if timeline.VALID.fullmatch(wanted):
        return redirect("admin:request", request_id=wanted)
    return _page(request, "request", _("Follow a request"), wanted=wanted)


@require_safe
def follow(request: HttpRequest, request_id: str) -> HttpResponse:
    moments = timeline.of(request_id)
    return _page(request, "request", _("Follow a request"), wanted=request_id, looked=True, moments=moments)


def urls(site: Dashboard) -> list[URLPattern]:
    only = site.for_admins
    return [
        path("live", only(live), name="live"),
        path("dlq/", only(letters), name="dlq"),
        path("dlq/purge", only(purge_all), name="dlq_purge_all"),
        path("dlq/<int:sequence>/", only(letter), name="letter"),
        path("dlq/<int:sequence>/replay", only(replay), name="dlq_replay"),
        path("dlq/<int:sequence>/purge", only(purge), name="dlq_purge"),
        path("indexers/", only(indexers), name="indexers"),
        path("indexers/test", only(test_indexer), name="indexer_test"),
        path("settings/", only(settings), name="settings"),
        path("requests/", only(find_request), name="requests"),
        path("requests/<str:request_id>/", only(follow), name="request"),
        path("verify", site.for_staff(verify), name="verify"),
    ]
