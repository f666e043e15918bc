"""`manage.py check_stack`."""

from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandError, CommandParser

from sokoul import diagnosis, env, http
from sokoul.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Is it well? Without an address this installation from inside: servers, streams, components, stranded jobs, dead "
        "letters, disks. With one, the deployment there by its /health/deep."
    )
    examples = ("check_stack", "check_stack https://films.example.org", "check_stack --json")
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("url", nargs="?", help="address of a deployment (default: this installation)")

    def run(self, options: dict[str, Any]) -> None:
        if options["url"]:
            rows = self._of_url(options["url"].rstrip("/"))
        else:
            env.require_complete()
            rows = diagnosis.rows()
        bad = diagnosis.down(rows)
        if self.as_json:
            told = [{"name": name, "status": state, "detail": detail} for name, state, detail in rows]
            self.tell({"status": "down" if bad else "ok", "components": told})
        else:
            styles = {"down": "bold red", "look": "yellow"}
            self.table(("what", "state", ""), rows, [styles.get(state, "") for _, state, _ in rows])
        if bad:
            raise CommandError(f"Not well: {', '.join(bad)}.")

    def _of_url(self, url: str) -> list[diagnosis.Row]:
        host = urlsplit(url).hostname
        if urlsplit(url).scheme not in {"http", "https"} or not host:
            raise CommandError("The address must begin with http:// or https://.", returncode=2)
        answer = http.get(f"{url}/health/deep", service=url, seconds=10, answers=range(200, 600), trusted=[host])
        found = answer.json()
        if not isinstance(found, dict) or "components" not in found:
            raise CommandError(f"{url} answered {answer.status}, but not as Sokoul does.")
        return [(name, part["status"], "") for name, part in found["components"].items()]
