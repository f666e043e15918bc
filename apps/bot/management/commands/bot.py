"""`manage.py bot`: talks with people on Telegram, and tells them what happened."""

from typing import Any

from django.core.management.base import BaseCommand

from apps.bot.service import Service
from apps.jobs.worker import Worker


class Command(BaseCommand):
    help = (
        "Run the Telegram bot and the notifier, which takes the jobs that tell people what happened. Several bots may run at "
        "once: one of them talks with Telegram, and another one takes over when it ends. SIGTERM finishes what runs, hands "
        "back the rest and exits 0."
    )
    requires_system_checks = []  # the web looks at them when it starts

    def handle(self, *args: Any, **options: Any) -> None:
        with Service().running():
            Worker("notifier").run()
