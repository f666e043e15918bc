"""One's own account over REST: reading, changing and deleting it, and what the audit trail keeps of that."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts import families, services
from apps.accounts.models import AuditEntry, RefreshToken, Role, User
from apps.media.models import Favorite, Media
from tests.cast import Api
from tests.factories import PASSWORD

Clients = Callable[[User | None], Api]


def test_the_profile_is_one_s_own(api: Clients, alice: User, bob: User) -> None:
    assert api(bob).get("/user/profile").json()["username"] == "bob"
    profile = api(alice).get("/user/profile").json()
    assert set(profile) == {"id", "email", "username", "role", "language", "has_avatar", "created_at", "quotas"}
    assert profile["username"] == "alice"
    assert profile["created_at"].endswith("Z")


def test_changing_name_and_language(api: Clients, alice: User) -> None:
    answer = api(alice).patch("/user/profile", {"username": "Alice.2", "language": "fr"})
    assert (answer.status_code, answer.json()["username"], answer.json()["language"]) == (200, "Alice.2", "fr")
    alice.refresh_from_db()
    assert (alice.username, alice.language, alice.email) == ("Alice.2", "fr", "alice@example.com")
    row = AuditEntry.objects.get()
    assert (row.action, row.actor_id, row.details["fields"]) == ("user.changed", alice.pk, ["language", "username"])
    assert row.details["before"] == {"language": "", "username": "alice"}
    assert row.details["after"] == {"language": "fr", "username": "Alice.2"}
    assert (row.ip, row.request_id) == ("127.0.0.1", answer["X-Request-ID"])


def test_changing_nothing_is_fine(api: Clients, alice: User) -> None:
    assert api(alice).patch("/user/profile", {}).json()["username"] == "alice"
    assert not AuditEntry.objects.exists()


def test_one_s_own_name_in_another_case_is_not_taken(api: Clients, alice: User) -> None:
    assert api(alice).patch("/user/profile", {"username": "ALICE"}).json()["username"] == "ALICE"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "BOB"}, "username"),
        ({"username": "<img src=x onerror=alert(1)>"}, "username"),
        ({"username": "'; DROP TABLE users; --"}, "username"),
        ({"username": "\u202eevil"}, "username"),
        ({"username": "x" * 1_000_000}, "username"),
        ({"email": "BOB@example.com", "current_password": PASSWORD}, "email"),
        ({"email": "new@example.com"}, "current_password"),
        ({"email": "new@example.com", "current_password": "wrong"}, "current_password"),
        ({"password": "a new password"}, "current_password"),
        ({"password": "short", "current_password": PASSWORD}, "password"),
        ({"password": "Football1", "current_password": PASSWORD}, "password"),  # one of the commonest
        ({"language": "xx"}, "language"),
        ({"role": "admin"}, "role"),
        ({"token_epoch": 3}, "token_epoch"),
        ({"is_active": False}, "is_active"),
    ],
)
def test_bad_changes_name_the_field(api: Clients, alice: User, bob: User, change: dict[str, Any], field: str) -> None:
    before = User.objects.filter(pk=alice.pk).values().get()
    answer = api(alice).patch("/user/profile", change)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert User.objects.filter(pk=alice.pk).values().get() == before


def test_a_new_e_mail_address_needs_the_password(api: Clients, alice: User) -> None:
    answer = api(alice).patch("/user/profile", {"email": "new@example.com", "current_password": PASSWORD})
    assert (answer.status_code, answer.json()["email"]) == (200, "new@example.com")


def test_a_new_password_ends_every_sign_in(api: Clients, alice: User) -> None:
    signed_in, other, refresh = api(alice), api(alice), families.start(alice).refresh
    change = {"password": "a new password", "current_password": PASSWORD}
    assert signed_in.patch("/user/profile", change).status_code == 200
    assert signed_in.get("/user/profile").status_code == 401
    assert other.get("/user/profile").status_code == 401
    assert api(None).post("/auth/refresh", {"refresh": refresh}).status_code == 401
    for password, status in [(PASSWORD, 401), ("a new password", 200)]:
        assert api(None).post("/auth/login", {"username": "alice", "password": password}).status_code == status


def test_deleting_an_account_takes_its_data_and_leaves_the_trail(api: Clients, alice: User, bob: User) -> None:
    film = Media.objects.create(tmdb_id=1, kind="movie", title="Sintel", genres=["Animation"], slug="sintel")
    for user in (alice, bob):
        Favorite.objects.create(user=user, media=film)
    login = api(None).post("/auth/login", {"username": "alice", "password": PASSWORD}).json()
    client = api(alice)
    assert client.delete("/user").status_code == 204
    assert client.get("/user/profile").status_code == 401
    assert api(None).post("/auth/refresh", {"refresh": login["refresh"]}).status_code == 401
    assert list(User.objects.values_list("username", flat=True)) == ["bob"]
    assert list(Favorite.objects.values_list("user", flat=True)) == [bob.pk]
    assert not RefreshToken.objects.filter(user=alice.pk).exists()
    trail = AuditEntry.objects.filter(actor_id=alice.pk).order_by("id")
    assert list(trail.values_list("action", "actor")) == [("auth.login", "alice"), ("user.deleted", "alice")]


def test_a_role_change_is_in_the_trail(alice: User, admin: User) -> None:
    services.set_role(alice, Role.MODERATOR, by=admin)
    alice.refresh_from_db()
    assert (alice.role, alice.is_staff, alice.is_admin) == ("moderator", True, False)
    row = AuditEntry.objects.get()
    assert (row.action, row.target, row.actor) == ("user.role_changed", "alice", "admin")
    assert row.details == {"user_id": alice.pk, "before": "user", "after": "moderator"}
