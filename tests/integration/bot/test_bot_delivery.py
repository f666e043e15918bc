"""Notifications reach Telegram through the task layer: once, in order of what Telegram allows, and never in anybody's way."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from apps.accounts.channels import carrying
from apps.accounts.models import AuditEntry, Channel, Preference, Sending, TelegramLink, User
from apps.bot import client, delivery
from apps.downloads import rows
from apps.downloads.models import Download, Phase
from apps.feed import push
from apps.feed.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import Job
from tests.demo import Demo
from tests.integration.bot.chat import Chat, french
from tests.integration.bot.conftest import ALICE, BOB
from tests.waiting import until
from tests.wishes import make_media

Link = Callable[..., Chat]


def telling() -> Job:
    """The job that brings the first notification to Telegram."""
    return Job.objects.filter(kind="send").earliest("created_at")


def ends(status: str = "Completed") -> Job:
    until(lambda: telling().status in {"Completed", "Failed"}, what="the end of the job")
    job = telling()
    assert job.status == status, job.error
    return job


def texts(telegram: Demo) -> list[str]:
    return [call["params"]["text"] for call in telegram.telegram_sent("sendMessage")]


def tries(telegram: Demo) -> int:
    return sum(row["path"].endswith("sendMessage") for row in telegram.requests("telegram"))


def test_the_end_of_a_download_is_told_by_title(
    notifier: None, telegram: Demo, link: Link, alice: User, bob: User
) -> None:
    chats = [link(alice), link(bob, BOB)]
    TelegramLink.objects.filter(user=bob).update(language="fr")
    film = make_media("<b>Mint</b> & Co")
    done, failed = (
        Download.objects.create(user=user, media=film, phase="filing", status="Running") for user in (alice, bob)
    )
    rows.move(done.pk, Phase.SEEDING)
    rows.move(failed.pk, Phase.FAILED, reason="Disk full")
    until(lambda: all(chat.messages() for chat in chats), what="both messages")
    assert [message["text"] for message in chats[0].messages()] == ["“<b>Mint</b> & Co” is in your library."]
    gaps = {"title": "<b>Mint</b> & Co", "reason": "Disk full"}
    assert [message["text"] for message in chats[1].messages()] == [french("“%(title)s” failed: %(reason)s", **gaps)]


def test_only_the_linked_get_a_job_and_it_is_nobody_s_own(telegram: Demo, link: Link, alice: User, bob: User) -> None:
    link(alice)
    for user in (alice, bob):
        push.notify(user.pk, "test", "Hello")
    assert telling().user_id is None, "telling is not told"
    User.objects.filter(pk=alice.pk).update(is_active=False)
    push.notify(alice.pk, "test", "Hello")
    assert Job.objects.filter(kind="send").count() == 1


def test_what_is_undone_is_not_told(telegram: Demo, link: Link, alice: User) -> None:
    link(alice)
    with transaction.atomic():
        push.notify(alice.pk, "test", "Hello")
        assert Job.objects.filter(kind="send").exists()
        transaction.set_rollback(True)
    assert not Job.objects.filter(kind="send").exists()


def test_a_notification_is_told_once_however_often_its_job_runs(
    notifier: None, telegram: Demo, link: Link, alice: User
) -> None:
    link(alice)
    push.notify(alice.pk, "test", "Hello")
    job = ends()
    for _ in range(2):
        jobs.enqueue("notifier", "send", job.payload)
    until(lambda: Job.objects.filter(kind="send", status="Completed").count() == 3, what="all of them")
    assert texts(telegram) == ["Hello"]


def test_one_notification_has_one_job(telegram: Demo, link: Link, alice: User) -> None:
    link(alice)
    event = push.notify(alice.pk, "test", "Hello")
    carrying.carry(event)
    channel = Channel.objects.get(user=alice)
    assert Job.objects.get().pk == uuid.uuid5(uuid.NAMESPACE_OID, f"notifier.send {channel.pk} for {event.pk}")
    assert Sending.objects.get().event == event


@pytest.mark.parametrize("fault", ["hang", "502"])
def test_a_silent_telegram_is_tried_three_times_more_then_given_up(
    notifier: None, telegram: Demo, link: Link, alice: User, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault == "hang":
        monkeypatch.setattr(client, "PATIENCE", 0.5)
    link(alice)
    options: dict[str, Any] = {"kind": "hang"} if fault == "hang" else {"kind": "status", "code": 502}
    telegram.misbehave("telegram", path_prefix="sendMessage", **options)
    push.notify(alice.pk, "test", "Hello")
    job = ends("Failed")
    assert job.attempts == 4
    assert tries(telegram) in ((4,) if fault == "502" else (1, 2, 3, 4)), "patience may end before a call gets there"
    assert "Telegram" in job.error
    assert Event.objects.filter(type="notification").count() == 1, "nobody is notified of the failure"


def test_it_arrives_once_telegram_is_back(notifier: None, telegram: Demo, link: Link, alice: User) -> None:
    link(alice)
    telegram.misbehave("telegram", "status", path_prefix="sendMessage", code=502, times=2)
    push.notify(alice.pk, "test", "Hello")
    assert ends().attempts == 3
    assert texts(telegram) == ["Hello"]


def test_what_telegram_asks_to_wait_is_waited_and_costs_no_attempt(
    notifier: None, telegram: Demo, link: Link, alice: User
) -> None:
    link(alice)
    telegram.misbehave("telegram", "status", path_prefix="sendMessage", code=429, retry_after=1, times=2)
    begun = time.monotonic()
    push.notify(alice.pk, "test", "Hello")
    assert ends().attempts == 1
    assert time.monotonic() - begun >= 2
    assert (tries(telegram), texts(telegram)) == (3, ["Hello"])


def test_what_telegram_refuses_is_logged_and_dropped(
    notifier: None, telegram: Demo, link: Link, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    link(alice)
    telegram.misbehave("telegram", "status", path_prefix="sendMessage", code=400)
    push.notify(alice.pk, "test", "Hello")
    assert "refuses" in ends().result["dropped"]
    assert tries(telegram) == 1
    assert "Telegram refuses a notification" in caplog.text


def test_who_blocked_the_bot_is_unlinked(notifier: None, telegram: Demo, link: Link, alice: User) -> None:
    link(alice)
    telegram.telegram_block(ALICE)
    push.notify(alice.pk, "test", "Hello")
    assert "blocked" in ends().result["dropped"]
    assert not TelegramLink.objects.exists()
    assert AuditEntry.objects.get().details["why"] == "the bot was blocked"
    assert not Channel.objects.exists()
    push.notify(alice.pk, "test", "Hello again")
    assert Job.objects.filter(kind="send").count() == 1


def test_a_long_notification_comes_whole(notifier: None, telegram: Demo, link: Link, alice: User) -> None:
    link(alice)
    push.notify(alice.pk, "test", "🎬" * 5000)
    result = ends().result
    assert "".join(texts(telegram)) == "🎬" * 5000
    assert result["message_id"] == telegram.telegram_sent("sendMessage")[-1]["result"]["message_id"]


def test_what_a_person_does_not_want_is_not_told_in_telegram(telegram: Demo, link: Link, alice: User) -> None:
    link(alice)
    Preference.objects.create(user=alice, kind="telegram", code="test")
    push.notify(alice.pk, "test", "Hello")
    assert not Job.objects.exists()


def test_many_at_once_come_as_one_message_in_the_language_of_the_chat(
    notifier: None, telegram: Demo, link: Link, alice: User
) -> None:
    link(alice)
    TelegramLink.objects.filter(user=alice).update(language="fr")
    with transaction.atomic():
        for number in range(3):
            push.notify(alice.pk, "test", f"<b>{number}</b>")
    until(lambda: not Sending.objects.filter(sent_at=None).exists(), what="all being told")
    assert texts(telegram) == ["3 choses se sont passées\n• <b>0</b>\n• <b>1</b>\n• <b>2</b>"]


def test_a_silent_telegram_leaves_the_notifier_free_for_other_work(
    notifier: None, telegram: Demo, link: Link, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 3.0)
    link(alice)
    telegram.misbehave("telegram", "hang", path_prefix="sendMessage")
    push.notify(alice.pk, "test", "first")
    until(lambda: tries(telegram) == 1, what="the first try")
    until(lambda: delivery._door.silent, within=30, what="Telegram being known as silent")
    for number in range(20):
        push.notify(alice.pk, "test", f"more {number}")
    other = jobs.enqueue("notifier", "noop", {})
    until(lambda: Job.objects.get(pk=other.pk).status == "Completed", what="the other job")
    assert tries(telegram) < 10, "it did not wait behind twenty time-outs"
    telegram.behave()
    until(lambda: not Sending.objects.filter(sent_at=None).exists(), within=60, what="everything being delivered")
    whole = "\n".join(texts(telegram))
    assert all(f"more {number}" in whole.splitlines() or f"• more {number}" in whole for number in range(20))


def test_thirty_messages_a_second_are_the_most(
    telegram: Demo, link: Link, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 60.0)  # the last of so many may wait for long on a busy machine
    link(alice)
    client.call(_sixty())
    at = sorted(call["at"] for call in telegram.telegram_sent("sendMessage"))
    assert len(at) == 75
    assert at[74] - at[0] > 1, "a burst of 30, then 30 a second"


async def _sixty() -> None:
    import asyncio

    await asyncio.gather(*(client.send(ALICE, f"number {number}") for number in range(75)))
