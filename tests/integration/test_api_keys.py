"""API keys: what one opens, what it does not, and when it stops."""

import hashlib
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.test import Client
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from apps.accounts import api_keys, families, identity, managing, resets, services, websocket
from apps.accounts.models import ApiKey, AuditEntry, User
from apps.media.models import Favorite, Media
from sokoul import masking
from sokoul.errors import PermanentError
from tests.cast import Api
from tests.factories import PASSWORD, make_user
from tests.waiting import until
from tests.web import Web, token_of

Clients = Callable[[User | None], Api]


def by_key(api: Clients, key: str) -> Api:
    """A program that knows nothing but the key."""
    client = api(None)
    client.client = Client(raise_request_exception=False, headers={"X-API-Key": key})
    return client


def test_a_key_is_shown_once_and_kept_as_a_hash(api: Clients, alice: User) -> None:
    answer = api(alice).post("/user/api-keys", {"name": "television"})
    made = answer.json()
    assert answer.status_code == 201
    assert set(made) == {"id", "name", "prefix", "created_at", "expires_at", "last_used_at", "key"}
    assert re.fullmatch(r"sk_[\w-]{43}", made["key"])
    row = ApiKey.objects.values().get()
    assert row["digest"] == hashlib.sha256(made["key"].encode()).hexdigest()
    assert made["key"][10:] not in repr(row)
    listed = api(alice).get("/user/api-keys")
    assert (listed.status_code, listed.json()["total"]) == (200, 1)
    assert listed.json()["results"] == [{name: made[name] for name in made if name != "key"}]
    assert masking.mask(f"the key {made['key']} leaked") == "the key sk_...*** leaked"


def test_several_keys_open_what_is_their_owner_s(api: Clients, alice: User, bob: User) -> None:
    film = Media.objects.create(tmdb_id=1, kind="movie", title="Sintel", genres=["Animation"], slug="sintel")
    keys = [api_keys.create(alice, name).text for name in ("one", "two")]
    for key in keys:
        assert by_key(api, key).get("/user/profile").json()["username"] == "alice"
    assert by_key(api, keys[0]).post("/media/favorite", {"media_id": film.pk}).status_code == 201
    assert by_key(api, keys[1]).get("/media/favorites").json()["total"] == 1
    assert list(Favorite.objects.values_list("user", flat=True)) == [alice.pk]
    assert by_key(api, keys[0]).get("/admin/users").status_code == 403
    assert by_key(api, keys[0]).patch("/user/profile", {"language": "fr"}).json()["language"] == "fr"
    listed = by_key(api, keys[0]).get("/user/api-keys").json()
    assert [row["name"] for row in listed["results"]] == ["two", "one"]


def test_a_key_has_its_owner_s_role(api: Clients, moderator: User, admin: User) -> None:
    assert by_key(api, api_keys.create(moderator, "k").text).get("/logs").status_code == 200
    assert by_key(api, api_keys.create(moderator, "k").text).get("/admin/users").status_code == 403
    assert by_key(api, api_keys.create(admin, "k").text).get("/admin/users").status_code == 200


@pytest.mark.parametrize("change", ["x", "", "sk_", "sk_" + "a" * 43, "k" * 60_000, "\u00e9"])
def test_a_wrong_key_is_401(api: Clients, alice: User, change: str) -> None:
    key = api_keys.create(alice, "k").text
    answer = by_key(api, key[:-1] + change if change == "x" else change).get("/user/profile")
    assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert not ApiKey.objects.exclude(last_used_at=None).exists()


def test_a_key_counts_in_its_header_only(api: Clients, alice: User) -> None:
    key = api_keys.create(alice, "k").text
    for name in ("api_key", "X-API-Key", "apikey", "token", "key"):
        assert api(None).get("/user/profile", **{name: key}).status_code == 401
    assert api(None).get("/user/profile", headers={"Authorization": f"Bearer {key}"}).status_code == 401
    plain = Client(raise_request_exception=False)
    plain.cookies["X-API-Key"] = key
    assert plain.get("/user/profile").status_code == 401


def test_a_bad_token_is_not_mended_by_a_good_key(api: Clients, alice: User) -> None:
    headers = {"X-API-Key": api_keys.create(alice, "k").text, "Authorization": "Bearer rubbish"}
    assert api(None).get("/user/profile", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/user/api-keys", {"name": "another"}),
        ("delete", "/user/api-keys/{id}", None),
        ("patch", "/user/profile", {"password": "a new password", "current_password": PASSWORD}),
        ("patch", "/user/profile", {"email": "new@example.com", "current_password": PASSWORD}),
        ("post", "/user/telegram/link", None),
        ("post", "/user/telegram/confirm", None),
        ("post", "/user/second-factor", {"current_password": PASSWORD}),
        ("post", "/user/second-factor/confirm", {"code": "123456"}),
        ("post", "/user/second-factor/disable", {"current_password": PASSWORD}),
        ("post", "/user/second-factor/recovery-codes", {"current_password": PASSWORD}),
        ("delete", "/user", None),
        ("post", "/auth/logout/all", None),
    ],
)
def test_no_key_leads_to_another_way_in(api: Clients, alice: User, method: str, path: str, body: Any) -> None:
    made, before = api_keys.create(alice, "k"), User.objects.filter(pk=alice.pk).values().get()
    answer = by_key(api, made.text).request(method, path.format(id=made.row.pk), body)
    assert (answer.status_code, "Sign in" in answer.json()["detail"]) == (403, True)
    assert User.objects.filter(pk=alice.pk).values().get() == before
    assert ApiKey.objects.count() == 1


def test_somebody_else_s_key_is_not_one_s_own(api: Clients, alice: User, mallory: User) -> None:
    made = api_keys.create(alice, "k")
    assert api(mallory).get("/user/api-keys").json()["results"] == []
    assert api(mallory).delete(f"/user/api-keys/{made.row.pk}").status_code == 403
    assert api(mallory).delete("/user/api-keys/999999999").status_code == 404
    assert api(None).delete(f"/user/api-keys/{made.row.pk}").status_code == 401
    assert by_key(api, made.text).get("/user/profile").status_code == 200


def test_a_deleted_key_opens_nothing_at_once(alice: User) -> None:
    """With the cache of a real process, in which it was just used."""
    made, other = api_keys.create(alice, "k"), api_keys.create(alice, "other")
    assert api_keys.used(made.text)[0].pk == alice.pk
    api_keys.delete(alice, made.row.pk)
    refused(made.text)
    assert api_keys.used(other.text)[0].pk == alice.pk


def refused(key: str) -> None:
    with pytest.raises(PermanentError) as caught:
        api_keys.used(key)
    assert caught.value.status == 401


def test_another_process_believes_a_deleted_key_for_a_moment_only(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = api_keys.create(alice, "k")
    monkeypatch.setattr(identity, "KEEP_SECONDS", 0.2)
    api_keys.used(made.text)
    ApiKey.objects.all().delete()  # as another process would
    until(lambda: not opens(made.text), 30, "the end of the key")


def opens(key: str) -> bool:
    try:
        return bool(api_keys.used(key))
    except PermanentError:
        return False


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["password", "reset", "deactivated", "deleted"])
def test_keys_end_with_the_password_and_the_account(way: str) -> None:
    """Also when the account is opened again: whoever had it may have left himself a key."""
    owner, admin = make_user("alice"), make_user("admin", role="admin")
    made = api_keys.create(owner, "k")
    assert api_keys.used(made.text)[0].pk == owner.pk
    if way == "password":
        services.change_profile(owner, {"password": "a new password", "current_password": PASSWORD})
    elif way == "reset":
        resets.reset(resets.code_for(owner), "a new password")
    elif way == "deactivated":
        managing.change(owner.pk, by=admin, is_active=False)
        refused(made.text)
        managing.change(owner.pk, by=admin, is_active=True)
    else:
        services.delete(owner)
    refused(made.text)
    assert not ApiKey.objects.exists()
    if way != "deleted":
        row = AuditEntry.objects.get(action="apikey.deleted")
        assert (row.target, row.details["prefix"], row.details["user_id"]) == ("k", made.text[:10], owner.pk)


def test_signing_out_leaves_keys(alice: User) -> None:
    made, pair = api_keys.create(alice, "k"), families.start(alice)
    families.end(pair.refresh)
    User.objects.filter(pk=alice.pk).update(token_epoch=7)
    identity.forget(alice.pk)
    assert api_keys.used(made.text)[0].pk == alice.pk


def test_a_key_may_have_an_end(api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = timezone.now() + timedelta(hours=2)
    made = api(alice).post("/user/api-keys", {"name": "k", "expires_at": soon.isoformat()}).json()
    assert by_key(api, made["key"]).get("/user/profile").status_code == 200
    api_keys.used(made["key"])
    later = time.time() + 7201
    monkeypatch.setattr(time, "time", lambda: later)
    refused(made["key"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "x" * 900_000}, "name"),
        ({"name": "k", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "k", "expires_at": "soon"}, "expires_at"),
        ({"name": "k", "expires_at": "0001-01-01T00:00:00+23:00"}, "expires_at"),
        ({"name": "k", "user": 1}, "user"),
    ],
)
def test_bad_input_names_the_field(api: Clients, alice: User, body: dict[str, Any], field: str) -> None:
    answer = api(alice).post("/user/api-keys", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not ApiKey.objects.exists()


def test_twenty_keys_are_enough(api: Clients, alice: User, bob: User) -> None:
    for _ in range(api_keys.MOST):
        api_keys.create(alice, "k")
    answer = api(alice).post("/user/api-keys", {"name": "one more"})
    assert (answer.status_code, "20 keys" in answer.json()["detail"]) == (409, True)
    assert ApiKey.objects.count() == 20
    assert api(bob).post("/user/api-keys", {"name": "k"}).status_code == 201


def test_the_trail_names_the_key_and_never_holds_it(api: Clients, alice: User) -> None:
    made = api(alice).post("/user/api-keys", {"name": "television"}).json()
    api(alice).delete(f"/user/api-keys/{made['id']}")
    rows = AuditEntry.objects.order_by("id")
    assert [(row.action, row.target, row.details) for row in rows] == [
        ("apikey.created", "television", {"prefix": made["prefix"]}),
        ("apikey.deleted", "television", {"prefix": made["prefix"]}),
    ]
    assert {(row.actor, row.ip) for row in rows} == {("alice", "127.0.0.1")}
    assert made["key"] not in repr(list(AuditEntry.objects.values()))


def test_the_last_use_is_written_once_a_minute(
    alice: User, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    made = api_keys.create(alice, "k")
    monkeypatch.setattr(identity, "KEEP_SECONDS", 0.0)
    api_keys.used(made.text)
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    with django_assert_num_queries(2):  # the key and its owner; nothing is written
        api_keys.used(made.text)
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    api_keys.used(made.text)
    assert (ApiKey.objects.get().last_used_at or first) > first
    monkeypatch.setattr(identity, "KEEP_SECONDS", 30.0)
    api_keys.used(made.text)
    with django_assert_num_queries(0):
        api_keys.used(made.text)


def test_a_socket_s_ticket_by_key(valkey: str, api: Clients, alice: User) -> None:
    made = api_keys.create(alice, "k", timezone.now() + timedelta(minutes=10))
    answer = by_key(api, made.text).post("/auth/ws-ticket")
    assert answer.status_code == 200
    opened = websocket.authenticate(None, answer.json()["ticket"])
    assert opened.user_id == alice.pk
    assert 590 < opened.expires_at - time.time() <= 600  # as long as the key
    endless = by_key(api, api_keys.create(alice, "k").text).post("/auth/ws-ticket").json()["ticket"]
    assert 3590 < websocket.authenticate(None, endless).expires_at - time.time() <= 3600


@pytest.mark.django_db(transaction=True)
def test_a_key_over_a_real_server_also_for_sockets_and_streams(web: Web) -> None:
    owner, admin = make_user("alice"), make_user("admin", role="admin")
    key = {"X-API-Key": api_keys.create(owner, "k").text}
    assert web.get("/user/profile", headers=key).json()["username"] == "alice"
    ticket = web.request("POST", "/auth/ws-ticket", headers=key).json()["ticket"]
    with web.ws(f"?ticket={ticket}") as socket:
        assert orjson.loads(socket.recv(10))["type"] == "snapshot"
        stream = "/downloads/999999999/files/0/stream"
        assert web.get(stream, headers={"X-API-Key": "sk_wrong"}).status_code == 401
        assert web.get(stream, headers=key).status_code == 404
        closing = web.request("PATCH", f"/admin/users/{owner.pk}", admin, json={"is_active": False})
        assert closing.status_code == 200
        until(lambda: closed(socket), 60, "the end of the socket")
    assert web.get("/user/profile", headers=key).status_code == 401
    assert token_of(admin)


def closed(socket: ClientConnection) -> bool:
    try:
        socket.recv(0.1)
    except TimeoutError:
        return False
    except ConnectionClosed:
        return True
    return False


def test_the_page_makes_shows_once_and_deletes(alice: User, mallory: User) -> None:
    browser = Client(headers={"HX-Request": "true"})
    browser.force_login(alice)
    name = "<img src=x onerror=alert(1)>"
    shown = browser.post("/app/profile/keys", {"name": name, "days": "30"})
    key = re.search(r'<code id="key">(sk_[\w-]{43})</code>', shown.content.decode())
    assert key
    assert name not in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    row = ApiKey.objects.get()
    assert row.expires_at
    assert 29 <= (row.expires_at - timezone.now()).days <= 30
    plain = Client()
    plain.force_login(alice)
    again = plain.get("/app/profile/keys").content.decode()
    assert row.prefix in again
    assert key[1] not in again
    assert browser.post("/app/profile/keys", {"name": "k", "days": "-1"}).status_code == 400
    stranger = Client()
    assert stranger.post("/app/profile/keys", {"name": "k", "days": ""}).status_code == 302
    stranger.force_login(mallory)
    stranger.post(f"/app/profile/keys/{row.pk}/delete")
    assert ApiKey.objects.count() == 1
    assert plain.post(f"/app/profile/keys/{row.pk}/delete").status_code == 302
    assert not ApiKey.objects.exists()


def test_no_key_opens_a_page(alice: User) -> None:
    headers = {"X-API-Key": api_keys.create(alice, "k").text}
    assert Client(headers=headers).get("/app/profile/keys").status_code == 302
