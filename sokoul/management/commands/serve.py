"""`manage.py serve`: the web interface, the API and the WebSocket on one port."""

import importlib
import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.module_loading import import_string

from sokoul import env
from sokoul.server import listener

SERVERS = ("uvicorn", "daphne")


class Command(BaseCommand):
    help = (
        "Serve the web interface, the API and the WebSocket on one port, until SIGTERM or SIGINT. Then sockets are closed with "
        "1001, requests in flight complete (up to 55 s), new ones are told 503, and the exit status is 0. SIGHUP re-reads "
        "secrets. Exit status 2: the configuration is incomplete or the port is taken."
    )

    requires_system_checks = []  # after the port: a taken one is told at once

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--server", choices=SERVERS, default=SERVERS[0], help="the server (default: uvicorn)")
        parser.add_argument("--host", default=env.ENV.bind, help="address to listen on (default: BIND)")
        parser.add_argument(
            "--port", type=int, default=env.ENV.port, help="port to listen on; 0: a free one (default: PORT)"
        )

    def handle(self, *_args: Any, server: str, host: str, port: int, **_options: Any) -> None:
        # Nothing is in flight before the server listens: stopping then is simply leaving.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: sys.exit(0))
        try:
            sock = listener.bind(host, port)
        except listener.CannotListen as error:
            env.stop(str(error))
        self.check()
        listener.allow_many_files()
        run = importlib.import_module(f"sokoul.server.{server}_server").run
        run(import_string("sokoul.asgi.application"), sock, reread=env.reread)
