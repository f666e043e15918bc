"""`manage.py bot`: tells people what happened."""

from typing import Any

from django.core.management.base import BaseCommand

from apps.jobs.worker import Worker


class Command(BaseCommand):
    help = (
        "Run the notifier: takes the jobs that tell people what happened. SIGTERM finishes what runs, hands back the rest "
        "and exits 0."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        Worker("notifier").run()
