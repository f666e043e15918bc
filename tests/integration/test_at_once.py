"""Two who do the same in the same moment: one of them is told so in words."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.models import AuditEntry, User
from apps.downloads import blocklist
from apps.downloads.models import Blocked, QualityProfile
from apps.downloads.profiles import services
from sokoul.errors import PermanentError
from tests.wishes import make_media

pytestmark = pytest.mark.django_db


def before(statement: str, other: Callable[[], object]) -> Callable[..., Any]:
    """For `connection.execute_wrapper`: somebody else is faster by a hair, just before what begins so."""
    done: list[str] = []

    def execute(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith(statement) and not done:
            done.append(sql)
            other()
        return run(sql, *rest)

    return execute


def test_a_profile_whose_copys_name_is_taken_in_the_same_moment(admin: User) -> None:
    row = services.create({"name": "One"}, admin)
    wish = {"name": "ONE (copy)", "settings": row.settings}
    other = before('INSERT INTO "quality_profiles"', lambda: QualityProfile.objects.create(**wish))
    with connection.execute_wrapper(other), pytest.raises(PermanentError) as refused:
        services.duplicate(row.pk, admin)
    assert (refused.value.status, refused.value.message) == (409, "A quality profile is called “One (copy)” already.")
    assert services.duplicate(row.pk, admin).name == "One (copy)", "nothing is left of what was refused"


def test_what_two_admins_block_for_everybody_in_the_same_moment(alice: User, admin: User) -> None:
    media = make_media()
    facts = {"media": media, "key": "btih:x", "code": "stalled", "source": "by hand", "created_at": timezone.now()}
    entry = Blocked.objects.create(user=alice, **facts)
    other = before('UPDATE "blocklist"', lambda: Blocked.objects.create(user=None, **facts))
    with connection.execute_wrapper(other), pytest.raises(PermanentError) as refused:
        blocklist.widen(entry.pk, admin)
    assert (refused.value.status, refused.value.code) == (409, "conflict")
    assert refused.value.message == "Another admin has just blocked this release for everybody."
    assert not AuditEntry.objects.filter(action="blocklist.widened").exists()
