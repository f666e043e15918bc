"""`make staging`: what holds is told and ends with 0; what does not is named and ends with 1."""

import threading
from collections.abc import Callable

import pytest

from apps.accounts.models import User
from tests.staging import run
from tests.waiting import until
from tests.web import Web

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]
SHORT = ["--minutes", "0.05", "--people", "2", "--rate", "30", "--p95", "60000"]


@pytest.fixture
def deployment(another_web: Callable[..., Web], monkeypatch: pytest.MonkeyPatch) -> Web:
    """A web alone, which is all that a load asks; what smoke does is tested elsewhere."""
    monkeypatch.setattr(run, "visited", lambda url, title: [])
    return another_web()


def test_a_load_is_told_by_what_was_asked_at_both_paces_and_with_what_it_took(
    deployment: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["--url", deployment.url, *SHORT]) == 0
    said = capsys.readouterr().out
    for told in (
        "| /media/favorites |",
        "| /search ",
        "| half the pace ",
        "| the whole pace ",
        "| web ",
        "Everything held",
    ):
        assert told in said, said
    assert User.objects.count() == 0, "the accounts are gone again"


def test_a_web_that_dies_under_load_is_no_success(deployment: Web, capsys: pytest.CaptureFixture[str]) -> None:
    def dying() -> None:
        until(lambda: len(deployment.lines()) > 20, what="some of the load")
        deployment.process.kill()

    killer = threading.Thread(target=dying)
    killer.start()
    assert run.main(["--url", deployment.url, *SHORT, "--minutes", "0.1"]) == 1
    killer.join()
    said = capsys.readouterr().out
    assert "MISS" in said
    assert "It does not hold" in said
