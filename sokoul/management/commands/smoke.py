"""`manage.py smoke URL`."""

import os
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandError, CommandParser
from rich.text import Text

from sokoul import smoke
from sokoul.operator_command import OperatorCommand

STYLES = {smoke.Outcome.OK: "green", smoke.Outcome.FAILED: "bold red", smoke.Outcome.SKIPPED: "yellow"}


class Command(OperatorCommand):
    help = (
        "Try out a deployment from outside: health, search, sign up and in, WebSocket, write and read, a worker's job, and the "
        "main job (download and play) where a title that may be downloaded is offered. One line a check. It needs nothing "
        "but the address, makes an account of its own and deletes it again."
    )
    examples = (
        "smoke http://localhost:3000",
        'smoke https://films.example.org --user tester --title "My Own Film"   # password in SMOKE_PASSWORD',
    )
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("url", help="address of the deployment")
        parser.add_argument(
            "--user", default="", help="a test account, whose password is in SMOKE_PASSWORD (default: a new one)"
        )
        parser.add_argument(
            "--title",
            default=smoke.DEMO_TITLE,
            help=f"a title that may be downloaded (default: {smoke.DEMO_TITLE}, the demo's)",
        )
        parser.add_argument(
            "--patience", type=float, default=60, help="seconds that a job or download may take (default: 60)"
        )

    def run(self, options: dict[str, Any]) -> None:
        url = options["url"].rstrip("/")
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise CommandError("The address must begin with http:// or https://.", returncode=2)
        password = os.environ.get("SMOKE_PASSWORD", "")
        if options["user"] and not password:
            raise CommandError("Put the password of --user into the environment variable SMOKE_PASSWORD.", returncode=2)
        visit = smoke.Visit(url, options["user"], password, options["title"], options["patience"])
        results = [self._shown(result) for result in smoke.run(visit)]
        failed = [result.check for result in results if result.outcome is smoke.Outcome.FAILED]
        if self.as_json:
            self.tell({"url": url, "well": not failed, "checks": [asdict(result) for result in results]})
        if failed:
            raise CommandError(f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}.")

    def _shown(self, result: smoke.Result) -> smoke.Result:
        if not self.as_json:
            word = Text(f"{result.outcome.value:8}", style=STYLES[result.outcome])
            self.console.print(word, f"{result.check:16}", f"{result.ms:6} ms ", Text(result.detail), soft_wrap=True)
        return result
