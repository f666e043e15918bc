"""People with channels, and what stands at their far ends."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.channels.models import Channel, Kind
from apps.accounts.models import User
from apps.jobs.models import Job
from sokoul.env import ENV
from tests.notifier import Receiver
from tests.waiting import until


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A web server of somebody, on an address that the operator allows webhooks."""
    monkeypatch.setattr(ENV, "webhook_hosts", ["127.0.0.1"])
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture
def mail_of(db: None) -> Callable[[User], Channel]:
    return lambda user: make(user, Kind.EMAIL, target=user.email)


@pytest.fixture
def hook_of(db: None, receiver: Receiver) -> Callable[[User], Channel]:
    return lambda user: make(user, Kind.WEBHOOK, target=receiver.url, secret="hook-secret")


def make(user: User, kind: Kind, **fields: Any) -> Channel:
    return Channel.objects.create(user=user, kind=kind, confirmed_at=timezone.now(), **fields)


def done(kind: str = "send") -> list[Job]:
    """Every job of this kind, once the first is there and all that need not wait have ended."""

    def ended() -> bool:
        jobs = Job.objects.filter(worker="notifier", kind=kind)
        return jobs.exists() and not jobs.filter(status__in=["Pending", "Running"], run_at=None).exists()

    until(ended, 30, "the end of the jobs")
    return list(Job.objects.filter(worker="notifier", kind=kind).order_by("created_at"))
