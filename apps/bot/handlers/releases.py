"""From a title to its releases, and from one of them (or the best) to a download."""

from typing import Any

from django.utils.translation import gettext as _

from apps.bot import messages
from apps.bot.handlers import downloads
from apps.bot.handlers.registry import Numbers, press
from apps.bot.reply import Reply, Sender
from apps.downloads import search, services
from apps.jobs import services as jobs
from apps.jobs.models import Job, Status
from apps.media import services as media_services
from sokoul.api import Page

ACCEPTED, REJECTED = 5, 3
CONSIDERED = Page(1, 50)


@press("f")
def find(sender: Sender, numbers: Numbers) -> Reply:
    """Ask the indexers; the message becomes the list once they have answered."""
    media_id, season, episode = numbers
    job = search.request_search(sender.person.pk, media_id, season, episode)
    return _searching(job)


def _named(job: Job) -> str:
    media = media_services.get(job.payload["media_id"])
    return messages.label(media.title, media.year, job.payload.get("season"), job.payload.get("episode"))


def _searching(job: Job) -> Reply:
    text = _("Asking the indexers for releases of %(title)s…") % {"title": _named(job)}
    return Reply(text, follow=("job", str(job.pk)))


def found(sender: Sender, job: Job) -> Reply:
    """What a message about a search says now."""
    wanted = (job.payload["media_id"], job.payload.get("season"), job.payload.get("episode"))
    if job.status == Status.COMPLETED:
        return _listed(sender, _named(job), wanted, search.warnings_of(job.result))
    if job.status == Status.FAILED:
        text = _("The search for %(title)s failed: %(reason)s") % {"title": _named(job), "reason": jobs.error_of(job)}
        return Reply(text, [[sender.button(_("Search again"), "f", *wanted)]])
    return _searching(job)


def _listed(sender: Sender, name: str, wanted: tuple[int, int | None, int | None], warnings: list[str]) -> Reply:
    found = search.releases_of(wanted[0], CONSIDERED, wanted[1], wanted[2], user_id=sender.person.pk)
    rows = found["results"]
    accepted = [row for row in rows if row["score"] is not None][:ACCEPTED]
    rejected = [row for row in rows if row["score"] is None][:REJECTED]
    buttons = [_choice(sender, number, wanted, row) for number, row in enumerate(accepted, 1)]
    again = [sender.button(_("Search again"), "f", *wanted)]
    best = [[sender.button(_("Take the best"), "b", *wanted)]] if accepted else []
    return Reply(messages.releases(name, accepted, rejected, warnings), [*best, *([buttons] if buttons else []), again])


def _choice(sender: Sender, number: int, wanted: tuple[int, int | None, int | None], row: dict[str, Any]) -> Any:
    media_id, season, episode = wanted
    return sender.button(str(number), "g", media_id, row["id"], season, episode)


@press("g")
def get(sender: Sender, numbers: Numbers) -> Reply:
    """This one."""
    media_id, torrent_id, season, episode = numbers
    return _start(sender, media_id, torrent_id, season, episode)


@press("b")
def best(sender: Sender, numbers: Numbers) -> Reply:
    """Sokoul chooses: of what was found just now where there is anything, else it searches first."""
    media_id, season, episode = numbers
    torrent = search.best(media_id or 0, season, episode, user_id=sender.person.pk)
    return _start(sender, media_id, torrent.pk if torrent else None, season, episode, automatic=True)


def _start(
    sender: Sender,
    media_id: int | None,
    torrent_id: int | None,
    season: int | None,
    episode: int | None,
    *,
    automatic: bool = False,
) -> Reply:
    wish: dict[str, Any] = {"torrent_id": torrent_id, "season": season, "episode": episode}
    download, _job = services.start(sender.person.pk, media_id or 0, automatic=automatic, **wish)
    return downloads.shown(sender, download)
