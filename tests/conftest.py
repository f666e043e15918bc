"""Fixtures of every test. Each server starts when the first test asks for it, once a session."""

import os
from collections.abc import Iterable, Iterator

import django
import pytest

from tests import servers  # before anything that reads the settings

django.setup()

pytest_plugins = ["tests.cast", "tests.demo", "tests.notifier", "tests.product", "tests.web"]


def _running(name: str) -> Iterator[str]:
    yield servers.start(name)
    servers.SERVERS[name].stop()


@pytest.fixture(autouse=True)
def secrets_as_configured() -> Iterator[None]:
    """What a test has rotated, the next one must not sign with: secrets are remembered for half a minute."""
    from sokoul import env

    yield
    env.reread()


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
    from django.db import connection

    plain = connection.ops.execute_sql_flush

    def flush(sql_list: Iterable[str]) -> None:
        """A transactional test empties every table when it is over, also the audit trail, which refuses that."""
        trigger = "TRIGGER logs_refuse_truncate"
        plain([f"ALTER TABLE logs DISABLE {trigger}", *sql_list, f"ALTER TABLE logs ENABLE {trigger}"])

    connection.ops.execute_sql_flush = flush  # type: ignore[method-assign]


@pytest.fixture
def child_environment(transactional_db: None, valkey: str, nats: str) -> dict[str, str]:
    """Environment of a child process of the product that works on the test's own database and servers."""
    from django.conf import settings

    name = settings.DATABASES["default"]["NAME"]
    url = os.environ["DATABASE_URL"].rpartition("/")[0]
    return {**os.environ, "DATABASE_URL": f"{url}/{name}"}
