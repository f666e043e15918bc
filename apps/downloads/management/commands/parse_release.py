"""`manage.py parse_release`: release names in, JSON out."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.downloads.releases.parse import parse, to_json


class Command(BaseCommand):
    """Reads names on standard input, writes one JSON line for each on standard output. Needs no configuration."""

    help = (
        "Read release names on standard input, one a line, and print what each says as one JSON object a line, in the same "
        "order and at once: title, year, season (integer or list), episodes (list), absolute_episode, air_date (YYYY-MM-DD), "
        "resolution, source, codec, group, languages (ISO 639-1), edition and more; null where the name does not say. "
        "“assumed” lists the fields that were concluded rather than read. Bytes that are no UTF-8 are replaced; an empty line "
        "gives an object without facts. Exit status: 0 at the end of the input. "
        "Example: echo Some.Film.2020.1080p.WEB-DL-GRP | python manage.py parse_release"
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """No arguments of its own."""

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            for line in sys.stdin.buffer:
                name = line.rstrip(b"\r\n").decode("utf-8", errors="replace")
                sys.stdout.write(json.dumps(to_json(parse(name)), ensure_ascii=True) + "\n")
                sys.stdout.flush()
        except BrokenPipeError:
            # The reader has seen enough (as `head` does); keep Python from flushing into the closed pipe at exit.
            sys.stdout = open("/dev/null", "w")  # noqa: SIM115, PTH123
        except KeyboardInterrupt:
            pass
