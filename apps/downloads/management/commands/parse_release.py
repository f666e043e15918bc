"""`manage.py parse_release`: what release names say, as a table or as JSON."""

import json
import sys
from typing import Any

from django.core.management.base import CommandParser

from apps.downloads.releases.parse import parse, to_json
from sokoul.operator_command import OperatorCommand


class Command(OperatorCommand):
    """With names a table, or one JSON list; without any, one JSON line for each line of standard input. Needs no configuration."""

    help = (
        "Print what release names say: title, year, season (integer or list), episodes (list), absolute_episode, air_date "
        "(YYYY-MM-DD), resolution, source, codec, group, languages (ISO 639-1), edition and more. Names given as arguments are "
        "answered by a table of what was found, or with --json by a list of objects. Without any, names are read on standard "
        "input, one a line, and each is answered by one JSON object a line, in the same order and at once; null where the name "
        "does not say. “assumed” lists the fields that were concluded rather than read. Bytes that are no UTF-8 are replaced; "
        "an empty line gives an object without facts."
    )
    examples = (
        "parse_release Some.Film.2020.1080p.WEB-DL-GRP",
        "parse_release --json Some.Series.S01E02.720p.HDTV-GRP Other.Film.1999.DVDRip-GRP",
        "parse_release < names.txt",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("names", nargs="*", metavar="NAME", help="a release name; none: read standard input")

    def run(self, options: dict[str, Any]) -> None:
        if not options["names"]:
            _answer_lines()
        elif self.as_json:
            self.tell([to_json(parse(name)) for name in options["names"]])
        else:
            for name in options["names"]:
                self.say(name, "bold")
                self.table(("fact", "value"), _found(to_json(parse(name))))


def _answer_lines() -> None:
    for line in sys.stdin.buffer:
        name = line.rstrip(b"\r\n").decode("utf-8", errors="replace")
        sys.stdout.write(json.dumps(to_json(parse(name)), ensure_ascii=True) + "\n")
        sys.stdout.flush()


def _found(facts: dict[str, object]) -> list[tuple[str, str]]:
    """What the name says, for people; season 0 is something, too."""
    said = [(field, value) for field, value in facts.items() if field != "raw" and value not in ("", [])]
    return [
        (field.replace("_", " "), _shown(value)) for field, value in said if value is not None and value is not False
    ]


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "yes" if value is True else str(value)
