"""NATS stopped or frozen: what people ask for is accepted in time, and done when NATS is back."""

import time
from collections.abc import Callable
from statistics import median

import pytest

from apps.accounts.models import User
from apps.jobs import broker
from apps.jobs.models import Job, Status
from apps.jobs.relay import Relay
from tests.outages import broken
from tests.waiting import until
from tests.web import Web
from tests.wishes import make_media

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long password"


def seconds(ask: Callable[[], int], status: int) -> float:
    began = time.monotonic()
    assert ask() == status
    return time.monotonic() - began


@pytest.mark.parametrize(("how", "bound"), [("stopped", 1.0), ("frozen", 5.0)])
def test_what_needs_no_nats_works_and_what_does_is_accepted_and_published_later(
    web: Web, alice: User, how: str, bound: float
) -> None:
    alice.set_password(PASSWORD)
    alice.save()
    broker.call(broker.declare())
    magnets = [f"magnet:?xt=urn:btih:{number:040x}" for number in (1, 2, 3)]
    titles = [make_media(f"Film {number}", number) for number in (1, 2, 3)]
    with broken("nats", how):
        spent = []
        for media, magnet in zip(titles, magnets, strict=True):
            wish = {"media_id": media.pk, "magnet": magnet}
            spent.append(seconds(lambda: web.request("POST", "/downloads/start", alice, json=wish).status_code, 202))  # noqa: B023
        assert median(spent) < bound, "the contract's bound; a busy machine may hold up one of them"
        credentials = {"username": "alice", "password": PASSWORD}
        assert seconds(lambda: web.request("POST", "/auth/login", json=credentials).status_code, 200) < 5
        assert seconds(lambda: web.get("/search?query=film", alice).status_code, 200) < 5
        assert web.get("/health").json() == {"status": "degraded"}
        assert Job.objects.filter(status=Status.PENDING, published_at=None).count() == 3
    relay = Relay()
    until(lambda: relay.turn() or not Job.objects.filter(published_at=None).exists(), 30, "all being published")
