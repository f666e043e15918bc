"""`manage.py hunter`: the download worker."""

import asyncio
import signal
import threading
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.core.management.base import BaseCommand

from apps.downloads.engine.session import Engine
from apps.downloads.engine.settings import EngineSettings
from apps.downloads.hunter import Hunter
from apps.downloads.streaming import subject_of
from apps.jobs import broker
from apps.jobs.worker import Worker
from sokoul import logs
from sokoul.env import ENV

log = logs.logger(__name__)


class Command(BaseCommand):
    help = (
        "Download: takes start jobs, runs one torrent session, files what is complete, seeds. Several hunters may run at "
        "once; when one dies, another goes on from the last saved piece. SIGTERM saves everything and exits 0."
    )
    requires_system_checks = []  # the web looks at them when it starts

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        engine = Engine(EngineSettings(ENV.torrent_listen_interfaces, trusted_hosts=_trusted_hosts()))
        hunter = Hunter(engine)
        worker = Worker("hunter")
        worker.start()
        broker.reply(subject_of(hunter.name), lambda question: _answer(hunter, question))
        log.info("hunter started", hunter=hunter.name, port=engine.port)
        hunter.run(stop)
        worker.stop()
        log.info("hunter stopped", hunter=hunter.name)


def _trusted_hosts() -> frozenset[str]:
    """Trackers on a private address only where their host is configured (SPEC 4)."""
    urls = [ENV.prowlarr_url, *(url for url, _ in ENV.torznab_feeds.values())]
    return frozenset(host for url in urls if url and (host := urlsplit(url).hostname))


async def _answer(hunter: Hunter, question: bytes) -> bytes:
    """A reader's question, answered when the bytes are on disk."""
    asked = orjson.loads(question)
    ready = hunter.ask(str(asked["swarm"]), int(asked["index"]), int(asked["start"]), int(asked["end"]))
    return orjson.dumps({"ready": await asyncio.wrap_future(ready)})
