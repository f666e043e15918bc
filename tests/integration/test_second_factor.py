"""The second factor: switched on and off by its owner, asked for at every way in that takes a password, each code once."""

import contextlib
import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.accounts import managing
from apps.accounts.models import Attempt, AuditEntry, RecoveryCode, SecondFactor, User
from apps.accounts.second_factor import codes, gate, sealing, services
from apps.feed.models import Event
from sokoul import env, keyring
from sokoul.errors import PermanentError
from tests.cast import Api
from tests.factories import PASSWORD

Clients = Callable[[User | None], Api]
REQUIRED = "about:blank#second_factor_required"


class Phone:
    """An authenticator app whose clock the test moves on, so that the next code is there at once."""

    def __init__(self, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = time.time
        self.ahead = -plain() % 30  # at the beginning of a step: none ends between a code and its check
        monkeypatch.setattr(codes.time, "time", lambda: plain() + self.ahead)
        begun = services.begin(user, PASSWORD)
        self.secret = begun.secret
        self.recovery = services.confirm(user, self.code())
        user.refresh_from_db()
        self.next()

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(codes.time.time() + steps * 30)

    def next(self, steps: int = 1) -> str:
        self.ahead += 30 * steps
        return self.code()

    def wrong(self) -> str:
        return next(f"{n:06}" for n in range(100) if codes.step_of(self.secret, f"{n:06}") is None)


@pytest.fixture
def phone(alice: User, monkeypatch: pytest.MonkeyPatch) -> Phone:
    return Phone(alice, monkeypatch)


def login(api: Clients, **more: Any) -> Any:
    return api(None).post("/auth/login", {"username": "alice", "password": PASSWORD, **more})


def last(action: str) -> AuditEntry:
    entry = AuditEntry.objects.filter(action=action).last()
    assert entry
    return entry


def test_it_is_switched_on_by_a_right_code_only(api: Clients, alice: User) -> None:
    assert api(alice).get("/user/second-factor").json() == {"enabled": False, "since": None, "recovery_codes_left": 0}
    assert api(alice).post("/user/second-factor", {}).status_code == 400
    assert api(alice).post("/user/second-factor", {"current_password": "wrong"}).status_code == 400
    assert api(alice).post("/user/second-factor/confirm", {"code": "000000"}).status_code == 404
    begun = api(alice).post("/user/second-factor", {"current_password": PASSWORD}).json()
    assert begun["uri"].startswith("otpauth://totp/Sokoul:alice?secret=" + begun["secret"])
    app = pyotp.parse_uri(begun["uri"])
    assert isinstance(app, pyotp.TOTP)
    assert login(api).status_code == 200  # only begun: nothing is asked yet
    far = app.at(time.time() + 3600)
    answer = api(alice).post("/user/second-factor/confirm", {"code": far})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["code"])
    assert not gate.enabled(alice.pk)
    before = api(alice)
    answer = before.post("/user/second-factor/confirm", {"code": f"{app.now()[:3]} {app.now()[3:]}"})
    assert answer.status_code == 200
    fresh = answer.json()["recovery_codes"]
    assert len(set(fresh)) == 10
    assert before.get("/user/second-factor").status_code == 401  # every sign-in from before has ended
    alice.refresh_from_db()
    now = api(alice).get("/user/second-factor").json()
    assert (now["enabled"], now["recovery_codes_left"]) == (True, 10)
    assert api(alice).post("/user/second-factor", {"current_password": PASSWORD}).status_code == 409
    assert (last("second_factor.enabled").actor, last("second_factor.enabled").details) == ("alice", {})
    assert Event.objects.get(type="notification", user_id=alice.pk).data["code"] == "second_factor_changed"


def test_neither_key_nor_codes_stand_readable_in_the_database(alice: User, phone: Phone) -> None:
    factor = SecondFactor.objects.get()
    assert phone.secret not in factor.secret
    assert sealing.unseal(factor.secret) == phone.secret
    stored = set(RecoveryCode.objects.values_list("digest", flat=True))
    assert stored == {codes.digest(code) for code in phone.recovery}
    assert not any(code in row or codes.plain(code) in row for code in phone.recovery for row in stored)
    told = str(list(AuditEntry.objects.values())) + str(list(Event.objects.values()))
    assert phone.secret not in told
    assert not any(code in told for code in phone.recovery)


def test_signing_in_takes_the_code_in_the_same_call(api: Clients, phone: Phone) -> None:
    answer = login(api)
    assert (answer.status_code, answer.json()["type"]) == (401, REQUIRED)
    assert "access" not in answer.json()
    wrong = login(api, code=phone.wrong())
    assert (wrong.status_code, wrong.json()["type"]) == (401, REQUIRED)
    assert wrong.json()["detail"] != answer.json()["detail"]
    right = login(api, code=phone.code())
    assert right.status_code == 200
    assert right.json()["access"]
    assert last("auth.login").details == {"how": "password+totp"}
    assert last("auth.second_factor_failed").target == "alice"


def test_without_the_password_a_code_tells_nothing(api: Clients, phone: Phone) -> None:
    plain = api(None).post("/auth/login", {"username": "alice", "password": "wrong"}).json()
    for code in (phone.code(), phone.wrong(), phone.recovery[0]):
        answer = login(api, password="wrong", code=code)
        assert answer.status_code == 401
        assert {**answer.json(), "request_id": ""} == {**plain, "request_id": ""}
    assert login(api, code=phone.code()).status_code == 200  # not used up by any of those
    assert not Attempt.objects.filter(scope="second_factor").exists()
    assert RecoveryCode.objects.filter(used_at=None).count() == 10


def test_a_code_works_once(api: Clients, phone: Phone) -> None:
    code = phone.code()
    assert login(api, code=code).status_code == 200
    assert login(api, code=code).status_code == 401
    assert login(api, code=phone.code(-1)).status_code == 401  # nor one from before it
    assert login(api, code=phone.next()).status_code == 200


def test_of_many_who_send_one_code_at_once_one_gets_in(
    transactional_db: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = Phone(alice, monkeypatch)
    looking, plain = threading.Barrier(2), codes.step_of

    def beside_another(secret: str, code: str) -> int | None:
        """Two who look at the code at once meet here; who is alone goes on after a while."""
        with contextlib.suppress(threading.BrokenBarrierError):
            looking.wait(1)
        return plain(secret, code)

    monkeypatch.setattr(codes, "step_of", beside_another)
    for code in (phone.code(), phone.recovery[0]):
        Attempt.objects.all().delete()
        outcomes: list[Any] = []
        start = threading.Barrier(4)

        def send(code: str = code, outcomes: list[Any] = outcomes, start: threading.Barrier = start) -> None:
            try:
                start.wait()
                outcomes.append(gate.proved(alice, code))
            finally:
                connection.close()

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([how for how in outcomes if how]) == 1, outcomes
        assert len(outcomes) == 4


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
def test_clocks_may_differ_by_one_step(api: Clients, phone: Phone, steps: int, status: int) -> None:
    phone.next(5)
    assert login(api, code=phone.code(steps)).status_code == status


@pytest.mark.parametrize(
    "code", ["1", "12345", "1234567", "abcdef", "000000\u0660", "\u0661\u0662\u0663\u0664\u0665\u0666", " "]
)
def test_what_is_no_code_is_refused(api: Clients, phone: Phone, code: str) -> None:
    assert login(api, code=code).status_code == 401
    assert login(api, code="1" * 65).status_code == 400
    assert login(api, code="1\0").status_code == 400


def test_a_recovery_code_opens_once(api: Clients, alice: User, phone: Phone) -> None:
    code = phone.recovery[3]
    assert login(api, code=code.lower().replace("-", " ")).status_code == 200
    assert last("auth.login").details == {"how": "password+recovery"}
    assert login(api, code=code).status_code == 401
    assert services.state(alice.pk)["recovery_codes_left"] == 9


def test_five_wrong_codes_close_it_for_a_while_whatever_comes(api: Clients, alice: User, phone: Phone) -> None:
    for _ in range(5):
        assert login(api, code=phone.wrong()).status_code == 401
    for code in (phone.code(), phone.recovery[0]):
        closed = login(api, code=code)
        assert (closed.status_code, closed.json()["type"]) == (429, "about:blank#too_many_attempts")
    told = Event.objects.filter(user_id=alice.pk, type="notification").last()
    assert told
    assert told.data["code"] == "second_factor_attacked"
    assert int(closed["Retry-After"]) == 900
    Attempt.objects.update(at=timezone.now() - timedelta(minutes=15, seconds=1))
    assert login(api, code=phone.code()).status_code == 200
    assert not Attempt.objects.filter(scope="second_factor").exists()


def test_only_codes_after_a_right_password_count_so_nobody_is_locked_out_by_a_stranger(
    api: Clients, phone: Phone
) -> None:
    for _ in range(7):
        login(api, password="wrong", code="000000")
    assert login(api, code=phone.code()).status_code == 200


def test_it_works_on_after_the_secret_key_was_rotated(api: Clients, phone: Phone, settings: Any) -> None:
    old, new = settings.SECRET_KEY, "n" * 64
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = new, [old]
    assert login(api, code=phone.code()).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []  # what was used since is sealed anew already
    assert login(api, code=phone.next()).status_code == 200


def test_resealing_frees_the_old_key_for_those_who_were_away(api: Clients, phone: Phone, settings: Any) -> None:
    old, new = settings.SECRET_KEY, "n" * 64
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = new, [old]
    call_command("second_factor", "reseal")
    settings.SECRET_KEY_FALLBACKS = []
    assert login(api, code=phone.code()).status_code == 200


def test_with_a_lost_secret_key_recovery_codes_still_open(api: Clients, phone: Phone, settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 64, []
    answer = login(api, code=phone.code())
    assert (answer.status_code, answer.json()["type"]) == (409, "about:blank#second_factor_unreadable")
    assert login(api, code=phone.recovery[0]).status_code == 200


@pytest.mark.parametrize("proof", ["current_password", "code", "recovery"])
def test_switching_it_off_takes_password_or_code(api: Clients, alice: User, phone: Phone, proof: str) -> None:
    for poor in ({}, {"current_password": "wrong"}, {"code": phone.wrong()}):
        assert api(alice).post("/user/second-factor/disable", poor).status_code == 400
    good = {"current_password": {"current_password": PASSWORD}, "code": {"code": phone.code()},
            "recovery": {"code": phone.recovery[0]}}[proof]  # fmt: skip
    assert api(alice).post("/user/second-factor/disable", good).status_code == 204
    assert not SecondFactor.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert login(api).status_code == 200
    assert last("second_factor.disabled").actor == "alice"
    assert api(alice).post("/user/second-factor/disable", {"current_password": PASSWORD}).status_code == 404


def test_new_recovery_codes_end_the_old_ones(api: Clients, alice: User, phone: Phone) -> None:
    assert api(alice).post("/user/second-factor/recovery-codes", {}).status_code == 400
    fresh = api(alice).post("/user/second-factor/recovery-codes", {"current_password": PASSWORD}).json()
    assert login(api, code=phone.recovery[0]).status_code == 401
    assert login(api, code=fresh["recovery_codes"][0]).status_code == 200
    assert last("second_factor.codes_renewed").actor == "alice"


def test_a_new_password_does_not_remove_it(api: Clients, alice: User, phone: Phone) -> None:
    changes = {"password": "a new password", "current_password": PASSWORD}
    assert api(alice).patch("/user/profile", changes).status_code == 200
    assert login(api, password="a new password").json()["type"] == REQUIRED


def test_an_admin_removes_somebodys_and_nobody_else_does(
    api: Clients, alice: User, bob: User, moderator: User, admin: User, phone: Phone
) -> None:
    path = f"/admin/users/{alice.pk}/second-factor"
    session = api(alice)
    for who, status in ((None, 401), (bob, 403), (alice, 403), (moderator, 403)):
        assert api(who).delete(path).status_code == status
    assert gate.enabled(alice.pk)
    assert api(admin).delete(path).status_code == 204
    assert not SecondFactor.objects.exists()
    entry = last("second_factor.removed")
    assert (entry.actor, entry.target, entry.details) == ("admin", "alice", {"user_id": alice.pk})
    assert "admin removed" in Event.objects.filter(user_id=alice.pk).last().data["text"]  # type: ignore[union-attr]
    assert session.get("/user/profile").status_code == 401  # a sign-in of whoever has the phone now has ended
    assert api(admin).delete(path).status_code == 404
    assert api(admin).delete(f"/admin/users/{admin.pk}/second-factor").status_code == 409
    assert api(admin).delete("/admin/users/999999/second-factor").status_code == 404
    assert api(admin).delete(f"/admin/users/{2**70}/second-factor").status_code == 404


def test_the_operator_removes_it_at_the_command_line(api: Clients, phone: Phone, capsys: Any) -> None:
    call_command("second_factor", "remove", "alice@example.com")
    assert "alice" in capsys.readouterr().out
    assert login(api).status_code == 200
    assert (last("second_factor.removed").actor, last("second_factor.removed").target) == ("", "alice")


def test_a_deleted_account_leaves_nothing(api: Clients, alice: User, phone: Phone) -> None:
    assert api(alice).delete("/user").status_code == 204
    assert not SecondFactor.objects.exists()


# The pages


def page_step(browser: Client, wanted: str = "") -> Any:
    return browser.post("/app/login", {"username": "alice", "password": PASSWORD, "next": wanted})


def signed_in(browser: Client) -> bool:
    return "_auth_user_id" in browser.session


def test_the_sign_in_page_asks_in_a_second_step(client: Client, phone: Phone) -> None:
    answer = page_step(client, "/app/library")
    assert answer["Location"] == "/app/login/code?next=%2Fapp%2Flibrary"
    assert not signed_in(client)
    assert client.get("/app/library").status_code == 302
    assert client.post("/app/ticket").status_code == 401
    assert b"authenticator app" in client.get(answer["Location"]).content
    wrong = client.post("/app/login/code", {"code": phone.wrong(), "next": "/app/library"})
    assert wrong.status_code == 200
    assert b"not right" in wrong.content
    assert not signed_in(client)
    right = client.post("/app/login/code", {"code": phone.code(), "next": "/app/library"})
    assert right["Location"] == "/app/library"
    assert signed_in(client)
    assert last("auth.login").details == {"how": "password+totp"}
    assert "second_step" not in client.session


def test_the_dashboard_has_no_other_way_in(client: Client, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    Phone(admin, monkeypatch)
    answer = client.get("/dashboard/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/app/login")
    answer = client.post("/app/login", {"username": "admin", "password": PASSWORD, "next": "/dashboard/"})
    assert answer["Location"].startswith("/app/login/code")
    assert client.get("/dashboard/").status_code == 302


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_the_second_step_leads_nowhere_else(client: Client, phone: Phone, wanted: str) -> None:
    assert page_step(client, wanted)["Location"] == "/app/login/code"
    assert client.post("/app/login/code", {"code": phone.code(), "next": wanted})["Location"] == "/app/"


def test_the_second_step_is_nothing_without_the_first(client: Client, phone: Phone) -> None:
    assert client.get("/app/login/code")["Location"] == "/app/"
    assert client.post("/app/login/code", {"code": phone.code()})["Location"] == "/app/"
    assert not signed_in(client)


def test_the_first_step_is_forgotten_after_a_while(
    client: Client, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_step(client)
    phone.next(11)
    client.post("/app/login/code", {"code": phone.code()})
    assert not signed_in(client)


def test_a_password_changed_in_between_ends_the_first_step(client: Client, alice: User, phone: Phone) -> None:
    page_step(client)
    alice.set_password("another one")
    alice.save()
    client.post("/app/login/code", {"code": phone.code()})
    assert not signed_in(client)


def test_deactivated_in_between_nobody_gets_in(client: Client, alice: User, admin: User, phone: Phone) -> None:
    page_step(client)
    managing.change(alice.pk, by=admin, is_active=False)
    client.post("/app/login/code", {"code": phone.code()})
    assert not signed_in(client)


def test_the_session_is_a_new_one_after_each_step(client: Client, phone: Phone) -> None:
    client.get("/app/login")
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    page_step(client)
    between = client.session.session_key
    assert between != session.session_key
    client.post("/app/login/code", {"code": phone.code()})
    assert client.session.session_key != between


def test_the_whole_way_on_the_profile_page(client: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    client.force_login(alice)
    elsewhere = Client()
    elsewhere.force_login(alice)
    assert b"/app/profile/second-factor" in client.get("/app/profile").content
    assert b"Begin" in client.get("/app/profile/second-factor").content
    refused = client.post("/app/profile/second-factor/begin", {"current_password": "wrong"})
    assert b"This is not your current password" in refused.content
    begun = client.post("/app/profile/second-factor/begin", {"current_password": PASSWORD})
    assert "no-store" in begun["Cache-Control"]
    text = begun.content.decode()
    secret = re.search(r'id="totp-key">([A-Z2-7]{32})<', text)[1]  # type: ignore[index]
    assert "<svg" in text
    assert "style=" not in re.search(r"<svg.*?</svg>", text, re.DOTALL)[0]  # type: ignore[index]  # the policy forbids it
    wrong = client.post("/app/profile/second-factor/confirm", {"code": "abc"})
    assert secret in wrong.content.decode()  # one may go on with the same key
    done = client.post("/app/profile/second-factor/confirm", {"code": pyotp.TOTP(secret).now()}).content.decode()
    shown = re.findall(r"[A-Z2-7]{6}(?:-[A-Z2-7]{6}){3}", done)
    assert len(shown) == 10
    again = client.get("/app/profile/second-factor").content.decode()
    assert "10 recovery codes" in again
    assert shown[0] not in again
    assert secret not in again
    assert elsewhere.get("/app/profile").status_code == 302  # every other sign-in has ended
    renewed = client.post("/app/profile/second-factor/recovery-codes", {"code": shown[0]}).content.decode()
    assert len(re.findall(r"[A-Z2-7]{6}(?:-[A-Z2-7]{6}){3}", renewed)) == 10
    assert b"not right" in client.post("/app/profile/second-factor/disable", {"code": "123"}).content
    client.post("/app/profile/second-factor/disable", {"current_password": PASSWORD})
    assert not gate.enabled(alice.pk)


def test_admins_remove_it_on_the_dashboard(client: Client, admin: User, alice: User, bob: User, phone: Phone) -> None:
    client.force_login(admin)
    chosen = {"action": "remove_second_factor", "_selected_action": [alice.pk, bob.pk, admin.pk]}
    answer = client.post("/dashboard/accounts/user/", chosen, follow=True)
    assert b"1 second factor" in answer.content
    assert not gate.enabled(alice.pk)
    assert last("second_factor.removed").actor == "admin"


@pytest.mark.parametrize("path", ["login/code", "profile/second-factor/begin", "profile/second-factor/disable"])
def test_every_form_needs_its_csrf_token(alice: User, path: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert browser.post(f"/app/{path}", {"code": "123456"}).status_code == 403


def test_nobody_is_removed_by_a_fallen_admin(alice: User, admin: User, phone: Phone) -> None:
    User.objects.filter(pk=admin.pk).update(role="user")
    with pytest.raises(PermanentError, match="no admin any more"):
        services.remove(alice.pk, by=admin)


# Rotation without a restart


def test_it_follows_the_ring_of_a_running_process(api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = "o" * 40, "n" * 40
    monkeypatch.setenv("SECRET_KEY", old)
    env.reread()
    phone = Phone(alice, monkeypatch)
    monkeypatch.setenv("SECRET_KEY", f"{new}\n{old}")
    env.reread()
    assert login(api, code=phone.code()).status_code == 200
    monkeypatch.setenv("SECRET_KEY", new)
    env.reread()
    assert login(api, code=phone.next()).status_code == 200


@pytest.mark.parametrize("how", [["--prune"], ["--revoke"]])
def test_rotate_secret_takes_it_along_before_an_old_secret_goes(
    api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: list[str]
) -> None:
    old, new = "o" * 40, keyring.fresh(time.time() - 30 * 86_400)
    file = tmp_path / "ring"
    file.write_text(old)
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.delenv("JWT_SECRET", raising=False)
    monkeypatch.setenv("JWT_SECRET_FILE", str(file))
    env.reread()
    phone = Phone(alice, monkeypatch)
    file.write_text(f"{new}\n{old}")
    env.reread()
    call_command("rotate_secret", *how)
    assert old not in file.read_text()
    env.reread()
    assert login(api, code=phone.code()).status_code == 200
