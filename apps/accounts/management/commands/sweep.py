"""`manage.py sweep`."""

from typing import Any

from django.core.management.base import BaseCommand

from apps.accounts import avatars


class Command(BaseCommand):
    help = "Remove pictures that nobody names, left by processes that died. `setup` does it at each start."
    requires_system_checks = []  # the web looks at them when it starts

    def handle(self, *args: Any, **options: Any) -> None:
        if count := avatars.sweep():
            self.stdout.write(f"{count} pictures that nobody named were removed.")
