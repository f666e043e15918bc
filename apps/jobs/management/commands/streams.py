"""`manage.py streams`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.jobs import broker


class Command(BaseCommand):
    help = "The JetStream streams and consumers. Exits with 1 where NATS does not answer."
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("declare", help="make them as the code declares them; safe to repeat")
        verbs.add_parser("show", help="what each holds, and what each consumer has to do")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["verb"] == "declare":
                for name, change in broker.call(broker.declare()).items():
                    self.stdout.write(f"{name}: {change}")
            else:
                for stream in broker.call(broker.overview()):
                    self._show(stream)
        except broker.BrokerDown as error:
            raise CommandError(f"{error.message} Is NATS running at NATS_URL?") from error

    def _show(self, stream: dict[str, Any]) -> None:
        if stream.get("missing"):
            self.stdout.write(f"{stream['name']}: missing; run `manage.py streams declare`")
            return
        self.stdout.write(f"{stream['name']}: {stream['messages']} messages, {stream['bytes']} bytes")
        for consumer in stream["consumers"]:
            counts = ", ".join(f"{value} {name}" for name, value in consumer.items() if name != "name")
            self.stdout.write(f"  {consumer['name']}: {counts}")
