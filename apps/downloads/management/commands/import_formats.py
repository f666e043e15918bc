"""`manage.py import_formats`: published custom formats and quality profiles into the database."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.downloads.profiles import imports
from sokoul.operator_command import OperatorCommand

STYLES = {"refused": "red", "unchanged": "dim"}


class Command(OperatorCommand):
    help = (
        "Take custom formats as the TRaSH Guides and the applications publish them, and the guides' quality profiles: files, "
        "or folders with all their .json files. A file is taken whole or refused with the reason; taking it again changes nothing. "
        "Profiles find the formats that they ask for whichever comes first."
    )
    examples = ("import_formats guides/docs/json/radarr", "import_formats --app sonarr web-1080p.json hdr.json --json")

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("files", nargs="+", type=Path, help="files, or folders of files")
        parser.add_argument(
            "--app", choices=imports.APPS, help="for which application they were written (default: as their names say)"
        )

    def run(self, options: dict[str, Any]) -> None:
        sources = [_source(path) for path in _files(options["files"])]
        outcomes = imports.take(sources, None, options["app"])
        counts = Counter(outcome.result for outcome in outcomes)
        if self.as_json:
            self.tell({"results": [asdict(outcome) for outcome in outcomes], **counts})
        else:
            rows = [(one.result, one.kind, one.name, _note(one)) for one in outcomes]
            self.table(("result", "what", "name", "note"), rows, [STYLES.get(one.result, "") for one in outcomes])
            self.say(", ".join(f"{count} {result}" for result, count in sorted(counts.items())) + ".")
        if counts["refused"]:
            raise CommandError(f"{counts['refused']} of {len(sources)} files were refused.")


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.rglob("*.json")) if path.is_dir() else [path]


def _source(path: Path) -> imports.Source:
    try:
        return imports.Source(str(path), path.read_bytes())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.", returncode=2) from error


def _note(outcome: imports.Outcome) -> str:
    return outcome.reason or (f"waits for {', '.join(outcome.missing)}" if outcome.missing else "")
