"""HTML: a title with its releases, downloads, the blocklist, the library, the player."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from apps.downloads import blocklist, faults, replacement, rows, search, services
from apps.downloads.engine.video import VIDEO
from apps.downloads.following import follows, upgrades
from apps.downloads.models import Phase
from apps.downloads.profiles import services as profiles
from apps.jobs import services as jobs
from apps.jobs.models import Status
from apps.media import services as media_services
from sokoul.errors import PermanentError, not_found
from sokoul.pages import back, is_fragment, number, page_of, paging, signed_in, user_id

PHASES = {
    Phase.SEARCHING: gettext_lazy("Looking for the best release"),
    Phase.QUEUED: gettext_lazy("Waiting for its turn"),
    Phase.METADATA: gettext_lazy("Asking peers what it holds"),
    Phase.DOWNLOADING: gettext_lazy("Downloading"),
    Phase.PAUSED: gettext_lazy("Paused"),
    Phase.FILING: gettext_lazy("Filing it in your library"),
    Phase.SEEDING: gettext_lazy("In your library, sharing it with others"),
    Phase.DONE: gettext_lazy("In your library"),
    Phase.FAILED: gettext_lazy("Failed"),
    Phase.CANCELLED: gettext_lazy("Cancelled"),
}
# The buttons of a download by its phase.
VERBS: dict[Phase, tuple[str, ...]] = {
    Phase.SEARCHING: ("cancel",),
    Phase.QUEUED: ("pause", "cancel"),
    Phase.METADATA: ("pause", "replace", "cancel"),
    Phase.DOWNLOADING: ("pause", "replace", "cancel"),
    Phase.PAUSED: ("resume", "cancel"),
    Phase.FILING: (),
    Phase.SEEDING: ("better", "stop", "delete"),
    Phase.DONE: ("better", "delete"),
    Phase.FAILED: ("retry", "replace", "remove"),
    Phase.CANCELLED: ("retry", "remove"),
}
SOUGHT = gettext_lazy("The indexers are being asked. What is better appears among your downloads and takes its place.")
BEGUN = 30.0  # seconds from which "continue" is offered
NEARLY_OVER = 0.95


def _card(download: dict[str, Any], tried: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A download as templates show it, with what was given up for it."""
    phase = Phase(download["phase"])
    verbs = [verb for verb in VERBS[phase] if verb != "replace" or download["torrent_id"] or download["name"]]
    given_up = [entry | {"why": faults.phrase(entry["code"])} for entry in tried or download.get("tried") or []]
    watchable = phase in {Phase.DOWNLOADING, Phase.PAUSED, Phase.FILING, Phase.SEEDING, Phase.DONE}
    shown = {"phase_text": PHASES[phase], "verbs": verbs, "watchable": watchable, "tried": given_up}
    return {**download, **shown}


def _continues(positions: dict[int, tuple[float, float]], media_id: int) -> float:
    """Seconds at which to go on; 0 for what was not begun or is over."""
    position, duration = positions.get(media_id, (0.0, 1.0))
    return position if BEGUN <= position < NEARLY_OVER * duration else 0.0


# A title


@signed_in
@require_safe
def title_by_id(request: HttpRequest, media_id: int) -> HttpResponse:
    return redirect("app:title", media_id, media_services.get(media_id).slug)


@signed_in
@require_safe
def title(request: HttpRequest, media_id: int, slug: str) -> HttpResponse:
    media = media_services.details(media_id)
    if slug != media["slug"]:
        return redirect("app:title", media_id, media["slug"])
    me = user_id(request)
    media["liked"] = media_services.is_favorite(me, media_id)
    context = {
        "media": media,
        "downloads": [_card(row) for row in rows.of_title(me, media_id)],
        "files": rows.playable(me, media_id),
        "profiles": profiles.names(),
        "continue_at": _continues(media_services.positions(me, [media_id]), media_id),
        "followed": follows.of_title(me, media_id),
        "followable": follows.choices(media_id, media["kind"]),
        **_releases(request, media),
    }
    return render(request, "downloads/title.html", context)


def _wanted(request: HttpRequest) -> tuple[int | None, int | None]:
    asked = request.POST if request.method == "POST" else request.GET
    return number(asked.get("season")), number(asked.get("episode"))


def _releases(request: HttpRequest, media: dict[str, Any], job: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the list of releases shows; `job` is the search that has just ended or still runs."""
    season, episode = _wanted(request)
    found = search.releases_of(media["id"], page_of(request), season, episode, user_id=user_id(request))
    return {
        "media": media,
        "season": season,
        "episode": episode,
        "accepted": [release for release in found["results"] if release["score"] is not None],
        "rejected": [release for release in found["results"] if release["score"] is None],
        "paging": paging(found),
        "job": job,
    }


def _job_of(request: HttpRequest) -> dict[str, Any] | None:
    try:
        job_id = UUID(request.GET.get("job", ""))
    except ValueError:
        return None
    job = jobs.job_json(jobs.visible(job_id, user_id(request)))
    running = job["status"] in {Status.PENDING, Status.RUNNING}
    told = {"running": running, "failed": job["status"] == Status.FAILED, "warnings": search.warnings_of(job["result"])}
    return {**job, **told}


@signed_in
@require_safe
def releases(request: HttpRequest, media_id: int) -> HttpResponse:
    """The list alone, for htmx; the page for everybody else. With `job`, as that search has left it."""
    media, job = media_services.details(media_id), _job_of(request)
    if not is_fragment(request):
        return redirect("app:title", media_id, media["slug"])
    if job and job["running"]:
        return HttpResponse(status=204)  # htmx leaves the page as it is
    return render(request, "downloads/_releases.html", _releases(request, media, job))


@signed_in
@require_POST
def find_releases(request: HttpRequest, media_id: int) -> HttpResponse:
    season, episode = _wanted(request)
    job = jobs.job_json(search.request_search(user_id(request), media_id, season, episode))
    if not is_fragment(request):
        messages.info(request, _("The indexers are being asked. Reload this page in a few seconds."))
        return back(request)
    context = _releases(request, media_services.details(media_id), {**job, "running": True})
    return render(request, "downloads/_releases.html", context)


@signed_in
@require_POST
def start(request: HttpRequest, media_id: int) -> HttpResponse:
    """`torrent_id` for a certain release, else the best one; then to where its bar is."""
    season, episode = _wanted(request)
    chosen = request.POST.get("torrent_id", "")
    if chosen and not (chosen.isascii() and chosen.isdigit() and len(chosen) < 19):
        raise not_found("This release")
    torrent_id = int(chosen) if chosen else None
    services.start(
        user_id(request),
        media_id,
        torrent_id=torrent_id,
        season=season,
        episode=episode,
        profile_id=profiles.chosen(request.POST.get("profile_id", "")),
    )
    return redirect("app:downloads")


# Downloads


@signed_in
@require_safe
def downloads(request: HttpRequest) -> HttpResponse:
    found = rows.listed(user_id(request), page_of(request))
    tried = rows.tried_of([row["id"] for row in found["results"]])
    cards = [_card(row, tried.get(row["id"])) for row in found["results"]]
    return render(request, "downloads/downloads.html", {"downloads": cards, "paging": paging(found)})


@signed_in
@require_safe
def card(request: HttpRequest, download_id: int) -> HttpResponse:
    return _shown_now(request, download_id)


def _shown_now(request: HttpRequest, download_id: int, note: str = "") -> HttpResponse:
    """One download as it is now, for htmx."""
    download = rows.shown(services.owned(user_id(request), download_id))
    return render(request, "downloads/_download.html", {"download": _card(download), "note": note})


def _do(me: int, download_id: int, verb: str) -> None:
    if verb == "pause":
        services.pause(me, download_id)
    elif verb == "resume":
        services.resume(me, download_id)
    elif verb == "retry":
        services.retry(me, download_id)
    elif verb == "replace":
        replacement.replace(me, download_id)
    elif verb == "better":
        upgrades.request(me, download_id)
    elif verb == "delete":
        services.cancel(me, download_id, files=True)
    elif verb in {"cancel", "remove", "stop"}:
        services.cancel(me, download_id)
    else:
        raise not_found("This button")


@signed_in
@require_POST
def act(request: HttpRequest, download_id: int, verb: str) -> HttpResponse:
    """Press one of its buttons; answers the download as it is then, nothing when it has left the list."""
    _do(user_id(request), download_id, verb)
    if not is_fragment(request):
        if verb == "better":  # nothing is to be seen of it yet
            messages.info(request, SOUGHT)
            return back(request)
        return redirect("app:downloads")
    try:
        return _shown_now(request, download_id, note=str(SOUGHT) if verb == "better" else "")
    except PermanentError as error:
        if error.status == 404:
            return HttpResponse()
        raise


# The blocklist


@signed_in
@require_safe
def blocked(request: HttpRequest) -> HttpResponse:
    found = blocklist.listed(user_id(request), page_of(request))
    return render(request, "downloads/blocklist.html", {"entries": found["results"], "paging": paging(found)})


@signed_in
@require_POST
def unblock(request: HttpRequest, blocked_id: int) -> HttpResponse:
    blocklist.remove(user_id(request), blocked_id)
    return redirect("app:blocklist")


@signed_in
@require_POST
def unblock_all(request: HttpRequest) -> HttpResponse:
    blocklist.clear(user_id(request))
    return redirect("app:blocklist")


# Library and player


@signed_in
@require_safe
def library(request: HttpRequest) -> HttpResponse:
    me = user_id(request)
    found = rows.library(me, page_of(request))
    positions = media_services.positions(me, {file["media_id"] for file in found["results"]})
    files = [{**file, "continue_at": _continues(positions, file["media_id"])} for file in found["results"]]
    return render(request, "downloads/library.html", {"files": files, "paging": paging(found)})


def _videos(download_id: int) -> list[dict[str, Any]]:
    """Its files that a player may show, the largest first."""
    known = [file for file in rows.files(download_id) if "." + file["path"].rpartition(".")[2].lower() in VIDEO]
    return sorted(known, key=lambda file: -file["size"])


@signed_in
@require_safe
def play_download(request: HttpRequest, download_id: int) -> HttpResponse:
    """Its main video, whatever the index."""
    download = services.owned(user_id(request), download_id)
    if not (videos := _videos(download.pk)):
        raise PermanentError(_("It is not known yet what this download holds. Try again in a moment."), status=409)
    return redirect("app:play", download.pk, videos[0]["index"])


@signed_in
@require_safe
def play(request: HttpRequest, download_id: int, index: int) -> HttpResponse:
    me = user_id(request)
    download = rows.shown(services.owned(me, download_id))
    filed = rows.filed(download_id, index)
    file = filed or next((file for file in rows.files(download_id) if file["index"] == index), None)
    if file is None:
        raise not_found("This file of the download")
    position, _duration = media_services.positions(me, [download["media_id"]]).get(download["media_id"], (0.0, 0.0))
    context = {
        "download": _card(download),
        "media": media_services.details(download["media_id"]),
        "file": file,
        "filed": filed,
        "position": position,
        "others": rows.playable(me, download["media_id"]),
    }
    return render(request, "downloads/player.html", context)
