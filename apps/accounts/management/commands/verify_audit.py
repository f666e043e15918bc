"""Has anybody altered the audit trail?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts import audit


class Command(BaseCommand):
    help = (
        "Walks the audit trail's hash chain and names the first row that was altered, or that follows a removed one "
        "(exit status 1). Keep the hash it prints: a trail cut off at its end shows only by that."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = audit.verify()
        if verdict.altered is not None:
            raise CommandError(
                f"The audit trail was altered: row {verdict.altered} does not fit; {verdict.rows} rows before it are whole."
            )
        self.stdout.write(f"The audit trail is whole: {verdict.rows} rows, last {verdict.last_id} {verdict.last_hash}")
