"""`manage.py demo`: run the stand-ins for TMDB, Prowlarr, Telegram and a BitTorrent swarm."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from sokoul.demo import program


class Command(BaseCommand):
    help = (
        "Run the demo providers: stand-ins for TMDB, Prowlarr, a Torznab feed, the Telegram Bot API and a BitTorrent swarm, "
        "with a catalogue of miniature films made by the project itself. Needs no configuration."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        program.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        program.run(*(options[name] for name in ("host", "port", "data_dir", "rate", "lazy", "parent")))
