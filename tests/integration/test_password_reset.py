"""A forgotten password: a code by mail, which works once, for 15 minutes, and tells nobody who has an account."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from apps.accounts import families, resets, services, tasks, telegram
from apps.accounts.channels.models import Channel
from apps.accounts.models import Attempt, AuditEntry, TelegramCode, TelegramLink, User
from apps.feed.models import Event
from apps.jobs.models import Job
from apps.jobs.registry import Running
from sokoul.env import ENV
from tests.cast import Api
from tests.factories import PASSWORD, make_user
from tests.integration.test_accounts_auth import with_token
from tests.integration.test_lockouts import HERE, THERE, fail, login, shown
from tests.notifier import Mailbox
from tests.waiting import until

Clients = Callable[[User | None], Api]
NEW = "an entirely new one"
CODE = re.compile(r"/app/password/reset#(\S+)")


@pytest.fixture(autouse=True)
def asking_as_often_as_one_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted here is passwords and codes, which TRUSTED_IPS do not exempt; requests are counted elsewhere."""
    monkeypatch.setattr(ENV, "trusted_ips", [ip_network("0.0.0.0/0"), ip_network("::/0")])


def ask(email: str, ip: str = HERE) -> HttpResponse:
    client = Client(REMOTE_ADDR=ip)
    answer: HttpResponse = client.post("/auth/password/reset", {"email": email}, content_type="application/json")
    return answer


def confirm(code: str, password: str = NEW, ip: str = HERE) -> HttpResponse:
    client, body = Client(REMOTE_ADDR=ip), {"token": code, "password": password}
    answer: HttpResponse = client.post("/auth/password/reset/confirm", body, content_type="application/json")
    return answer


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def minutes_later(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    monkeypatch.setattr(resets.codes, "_now", lambda: datetime.now() + timedelta(minutes=minutes))


def code_in(mailbox: Mailbox) -> str:
    """Of the newest mail."""
    found = CODE.search(mailbox.mails[-1].get_content())
    assert found
    return found[1]


def test_the_whole_way_with_a_real_mail(
    notifier: None, mailbox: Mailbox, api: Clients, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    caplog.set_level("WARNING", "mail.log")  # the mail server's own, which is in this process
    User.objects.filter(pk=alice.pk).update(language="fr")
    answer = ask("ALICE@example.com")
    assert (answer.status_code, answer.content) == (202, b"")
    until(lambda: mailbox.mails, what="the mail")
    (letter,) = mailbox.mails
    assert (letter["To"], letter["Subject"]) == ("alice@example.com", "Choisissez un nouveau mot de passe")
    assert letter["List-Unsubscribe"] is None
    code = code_in(mailbox)
    assert f"{ENV.address}/app/password/reset#{code}" in letter.get_content()
    until(lambda: "auth.password_reset_asked" in actions(), what="the audit row")
    assert confirm(code).status_code == 204
    assert login("alice", PASSWORD).status_code == 401
    assert login("alice", NEW).status_code == 200
    until(lambda: len(mailbox.mails) == 2, what="the mail that says so")
    assert mailbox.mails[1]["Subject"] == "Votre mot de passe a été changé"
    assert [event.data["code"] for event in Event.objects.filter(type="notification")] == ["password_changed"]
    assert actions() == ["auth.password_reset_asked", "auth.password_reset", "auth.login_failed", "auth.login"]
    rows = [list(model.objects.values()) for model in (Job, Event, AuditEntry, Attempt)]
    secret = code.partition(".")[2]
    assert secret not in caplog.text
    assert secret not in str(rows)


def test_everybody_is_answered_alike(db: None, alice: User) -> None:
    make_user("inactive", is_active=False)
    make_user("unusable", password="!")
    people = ["alice", "nobody", "inactive", "unusable"]
    for number in range(7):
        answers = [shown(ask(f"{name}@example.com"), name) for name in people]
        assert all(answer == answers[0] for answer in answers), f"step {number}"
        assert answers[0][0] == (202 if number < 5 else 429)
    kinds = list(Job.objects.values_list("worker", "kind", "payload", "user_id").order_by("created_at"))
    assert kinds == [("notifier", "reset", {"email": f"{name}@example.com"}, None) for _ in range(5) for name in people]
    assert actions() == []


def test_five_an_hour_for_an_address_however_it_is_written_and_wherever_it_comes_from(db: None, alice: User) -> None:
    for number, email in enumerate(["alice@example.com", "ALICE@example.com", " alice@Example.com "] * 2):
        answer = ask(email, f"203.0.113.{number}")
        assert answer.status_code == (202 if number < 5 else 429)
    assert answer["Retry-After"] == "3600"
    assert ask("bob@example.com").status_code == 202
    assert Job.objects.filter(kind="reset").count() == 6


def test_only_living_accounts_with_a_password_are_mailed(db: None, alice: User, mailbox: Mailbox) -> None:
    make_user("inactive", is_active=False)
    make_user("unusable", password="!")
    for name in ("nobody", "inactive", "unusable"):
        assert resets.mail(f"{name}@example.com") == {"sent": 0}
    assert resets.mail("alice") == {"sent": 0}, "a user name is no address"
    assert mailbox.mails == []
    assert resets.mail("alice@example.com") == {"mailed": True}
    assert actions() == ["auth.password_reset_asked"]
    mailbox.answers["RCPT"] = "550 no such person"
    assert resets.mail("alice@example.com")["sent"] == 0, "there is nobody to tell"


@pytest.mark.parametrize(("minutes", "status"), [(14.9, 204), (15.1, 400)])
def test_a_code_works_for_fifteen_minutes(
    db: None, alice: User, monkeypatch: pytest.MonkeyPatch, minutes: float, status: int
) -> None:
    code = resets.code_for(alice)
    minutes_later(monkeypatch, minutes)
    assert confirm(code).status_code == status


def test_a_code_works_once(db: None, alice: User) -> None:
    first, second = resets.code_for(alice), resets.code_for(alice)
    assert confirm(first).status_code == 204
    assert {confirm(code, "another one").status_code for code in (first, second)} == {400}
    assert login("alice", NEW).status_code == 200


def test_of_two_at_once_one_wins(transactional_db: None, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    code, both = resets.code_for(alice), threading.Barrier(2)

    def hashed(password: str) -> str:
        both.wait(timeout=30)  # each has seen a code that works
        return make_password(password)

    def choose(password: str) -> int:
        try:
            return confirm(code, password).status_code
        finally:
            connection.close()

    monkeypatch.setattr(resets, "make_password", hashed)
    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic(), connection.cursor() as cursor:  # and neither is done before the other begins
            User.objects.select_for_update(no_key=True).get(pk=alice.pk)
            answers = [threads.submit(choose, f"the {which} password") for which in ("first", "second")]
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype IN ('tuple', 'transactionid') AND NOT granted"
            until(lambda: cursor.execute(waiting).fetchone()[0] == 2, what="both waiting for the row")
        assert sorted(answer.result() for answer in answers) == [204, 400]
    assert actions() == ["auth.password_reset"]


def test_a_password_that_is_refused_leaves_the_code_as_it_was(db: None, alice: User) -> None:
    code = resets.code_for(alice)
    for bad in ("short", "Football1", "x" * 2000, "nul\0nul\0nul"):
        answer = confirm(code, bad)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["password"])
    assert confirm(code).status_code == 204


def test_codes_that_do_not_work_are_refused_alike(db: None, alice: User, bob: User) -> None:
    good = resets.code_for(alice)
    secret = good.partition(".")[2]
    used = resets.code_for(bob)
    assert confirm(used).status_code == 204
    inactive = make_user("inactive")
    of_inactive = resets.code_for(inactive)
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    moved = make_user("moved")
    before_moving = resets.code_for(moved)
    User.objects.filter(pk=moved.pk).update(email="elsewhere@example.com")
    bad = [
        "rubbish", ".", "1.", f"{bob.pk}.{secret}", f"99999999999999999999999.{secret}", f"999999.{secret}", f"²{good}",
        good[:-1], good + "x", used, of_inactive, before_moving, families.start(alice).access[:200],
    ]  # fmt: skip
    answers = [shown(confirm(code, ip=f"10.0.0.{number}"), "") for number, code in enumerate(bad)]
    assert answers[0][0] == 400
    assert all(answer == answers[0] for answer in answers)
    assert confirm(good).status_code == 204


def test_codes_outlive_the_rotation_of_the_key(db: None, alice: User, settings: Any) -> None:
    code = resets.code_for(alice)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "n" * 64
    assert confirm(code).status_code == 204


def test_codes_of_another_installation_are_worthless(db: None, alice: User, settings: Any) -> None:
    code = resets.code_for(alice)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 64, []
    assert confirm(code).status_code == 400


def test_guessing_codes_is_limited_by_address(db: None, alice: User) -> None:
    code = resets.code_for(alice)
    assert {confirm("1.guess").status_code for _ in range(30)} == {400}
    assert confirm(code).status_code == 429
    assert confirm(code, ip=THERE).status_code == 204


def test_every_sign_in_from_before_ends(api: Clients, alice: User) -> None:
    pair = families.start(alice)
    browser = Client()
    browser.force_login(alice)
    assert with_token(api, pair.access).get("/user/profile").status_code == 200
    assert confirm(resets.code_for(alice)).status_code == 204
    assert with_token(api, pair.access).get("/user/profile").status_code == 401
    assert api(None).post("/auth/refresh", {"refresh": pair.refresh}).status_code == 401
    assert browser.post("/app/ticket").status_code == 401


def test_the_telegram_account_that_somebody_linked_goes_and_is_named_in_the_mail(
    db: None, alice: User, bob: User, mailbox: Mailbox
) -> None:
    """Which may be a thief's; changed by somebody signed in, the password is no reason to doubt it."""
    for number, user in enumerate((alice, bob), 7):
        TelegramLink.objects.create(user=user, telegram_id=number, chat_id=number, name="100 % mallory")
        Channel.objects.create(user=user, kind="telegram", confirmed_at=timezone.now())
    services.change_profile(alice, {"password": "quite another one 7", "current_password": PASSWORD})
    assert TelegramLink.objects.count() == 2
    alice.refresh_from_db()
    Job.objects.all().delete()
    assert confirm(resets.code_for(alice)).status_code == 204
    assert [link.user for link in TelegramLink.objects.all()] == [bob]
    assert [channel.user for channel in Channel.objects.all()] == [bob], "and nobody is told there"
    assert AuditEntry.objects.get(action="telegram.unlinked").details["why"] == "password reset"
    job = Job.objects.get(kind="changed")
    tasks.changed(tasks.ChangedPayload(**job.payload), Running(job.pk, job.kind, None, "", 1))
    (letter,) = mailbox.mails
    assert letter["To"] == "alice@example.com"
    assert "The Telegram account 100 % mallory, which was linked, speaks for you no longer." in letter.get_content()


@pytest.mark.parametrize("act", [partial(telegram.unlink, why="asked on the web"), telegram.refuse])
def test_who_unlinks_telegram_meanwhile_waits(transactional_db: None, alice: User, act: Callable[[int], None]) -> None:
    """And holds nothing by then that the reset needs."""
    TelegramLink.objects.create(user=alice, telegram_id=7, chat_id=7, name="alice there")
    now = timezone.now()
    TelegramCode.objects.create(user=alice, digest="0" * 64, telegram_id=8, chat_id=8, used_at=now, expires_at=now)
    code, begun = resets.code_for(alice), list[Future[None]]()

    def elsewhere() -> None:
        try:
            act(alice.pk)
        finally:
            connection.close()

    def meanwhile(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        answer = execute(sql, *rest)
        if sql.startswith('UPDATE "users"') and not begun:
            begun.append(threads.submit(elsewhere))
            waiting = (
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            with connection.cursor() as cursor:
                until(lambda: cursor.execute(waiting).fetchone()[0], what="the other one waiting for the reset")
        return answer

    with ThreadPoolExecutor(1) as threads:
        with connection.execute_wrapper(meanwhile):
            resets.reset(code, NEW)
        begun[0].result(60)
    assert actions() == ["telegram.unlinked", "auth.password_reset"]
    assert not TelegramLink.objects.exists()
    assert not TelegramCode.objects.exists()


def test_a_new_password_ends_the_lock_of_its_account(db: None, alice: User) -> None:
    fail("alice", 10)
    fail("alice@example.com", 10)
    assert confirm(resets.code_for(alice)).status_code == 204
    assert login("alice", NEW).status_code == 200
    assert login("alice@example.com", NEW).status_code == 200


@pytest.mark.parametrize("body", [{}, {"email": "no address"}, {"email": "a@b\0.com"}, {"email": None}, {"x": 1}])
def test_what_is_no_address_is_refused(api: Clients, body: dict[str, Any]) -> None:
    assert api(None).post("/auth/password/reset", body).status_code == 400
    assert not Job.objects.exists()


def test_without_a_mail_server_the_mail_is_printed(db: None, alice: User, settings: Any, capsys: Any) -> None:
    """EMAIL_URL=console: is for whoever runs Sokoul at home: docs/accounts.md says where it is printed."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    resets.mail(alice.email)
    found = CODE.search(capsys.readouterr().out)
    assert found
    assert confirm(found[1]).status_code == 204


# Changing what one signs in with, while one is signed in


def test_a_changed_password_is_told_by_mail(notifier: None, mailbox: Mailbox, alice: User) -> None:
    services.change_profile(alice, {"password": NEW, "current_password": PASSWORD})
    until(lambda: mailbox.mails, what="the mail")
    assert mailbox.mails[0]["To"] == "alice@example.com"
    assert "The password of your Sokoul account alice was changed" in mailbox.mails[0].get_content()


def test_a_changed_address_is_told_at_the_one_from_before(notifier: None, mailbox: Mailbox, alice: User) -> None:
    services.change_profile(alice, {"email": "Alice@Example.com", "current_password": PASSWORD})
    services.change_profile(alice, {"email": "new@example.com", "current_password": PASSWORD})
    until(lambda: mailbox.mails, what="the mail")
    assert [mail["To"] for mail in mailbox.mails] == ["Alice@Example.com"]
    assert "new@example.com" not in mailbox.mails[0].get_content()


def test_signing_out_everywhere(api: Clients, alice: User, bob: User) -> None:
    pairs = [families.start(alice) for _ in range(2)]
    browser = Client()
    browser.force_login(alice)
    assert with_token(api, pairs[0].access).post("/auth/logout/all").status_code == 204
    for pair in pairs:
        assert with_token(api, pair.access).get("/user/profile").status_code == 401
        assert api(None).post("/auth/refresh", {"refresh": pair.refresh}).status_code == 401
    assert browser.post("/app/ticket").status_code == 401
    assert api(bob).get("/user/profile").status_code == 200
    assert api(None).post("/auth/logout/all").status_code == 401
    assert actions() == ["auth.logout_all"]


# The pages


@pytest.fixture
def browser(db: None, alice: User) -> Client:
    signed_in = Client()
    signed_in.force_login(alice)
    return signed_in


def test_the_page_that_asks_says_the_same_to_everybody(db: None, alice: User) -> None:
    for number in range(6):
        answers = [
            shown(Client().post("/app/password/forgot", {"email": f"{name}@example.com"}), name)
            for name in ("alice", "carol")
        ]
        assert answers[0] == answers[1]
        assert answers[0][0] == (200 if number < 5 else 429)
        assert ("Look into your mail" if number < 5 else "Too many attempts") in answers[0][1]


def test_the_page_that_resets_says_what_is_wrong_and_leads_to_signing_in(db: None, alice: User) -> None:
    client = Client()
    assert client.get("/app/password/reset").status_code == 200
    answer = client.post("/app/password/reset", {"token": "1.x", "password": NEW})
    assert b"This code is wrong, too old, or was used already." in answer.content
    answer = client.post("/app/password/reset", {"token": resets.code_for(alice), "password": "short"})
    assert b"at least 8" in answer.content
    answer = client.post("/app/password/reset", {"token": resets.code_for(alice), "password": NEW})
    assert answer["Location"] == "/app/login"
    assert b"Your new password is set." in client.get("/app/login").content


def test_changing_the_password_keeps_this_session_and_no_other(browser: Client, alice: User) -> None:
    other = Client()
    other.force_login(alice)
    form = {"password-current_password": "wrong", "password-password": NEW}
    assert b"This is not your current password" in browser.post("/app/profile/password", form).content
    answer = browser.post("/app/profile/password", form | {"password-current_password": PASSWORD})
    assert answer["Location"] == "/app/profile"
    assert b"Your password is changed." in browser.get("/app/profile").content
    assert other.get("/app/profile").status_code == 302
    assert login("alice", NEW).status_code == 200


def test_changing_the_address(browser: Client, alice: User, bob: User) -> None:
    form = {"email-email": "BOB@example.com", "email-current_password": PASSWORD}
    assert b"exists already" in browser.post("/app/profile/email", form).content
    answer = browser.post("/app/profile/email", form | {"email-email": "new@example.com"})
    assert answer["Location"] == "/app/profile"
    assert b"new@example.com" in browser.get("/app/profile").content


def test_a_locked_form_says_so(browser: Client) -> None:
    form = {"email-email": "new@example.com", "email-current_password": "wrong"}
    answers = [browser.post("/app/profile/email", form) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert b"Too many attempts" in answers[-1].content
    assert answers[-1]["Retry-After"] == "900"


def test_signing_out_everywhere_from_the_page(browser: Client, alice: User) -> None:
    pair = families.start(alice)
    assert browser.get("/app/logout/all").status_code == 405
    assert browser.post("/app/logout/all")["Location"] == "/app/login"
    assert b"You are signed out everywhere." in browser.get("/app/login").content
    alice.refresh_from_db()
    assert alice.token_epoch == 1
    assert families.start(alice) != pair
    assert Client().post("/app/logout/all")["Location"] == "/app/login", "a stranger changes nothing"
    assert actions() == ["auth.logout_all"]


@pytest.mark.parametrize(
    "page", ["password/forgot", "password/reset", "profile/password", "profile/email", "logout/all"]
)
def test_each_of_these_forms_needs_its_csrf_token(alice: User, page: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(f"/app/{page}", {}).status_code == 403
