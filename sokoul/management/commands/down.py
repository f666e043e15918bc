"""`manage.py down`; `sokoul.stack.down` does the work, and manage.py calls that directly to spare loading Django."""

from typing import Any

from django.core.management.base import BaseCommand

from sokoul.stack import down


class Command(BaseCommand):
    help = "Stop the Sokoul of this DATA_DIR, also one whose terminal is gone."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        raise SystemExit(down.main())
