"""Taking away what a transactional test has left in the database.

Django truncates every table and makes all permissions anew after each of these tests, which are a thousand: a fifth of a
second each. Here only the tables that somebody wrote to are truncated, and what migrations filled stays as it is.
"""

from django.apps import apps
from django.db import OperationalError, connection
from django.test import TransactionTestCase
from psycopg import errors

KEPT = frozenset({"django_migrations", "django_content_type", "auth_permission"})
# A process that was killed may have its last transaction in flight: TRUNCATE waits for those that hold such a lock.
_BEING_WRITTEN = """
    SELECT DISTINCT relation::regclass::text FROM pg_locks
    WHERE mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_TRIGGER = "TRIGGER logs_refuse_truncate"


def install() -> None:
    TransactionTestCase._fixture_teardown = lambda case: empty()  # type: ignore[attr-defined]


def empty() -> None:
    if tables := sorted(written()):
        truncate = f"TRUNCATE {', '.join(tables)} CASCADE"
        if "logs" in tables:  # the audit trail refuses it
            truncate = f"ALTER TABLE logs DISABLE {_TRIGGER}; {truncate}; ALTER TABLE logs ENABLE {_TRIGGER}"
        _execute(truncate)


def _execute(truncate: str) -> None:
    """Whoever reads two tables in another order may be waiting for one of these: PostgreSQL ends one of both, perhaps this."""
    for last in (False, False, True):
        try:
            with connection.cursor() as cursor:
                cursor.execute(truncate)
            return
        except OperationalError as error:
            if last or not isinstance(error.__cause__, errors.DeadlockDetected):
                raise


def written() -> set[str]:
    """The tables that hold rows, or soon may."""
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)} - KEPT
    with connection.cursor() as cursor:
        cursor.execute(_BEING_WRITTEN)  # first: who commits after this is seen by the next
        found = {name for (name,) in cursor.fetchall()} & tables
        cursor.execute(" UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables))
        return found | {name for (name,) in cursor.fetchall()}
