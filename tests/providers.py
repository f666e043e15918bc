"""Sokoul in this process pointed at the demo providers, with nothing learned or cached before."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from apps.media import tmdb
from sokoul import env, http
from sokoul.env import ENV
from tests.demo import Demo


def _forget() -> None:
    cache.clear()
    http.forget()
    tmdb.forget()
    env.reread()


@pytest.fixture
def providers(demo: Demo, db: None, valkey: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    """The demo providers are TMDB, Prowlarr (two torrent indexers) and a Torznab feed of this process."""
    values = demo.env()
    read, _ = env.parse({**env.gather(), **values})
    for name, value in values.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setattr(ENV, name.lower(), getattr(read, name.lower()))
    _forget()
    yield demo
    _forget()
