"""`manage.py scout`: the search worker."""

from typing import Any

from django.core.management.base import BaseCommand

from apps.jobs.worker import Worker


class Command(BaseCommand):
    help = (
        "Search: reads titles at TMDB, asks the indexers for releases, ranks and keeps them. Several scouts may run at once. "
        "SIGTERM finishes what runs, hands back the rest and exits 0."
    )
    requires_system_checks = []  # the web looks at them when it starts

    def handle(self, *args: Any, **options: Any) -> None:
        Worker("scout").run()
