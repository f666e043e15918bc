"""A request for somebody else's name."""

import pytest

from tests.web import Web

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_foreign_host_is_refused_and_floods_no_log(web: Web) -> None:
    before = len(web.lines())
    assert web.get("/downloads", headers={"Host": "evil.example"}).status_code == 400
    told = web.lines()[before:]
    assert [line for line in told if line.get("status") == 400]
    assert not [line for line in told if line["level"] == "ERROR" or "exception" in line]
