"""`manage.py check_stack`."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError
from prometheus_client.core import Metric

from apps.downloads import gauges as downloads
from apps.jobs import broker
from apps.jobs import gauges as jobs
from apps.jobs.streams import STREAMS
from sokoul import env, health, http
from sokoul.env import ENV
from sokoul.errors import SokoulError
from sokoul.operator_command import OperatorCommand
from sokoul.stack.processes import started_at
from sokoul.stack.state import Installation
from sokoul.templatetags.shown import size

FULL = 0.90
Row = tuple[str, str, str]


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
            rows = [*_servers(), *_streams(), *self._components(), *_jobs(), *_disks()]
        bad = [name for name, state, _ in rows if state == "down"]
        if self.as_json:
            told = [{"name": name, "status": state, "detail": detail} for name, state, detail in rows]
            self.tell({"status": "down" if bad else "ok", "components": told})
        else:
            styles = {"down": "bold red", "look": "yellow"}
            self.table(("what", "state", ""), rows, [styles.get(state, "") for _, state, _ in rows])
        if bad:
            raise CommandError(f"Not well: {', '.join(bad)}.")

    def _of_url(self, url: str) -> list[Row]:
        host = urlsplit(url).hostname
        if urlsplit(url).scheme not in {"http", "https"} or not host:
            raise CommandError("The address must begin with http:// or https://.", returncode=2)
        answer = http.get(f"{url}/health/deep", service=url, seconds=10, answers=range(200, 600), trusted=[host])
        found = answer.json()
        if not isinstance(found, dict) or "components" not in found:
            raise CommandError(f"{url} answered {answer.status}, but not as Sokoul does.")
        return [(name, part["status"], "") for name, part in found["components"].items()]

    def _components(self) -> list[Row]:
        """What `make up` started, by its stack.json; nothing where another supervisor does that."""
        try:
            stack = Installation(ENV.data_dir).stack()
        except (OSError, json.JSONDecodeError):
            return []
        rows = []
        for name, part in stack.items():
            if name in {"web", "scout", "hunter", "bot", "relay"}:
                pid = part["pid"]
                alive = pid is not None and started_at(pid) is not None
                rows.append((name, "ok" if alive else "down", f"process {pid}" if alive else "does not run"))
                if alive and part["url"]:
                    rows.append(_door(part["url"]))
        return rows


def _door(url: str) -> Row:
    try:
        http.get(f"{url}/health/ready", service="The web", seconds=5, trusted=[urlsplit(url).hostname or ""])
    except SokoulError as error:
        return ("web address", "down", error.message)
    return ("web address", "ok", url)


def _servers() -> list[Row]:
    return [(name, part["status"], f"{part['latency_ms']} ms") for name, part in health.look().items()]


def _streams() -> list[Row]:
    try:
        found = {stream["name"]: stream for stream in broker.call(broker.overview(), timeout=5.0)}
    except SokoulError as error:
        return [("streams", "down", error.message)]
    missing = [stream.name for stream in STREAMS if found[stream.name].get("missing")]
    if missing:
        return [("streams", "down", f"{', '.join(missing)} missing; run `manage.py streams declare`")]
    return [("streams", "ok", ", ".join(f"{name} {stream['messages']}" for name, stream in found.items()))]


def _jobs() -> list[Row]:
    rows: list[Row] = []
    try:
        numbers = _numbers(jobs.rows())
        waiting = sum(value for key, value in numbers.items() if key[0] == "sokoul_queue_depth")
        stranded = numbers["sokoul_jobs_stranded", ""]
        rows.append(("queue", "ok", f"{waiting:g} jobs have not ended"))
        rows.append(
            (
                "stranded jobs",
                "down" if stranded else "ok",
                f"{stranded:g}{'; does the relay run?' if stranded else ''}",
            )
        )
        dead = _numbers(jobs.streams())["sokoul_dead_letters", ""]
        rows.append(("dead letters", "look" if dead else "ok", f"{dead:g}{'; `manage.py dlq list`' if dead else ''}"))
    except (DatabaseError, SokoulError):
        rows.append(("jobs", "down", "cannot be counted"))
    return rows


def _disks() -> list[Row]:
    numbers = _numbers(downloads.disks())
    rows: list[Row] = []
    for (name, folder), free in numbers.items():
        if name == "sokoul_disk_free_bytes":
            used = 1 - free / max(1.0, numbers["sokoul_disk_size_bytes", folder])
            state = "down" if used > FULL else "ok"
            rows.append((f"disk of {folder}", state, f"{size(free)} free, {used:.0%} used"))
    return rows


def _numbers(families: Sequence[Metric]) -> dict[tuple[str, str], float]:
    """{(metric, its labels): value}."""
    return {
        (sample.name, " ".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }
