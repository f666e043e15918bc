"""`manage.py restore`."""

from pathlib import Path
from typing import Any

from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from rich.progress import SpinnerColumn, TextColumn

from apps.accounts import anchors, audit
from sokoul import backup
from sokoul.env import ENV, read_dotenv
from sokoul.operator_command import OperatorCommand, progress
from sokoul.stack.processes import write_private
from sokoul.stack.state import dotenv_line

SECRETS = ("JWT_SECRET", "SECRET_KEY")


class Command(OperatorCommand):
    help = (
        "Put the database of a backup in the place of the one that is here, whole or not at all, bring its tables up to date, "
        "and say which films of that time are missing now. Refuses to replace what people have here without --yes. Workers "
        "may go on running; jobs that had not ended at the time of the backup run again."
    )
    examples = ("restore sokoul-20261122-120000.tar", "restore sokoul.tar --yes --secrets")
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, help="a backup that `manage.py backup` made")
        parser.add_argument("--yes", action="store_true", help="replace what is in the database")
        parser.add_argument(
            "--secrets",
            action="store_true",
            help="also take its JWT_SECRET and SECRET_KEY, so that people stay signed in",
        )

    def run(self, options: dict[str, Any]) -> None:
        found = backup.Backup(options["file"])
        self._ask(found, sure=options["yes"])
        with progress(SpinnerColumn(), TextColumn("{task.description}")) as bar:
            bar.add_task("Restoring the database…", total=None)
            found.restore()
            call_command("migrate", interactive=False, verbosity=0)
            cache.clear()  # it knows the other database's rows
        taken = self._take_secrets(found) if options["secrets"] or not (ENV.data_dir / ".env").exists() else []
        audit.record("backup.restored", found.path.name, made_at=found.about["made_at"], secrets=taken)
        self._report(found, taken)

    def _ask(self, found: backup.Backup, *, sure: bool) -> None:
        here = {table: rows for table, rows in backup.counts().items() if rows}
        if here and not sure:
            words = ", ".join(f"{rows} {table.replace('_', ' ')}" for table, rows in here.items())
            raise CommandError(
                f"This database is not empty: {words}. Restoring the backup of {found.about['made_at']} replaces all of it. "
                "Make a backup of it first if in doubt, then say --yes."
            )

    def _take_secrets(self, found: backup.Backup) -> list[str]:
        """Into DATA_DIR/.env, which keeps whatever else is there."""
        path = ENV.data_dir / ".env"
        draft = path.with_name(".env.restored")
        write_private(draft, found.environment.decode("utf-8", "replace"))
        theirs = {name: value for name, value in read_dotenv(draft).items() if name in SECRETS}
        draft.unlink()
        ours = read_dotenv(path) if path.exists() else {}
        write_private(path, "".join(f"{dotenv_line(name, value)}\n" for name, value in (ours | theirs).items()))
        return sorted(theirs)

    def _report(self, found: backup.Backup, taken: list[str]) -> None:
        missing = list(found.missing())
        if self.as_json:
            self.tell({
                "made_at": found.about["made_at"], "rows": backup.counts(), "secrets": taken,
                "missing": [{"path": file.path, "why": file.why} for file in missing],
            })  # fmt: skip
            return
        self.table(("what", "how much"), list(backup.counts().items()))
        self.say(f"The database is as it was on {found.about['made_at']}.", "green")
        if anchors.check():
            self.say(
                "Its audit trail is older than what was noted of it outside of the database. Say `manage.py verify_audit "
                "--new-anchor` once, or its verification finds entries missing.",
                "yellow",
            )
        if taken:
            self.say(f"{' and '.join(taken)} were taken over; restart Sokoul for SECRET_KEY.")
        if missing:
            self.table(("missing from the library", ""), [(file.path, file.why) for file in missing[:50]])
            self.say(
                f"{len(missing)} of {len(found.library)} films are not what they were. Copy them back to {ENV.library}.",
                "yellow",
            )
