"""Registering, signing in, refreshing, signing out: over REST, on a real database."""

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from apps.accounts import families, identity, services, tokens
from apps.accounts.models import AuditEntry, RefreshToken, SignIn, User
from apps.accounts.sign_ins import services as sign_ins
from apps.accounts.tokens import Kind
from sokoul.errors import PermanentError
from tests.cast import Api
from tests.factories import PASSWORD, make_user

Clients = Callable[[User | None], Api]
NEW = {"email": "Carol@Example.com", "username": "carol", "password": "a long enough one"}


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def test_registering_signs_in_at_once(api: Clients) -> None:
    answer = api(None).post("/auth/register", NEW)
    assert answer.status_code == 201
    assert answer.json()["user"] | {"id": 0, "created_at": ""} == {
        "id": 0,
        "email": "Carol@Example.com",
        "username": "carol",
        "role": "user",
        "language": "",
        "has_avatar": False,
        "created_at": "",
    }
    carol = User.objects.get(username="carol")
    assert carol.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    stranger = api(None)
    stranger.token = answer.json()["access"]
    assert stranger.get("/user/profile").json()["id"] == carol.pk
    assert stranger.get("/api/v1/user/profile").json()["id"] == carol.pk
    assert actions() == ["auth.registered"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": "a@b\0.com"}, "email"),
        ({"email": "x" * 1_000_000 + "@example.com"}, "email"),
        ({"email": ["a@example.com"]}, "email"),
        ({"username": "ab"}, "username"),
        ({"username": "x" * 1_000_000}, "username"),
        ({"username": "\u202eevil"}, "username"),
        ({"username": "nul\0nul"}, "username"),
        ({"username": "<img src=x onerror=alert(1)>"}, "username"),
        ({"username": "'; DROP TABLE users; --"}, "username"),
        ({"username": "new\nline"}, "username"),
        ({"username": None}, "username"),
        ({"password": "seven77"}, "password"),
        ({"password": "Football1"}, "password"),  # one of the commonest
        ({"password": "nul\0nul\0nul"}, "password"),
        ({"password": "x" * 1_000_000}, "password"),
        ({"password": {"a": 1}}, "password"),
        ({"role": "admin"}, "role"),
    ],
)
def test_bad_registrations_name_the_field(api: Clients, change: dict[str, Any], field: str) -> None:
    answer = api(None).post("/auth/register", NEW | change)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == [field]
    assert answer.json()["request_id"] == answer["X-Request-ID"]
    assert not User.objects.exists()


@pytest.mark.parametrize("field", ["email", "username", "password"])
def test_a_missing_field_is_named(api: Clients, field: str) -> None:
    answer = api(None).post("/auth/register", {name: value for name, value in NEW.items() if name != field})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


@pytest.mark.parametrize("password", ["<img src=x onerror=alert(1)>", "'; DROP TABLE users; --", "\u202ecod\u0301e  "])
def test_any_password_is_taken_verbatim(api: Clients, password: str) -> None:
    assert api(None).post("/auth/register", NEW | {"password": password}).status_code == 201
    assert api(None).post("/auth/login", {"username": "carol", "password": password}).status_code == 200
    assert api(None).post("/auth/login", {"username": "carol", "password": password.strip() + "!"}).status_code == 401


@pytest.mark.parametrize(
    ("change", "field"), [({"email": "ALICE@example.COM"}, "email"), ({"username": "ALICE"}, "username")]
)
def test_a_taken_name_is_refused_whatever_its_case(
    api: Clients, alice: User, change: dict[str, str], field: str
) -> None:
    answer = api(None).post("/auth/register", NEW | change)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert User.objects.count() == 1


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"null", b'{"email": "\\ud800"}', b"\xff"])
def test_what_is_no_json_object_is_refused(api: Clients, body: bytes) -> None:
    answer = Client().post("/auth/register", body, content_type="application/json")
    assert answer.status_code == 400


def test_of_many_registrations_at_once_one_wins(transactional_db: None, api: Clients) -> None:
    answers = at_once(6, lambda: api(None).post("/auth/register", NEW))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 5
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "login",
    [{"username": "alice"}, {"username": "ALICE"}, {"email": "Alice@example.com"}, {"username": "alice@example.com"}],
)
def test_signing_in_by_either_name(api: Clients, alice: User, login: dict[str, str]) -> None:
    answer = api(None).post("/auth/login", login | {"password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json()["user"]["id"] == alice.pk
    assert tokens.decode(Kind.ACCESS, answer.json()["access"]).user_id == alice.pk
    assert actions() == ["auth.login"]


def test_every_refusal_of_a_login_looks_alike(api: Clients, alice: User, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    make_user("locked", password="!")
    attempts = [("alice", "wrong"), ("nobody", PASSWORD), ("bob", PASSWORD), ("locked", PASSWORD), ("' OR 1=1 --", "x")]
    answers = [api(None).post("/auth/login", {"username": name, "password": word}) for name, word in attempts]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer["WWW-Authenticate"] for answer in answers} == {'Bearer realm="sokoul"'}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    rows = AuditEntry.objects.order_by("id").values_list("action", "target", "details__user_id")
    assert list(rows)[:2] == [("auth.login_failed", "alice", alice.pk), ("auth.login_failed", "nobody", None)]


@pytest.mark.parametrize("login", [{}, {"username": "alice", "email": "alice@example.com"}])
def test_a_login_has_one_name(api: Clients, login: dict[str, str]) -> None:
    answer = api(None).post("/auth/login", login | {"password": PASSWORD})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["username"])


def test_a_stale_token_does_not_keep_anybody_from_signing_in(api: Clients, alice: User) -> None:
    answer = api(None).post(
        "/auth/login", {"username": "alice", "password": PASSWORD}, headers={"Authorization": "Bearer stale"}
    )
    assert answer.status_code == 200


def test_refreshing_gives_a_new_pair_and_the_old_token_is_spent(api: Clients, alice: User) -> None:
    first = families.start(alice)
    answer = api(None).post("/auth/refresh", {"refresh": first.refresh})
    assert answer.status_code == 200
    second = answer.json()
    assert set(second) == {"access", "refresh"}
    assert second["refresh"] != first.refresh
    assert api(None).post("/auth/refresh", {"refresh": second["refresh"]}).status_code == 200


def test_a_replayed_token_ends_its_family_and_no_other(api: Clients, alice: User) -> None:
    first, other = families.start(alice), families.start(alice)
    second = api(None).post("/auth/refresh", {"refresh": first.refresh}).json()
    assert api(None).post("/auth/refresh", {"refresh": first.refresh}).status_code == 401
    assert api(None).post("/auth/refresh", {"refresh": second["refresh"]}).status_code == 401
    assert with_token(api, second["access"]).get("/user/profile").status_code == 401
    assert with_token(api, other.access).get("/user/profile").status_code == 200
    assert api(None).post("/auth/refresh", {"refresh": other.refresh}).status_code == 200
    assert actions() == ["auth.refresh_replayed"]


def test_eight_replays_at_once_give_one_pair_at_most_and_end_the_family(
    transactional_db: None, api: Clients, alice: User
) -> None:
    first = families.start(alice)
    answers = at_once(8, lambda: api(None).post("/auth/refresh", {"refresh": first.refresh}))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    assert not RefreshToken.objects.exists()
    won = next(answer.json() for answer in answers if answer.status_code == 200)
    assert with_token(api, won["access"]).get("/user/profile").status_code == 401
    assert api(None).post("/auth/refresh", {"refresh": won["refresh"]}).status_code == 401
    assert actions() == ["auth.refresh_replayed"]


def test_a_rotation_cannot_slip_past_the_revocation_of_its_family(
    transactional_db: None, api: Clients, alice: User
) -> None:
    """The thief replays the first token while the owner refreshes with the second: whoever is first, nothing survives."""
    for _ in range(5):
        first = families.start(alice)
        second = families.rotate(first.refresh)
        both = iter([first.refresh, second.refresh])
        at_once(2, lambda both=both: api(None).post("/auth/refresh", {"refresh": next(both)}))  # type: ignore[misc]
        assert not RefreshToken.objects.exists()


def test_signing_out_ends_the_sign_in(api: Clients, alice: User) -> None:
    pair = families.start(alice)
    client = with_token(api, pair.access)
    assert client.get("/user/profile").status_code == 200
    assert api(None).post("/auth/logout", {"refresh": pair.refresh}).status_code == 204
    assert client.get("/user/profile").status_code == 401
    assert api(None).post("/auth/refresh", {"refresh": pair.refresh}).status_code == 401
    assert api(None).post("/auth/logout", {"refresh": pair.refresh}).status_code == 204
    assert actions() == ["auth.logout"]


@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
def test_only_a_refresh_token_refreshes(api: Clients, alice: User, path: str) -> None:
    access = families.start(alice).access
    ticket = tokens.encode(Kind.TICKET, alice.pk, 0, uuid.uuid4())
    for token in ("rubbish", access, ticket, "'; DROP TABLE users; --"):
        answer = api(None).post(path, {"refresh": token})
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"]
    assert api(None).post(path, {"refresh": "x" * 1_000_000}).status_code == 400


def with_token(api: Clients, token: str) -> Api:
    client = api(None)
    client.token = token
    return client


def forged(user: User, **claims: Any) -> str:
    """A token as ours, signed with our key, with some claims changed (None removes one)."""
    good = jwt.decode(families.start(user).access, options={"verify_signature": False})
    changed = {name: value for name, value in {**good, **claims}.items() if value is not None}
    kid, key = next(iter(tokens._keys().items()))
    return jwt.encode(changed, key, algorithm="HS256", headers={"kid": kid})


def bad_tokens(user: User) -> dict[str, str]:
    good = families.start(user)
    payload = jwt.decode(good.access, options={"verify_signature": False})
    kid, key = next(iter(tokens._keys().items()))
    now = int(time.time())
    return {
        "empty": "",
        "rubbish": "rubbish",
        "three dots": "a.b.c",
        "not ASCII": "tök€n".encode().decode("latin-1"),
        "huge": good.access + "x" * 5000,
        "alg none": jwt.encode(payload, "", algorithm="none", headers={"kid": kid}),
        "another algorithm": jwt.encode(payload, key, algorithm="HS384", headers={"kid": kid}),
        "foreign key": jwt.encode(payload, b"k" * 32, algorithm="HS256", headers={"kid": kid}),
        "unknown kid": jwt.encode(payload, key, algorithm="HS256", headers={"kid": "x"}),
        "no kid": jwt.encode(payload, key, algorithm="HS256"),
        "cut short": good.access[:-2],
        "refresh token": good.refresh,
        "ticket": tokens.encode(Kind.TICKET, user.pk, 0, uuid.UUID(payload["fam"])),
        "wrong type": forged(user, type="refresh"),
        "wrong audience": forged(user, aud="sokoul:refresh"),
        "several audiences": forged(user, aud=["sokoul:access", "other"]),
        "wrong issuer": forged(user, iss="other"),
        "expired": forged(user, exp=now - 1),
        "from the future": forged(user, iat=now + 600),
        "no end": forged(user, exp=None),
        "no family": forged(user, fam=None),
        "bad family": forged(user, fam="x"),
        "unknown family": forged(user, fam=uuid.uuid4().hex),
        "no user": forged(user, sub=None),
        "user that is no number": forged(user, sub="alice"),
        "user that does not exist": forged(user, sub="999999999999999999999"),
        "former epoch": forged(user, epoch=-1),
    }


def test_the_untouched_forgery_is_good(api: Clients, alice: User) -> None:
    """So that the list below fails for what was changed, and for nothing else."""
    assert with_token(api, forged(alice)).get("/user/profile").status_code == 200


def test_a_token_of_a_host_whose_clock_is_a_little_ahead_is_good(api: Clients, alice: User) -> None:
    assert with_token(api, forged(alice, iat=int(time.time()) + 3)).get("/user/profile").status_code == 200


def test_bad_tokens_are_refused(api: Clients, alice: User) -> None:
    for name, token in bad_tokens(alice).items():
        answer = Client().get("/user/profile", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, name
        assert answer["WWW-Authenticate"] == 'Bearer realm="sokoul"', name
        assert answer["Content-Type"] == "application/problem+json", name


@pytest.mark.parametrize("header", [None, "Basic YWxpY2U6eA==", "Bearer", "Token x"])
def test_strangers_are_refused(api: Clients, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    for method, path in [
        ("get", "/user/profile"),
        ("patch", "/user/profile"),
        ("delete", "/user"),
        ("post", "/auth/ws-ticket"),
    ]:
        answer = api(None).request(method, path, headers=headers)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="sokoul"'), path


def test_the_ring_of_keys(api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = "o" * 32, "n" * 32
    monkeypatch.setattr(tokens, "secrets_of", lambda _: (old,))
    before = families.start(alice).access
    monkeypatch.setattr(tokens, "secrets_of", lambda _: (new, old))
    after = families.start(alice).access
    assert with_token(api, before).get("/user/profile").status_code == 200
    monkeypatch.setattr(tokens, "secrets_of", lambda _: (new,))
    assert with_token(api, before).get("/user/profile").status_code == 401
    assert with_token(api, after).get("/user/profile").status_code == 200


def test_identity_is_asked_for_once_in_a_while(
    api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = api(alice)
    with django_assert_num_queries(2):  # who it is, and what the quotas are used for
        client.get("/user/profile")
    monkeypatch.setattr(identity, "KEEP_SECONDS", 3600.0)
    client.get("/user/profile")
    with django_assert_num_queries(1):
        assert client.get("/user/profile").json()["username"] == "alice"
    services.change_profile(alice, {"username": "alicia"})
    assert client.get("/user/profile").json()["username"] == "alicia"


def test_a_token_that_is_believed_for_a_while_expires_all_the_same(
    api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = api(alice)
    monkeypatch.setattr(identity, "KEEP_SECONDS", 3600.0)
    for status in (200, 200):
        assert client.get("/user/profile").status_code == status
    expired = time.time() + tokens.LIFETIMES[Kind.ACCESS] + 1
    monkeypatch.setattr(time, "time", lambda: expired)  # of what is kept; PyJWT looks at the calendar
    monkeypatch.setattr(tokens, "decode", _refuse)
    with pytest.raises(PermanentError, match="Sign in first"):
        identity.bearer(str(client.token))


def _refuse(*_: object) -> None:
    raise tokens.unauthenticated()


def test_what_ends_a_sign_in_ends_it_at_once_in_this_process(
    api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long other processes may go on believing it."""
    endings: list[Callable[[families.Pair], object]] = [
        lambda pair: families.end(pair.refresh),
        lambda pair: sign_ins.end(alice.pk, SignIn.objects.get(user=alice).pk, by=alice),
        lambda pair: [api(None).post("/auth/refresh", {"refresh": pair.refresh}) for _ in "twice"],
        lambda pair: services.change_profile(alice, {"password": "a new one", "current_password": PASSWORD}),
        lambda pair: services.delete(alice),
    ]
    for ending in endings:
        alice.refresh_from_db()
        pair = families.start(alice)
        monkeypatch.setattr(identity, "KEEP_SECONDS", 3600.0)
        assert with_token(api, pair.access).get("/user/profile").status_code == 200
        ending(pair)
        assert with_token(api, pair.access).get("/user/profile").status_code == 401


def test_nobody_signs_in_to_an_account_that_went_meanwhile(transactional_db: None, api: Clients, alice: User) -> None:
    pair = families.start(alice)
    User.objects.filter(pk=alice.pk).delete()
    with pytest.raises(PermanentError, match="Sign in first"):
        families.start(alice)
    for path in ("/auth/refresh", "/auth/logout"):
        assert api(None).post(path, {"refresh": pair.refresh}).status_code == 401


def test_a_deactivated_account_is_out(api: Clients, alice: User) -> None:
    client = api(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert client.get("/user/profile").status_code == 401


def at_once(count: int, call: Callable[[], Any]) -> list[Any]:
    """Results of the same call from several threads that start together."""
    barrier, results = threading.Barrier(count), []

    def run() -> None:
        barrier.wait(timeout=40)
        try:
            results.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results
