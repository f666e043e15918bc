"""`manage.py up`; `sokoul.stack.up` does the work, and manage.py calls that directly to spare loading Django."""

from typing import Any

from django.core.management.base import BaseCommand

from sokoul.stack import up


class Command(BaseCommand):
    help = "Run the whole of Sokoul in the foreground: servers, web, scout, hunter, bot and relay; Ctrl-C stops it in order."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        raise SystemExit(up.main())
