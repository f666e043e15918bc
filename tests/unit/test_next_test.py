"""What one test leaves in this process is nothing to the next one: each of these comes after another that left all it could."""

import time

import pytest

from apps.accounts.channels import mail
from apps.bot import delivery
from apps.feed import push
from sokoul import env, http, throttling
from sokoul.errors import TransientError
from sokoul.throttling import Claim, Policy

ORIGIN = ("http", "service.example", 80)
ONCE = [Claim(Policy("once", 1, 3600.0), "somebody")]


@pytest.mark.parametrize("turn", ["first", "second"])
def test_nothing_of_the_test_before_is_avoided_or_known(turn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert push._silent_until == 0.0
    assert not mail._door.silent
    assert not delivery._door.silent
    http._breaker("Service", ORIGIN).check("Service")
    assert throttling.LIMITER.refusal(ONCE) is None
    assert env.latest("OIDC_CLIENT_SECRET") == ""

    push._silent_until = time.monotonic() + 3600
    mail._door.silent = delivery._door.silent = True
    http._breaker("Service", ORIGIN).failed(TransientError("It hangs.", retry_after=60))
    with throttling.LIMITER._lock:
        throttling.LIMITER._memory.note(ONCE, time.monotonic())
    monkeypatch.setenv("OIDC_CLIENT_SECRET", "of this test")
    assert env.latest("OIDC_CLIENT_SECRET")
