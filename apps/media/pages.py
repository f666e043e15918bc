"""HTML: the search, favourites, history, and where a player says how far it came."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from apps.media import services
from sokoul.api import Page
from sokoul.errors import PermanentError
from sokoul.pages import back, is_fragment, page_of, paging, shown, signed_in, user_id

BEGUN = 8  # titles of the first page that somebody is in the middle of
NEARLY_OVER = 95  # percent, from where a title counts as watched


@signed_in
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The search; without a query, what the person is in the middle of."""
    query, kind = request.GET.get("q", "").strip(), request.GET.get("kind", "")
    context: dict[str, Any] = {"query": query, "kind": kind}
    if query:
        context |= _found(request, query, kind)
    else:
        watched = services.history(user_id(request), Page(1, 2 * BEGUN))["results"]
        context["begun"] = [row for row in watched if row["progress"] < NEARLY_OVER][:BEGUN]
    return shown(request, "media/home.html", context, fragment="media/_results.html")


def _found(request: HttpRequest, query: str, kind: str) -> dict[str, Any]:
    found = services.search_titles(query, kind, page_of(request).page)
    liked = services.favorites_among(user_id(request), [media["id"] for media in found["results"]])
    titles = [{**media, "liked": media["id"] in liked} for media in found["results"]]
    return {"titles": titles, "paging": paging(found), "degraded": found["degraded"]}


@signed_in
@require_safe
def favourites(request: HttpRequest) -> HttpResponse:
    found = services.favorites(user_id(request), page_of(request))
    titles = [{**media, "liked": True} for media in found["results"]]
    return render(request, "media/favourites.html", {"titles": titles, "paging": paging(found)})


@signed_in
@require_POST
def like(request: HttpRequest, media_id: int) -> HttpResponse:
    """`liked` 1 or 0; answers the heart as it is now."""
    liked = request.POST.get("liked") == "1"
    if liked:
        services.add_favorite(user_id(request), media_id)
    else:
        services.remove_favorite(user_id(request), media_id)
    if not is_fragment(request):
        return back(request)
    title = request.POST.get("title", "")[:500]
    return render(request, "media/_heart.html", {"media": {"id": media_id, "title": title, "liked": liked}})


@signed_in
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    found = services.history(user_id(request), page_of(request))
    return render(request, "media/history.html", {"watched": found["results"], "paging": paging(found)})


@signed_in
@require_POST
def watched(request: HttpRequest, media_id: int) -> HttpResponse:
    """The player's `position` and `duration`, in seconds."""
    try:
        position, duration = (float(request.POST.get(name, "")) for name in ("position", "duration"))
    except ValueError:
        raise PermanentError("position and duration are seconds.") from None
    services.watched_to(user_id(request), media_id, position, duration)
    return HttpResponse(status=204)
