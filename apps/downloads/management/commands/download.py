"""`manage.py download`: a wish of a person, from a terminal."""

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection
from rich.progress import BarColumn, DownloadColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from apps.accounts.models import User
from apps.downloads import rows, search, services
from apps.downloads.models import Download
from sokoul import request_id
from sokoul.operator_command import OperatorCommand, progress

EVERY = 0.5  # seconds between looks
ENDS = {"Completed", "Failed"}


class Command(OperatorCommand):
    help = (
        "Download a title for somebody: the best release, one that `search --releases` listed, or a magnet link. Without "
        "--wait it is accepted and goes on in the background; with it, the command ends when the title is in the library "
        "(0) or the download has failed (1)."
    )
    examples = (
        'download "The Last Night Tram" --user alice --wait',
        "download --media 5 --release 12 --user alice",
        'download --media 5 --magnet "magnet:?xt=urn:btih:…" --user alice',
    )
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("title", nargs="?", default="", help="words of the title, perhaps with its year")
        parser.add_argument("--user", required=True, help="for whom: a user name or an e-mail address")
        parser.add_argument("--media", type=int, help="the title by its id, as `search` lists it")
        parser.add_argument("--season", type=int, help="this season of a series")
        parser.add_argument("--episode", type=int, help="this episode of the season")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--release", type=int, help="this release by its id (default: the best)")
        which.add_argument("--magnet", help="this magnet link instead of a release")
        parser.add_argument("--wait", action="store_true", help="show the progress until it has ended")
        parser.add_argument("--timeout", type=float, default=0, help="with --wait: seconds at most (default: no limit)")

    def run(self, options: dict[str, Any]) -> None:
        user = User.objects.by_login(options["user"])
        if user is None or not user.is_active:
            raise CommandError(f"Nobody active is called {options['user']}.")
        if not options["title"] and options["media"] is None:
            raise CommandError("Say which title: words of it, or --media and its id.", returncode=2)
        with request_id.bound(request_id.current(), user.pk):
            download = self._start(user, options)
            if options["wait"]:
                download = self._wait(download, options["timeout"])
        self._report(download)

    def _start(self, user: User, options: dict[str, Any]) -> Download:
        media_id = options["media"] if options["media"] is not None else search.title_of(options["title"])
        wish = {"torrent_id": options["release"], "season": options["season"], "episode": options["episode"]}
        download, _ = services.start(user.pk, media_id, magnet=options["magnet"], **wish)
        self.say(f"Accepted as download {download.pk}; its request id is {request_id.current()}.")
        return download

    def _wait(self, download: Download, timeout: float) -> Download:
        until = time.monotonic() + timeout if timeout else float("inf")
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
        )
        with progress(*columns) as bar:
            task = bar.add_task(download.phase, total=None)
            while download.status not in ENDS:
                if time.monotonic() > until:
                    raise CommandError(
                        f"Download {download.pk} has not ended yet ({download.phase}). It goes on in the background."
                    )
                connection.close()  # nothing is held while waiting
                time.sleep(EVERY)
                download.refresh_from_db()
                words = f"{download.phase} {download.reason}".strip()
                bar.update(task, description=words, completed=download.bytes_done, total=download.bytes_total or None)
        return download

    def _report(self, download: Download) -> None:
        if self.as_json:
            self.tell(rows.shown(download))
        elif download.status == "Completed":
            self.say(f"“{download.media.title}” is in the library.", "green")
        if download.status == "Failed":
            raise CommandError(download.reason or "It was cancelled.")
