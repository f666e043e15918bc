"""`manage.py setup`: what must have happened before any component starts. One process, because loading Django costs most."""

import io
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from sokoul import component
from sokoul.dashboard import configuration
from sokoul.logs import logger, mask

STEPS: tuple[tuple[str, tuple[str, ...], dict[str, Any]], ...] = (
    ("migrate", (), {"interactive": False, "verbosity": 0}),
    ("collectstatic", (), {"interactive": False, "verbosity": 0}),
    ("createadmin", (), {}),
    ("sweep", (), {}),
    ("streams", ("declare",), {"stdout": io.StringIO()}),
)


class Command(BaseCommand):
    help = (
        "Make tables, static files, the first admin and the streams, where they are missing, and remove pictures that nobody "
        "names. Safe to repeat."
    )
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        for command, arguments, its_options in STEPS:
            try:
                call_command(command, *arguments, **its_options)
            except Exception as error:
                logger(__name__).exception("setup failed", step=command)
                line = " ".join((command, *arguments))
                raise CommandError(f"`manage.py {line}` failed: {mask(str(error)).strip()}") from None
        with component.commanded("setup"):
            configuration.note()
