"""`manage.py search`: titles, or a title's releases with the reason for every rank."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.downloads import search
from apps.jobs.models import Status
from apps.media import services as media
from sokoul.api import Page
from sokoul.errors import PermanentError
from sokoul.operator_command import OperatorCommand
from sokoul.templatetags.shown import size

MOST = 100


class Command(OperatorCommand):
    help = (
        "Search titles at TMDB, or (--releases) have the scout ask the indexers for releases of a title and show them, best "
        "first, each with the reasons for its rank or for its refusal."
    )
    examples = (
        'search "Last Night Tram"',
        'search "Last Night Tram" --releases',
        "search --media 5 --releases --season 1 --episode 2 --json",
    )
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("title", nargs="?", default="", help="words of the title, perhaps with its year")
        parser.add_argument("--media", type=int, help="a title by its id instead, as `search` lists it")
        parser.add_argument("--kind", choices=["movie", "tv"], default="", help="only films, or only series")
        parser.add_argument("--page", type=int, default=1, help="page of titles (default: 1)")
        parser.add_argument("--releases", action="store_true", help="releases of the title that fits best")
        parser.add_argument("--season", type=int, help="with --releases: this season of a series")
        parser.add_argument("--episode", type=int, help="with --releases: this episode of the season")
        parser.add_argument("--timeout", type=float, default=90, help="seconds to wait for releases (default: 90)")

    def run(self, options: dict[str, Any]) -> None:
        if not options["title"] and options["media"] is None:
            raise CommandError("Say which title: words of it, or --media and its id.", returncode=2)
        if options["releases"]:
            self._releases(options)
        elif options["media"] is not None:
            self._titles([media.details(options["media"])], 1, degraded=False)
        else:
            found = media.search_titles(options["title"], options["kind"], options["page"])
            self._titles(found["results"], found["total"], degraded=found["degraded"])

    def _titles(self, titles: list[dict[str, Any]], total: int, *, degraded: bool) -> None:
        if self.as_json:
            self.tell({"results": titles, "total": total, "degraded": degraded})
            return
        if degraded:
            self.say("TMDB does not answer; this is what is known here.", "yellow")
        rows = [(row["id"], row["title"], row["year"], row["kind"], ", ".join(row["genres"])) for row in titles]
        self.table(("id", "title", "year", "kind", "genres"), rows)
        self.say(f"{total} titles found." if total != 1 else "1 title found.")

    def _releases(self, options: dict[str, Any]) -> None:
        found = self._searched(options)
        page = search.releases_of(found["media_id"], Page(1, MOST), options["season"], options["episode"])
        if self.as_json:
            self.tell({**page, "media_id": found["media_id"], "warnings": found["warnings"]})
            return
        title = media.get(found["media_id"])
        self.say(f"{title.title} ({title.year or 'year unknown'}), id {title.pk}", "bold")
        for warning in found["warnings"]:
            self.say(str(warning), "yellow")
        rows = [_row(release) for release in page["results"]]
        self.table(("id", "score", "release", "indexer", "size", "seeders", "why"), rows, [_style(row) for row in rows])
        self.say(f"{found['accepted']} of {found['found']} releases will do.")

    def _searched(self, options: dict[str, Any]) -> dict[str, Any]:
        job = search.request_search(
            None, options["media"], options["season"], options["episode"], "" if options["media"] else options["title"]
        )
        with self.spinner("Asking the indexers…"):
            job = search.wait_for(job, options["timeout"])
        if job.status == Status.FAILED:
            raise PermanentError(job.error)
        if job.status != Status.COMPLETED:
            why = job.error or "no scout has taken it yet; does one run?"
            raise CommandError(
                f"The search has not ended after {options['timeout']:g} s: {why} It goes on as job {job.pk}."
            )
        result: dict[str, Any] = job.result
        return result


def _row(release: dict[str, Any]) -> tuple[object, ...]:
    reasons = [f"{reason['sentence'].rstrip('.')} ({reason['points']:+d})" for reason in release["reasons"]]
    refusals = [rejection["sentence"] for rejection in release["rejections"]]
    score = "refused" if release["score"] is None else release["score"]
    why = " ".join(refusals) if refusals else "; ".join(reasons)
    return (
        release["id"], score, release["title"], release["indexer"], size(release["size"]), release["seeders"], why,
    )  # fmt: skip


def _style(row: tuple[object, ...]) -> str:
    return "dim" if row[1] == "refused" else ""
