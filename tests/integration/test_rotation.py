"""Every secret is changed under a running web process: nothing is restarted, and nobody is signed out (SPEC 4)."""

import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import psycopg
import pytest

from apps.accounts.models import User
from apps.feed.models import Event
from sokoul import env
from sokoul.env import ENV
from sokoul.postgres import login, watch
from sokoul.postgres.connection import Connection
from tests import servers
from tests.demo import Demo
from tests.factories import PASSWORD, make_user
from tests.waiting import until
from tests.web import Web, environment

pytestmark = pytest.mark.django_db(transaction=True)
Start = Callable[..., Web]


def secret() -> str:
    return secrets.token_urlsafe(48)


def write(file: Path, *lines: str) -> None:
    """As an operator's tool does: whole, and at once."""
    fresh = file.with_suffix(".new")
    fresh.write_text("\n".join(lines) + "\n")
    fresh.replace(file)


def hang_up(web: Web) -> None:
    """Within 30 s it would read them by itself."""
    web.process.send_signal(signal.SIGHUP)


def sign_in(web: Web) -> dict[str, Any]:
    answer = web.http.post("/auth/login", json={"username": "alice", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def profile(web: Web, access: str) -> int:
    return web.get("/user/profile", headers={"Authorization": f"Bearer {access}"}).status_code


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_jwt_secret(another_web: Start, tmp_path: Path, alice: User) -> None:
    ring, old, new = tmp_path / "jwt", secret(), secret()
    write(ring, old)
    web = another_web(JWT_SECRET_FILE=str(ring))
    before = sign_in(web)

    write(ring, new, old)
    hang_up(web)
    until(lambda: kid(sign_in(web)["access"]) != kid(before["access"]), 20, "the new secret signing")
    assert profile(web, before["access"]) == 200
    after = web.http.post("/auth/refresh", json={"refresh": before["refresh"]}).json()
    assert kid(after["access"]) == kid(after["refresh"]) != kid(before["access"])
    assert profile(web, after["access"]) == 200

    write(ring, new)
    hang_up(web)
    until(lambda: profile(web, before["access"]) == 401, 20, "the end of what the removed secret signed")
    assert profile(web, after["access"]) == 200
    assert web.http.post("/auth/refresh", json={"refresh": after["refresh"]}).status_code == 200


class Browser:
    """A web session over the real forms, with its cookies."""

    def __init__(self, web: Web) -> None:
        self.http = httpx.Client(base_url=web.url, timeout=30)
        self.http.get("/app/login")
        form = {"username": "alice", "password": PASSWORD, "csrfmiddlewaretoken": self.csrf}
        assert self.http.post("/app/login", data=form).status_code == 302

    @property
    def csrf(self) -> str:
        return self.http.cookies["csrftoken"]

    def is_in(self) -> bool:
        return self.http.get("/app/profile").status_code == 200

    def saves(self) -> bool:
        """A form of a page that was opened before, and the notice that the next page shows."""
        answer = self.http.post("/app/profile", data={"language": "en", "csrfmiddlewaretoken": self.csrf})
        return answer.status_code == 302


@pytest.fixture
def browse() -> Iterator[Callable[[Web], Browser]]:
    opened: list[Browser] = []

    def start(web: Web) -> Browser:
        opened.append(Browser(web))
        return opened[-1]

    yield start
    for one in opened:
        one.http.close()


def test_secret_key(another_web: Start, browse: Callable[[Web], Browser], tmp_path: Path, alice: User) -> None:
    ring, old, new = tmp_path / "key", secret(), secret()
    write(ring, old)
    web = another_web(SECRET_KEY_FILE=str(ring))
    early, later = browse(web), browse(web)

    write(ring, new, old)
    hang_up(web)
    assert early.is_in()
    assert early.saves()
    # A session that comes by goes over to the new key; so does one that begins. That one was not used meanwhile:
    fresh = browse(web)
    write(ring, new)
    hang_up(web)
    until(lambda: not later.is_in(), 20, "the end of what the removed key signed")
    assert early.is_in()
    assert early.saves()
    assert fresh.is_in()


@pytest.fixture
def role(postgres: str) -> Iterator[str]:
    """A role that may what Sokoul's own may, whose password is ours to change."""
    name = f"rotating_{secrets.token_hex(4)}"
    with _superuser() as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'first-password' IN ROLE sokoul")
        yield name
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [name])
        admin.execute(f"DROP ROLE {name}")


def _superuser() -> "psycopg.Connection[Any]":
    server: Any = servers.SERVERS["DATABASE_URL"]
    return psycopg.connect(server.admin_url, autocommit=True)


def url_of(role: str, password: str) -> str:
    parts = urlsplit(environment()["DATABASE_URL"])
    return f"postgresql://{role}:{password}@{parts.hostname}:{parts.port}{parts.path}"


def end_connections(role: str) -> None:
    """So that each has to be made anew."""
    with _superuser() as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role])


def change_password(role: str, password: str) -> None:
    with _superuser() as admin:
        admin.execute(f"ALTER ROLE {role} PASSWORD '{password}'")
    end_connections(role)


def postgres_is(web: Web, status: str) -> bool:
    return bool(web.get("/health/deep").json()["components"]["postgres"]["status"] == status)


def statuses_during(web: Web, access: str, work: Callable[[], None]) -> list[int]:
    """Of requests that three people make all the while."""
    seen: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=web.url, timeout=30, headers={"Authorization": f"Bearer {access}"}) as http:
            while not over.is_set():
                seen.append(http.get("/media/favorites").status_code)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(seen) > 10, 20, "requests")
        work()
        enough = len(seen) + 30
        until(lambda: len(seen) > enough, 40, "requests after it")
    finally:
        over.set()
        for thread in threads:
            thread.join(40)
    return seen


@pytest.mark.parametrize("first", ["role", "file"])
def test_the_database_s_password(another_web: Start, tmp_path: Path, alice: User, role: str, first: str) -> None:
    """No signal, and 30 s have not passed: what refuses the old password is reason enough to read the file."""
    file = tmp_path / "database"
    write(file, url_of(role, "first-password"))
    web = another_web(DATABASE_URL_FILE=str(file))
    access = sign_in(web)["access"]

    def rotate() -> None:
        if first == "file":
            write(file, url_of(role, "second-password"))
            hang_up(web)
            end_connections(role)  # the new password is tried now, and refused still
            assert postgres_is(web, "ok")
            change_password(role, "second-password")
        else:
            change_password(role, "second-password")
            until(lambda: postgres_is(web, "down"), 20, "both being refused")
            write(file, url_of(role, "second-password"))

    seen = statuses_during(web, access, rotate)
    assert set(seen) <= {200, 503}
    assert seen[-20:] == [200] * 20
    assert seen.count(503) < 30, seen.count(503)
    assert postgres_is(web, "ok")
    assert "second-password" not in web.log()


def test_who_comes_with_an_old_password_has_met_a_living_server(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the watch would take PostgreSQL for gone, and refuse everybody who still has a connection."""
    wrong = ENV.database_url.replace(urlsplit(ENV.database_url).password or "", "wrong")
    monkeypatch.setattr(login, "_accepted", [])
    monkeypatch.setenv("DATABASE_URL", wrong)
    env.reread()
    with pytest.raises(psycopg.OperationalError):
        Connection.connect(wrong)
    assert watch.Watch(wrong)._answers()
    assert not watch.Watch("postgresql://sokoul@127.0.0.1:1/x")._answers()


def test_a_provider_s_key(another_web: Start, tmp_path: Path, alice: User, demo: Demo) -> None:
    admin = make_user("admin", role="admin")
    variables = demo.env()
    file, good = tmp_path / "tmdb", variables.pop("TMDB_API_KEY")
    write(file, good)
    web = another_web(**variables, TMDB_API_KEY_FILE=str(file))
    assert titles(web, alice, "umbrella")
    assert not told(admin)

    write(file, f"a-key-that-was-withdrawn,{good}")
    hang_up(web)
    assert titles(web, alice, "harbour cats"), "the next key is tried"
    until(lambda: told(admin), 20, "the report")
    assert titles(web, alice, "tram"), "and it is reported once"
    [notice] = told(admin)
    assert (notice["provider"], notice["variable"], notice["position"]) == ("TMDB", "TMDB_API_KEY", 1)
    assert "a-key-that-was-withdrawn" not in repr(notice) + web.log()
    assert not told(alice)


def titles(web: Web, user: User, query: str) -> list[Any]:
    answer = web.get(f"/search?query={query}", user).json()
    assert not answer["degraded"], answer
    return list(answer["results"])


def told(user: User) -> list[dict[str, Any]]:
    return list(Event.objects.filter(user=user, data__code="key_refused").values_list("data", flat=True))


def test_secrets_are_read_again_without_a_signal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now, file = 1000.0, tmp_path / "keys"
    monkeypatch.setattr(env.time, "monotonic", lambda: now)
    monkeypatch.setenv("METRICS_TOKEN_FILE", str(file))
    write(file, "first")
    assert env.secrets_of("METRICS_TOKEN") == ("first",)
    write(file, "second")
    assert env.secrets_of("METRICS_TOKEN") == ("first",)
    now += env.REREAD_SECONDS
    assert env.secrets_of("METRICS_TOKEN") == ("second",)
