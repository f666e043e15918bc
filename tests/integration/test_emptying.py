"""That no transactional test leaves rows to the next one: also those that are only being written when it ends."""

import os

import psycopg
import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from apps.accounts import audit
from apps.accounts.models import User
from tests import emptying, web
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_what_was_written_goes_also_the_audit_trail_and_what_migrations_made_stays(alice: User) -> None:
    audit.record("login", user=alice)
    assert {"users", "logs"} <= emptying.written()
    permissions = Permission.objects.count()
    emptying.empty()
    assert not emptying.written()
    assert Permission.objects.count() == permissions > 0


def test_it_waits_for_who_still_writes(alice: User) -> None:
    url = web.environment()["DATABASE_URL"]
    assert url != os.environ["DATABASE_URL"]
    alice.delete()
    with psycopg.connect(url) as killed:
        killed.execute("INSERT INTO django_session VALUES ('key', 'data', now())")
        assert emptying.written() == {"django_session"}
    with connection.cursor() as cursor:
        until(lambda: cursor.execute("SELECT count(*) FROM django_session") or cursor.fetchone() == (1,))
    emptying.empty()
    assert not emptying.written()
