"""`manage.py dlq`."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from apps.accounts import operating
from apps.jobs import broker, deadletters
from sokoul import component
from sokoul.errors import PermanentError


class Command(BaseCommand):
    help = "The dead-letter queue: jobs that failed for good, and messages that nobody could read. Exits with 1 on a fault."
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="one line a letter, oldest first")
        verbs.add_parser("show", help="one letter as JSON").add_argument("sequence", type=int)
        for verb, words in (("replay", "run again with all attempts"), ("purge", "remove")):
            which = verbs.add_parser(verb, help=words).add_mutually_exclusive_group(required=True)
            which.add_argument("sequence", type=int, nargs="?")
            which.add_argument("--all", action="store_true", help="every letter")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with component.commanded("dlq"):
                getattr(self, f"_{options['verb']}")(options)
        except (PermanentError, broker.BrokerDown) as error:
            raise CommandError(error.message) from error

    def _list(self, options: dict[str, Any]) -> None:
        for letter in _all():
            what = letter.job_id or "unreadable"
            self.stdout.write(
                f"{letter.sequence}  {letter.failed_at:%Y-%m-%d %H:%M:%S}  {letter.subject}  {what}  {letter.reason}"
            )

    def _show(self, options: dict[str, Any]) -> None:
        self.stdout.write(
            orjson.dumps(deadletters.letter(options["sequence"]).json, option=orjson.OPT_INDENT_2).decode()
        )

    def _replay(self, options: dict[str, Any]) -> None:
        chosen = [letter.sequence for letter in _all()] if options["all"] else [options["sequence"]]
        for sequence in chosen:
            letter = operating.replay(sequence, by=None)
            self.stdout.write(f"{sequence}: {letter.job_id or 'its bytes'} published again")

    def _purge(self, options: dict[str, Any]) -> None:
        operating.purge(None if options["all"] else options["sequence"], by=None)
        self.stdout.write("removed")


def _all() -> Iterator[deadletters.Letter]:
    start = 1
    while page := deadletters.letters(start):
        yield from page
        start = page[-1].sequence + 1
