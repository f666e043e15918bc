"""What happens to a person reaches them through each channel: once, in their language, and in nobody's way."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.channels import carrying, door, mail, webhook
from apps.accounts.channels.models import Channel, Kind, Preference, Sending
from apps.accounts.models import User
from apps.feed import push
from apps.feed.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import Job
from sokoul.env import ENV
from tests.integration.channels.conftest import done, make
from tests.notifier import Mailbox, Receiver
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
ChannelOf = Callable[[User], Channel]
EVIL = "<img src=x onerror=alert(1)> & Co"


def tell(user: User, title: str = "Mint") -> Event:
    return push.notify(
        user.pk, "download_completed", lambda: _("“%(title)s” is in your library.") % {"title": title}, media_id=7
    )


def sent() -> int:
    return Sending.objects.filter(sent_at__isnull=False).count()


def test_a_mail_has_both_parts_in_the_person_s_language_and_the_way_out(
    notifier: None, mailbox: Mailbox, mail_of: ChannelOf, alice: User
) -> None:
    User.objects.filter(pk=alice.pk).update(language="fr")
    mail_of(alice)
    tell(alice, EVIL)
    until(lambda: mailbox.mails, what="the mail")
    (letter,) = mailbox.mails
    assert letter["To"] == alice.email
    assert letter["Subject"].split() == f"« {EVIL} » est dans votre bibliothèque.".split()
    assert letter["List-Unsubscribe"] == f"<{ENV.address}/app/profile/notifications>"
    plain, html = letter.get_body(("plain",)), letter.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert EVIL in plain.get_content()
    assert "<img" not in html.get_content()
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; Co" in html.get_content()
    assert 'lang="fr"' in html.get_content()


def test_a_webhook_tells_what_happened(notifier: None, receiver: Receiver, hook_of: ChannelOf, alice: User) -> None:
    hook_of(alice)
    event = tell(alice, EVIL)
    until(receiver.told, what="the message")
    (told,) = receiver.told()
    assert told == {
        "id": event.pk,
        "code": "download_completed",
        "text": f"“{EVIL}” is in your library.",
        "at": event.at.isoformat().replace("+00:00", "Z"),
        "data": {"media_id": 7},
    }
    assert dict(receiver.posts[0][0])["Content-Type"] == "application/json"


def test_apprise_tells_an_admin_s_own_service(notifier: None, receiver: Receiver, admin: User) -> None:
    make(admin, Kind.APPRISE, target=f"json://{receiver.host}/")
    tell(admin, EVIL)
    until(receiver.told, what="the message")
    assert receiver.told()[0]["message"] == f"“{EVIL}” is in your library."


def test_who_is_no_admin_any_more_reaches_no_place_of_their_choice(
    notifier: None, receiver: Receiver, alice: User
) -> None:
    channel = make(alice, Kind.APPRISE, target=f"json://{receiver.host}/")
    tell(alice)
    until(lambda: Channel.objects.get(pk=channel.pk).off_at, what="being switched off")
    assert receiver.asked == 0


def test_each_channel_tells_its_own_person(
    notifier: None, receiver: Receiver, hook_of: ChannelOf, mailbox: Mailbox, mail_of: ChannelOf, alice: User, bob: User
) -> None:
    hook_of(alice)
    mail_of(alice)
    mail_of(bob)
    tell(alice)
    until(lambda: receiver.told() and mailbox.mails, what="both")
    done()
    assert [letter["To"] for letter in mailbox.mails] == [alice.email]


@pytest.mark.parametrize(
    "fields",
    [{"confirmed_at": None}, {"off_at": "now"}],
    ids=["not confirmed", "switched off"],
)
def test_a_channel_that_is_not_open_gets_nothing(hook_of: ChannelOf, alice: User, fields: dict[str, Any]) -> None:
    channel = hook_of(alice)
    Channel.objects.filter(pk=channel.pk).update(**{name: value and timezone.now() for name, value in fields.items()})
    tell(alice)
    assert not Job.objects.exists()
    assert not Sending.objects.exists()


def test_what_a_person_does_not_want_is_not_told_in_that_way(
    notifier: None, receiver: Receiver, hook_of: ChannelOf, mailbox: Mailbox, mail_of: ChannelOf, alice: User, bob: User
) -> None:
    hook_of(alice)
    mail_of(alice)
    Preference.objects.create(user=alice, kind=Kind.EMAIL, code="download_completed")
    Preference.objects.create(user=alice, kind=Kind.WEBHOOK, code="download_failed")
    Preference.objects.create(user=bob, kind=Kind.WEBHOOK, code="download_completed")
    tell(alice)
    done()
    assert [told["code"] for told in receiver.told()] == ["download_completed"]
    assert mailbox.mails == []
    assert Event.objects.filter(type="notification", user=alice).count() == 1, "the bell tells everything"


def test_what_is_undone_is_not_told(hook_of: ChannelOf, alice: User) -> None:
    hook_of(alice)
    with transaction.atomic():
        tell(alice)
        assert Sending.objects.exists()
        transaction.set_rollback(True)
    assert not Sending.objects.exists()
    assert not Job.objects.exists()


def test_jobs_that_come_twice_tell_once(notifier: None, receiver: Receiver, hook_of: ChannelOf, alice: User) -> None:
    channel = hook_of(alice)
    event = tell(alice)
    carrying.carry(event)
    assert Job.objects.count() == 1
    for _number in range(3):
        jobs.enqueue("notifier", "send", {"channel_id": channel.pk})
    assert [job.status for job in done()] == ["Completed"] * 4
    assert len(receiver.posts) == 1


def test_between_a_service_s_yes_and_our_note_a_message_may_come_twice_and_none_is_lost(
    receiver: Receiver, hook_of: ChannelOf, alice: User
) -> None:
    """What a process does that dies there: its job comes again, finds its own mark, and tells once more."""
    from apps.accounts.channels import sending
    from apps.jobs.claims import running

    channel = hook_of(alice)
    event = tell(alice)
    (job,) = Job.objects.all()
    assert carrying.begin(channel.pk, job.pk)
    Channel.objects.filter(pk=channel.pk).update(busy=job.pk)
    Job.objects.filter(pk=job.pk).update(status="Running", lease_until=timezone.now(), lease=job.pk)
    job.refresh_from_db()
    other = jobs.enqueue("notifier", "send", {"channel_id": channel.pk})
    assert sending.send(channel.pk, running(other)) == {"sent": 0}, "it is somebody else's"
    assert sending.send(channel.pk, running(job))["sent"] == 1
    assert [told["id"] for told in receiver.told()] == [event.pk]
    assert sending.send(channel.pk, running(job)) == {"sent": 0}


def test_a_channel_is_not_lost_with_the_job_that_served_it(receiver: Receiver, hook_of: ChannelOf, alice: User) -> None:
    from apps.accounts.channels import sending
    from apps.jobs.claims import running

    channel = hook_of(alice)
    gone = jobs.enqueue("notifier", "send", {"channel_id": channel.pk})
    Channel.objects.filter(pk=channel.pk).update(busy=gone.pk)
    Job.objects.filter(pk=gone.pk).delete()
    tell(alice)
    assert sending.send(channel.pk, running(Job.objects.get()))["sent"] == 1


@pytest.mark.parametrize(
    ("language", "heading", "rest"),
    [("en", "22 things happened", "… and 2 more."), ("fr", "22 choses se sont passées", "… et 2 autres.")],
)
def test_many_at_once_come_together(
    notifier: None,
    receiver: Receiver,
    hook_of: ChannelOf,
    alice: User,
    language: str,
    heading: str,
    rest: str,
) -> None:
    User.objects.filter(pk=alice.pk).update(language=language)
    hook_of(alice)
    with transaction.atomic():
        events = [tell(alice, f"Film {number}") for number in range(22)]
    until(lambda: sent() == 22, what="all being told")
    (told,) = receiver.told()
    assert (told["code"], told["id"]) == ("digest", events[-1].pk)
    lines = told["text"].split("\n")
    assert (lines[0], lines[-1], len(lines)) == (heading, rest, 22)
    assert lines[1].startswith("• ")
    assert [one["id"] for one in told["data"]["events"]] == [event.pk for event in events]


def test_three_come_at_once_and_more_when_the_minute_is_over(
    notifier: None, receiver: Receiver, hook_of: ChannelOf, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        carrying, "WINDOW", timedelta(hours=1)
    )  # however busy the machine is, it does not end by itself
    hook_of(alice)
    for number in range(3):
        tell(alice, f"Film {number}")
        until(lambda expected=number: sent() == expected + 1, what="being told at once")  # type: ignore[misc]
    late = [tell(alice, f"Film {number}") for number in range(3, 6)]
    done()
    assert sent() == 3, "they wait"
    first = Sending.objects.earliest("sent_at").sent_at
    assert first is not None
    assert set(Job.objects.filter(status="Pending").values_list("run_at", flat=True)) == {first + carrying.WINDOW}
    Sending.objects.filter(sent_at__isnull=False).update(sent_at=F("sent_at") - carrying.WINDOW)
    Job.objects.filter(status="Pending").update(run_at=timezone.now())
    until(lambda: sent() == 6, what="the rest")
    times = sorted(set(Sending.objects.values_list("sent_at", flat=True)))
    assert len(times) == 4
    assert [one["id"] for one in receiver.told()[-1]["data"]["events"]] == [event.pk for event in late]


def test_what_happens_while_a_message_is_on_its_way_follows_it(
    notifier: None, receiver: Receiver, hook_of: ChannelOf, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "SECONDS", 100.0)
    hook_of(alice)
    receiver.hold = threading.Event()
    tell(alice, "first")
    until(lambda: receiver.asked == 1, what="the first on its way")
    tell(alice, "second")
    until(lambda: Job.objects.filter(status="Completed").count() == 1, what="the second being left to the first")
    assert receiver.asked == 1, "one at a time"
    receiver.hold.set()
    until(lambda: sent() == 2, what="both")


@pytest.mark.parametrize("status", [500, 429, 404])
def test_a_webhook_that_fails_is_tried_again_and_again_with_all_that_happened(
    notifier: None, receiver: Receiver, hook_of: ChannelOf, alice: User, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(carrying, "SHORTEST", timedelta(seconds=0.2))
    channel = hook_of(alice)
    receiver.status = status
    tell(alice, "first")
    until(lambda: receiver.asked >= 2, what="the second try")
    assert str(status) in Channel.objects.get(pk=channel.pk).error
    assert not Job.objects.filter(status="Failed").exists(), (
        "somebody's dead webhook is no dead letter of the operator's"
    )
    tell(alice, "second")
    receiver.status = 204
    until(lambda: sent() == 2, 30, "both")
    channel.refresh_from_db()
    assert (channel.failing_since, channel.error) == (None, "")
    assert channel.worked_at is not None


def test_the_pauses_grow_with_the_trouble(hook_of: ChannelOf, alice: User) -> None:
    channel = hook_of(alice)
    for failing, pause in ((None, 2), (timedelta(minutes=5), 300), (timedelta(days=2), 21_600)):
        before = timezone.now()
        since = before - failing if failing else None
        Channel.objects.filter(pk=channel.pk).update(failing_since=since)
        carrying.later(channel.pk, "It answered 500.", ours=False)
        channel.refresh_from_db()
        assert channel.retry_at is not None
        after = timezone.now()
        assert before <= channel.retry_at - timedelta(seconds=pause) <= after + (after - before)
        assert Job.objects.filter(run_at=channel.retry_at, payload={"channel_id": channel.pk}).count() == 1


def test_a_channel_that_fails_for_days_is_switched_off_and_its_person_told(hook_of: ChannelOf, alice: User) -> None:
    channel = hook_of(alice)
    tell(alice)
    Channel.objects.filter(pk=channel.pk).update(failing_since=timezone.now() - timedelta(days=3))
    carrying.later(channel.pk, "It answered 500.", ours=False)
    channel.refresh_from_db()
    assert channel.off_at is not None
    assert not Sending.objects.exists()
    told = Event.objects.filter(user=alice, type="notification").latest("id").data
    assert told["code"] == "channel_off"
    assert "It answered 500." in told["text"]
    assert "s3cret-path" not in str(told), "the address is a secret"
    assert "désactivé" in told["texts"]["fr"]


def test_what_the_operator_runs_is_never_given_up(mail_of: ChannelOf, alice: User) -> None:
    channel = mail_of(alice)
    Channel.objects.filter(pk=channel.pk).update(failing_since=timezone.now() - timedelta(days=9))
    carrying.later(channel.pk, "The mail server does not answer.", ours=True)
    channel.refresh_from_db()
    assert channel.off_at is None
    assert channel.retry_at is not None


def test_a_webhook_into_a_private_network_is_switched_off(
    notifier: None, receiver: Receiver, hook_of: ChannelOf, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name may lead elsewhere than when it was added. That the operator uses the host is nothing to it."""
    monkeypatch.setattr(ENV, "webhook_hosts", [])
    monkeypatch.setattr(ENV, "prowlarr_url", "http://127.0.0.1:9696")
    channel = hook_of(alice)
    tell(alice)
    until(lambda: Channel.objects.get(pk=channel.pk).off_at, what="being switched off")
    assert "private network" in Channel.objects.get(pk=channel.pk).error
    assert receiver.asked == 0


def test_a_webhook_that_is_gone_is_switched_off(
    notifier: None, receiver: Receiver, hook_of: ChannelOf, alice: User
) -> None:
    receiver.status = 410
    channel = hook_of(alice)
    tell(alice)
    until(lambda: Channel.objects.get(pk=channel.pk).off_at, what="being switched off")


@pytest.mark.parametrize("at", ["RCPT", "DATA"])
def test_an_address_that_the_mail_server_refuses_is_switched_off(
    notifier: None, mailbox: Mailbox, mail_of: ChannelOf, alice: User, at: str
) -> None:
    mailbox.answers[at] = "550 no such mailbox here"
    channel = mail_of(alice)
    tell(alice)
    until(lambda: Channel.objects.get(pk=channel.pk).off_at, what="being switched off")
    told = Event.objects.filter(type="notification").latest("id").data
    assert "550 no such mailbox here" in told["text"]


def test_a_full_mailbox_is_tried_later_and_is_nobody_else_s_trouble(
    notifier: None, mailbox: Mailbox, mail_of: ChannelOf, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "SHORTEST", timedelta(seconds=0.2))
    mailbox.answers["RCPT"] = "452 mailbox full"
    channel = mail_of(alice)
    tell(alice)
    until(lambda: "452 mailbox full" in Channel.objects.get(pk=channel.pk).error, what="the answer")
    assert not Job.objects.filter(status="Failed").exists()
    assert not mail._door.silent
    mailbox.answers.clear()
    until(lambda: mailbox.mails, what="the mail")


def test_a_mail_server_that_hangs_fails_the_job_and_the_mail_comes_when_it_is_back(
    notifier: None, mailbox: Mailbox, mail_of: ChannelOf, alice: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(carrying, "SHORTEST", timedelta(seconds=0.5))
    settings.EMAIL_TIMEOUT = 0.5
    mailbox.hang = True
    mail_of(alice)
    tell(alice)
    until(lambda: Job.objects.filter(status="Failed").exists(), 30, "the job's end")
    assert Job.objects.filter(status="Failed").latest("created_at").attempts == 4
    assert Event.objects.filter(type="notification").count() == 1, "nobody is notified of the failure"
    settings.EMAIL_TIMEOUT = 10
    mailbox.hang = False
    until(lambda: mailbox.mails, 30, "the mail")


def test_endpoints_that_hang_delay_nobody_else(
    notifier: None,
    receiver: Receiver,
    mailbox: Mailbox,
    mail_of: ChannelOf,
    alice: User,
    bob: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook, "SECONDS", 100.0)  # none of those that hang is given up before bob has his mail
    monkeypatch.setattr(door.abroad, "_places", threading.BoundedSemaphore(2))  # half of the four that work here
    receiver.hold = threading.Event()
    for number in range(8):
        make(alice, Kind.WEBHOOK, target=f"{receiver.url}/{number}", secret="s")
    mail_of(bob)
    tell(alice)
    until(lambda: receiver.asked == 2, what="two that hang")
    tell(bob)
    until(lambda: mailbox.mails, 60, "bob's mail")
    assert receiver.asked == 2
    assert receiver.posts == []
    receiver.hold.set()
    until(lambda: sent() == 9, 30, "everything")


def test_deleting_a_person_takes_their_channels_along(hook_of: ChannelOf, alice: User) -> None:
    hook_of(alice)
    tell(alice)
    Preference.objects.create(user=alice, kind=Kind.EMAIL, code="job_failed")
    alice.delete()
    assert not any(model.objects.exists() for model in (Channel, Sending, Preference))


def test_no_address_and_no_secret_reaches_the_log(
    notifier: None, receiver: Receiver, hook_of: ChannelOf, alice: User, admin: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    receiver.status = 500
    hook_of(alice)
    make(admin, Kind.APPRISE, target=f"json://user:hunter22@{receiver.host}/tok3n")
    for user in (alice, admin):
        tell(user)
    until(lambda: Channel.objects.filter(failing_since__isnull=False).count() == 2, what="both failing")
    for secret in ("s3cret-path", "hook-secret", "hunter22", "tok3n"):
        assert secret not in caplog.text
