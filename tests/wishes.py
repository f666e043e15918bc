"""Downloads for tests: a wish as the services leave it for the hunters, and a hunter that runs in this process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import connections

from apps.accounts.models import User
from apps.downloads import services
from apps.downloads.engine.session import Engine
from apps.downloads.engine.settings import EngineSettings
from apps.downloads.hunter import Hunter
from apps.downloads.models import Download
from apps.downloads.preparation import prepare
from apps.media.models import Media

T = TypeVar("T")
LOCAL = EngineSettings("127.0.0.1:0", progress_interval=0.1)


def make_media(title: str = "The Last Night Tram", tmdb_id: int = 1, **fields: object) -> Media:
    facts = {"kind": "movie", "year": 2021, "genres": ["Drama"], "slug": "a-title", "runtime": 1}
    return Media.objects.create(tmdb_id=tmdb_id, title=title, **{**facts, **fields})


def wish(user: User, media: Media, magnet: str) -> Download:
    """Started by magnet and prepared, as `hunter.start` would."""
    download, _ = services.start(user.pk, media.pk, magnet=magnet)
    prepare(download.pk)
    return download


def until(found: Callable[[], T], what: str = "it", seconds: float = 40) -> T:
    """The first truthy answer of `found`; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds:g} s")


def phase_of(download: Download) -> str:
    return Download.objects.values_list("phase", flat=True).get(pk=download.pk)


def reaches(download: Download, *phases: str, seconds: float = 40) -> Download:
    """The row once it is in one of these phases."""
    until(lambda: phase_of(download) in phases, f"{download.pk} being {' or '.join(phases)}", seconds)
    return Download.objects.get(pk=download.pk)


@contextmanager
def hunting(settings: EngineSettings = LOCAL) -> Iterator[Hunter]:
    """A hunter that works in a thread of this process; it is stopped in order."""
    hunter, stop = Hunter(Engine(settings)), threading.Event()

    def run() -> None:
        try:
            hunter.run(stop)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="hunter")
    thread.start()
    try:
        yield hunter
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive(), "the hunter did not stop"
