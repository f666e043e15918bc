"""`manage.py relay`."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from apps.jobs.relay import Relay


class Command(BaseCommand):
    help = (
        "Publish the jobs that were committed and that JetStream has not acknowledged, rescue those of dead workers, and "
        "keep the dead-letter queue complete. Several relays may run at once. SIGTERM ends it with 0."
    )
    requires_system_checks = []  # the web looks at them when it starts

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Relay().run(stop)
