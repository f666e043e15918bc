"""The list of one's sign-ins: what stands in it, how one ends, and that each has an end which no use moves."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from channels.testing import WebsocketCommunicator
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import api_keys, families, identity, services, tokens, websocket
from apps.accounts.models import AuditEntry, RefreshToken, Session, SignIn, User
from apps.accounts.sign_ins import services as sign_ins
from apps.accounts.tokens import Kind
from apps.feed import push
from apps.feed.consumer import Authenticate, FeedConsumer
from apps.feed.hub import Hub, Living, _hubs
from apps.feed.hub import SignIn as Opened
from apps.feed.hub import hub as hub_of_loop
from sokoul.env import ENV
from sokoul.errors import PermanentError
from tests.cast import Api
from tests.factories import PASSWORD
from tests.waiting import until

Clients = Callable[[User | None], Api]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEW = "another long password"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def browser_of(user: User, **extra: Any) -> Client:
    """Signed in on the page, as people are."""
    client = Client(raise_request_exception=False, **extra)
    answer = client.post("/app/login", {"username": user.username, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/app/profile").status_code == 200


def own(user: User) -> SignIn:
    return SignIn.objects.get(user=user)


def rewound(row: SignIn, by: timedelta) -> None:
    """As if it had begun, and been used, that much earlier."""
    for name in ("began_at", "seen_at", "expires_at", "ends_at"):
        setattr(row, name, getattr(row, name) - by)
    row.save()


def session_of(client: Client) -> Session:
    return Session.objects.get(pk=client.cookies[settings.SESSION_COOKIE_NAME].value)


def answered(token: str) -> int:
    client = Api(None)
    client.token = token
    return int(client.get("/user/profile").status_code)


def refreshed(refresh: str) -> Any:
    return Api(None).post("/auth/refresh", {"refresh": refresh})


@pytest.fixture(autouse=True)
def asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "KEEP_SECONDS", 0.0)


# What stands in the list


def test_browsers_and_programs_are_listed_with_when_and_from_where(api: Clients, alice: User, bob: User) -> None:
    browser_of(alice, headers={"User-Agent": FIREFOX}, REMOTE_ADDR="203.0.113.9")
    browser_of(bob)
    program = api(None)
    signed_in = program.post("/auth/login", {"username": "alice", "password": PASSWORD}, headers={"User-Agent": "tv/2"})
    program.token = signed_in.json()["access"]
    listed = program.get("/user/sign-ins").json()
    assert (listed["total"], listed["page"], listed["limit"]) == (2, 1, 20)
    newest, other = listed["results"]
    assert (newest["kind"], newest["agent"], newest["ip"], newest["current"]) == ("api", "tv", "127.0.0.1", True)
    assert (other["kind"], other["agent"], other["ip"], other["current"]) == (
        "pages", "Firefox, Linux", "203.0.113.9", False,
    )  # fmt: skip
    assert set(newest) == {"id", "kind", "began_at", "seen_at", "expires_at", "ends_at", "ip", "agent", "current"}
    assert len(program.get("/user/sign-ins?limit=1&page=2").json()["results"]) == 1


def test_the_page_marks_the_browser_that_asks(alice: User) -> None:
    here, _there = browser_of(alice, headers={"User-Agent": FIREFOX}), browser_of(alice)
    text = here.get("/app/profile/sign-ins").content.decode()
    assert text.count('class="row"') == 2
    assert text.count("this browser, now") == 1
    assert "Firefox, Linux" in text


def test_many_sign_ins_are_listed_with_as_few_questions_as_one(api: Clients, alice: User) -> None:
    client, here = api(alice), browser_of(alice)

    def questions(ask: Callable[[], Any]) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert ask().status_code == 200
        return len(asked)

    calls: list[Callable[[], Any]] = [
        lambda: client.get("/user/sign-ins?limit=50"),
        lambda: here.get("/app/profile/sign-ins"),
    ]
    few = [questions(call) for call in calls]
    for _ in range(50):
        families.start(alice)
    assert [questions(call) for call in calls] == few


def test_using_it_is_noted_once_an_hour(alice: User) -> None:
    here = browser_of(alice, REMOTE_ADDR="203.0.113.9")
    with CaptureQueriesContext(connection) as asked:
        assert is_in(here)
    assert not [one["sql"] for one in asked if one["sql"].startswith("UPDATE")], "a look writes nothing"
    rewound(own(alice), HOUR * 2)
    before = own(alice)
    assert here.get("/app/profile", REMOTE_ADDR="203.0.113.10").status_code == 200
    after = own(alice)
    assert after.seen_at > timezone.now() - timedelta(minutes=1) > before.seen_at
    assert after.ip == "203.0.113.10"
    assert after.expires_at > before.expires_at
    assert after.ends_at == before.ends_at


# Ending one


def test_ending_one_ends_its_tokens_and_no_others(api: Clients, alice: User) -> None:
    stays, goes = families.start(alice), families.start(alice)
    gone = tokens.decode(Kind.ACCESS, goes.access)
    ticket = websocket.issue_ticket(alice, gone).ticket
    client = api(None)
    client.token = stays.access
    assert client.delete(f"/user/sign-ins/{gone.family}").status_code == 204
    assert answered(goes.access) == 401
    assert refreshed(goes.refresh).status_code == 401
    with pytest.raises(PermanentError):
        websocket.authenticate(None, ticket)
    assert (alice.pk, 0, gone.family) not in websocket.living({(alice.pk, 0, gone.family)})
    assert not RefreshToken.objects.filter(family=gone.family).exists()
    assert answered(stays.access) == 200
    assert client.delete(f"/user/sign-ins/{gone.family}").status_code == 404
    entry = AuditEntry.objects.get(action="auth.sign_in_ended")
    assert (entry.actor, entry.target, entry.details["sign_in"]) == ("alice", "alice", str(gone.family))


def test_ending_a_browser_s_ends_its_session_and_its_ticket(valkey: str, alice: User) -> None:
    here, there = browser_of(alice), browser_of(alice)
    of_there = session_of(there).sign_in
    ticket = there.post("/app/ticket").json()["ticket"]
    assert of_there
    assert here.post(f"/app/profile/sign-ins/{of_there.pk}/end").status_code == 302
    assert not is_in(there)
    assert is_in(here)
    with pytest.raises(PermanentError):
        websocket.authenticate(None, ticket)


def test_ending_one_s_own_signs_out_here(alice: User) -> None:
    here = browser_of(alice)
    answer = here.post(f"/app/profile/sign-ins/{own(alice).pk}/end")
    assert (answer.status_code, answer["Location"]) == (302, "/app/login")
    assert not is_in(here)
    assert not SignIn.objects.exists()
    assert not Session.objects.exclude(sign_in=None).exists()


def test_somebody_else_s_is_nobody_s_to_end_but_an_admin_s(
    api: Clients, alice: User, mallory: User, moderator: User, admin: User
) -> None:
    pair = families.start(alice)
    hers = tokens.decode(Kind.ACCESS, pair.access).family
    for who in (mallory, moderator, admin):
        assert api(who).delete(f"/user/sign-ins/{hers}").status_code == 403
    for who in (mallory, moderator):
        assert api(who).get(f"/admin/users/{alice.pk}/sign-ins").status_code == 403
        assert api(who).delete(f"/admin/users/{alice.pk}/sign-ins/{hers}").status_code == 403
    boss = api(admin)
    assert boss.delete(f"/admin/users/{mallory.pk}/sign-ins/{hers}").status_code == 403, "of another person's list"
    for path in (f"/admin/users/{alice.pk}/sign-ins/{uuid4()}", f"/admin/users/{2**63}/sign-ins/{hers}"):
        assert boss.delete(path).status_code in (403, 404)
    assert answered(pair.access) == 200
    assert [row["id"] for row in boss.get(f"/admin/users/{alice.pk}/sign-ins").json()["results"]] == [str(hers)]
    assert boss.delete(f"/admin/users/{alice.pk}/sign-ins/{hers}").status_code == 204
    assert answered(pair.access) == 401
    entry = AuditEntry.objects.get(action="auth.sign_in_ended")
    assert (entry.actor, entry.target, entry.details["user_id"]) == ("admin", "alice", alice.pk)


def test_whoever_is_no_admin_any_more_ends_nothing(api: Clients, alice: User, admin: User) -> None:
    hers = tokens.decode(Kind.ACCESS, families.start(alice).access).family
    assert hers
    User.objects.filter(pk=admin.pk).update(role="user")
    with pytest.raises(PermanentError, match="no admin"):
        sign_ins.end_of_somebody(alice.pk, hers, by=admin)
    assert SignIn.objects.filter(pk=hers).exists()


def test_an_api_key_ends_no_sign_in(api: Clients, alice: User, admin: User) -> None:
    """Whoever finds one does not shut out its owner."""
    browser_of(alice)
    for user, path in ((alice, "/user/sign-ins"), (admin, f"/admin/users/{alice.pk}/sign-ins")):
        key = api_keys.create(user, "found").text
        headers = {"X-API-Key": key}
        assert api(None).get(path, headers=headers).status_code == 200
        assert api(None).delete(f"{path}/{own(alice).pk}", headers=headers).status_code == 403
    assert own(alice)


def test_signing_out_leaves_nothing_in_the_list(alice: User) -> None:
    here, pair = browser_of(alice), families.start(alice)
    here.post("/app/logout")
    families.end(pair.refresh)
    assert not SignIn.objects.exists()


def test_signing_in_again_in_one_browser_takes_the_old_one_s_place(alice: User, bob: User) -> None:
    client = Client()
    keys = set()
    for user in (alice, alice, bob):
        client.force_login(user)
        keys.add(session_of(client).pk)
    assert len(keys) == 3, "each time another cookie"
    assert Session.objects.count() == 1
    assert [row.user for row in SignIn.objects.all()] == [bob]
    assert is_in(client)


def test_whoever_is_deleted_while_they_sign_in_is_told_so(
    transactional_db: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = services.login

    def and_gone(*given: Any) -> User:
        user = login(*given)
        User.objects.filter(pk=user.pk).delete()
        return user

    monkeypatch.setattr(services, "login", and_gone)
    client = Client()
    answer = client.post("/app/login", {"username": "alice", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0].startswith("/app/login")
    assert b"This account is closed." in answer.content
    assert "_auth_user_id" not in client.session


def test_a_new_password_leaves_the_page_s_own_alone(alice: User) -> None:
    here = browser_of(alice)
    browser_of(alice), families.start(alice)
    asked = {"password-current_password": PASSWORD, "password-password": NEW, "password-repeated": NEW}
    here.post("/app/profile/password", asked)
    alice.refresh_from_db()
    assert is_in(here)
    assert [row.pk for row in sign_ins.of_user(alice)] == [session_of(here).sign_in_id]


@pytest.mark.django_db(transaction=True)
def test_one_that_ends_while_its_page_changes_the_password_is_told_so(alice: User) -> None:
    """Django looks for a free key until a session can be written, which never comes where its sign-in is gone."""
    here = browser_of(alice)
    tries: list[str] = []
    sign_in = own(alice).pk

    def end() -> None:
        sign_ins.remove(sign_in)
        connection.close()

    def execute(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith('INSERT INTO "web_sessions"'):
            tries.append(sql)
            assert len(tries) < 4, "for ever"
            with ThreadPoolExecutor(1) as elsewhere:
                elsewhere.submit(end).result()
        return run(sql, *rest)

    asked = {"password-current_password": PASSWORD, "password-password": NEW, "password-repeated": NEW}
    with connection.execute_wrapper(execute):
        answer = here.post("/app/profile/password", asked)
    assert (answer.status_code, len(tries)) == (400, 1)
    assert not is_in(here)
    assert User.objects.get(pk=alice.pk).check_password(NEW)


def test_signing_out_everywhere_empties_the_list(alice: User, admin: User) -> None:
    here, pair = browser_of(alice), families.start(alice)
    services.sign_out_everywhere(alice, by=admin)
    alice.refresh_from_db()
    assert not sign_ins.of_user(alice).exists()
    assert not is_in(here)
    assert refreshed(pair.refresh).status_code == 401
    assert AuditEntry.objects.get(action="auth.logout_all").actor == "admin"


class Seat:
    """A socket of the hub, as far as the hub knows one."""

    def __init__(self, user: User, family: UUID | None) -> None:
        self.user_id, self.sign_in, self.last_id, self.closed = user.pk, (user.pk, user.token_epoch, family), 0, False

    def tell(self, text: str, event_id: int = 0) -> None:
        raise AssertionError(f"nobody is told of this: {text}")

    def heal(self) -> None:
        raise AssertionError("nothing was missed")

    def expire(self) -> None:
        self.closed = True


@pytest.mark.django_db(transaction=True)
def test_its_open_sockets_close_at_once(valkey: str, alice: User, bob: User) -> None:
    """Every web process is told when one ends, and closes what belongs to it without waiting for its look at all sockets."""
    goes, stays = (tokens.decode(Kind.ACCESS, families.start(alice).access).family for _ in range(2))
    assert goes
    seats = [Seat(alice, goes), Seat(alice, stays), Seat(bob, None)]
    hand_out(seats, lambda: sign_ins.end(alice.pk, goes, by=alice))
    assert [seat.closed for seat in seats] == [True, False, False]


@pytest.mark.django_db(transaction=True)
def test_the_page_that_ends_them_keeps_its_socket_until_its_answer_replaces_it(valkey: str, alice: User) -> None:
    """It would ask for another with the key of before, be refused, and lead out of the page before the answer has come."""
    here, elsewhere = browser_of(alice), browser_of(alice)
    seats = [Seat(alice, session_of(browser).sign_in_id) for browser in (here, elsewhere)]
    hand_out(seats, lambda: here.post("/app/logout/all"))
    assert [seat.closed for seat in seats] == [False, True]


def hand_out(seats: list[Seat], deed: Callable[[], object]) -> None:
    """Give the hint that the deed sends to a hub that has these sockets."""
    with redis.Redis.from_url(ENV.redis_url).pubsub() as listener:
        listener.subscribe(push.CHANNEL)
        until(lambda: (listener.get_message(timeout=1) or {}).get("type") == "subscribe", what="the subscription")
        deed()
        heard: list[bytes] = []
        until(lambda: heard.extend(_data(listener)) or heard, what="the hint")

    async def hear() -> None:
        hub = Hub()
        hub._living = websocket.living
        for seat in seats:
            hub._sockets[seat.user_id].add(seat)
        await hub._hand_out(heard[0])

    asyncio.run(hear())


def _data(listener: Any) -> list[bytes]:
    message = listener.get_message(timeout=1)
    return [message["data"]] if message and message["type"] == "message" else []


@pytest.mark.django_db(transaction=True)
def test_a_sign_in_that_ends_before_the_hub_knows_its_socket_opens_none(valkey: str, alice: User) -> None:
    """Nobody would tell the socket of it, and it would stay until the hub's next look at all of them."""
    access = families.start(alice).access
    assert opens(access, websocket.authenticate, websocket.living)

    def authenticate(token: str | None, ticket: str | None) -> websocket.Identity:
        shown = websocket.authenticate(token, ticket)
        assert shown.sign_in[2]
        sign_ins.end(alice.pk, shown.sign_in[2], by=alice)
        return shown

    assert not opens(access, authenticate, websocket.living)


@pytest.mark.django_db(transaction=True)
def test_a_sign_in_that_ends_while_its_socket_is_let_in_opens_none(valkey: str, alice: User) -> None:
    """The hint comes when the rows were looked at already, and the handshake is not answered yet."""
    heard: list[Callable[[], None]] = []

    def living(opened: set[Opened]) -> set[Opened]:
        for expire in heard:
            expire()
        return opened

    def authenticate(token: str | None, ticket: str | None) -> websocket.Identity:
        [(loop, hub)] = _hubs.items()
        heard.append(lambda: loop.call_soon_threadsafe(lambda: [one.expire() for one in hub._sockets[alice.pk]]))
        return websocket.authenticate(token, ticket)

    assert not opens(families.start(alice).access, authenticate, living)


def opens(token: str, authenticate: Authenticate, living: Living) -> bool:
    """Whether the web lets this token's socket in."""

    async def shown() -> bool:
        hub = hub_of_loop()
        socket = WebsocketCommunicator(
            FeedConsumer.as_asgi(authenticate=authenticate, living=living), f"/ws?token={token}"
        )
        socket.scope["client"] = ("127.0.0.1", 5)
        connected, _ = await socket.connect(timeout=60)
        await socket.disconnect(timeout=60)
        for task in hub._tasks:
            task.cancel()
        await asyncio.gather(*hub._tasks, return_exceptions=True)
        await hub._redis.aclose()
        return connected

    return asyncio.run(shown())


def test_nobody_opens_a_socket_by_a_sign_in_that_has_just_ended_in_another_process(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call is believed for a moment longer; a socket would stay."""
    monkeypatch.setattr(identity, "KEEP_SECONDS", 3600.0)
    pair = families.start(alice)
    ticket = websocket.issue_ticket(alice, tokens.decode(Kind.ACCESS, pair.access)).ticket
    assert answered(pair.access) == 200
    SignIn.objects.all().delete()
    assert answered(pair.access) == 200, "believed"
    for shown in ((pair.access, None), (None, ticket)):
        with pytest.raises(PermanentError):
            websocket.authenticate(*shown)


# The end that no use moves


def test_a_refresh_family_ends_however_often_it_is_used(api: Clients, alice: User) -> None:
    pair = families.start(alice)
    row = own(alice)
    assert row.ends_at - row.began_at == DAY * 90
    assert row.expires_at - row.began_at == DAY * 7
    rewound(row, DAY * 7 - HOUR)
    pair = refreshed(pair.refresh).json()
    assert own(alice).expires_at - timezone.now() > DAY * 6, "use moves the idle end"
    assert own(alice).ends_at == row.ends_at
    row = own(alice)
    rewound(row, row.ends_at - timezone.now() - HOUR)
    SignIn.objects.update(expires_at=row.ends_at)
    pair = refreshed(pair["refresh"]).json()
    assert own(alice).expires_at == row.ends_at, "and never beyond the last one"
    rewound(own(alice), HOUR)
    assert answered(pair["access"]) == 401
    assert refreshed(pair["refresh"]).status_code == 401


def test_a_session_ends_however_much_it_is_used(alice: User) -> None:
    here = browser_of(alice)
    row = own(alice)
    assert row.ends_at - row.began_at == DAY * 30
    assert here.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == 30 * 86_400
    rewound(row, row.ends_at - timezone.now() - HOUR * 3)
    SignIn.objects.update(expires_at=row.ends_at)
    assert is_in(here)
    assert own(alice).expires_at == row.ends_at
    rewound(own(alice), HOUR * 4)
    assert not is_in(here)


def test_a_session_that_nobody_uses_ends_earlier(alice: User) -> None:
    here = browser_of(alice)
    rewound(own(alice), DAY * 14 + HOUR)
    assert own(alice).ends_at > timezone.now()
    assert not is_in(here)


def test_what_has_ended_is_swept_and_nothing_else(alice: User, bob: User) -> None:
    here, stays = browser_of(alice), families.start(alice)
    there, gone = browser_of(bob), families.start(bob)
    for row in SignIn.objects.filter(user=bob):
        rewound(row, DAY * 15)
    assert sign_ins.sweep() > 0
    assert not SignIn.objects.filter(user=bob).exists()
    assert (is_in(here), is_in(there)) == (True, False)
    assert refreshed(stays.refresh).status_code == 200
    assert refreshed(gone.refresh).status_code == 401
    assert sign_ins.sweep() == 0


def test_what_is_left_of_living_sign_ins_and_of_nobody_is_swept(alice: User) -> None:
    now, here, pair = timezone.now(), browser_of(alice), families.start(alice)
    family = tokens.decode(Kind.REFRESH, pair.refresh).family
    RefreshToken.objects.create(family_id=family, user=alice, expires_at=now - HOUR)  # of an earlier refresh
    Session.objects.create(session_key="of a stranger", session_data="", expire_date=now - HOUR)
    Session.objects.create(session_key="of another", session_data="", expire_date=now + HOUR)
    assert sign_ins.sweep() == 2
    assert not Session.objects.filter(pk="of a stranger").exists()
    assert Session.objects.filter(pk="of another").exists()
    assert is_in(here)
    assert refreshed(pair.refresh).status_code == 200


def test_what_a_new_password_ended_is_swept_a_day_later(alice: User) -> None:
    """No sooner: its page may be just about to let its own go on."""
    families.start(alice), families.start(alice)
    services.sign_out_everywhere(alice)
    assert sign_ins.sweep() == 0
    rewound(SignIn.objects.all()[0], DAY + HOUR)
    assert sign_ins.sweep() > 0
    assert SignIn.objects.count() == 1


# From before there were rows


def test_browsers_that_were_signed_in_before_the_upgrade_stay_so(alice: User) -> None:
    migration = import_module("apps.accounts.migrations.0010_sign_ins")
    client, stranger, late = Client(), SessionStore(), SessionStore()
    client.force_login(alice)
    before = SessionStore()
    before.update({name: value for name, value in client.session.items() if name != sign_ins.KEY})
    late.update(before)
    late.set_expiry(timezone.now() - HOUR)
    for session in (before, stranger, late):
        session.create()
    SignIn.objects.all().delete()
    migration.take_sessions(apps, None)
    client.cookies[settings.SESSION_COOKIE_NAME] = before.session_key
    assert is_in(client)
    row = own(alice)
    assert (row.kind, session_of(client).sign_in, Session.objects.count()) == ("pages", row, 1)
    assert row.expires_at <= row.ends_at < timezone.now() + DAY * 31


def test_going_back_before_the_upgrade_brings_no_ended_session_back(alice: User) -> None:
    migration = import_module("apps.accounts.migrations.0010_sign_ins")
    SessionStore().create()  # ended since
    here = browser_of(alice)
    with connection.schema_editor() as editor:
        migration.give_sessions_back(apps, editor)
    assert [row.pk for row in SessionStore.get_model_class().objects.all()] == [session_of(here).pk]
