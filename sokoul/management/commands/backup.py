"""`manage.py backup`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from apps.accounts import audit
from sokoul import backup
from sokoul.env import ENV
from sokoul.operator_command import OperatorCommand, progress
from sokoul.templatetags.shown import size


class Command(OperatorCommand):
    help = (
        "Write a backup: the database as of now, a list of the library's files, and DATA_DIR/.env with its secrets, in one "
        "file that only you may read. Sokoul goes on running meanwhile. The films themselves are not in it: copy LIBRARY_DIR."
    )
    examples = ("backup", "backup /mnt/backups/sokoul.tar --checksums")
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, nargs="?", help="where to (default: DATA_DIR/backups/sokoul-TIME.tar)")
        parser.add_argument(
            "--checksums", action="store_true", help="read every film, to know later whether it changed"
        )

    def run(self, options: dict[str, Any]) -> None:
        name = f"sokoul-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar"
        target: Path = options["file"] or ENV.data_dir.absolute() / "backups" / name
        if target.is_dir():
            target /= name
        if target.exists():
            raise CommandError(f"{target} is there already. Choose another name, or remove it.")
        try:
            about = self._make(target, options["checksums"])
        except OSError as error:
            raise CommandError(f"{target} cannot be written: {error.strerror}.") from error
        audit.record("backup.made", target.name, rows=about["rows"])
        if self.as_json:
            self.tell(about | {"file": str(target), "size": target.stat().st_size})
            return
        self.table(("what", "how much"), [*about["rows"].items(), ("files in the library", about["library_files"])])
        self.say(
            f"{target} ({size(target.stat().st_size)}) holds it. Keep it secret: the installation's keys are in it.",
            "green",
        )

    def _make(self, target: Path, checksums: bool) -> dict[str, Any]:
        with progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()) as bar:
            task = bar.add_task("", total=None)
            return backup.make(
                target,
                checksums=checksums,
                progress=lambda what, done, total: bar.update(
                    task, description=what, completed=done, total=total or None
                ),
            )
