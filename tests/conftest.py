"""Fixtures of every test. Each server starts when the first test asks for it, once a session."""

import functools
import gc
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import django
import pytest

from tests import servers  # before anything that reads the settings

gc.disable()  # nothing of what is loaded until the tests are collected ever becomes garbage
django.setup()

from tests import emptying, waiting  # noqa: E402

pytest_plugins = ["tests.cast", "tests.demo", "tests.notifier", "tests.product", "tests.tight", "tests.web"]


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """What a test has sent to the broker is noted in the background: before its database is taken away."""
    if outbox := sys.modules.get("apps.jobs.outbox"):
        with suppress(AssertionError):  # nothing here may keep the fixtures from ending
            waiting.until(outbox.noted, 5)


def _running(name: str) -> Iterator[str]:
    yield servers.start(name)
    servers.SERVERS[name].stop()


@pytest.fixture(autouse=True)
def secrets_as_configured() -> Iterator[None]:
    """What a test has rotated, the next one must not sign with: secrets are remembered for half a minute, and kept where
    nothing takes their place."""
    from sokoul import env

    yield
    env._LAST_SEEN.clear()
    env.reread()


@pytest.fixture(autouse=True)
def nothing_avoided() -> None:
    """A process leaves alone for a while what did not answer: the servers of the next test do."""
    from apps.accounts.channels import mail
    from apps.bot import delivery
    from apps.downloads.releases import dotnet
    from apps.feed import push
    from sokoul import http, throttling

    push._silent_until = 0.0
    mail._door.silent = delivery._door.silent = False
    http._breaker.cache_clear()
    throttling.LIMITER.forget()
    dotnet.compiled.cache_clear()  # each expression remembers how often it took too long


@pytest.fixture(autouse=True)
def nobodys_language() -> Iterator[None]:
    """A request in this process leaves its reader's language behind, which the next test must not speak."""
    from django.utils import translation

    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def unanchored() -> Iterator[None]:
    """What a relay in this process noted of one test's audit trail is no word about the next one's."""
    yield
    shutil.rmtree(servers.FOLDER / "data" / "audit", ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of the session's PostgreSQL; the tests' own database beside it is made by `django_db_setup`."""
    yield from _running("DATABASE_URL")


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    yield from _running("REDIS_URL")


@pytest.fixture(scope="session")
def nats() -> Iterator[str]:
    yield from _running("NATS_URL")


@pytest.fixture(scope="session")
def django_db_setup(postgres: str, django_db_setup: None) -> None:
    """pytest-django's own, once PostgreSQL runs."""
    emptying.install()


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """Every test client makes the middleware anew, and WhiteNoise's looks through all static files: once is enough."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    found: dict[str, Any] = {}
    look = WhiteNoiseMiddleware.add_files_from_finders

    def once(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            look(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    WhiteNoiseMiddleware.add_files_from_finders = once


@pytest.fixture(scope="session", autouse=True)
def authorities() -> None:
    """Every client of httpx reads the certificates of all authorities anew, also for plain HTTP to this machine: 25 ms."""
    from httpx._transports import default

    default.create_ssl_context = functools.cache(default.create_ssl_context)  # type: ignore[attr-defined]


@pytest.fixture
def child_environment(transactional_db: None, valkey: str, nats: str) -> dict[str, str]:
    """Environment of a child process of the product that works on the test's own database and servers."""
    from django.conf import settings

    name = settings.DATABASES["default"]["NAME"]
    url = os.environ["DATABASE_URL"].rpartition("/")[0]
    return {**os.environ, "DATABASE_URL": f"{url}/{name}"}
