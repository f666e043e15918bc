"""`manage.py release`."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandError, CommandParser
from django.db import Error
from django.utils import timezone
from rich.progress import BarColumn, TextColumn

from apps.accounts import audit, released
from sokoul import diagnosis, env, http, release, smoke
from sokoul.edge import Edge, Side, Sides
from sokoul.env import ENV
from sokoul.operator_command import OperatorCommand, progress


class Command(OperatorCommand):
    help = (
        "Move people from one version to the other behind the edge proxy, and back, without losing a request (docs/releasing.md). "
        "Two webs stand behind the edge, blue and green; the one that is not in use gets the new version. Said again after an "
        "interruption, each of these goes on where it was."
    )
    examples = (
        "release show",
        "release switch green",
        "release canary green --steps 10,50,100 --minutes 5 --errors 1",
        "release watch --minutes 15",
        "release back",
    )
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        path = os.environ.get("EDGE_ADMIN", "")
        parser.add_argument("--edge", default=path, help="the edge's socket (default: the variable EDGE_ADMIN)")
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="show|switch|canary|watch|back")
        self._verb(verbs, "show", "which side has which part of the new requests, and how each is")
        switch = self._verb(
            verbs, "switch", "all new requests to SIDE, after a visit; the other side goes on as the way back"
        )
        canary = self._verb(verbs, "canary", "new requests to SIDE step by step; back by itself at once when it fails")
        watch = self._verb(
            verbs, "watch", "look at the side in use; back by itself when it fails; the admins are told the end"
        )
        self._verb(verbs, "back", "all new requests to the side that had them before the release, at once")
        for verb in (switch, canary):
            verb.add_argument("side", choices=list(Side), type=Side, metavar="SIDE", help="blue or green")
            verb.add_argument("--url", default="", help="where to visit SIDE (default: where the edge reaches it)")
            verb.add_argument("--no-smoke", action="store_true", help="do not visit it as `manage.py smoke` does")
        canary.add_argument("--steps", default="10,50,100", type=_steps, help="percent (default: 10,50,100)")
        for verb, minutes in ((canary, 5.0), (watch, 15.0)):
            length = verb.add_mutually_exclusive_group()
            length.add_argument(
                "--minutes", default=minutes, type=float, help=f"of {_what(minutes)} (default: {minutes:g})"
            )
            length.add_argument("--seconds", type=float, help="the same in seconds, for a drill")
            verb.add_argument(
                "--errors", default=1.0, type=float, help="percent of its requests that may fail (default: 1)"
            )
            verb.add_argument(
                "--least", default=10, type=int, help="requests before a share means anything (default: 10)"
            )

    def _verb(self, verbs: Any, name: str, words: str) -> CommandParser:
        parser: CommandParser = verbs.add_parser(name, help=words, description=words)
        parser.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="answer as JSON, for programs"
        )
        parser.add_argument(
            "--edge", default=argparse.SUPPRESS, help="the edge's socket (default: the variable EDGE_ADMIN)"
        )
        return parser

    def run(self, options: dict[str, Any]) -> None:
        env.require_complete()
        if not options["edge"]:
            raise CommandError("Say where the edge's socket is: --edge, or the variable EDGE_ADMIN.", returncode=2)
        self.edge = Edge(Path(options["edge"]))
        self.sides = self.edge.sides()
        getattr(self, f"_{options['verb']}")(options)

    # The verbs

    def _show(self, options: dict[str, Any]) -> None:
        sides, note = self.sides, self.edge.note()
        about = {"side": note.side, "at": note.at, "way_back": note.side.other} if note else None
        if self.as_json:
            self.tell({"sides": {str(side): _json(sides, side) for side in Side}, "release": about})
            return
        rows = [self._row(sides, side) for side in Side]
        self.table(("side", "new requests", "health", "requests", "failed", "address"), rows)
        if note:
            at = f"{note.at:%Y-%m-%d %H:%M:%S} UTC"
            self.say(f"Last moved {at}, for a release to {note.side}; the way back is {note.side.other}.")

    def _row(self, sides: Sides, side: Side) -> tuple[object, ...]:
        seen = sides[side]
        return side, f"{sides.percent(side):g} %", seen.status, seen.requests, seen.errors, seen.url

    def _switch(self, options: dict[str, Any]) -> None:
        side: Side = options["side"]
        self._visit(side, options)
        release.move(self.edge, side, 100)
        words = f"All new requests go to {side}. The way back is `release back`: keep {side.other} running."
        self._moved("switch", words)

    def _back(self, options: dict[str, Any]) -> None:
        side = release.back(self.edge)
        self._moved("back", f"All new requests go to {side}.")

    def _canary(self, options: dict[str, Any]) -> None:
        side: Side = options["side"]
        if not self.sides[side].weight:  # who was interrupted goes on without a visit
            self._visit(side, options)
        look = self._look_on(
            release.canary(self.edge, side, options["steps"], _seconds(options), _limit(options)), side
        )
        self._moved("canary", f"{look.percent:g} % of the new requests go to {side}, and it is well.")

    def _watch(self, options: dict[str, Any]) -> None:
        side = self.sides.whole
        if side is None:
            raise CommandError("Both sides get requests: end the canary first.")
        at = timezone.now()
        look = self._look_on(release.watch(self.edge, side, _seconds(options), _limit(options)), side)
        unwell = diagnosis.down(diagnosis.rows())
        released.tell(side, at, requests=look.requests, errors=look.errors, unwell=unwell, back="", failed=False)
        if self.as_json:
            self.tell({"side": side, "requests": look.requests, "errors": look.errors, "unwell": unwell})
        if unwell:
            raise CommandError(
                f"{side} answers well, but these are not well: {', '.join(unwell)}. The admins are told."
            )
        self.say(f"{side} is well: {look.errors} of {look.requests} requests failed. The admins are told.")

    # Their parts

    def _visit(self, side: Side, options: dict[str, Any]) -> None:
        """Whether the side answers and does what people want of it. Raises CommandError or SokoulError."""
        url = (options["url"] or self.edge.sides()[side].url).rstrip("/")
        host = urlsplit(url).hostname
        if urlsplit(url).scheme not in {"http", "https"} or not host:
            raise CommandError("The address must begin with http:// or https://.", returncode=2)
        headers = {"X-Forwarded-Proto": urlsplit(ENV.address).scheme}  # as the edge says it
        http.get(f"{url}/health/ready", service=side.capitalize(), seconds=5, trusted=[host], headers=headers)
        if options["no_smoke"]:
            return
        with self.spinner(f"A visit to {side}"):
            results = list(smoke.run(smoke.Visit(url, headers=headers)))
        failed = [f"{one.check} ({one.detail})" for one in results if one.outcome is smoke.Outcome.FAILED]
        if failed:
            raise CommandError(f"{side} failed its visit, and nothing was changed: {'; '.join(failed)}.")

    def _look_on(self, looks: Iterator[release.Look], side: Side) -> release.Look:
        """The last look, its numbers those of all; a bar on a terminal meanwhile. What fails is told to the admins."""
        at, first, last = timezone.now(), self.sides[side], None
        try:
            with progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[seen]}")) as bar:
                task = bar.add_task(side, seen="")
                for last in looks:
                    self._audited("canary")
                    seen = f"{last.errors} of {last.requests} requests failed"
                    words = f"{side} {last.percent:g} %"
                    bar.update(task, description=words, total=last.length, completed=last.seconds, seen=seen)
        except release.NotWell as failure:
            self._failed(failure, at)
            raise
        if last is None:
            raise CommandError("There is no step to take: nothing was changed.")
        requests, errors = release.since(first, self.edge.sides()[side])
        return replace(last, requests=requests, errors=errors)

    def _failed(self, failure: release.NotWell, at: datetime) -> None:
        look = failure.look
        back = str(look.side.other) if failure.taken_back else ""
        self._audited("taken back")
        try:
            released.tell(
                look.side, at, requests=look.requests, errors=look.errors, unwell=[], back=back, failed=True
            )  # fmt: skip
        except Error as error:
            self.stderr.write(f"The admins could not be told: {error}")

    def _moved(self, how: str, words: str) -> None:
        self._audited(how)
        if self.as_json:
            self.tell({"sides": {str(side): _json(self.sides, side) for side in Side}})
        self.say(words)

    def _audited(self, how: str) -> None:
        """Note what was moved since the last time; it stays moved, whether the database can note it or not."""
        before, self.sides = self.sides, self.edge.sides()
        was, now = ({str(side): round(sides.percent(side)) for side in Side} for sides in (before, self.sides))
        if was == now:
            return
        try:
            audit.record("release.moved", max(now, key=lambda side: now[side]), before=was, after=now, how=how)
        except Error as error:
            self.stderr.write(f"The audit trail could not be written: {error}")


def _json(sides: Sides, side: Side) -> dict[str, Any]:
    seen = sides[side]
    return {
        "percent": sides.percent(side), "up": seen.up, "status": seen.status, "requests": seen.requests,
        "errors": seen.errors, "url": seen.url,
    }  # fmt: skip


def _what(minutes: float) -> str:
    return "one step" if minutes < 10 else "the watch"


def _seconds(options: dict[str, Any]) -> float:
    seconds: float | None = options["seconds"]
    return options["minutes"] * 60 if seconds is None else seconds


def _limit(options: dict[str, Any]) -> release.Limit:
    return release.Limit(options["errors"], options["least"])


def _steps(text: str) -> list[int]:
    steps = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if steps != sorted(set(steps)) or not 0 < steps[0] <= steps[-1] <= 100:
        raise argparse.ArgumentTypeError("percent from 1 to 100, rising, with commas between them")
    return steps
