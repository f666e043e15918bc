"""`manage.py import_library`: files that lie on disk already, into somebody's library."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from apps.accounts.models import User
from apps.downloads import importing
from apps.downloads.importing import Outcome, Result
from sokoul import request_id
from sokoul.operator_command import OperatorCommand, progress

STYLES = {Outcome.IMPORTED: "green", Outcome.WOULD: "green", Outcome.THERE: "dim", Outcome.LEFT: "yellow"}


class Command(OperatorCommand):
    help = (
        "Read the names of the videos below a folder, find their titles at TMDB, and file those that are sure in somebody's "
        "library: by hard link (as LINK_MODE says), or in place where they lie below LIBRARY_DIR. What is not understood is "
        "left alone and listed with the reason. Doing it again imports nothing twice."
    )
    examples = (
        "import_library /films --user alice --dry-run",
        "import_library /films --user alice",
        "import_library var/library --user alice --json",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, help="the folder that holds the videos, at any depth")
        parser.add_argument("--user", required=True, help="for whom: a user name or an e-mail address")
        parser.add_argument("--dry-run", action="store_true", help="only show what would be imported")

    def run(self, options: dict[str, Any]) -> None:
        user = User.objects.by_login(options["user"])
        if user is None or not user.is_active:
            raise CommandError(f"Nobody active is called {options['user']}.")
        folder = options["folder"].expanduser()
        total = len(importing.videos_in(folder))
        results = []
        with (
            request_id.bound(request_id.current(), user.pk),
            progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()) as bar,
        ):
            task = bar.add_task("reading", total=total)
            for result in importing.run(user, folder, dry_run=options["dry_run"]):
                results.append(result)
                bar.update(task, advance=1, description=result.title or "reading")
        self._report(results)

    def _report(self, results: list[Result]) -> None:
        if self.as_json:
            self.tell([asdict(result) for result in results])
            return
        rows = [
            (result.path, _title(result), f"{result.confidence} %", result.outcome, result.target or result.reason)
            for result in results
        ]
        self.table(
            ("file", "title", "confidence", "outcome", "where, or why not"),
            rows,
            [STYLES[result.outcome] for result in results],
        )
        counts = Counter(result.outcome for result in results)
        self.say(", ".join(f"{number} {outcome}" for outcome, number in counts.items()) or "There is no video.")


def _title(result: Result) -> str:
    number = "" if result.season is None else f" S{result.season:02d}" + "".join(f"E{e:02d}" for e in result.episodes)
    year = f" ({result.year})" if result.year else ""
    return f"{result.title}{year}{number}"
