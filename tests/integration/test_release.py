"""The drill of a release: two webs behind the real edge, people at work, and the operator's commands that move them. Nothing is lost."""

import io
import json
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from websockets.sync.client import connect

from apps.accounts.models import AuditEntry, User
from apps.feed.models import Event
from apps.media.models import Favorite
from sokoul import edge as runtime
from sokoul import http
from sokoul import release as releasing
from sokoul.edge import Side
from sokoul.errors import PermanentError
from tests.edge import Edge
from tests.integration.test_rolling_restart import Person
from tests.product import ROOT
from tests.waiting import until
from tests.web import Web, environment, token_of
from tests.wishes import make_media

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]
LIMITS = {"CONNECTIONS_PER_IP": "1000", "REQUESTS_PER_MINUTE": "100000"}


@pytest.fixture(scope="module")
def webs(django_db_setup: None, valkey: str, nats: str) -> Iterator[tuple[Web, Web]]:
    """Blue and green."""
    running = (Web(environment(), wait=False), Web(environment(), wait=False))
    for web in running:
        web.wait_ready()
    yield running
    for web in running:
        web.stop()
    http.forget()


@pytest.fixture
def admin_socket() -> Iterator[Path]:
    """In a folder of its own, whose name is short: the kernel takes 107 letters."""
    folder = tempfile.mkdtemp(prefix="edge-")
    yield Path(folder) / "admin.sock"
    shutil.rmtree(folder)


class Release:
    """An edge whose blue has all requests, and the commands for it."""

    def __init__(self, path: Path, blue: int, green: int) -> None:
        self.path, self.runtime = path, runtime.Edge(path)
        self._where = (f"127.0.0.1:{blue}", f"127.0.0.1:{green}")
        self.edge = self._start()

    def _start(self) -> Edge:
        blue, green = self._where
        edge = Edge(blue, WEB_2=green, WEIGHT="100", WEIGHT_2="0", ADMIN=str(self.path), **LIMITS)
        until(lambda: all(self.runtime.sides()[side].up for side in Side), what="both webs being up for the edge")
        return edge

    def restart_edge(self) -> None:
        self.edge.stop()
        self.edge = self._start()

    @property
    def shares(self) -> tuple[float, float]:
        sides = self.runtime.sides()
        return sides.percent(Side.BLUE), sides.percent(Side.GREEN)

    def run(self, *words: str) -> Any:
        """What the command answers as JSON."""
        output = io.StringIO()
        call_command("release", *words, "--edge", str(self.path), "--json", stdout=output)
        return json.loads(output.getvalue() or "null")


@pytest.fixture
def between(admin_socket: Path) -> Iterator[Callable[[int, int], Release]]:
    started: list[Release] = []

    def start(blue: int, green: int) -> Release:
        started.append(Release(admin_socket, blue, green))
        return started[-1]

    yield start
    for release in started:
        release.edge.stop()


@pytest.fixture
def release(between: Callable[[int, int], Release], webs: tuple[Web, Web]) -> Release:
    return between(webs[0].port, webs[1].port)


@contextmanager
def people_at_work(url: str, user: User) -> Iterator[list[Person]]:
    """Four of them, each of whom has been answered when this begins; what they saw is whole when it ends."""
    token = token_of(user)
    people = [Person(url, token, make_media(f"Film {number}", number).pk) for number in range(1, 5)]
    try:
        for person in people:
            person.start()
        until(lambda: all(person.answers for person in people), what="answers")
        yield people
    finally:
        for person in people:
            person.over.set()
        for person in people:
            person.join(35)


def seen_by(people: list[Person]) -> Counter[Any]:
    return sum((person.answers for person in people), Counter())


def assert_nothing_lost(people: list[Person]) -> None:
    answers = seen_by(people)
    assert set(answers) <= {201, 200, 204}, answers
    assert Favorite.objects.count() == sum(person.liked for person in people), "what was acknowledged is there"


def ids_in(web: Web) -> set[str]:
    return {line.get("request_id", "") for line in web.lines()}


def ask_as(release: Release, name: str) -> set[str]:
    """Twenty requests from now on, by their ids."""
    ids = {f"{name}-{number}" for number in range(20)}
    for one in ids:
        assert release.edge.get("/media/favorite", headers={"X-Request-ID": one}).status_code < 500
    return ids


class Faulty(BaseHTTPRequestHandler):
    """A web whose health is fine, and which fails whatever else is asked of it; `schemes` are those that it was told."""

    schemes: ClassVar[set[str | None]] = set()

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/health/ready":
            self.schemes.add(self.headers.get("X-Forwarded-Proto"))
        self.send_response(200 if self.path == "/health/ready" else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_DELETE = do_PUT = _answer

    def log_message(self, *_: Any) -> None:
        pass


class Crowded(ThreadingHTTPServer):
    """Nobody waits at its door because a thread of it was late."""

    daemon_threads = True
    request_queue_size = 128


@pytest.fixture
def faulty() -> Iterator[ThreadingHTTPServer]:
    server = Crowded(("127.0.0.1", 0), Faulty)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    http.forget()


def test_a_switch_and_the_way_back_under_load_lose_nothing(
    release: Release, webs: tuple[Web, Web], alice: User
) -> None:
    blue, green = webs
    address = f"ws://127.0.0.1:{release.edge.port}/ws?token={token_of(alice)}"
    with people_at_work(release.edge.url, alice) as people, connect(address, proxy=None) as socket:
        release.run("switch", "green", "--no-smoke")
        assert release.shares == (0, 100)
        there = ask_as(release, "there")
        release.run("back")
        assert release.shares == (100, 0)
        back = ask_as(release, "back")
        release.run("back")
        assert release.shares == (100, 0), "said twice it does not go forth again"
        socket.send('{"type": "ping"}')
        until(lambda: json.loads(socket.recv(30))["type"] == "pong", what="the socket of before the switch")
    assert_nothing_lost(people)
    until(lambda: there <= ids_in(green) and back <= ids_in(blue), what="the new requests in the logs")
    assert not there & ids_in(blue)
    assert not back & ids_in(green)
    moves = AuditEntry.objects.filter(action="release.moved").order_by("id")
    assert [(move.target, move.details["how"]) for move in moves] == [("green", "switch"), ("blue", "back")]


def test_a_canary_that_fails_goes_back_by_itself(
    between: Callable[[int, int], Release], webs: tuple[Web, Web], faulty: ThreadingHTTPServer, alice: User, admin: User
) -> None:
    release = between(webs[0].port, faulty.server_port)
    with people_at_work(release.edge.url, alice) as people:
        with pytest.raises(CommandError, match="all new requests go to blue again") as refused:
            release.run("canary", "green", "--no-smoke", "--seconds", "60")
        assert refused.value.returncode == 1
        assert release.shares == (100, 0)
    answers = seen_by(people)
    assert set(answers) <= {201, 200, 204, 500}, answers
    assert 10 <= answers[500] == release.runtime.sides()[Side.GREEN].errors
    statuses = [line["status"] for line in release.edge.lines() if "/media/favorite" in line["path"]]
    failed = [number for number, status in enumerate(statuses) if status == 500]
    assert len(failed) <= (failed[-1] - failed[0]) / 10 + 2, "a tenth of what was asked meanwhile, and what the end cut"
    told = Event.objects.get(user=admin, data__code="release_watched").data
    assert (told["side"], told["back"]) == ("green", "blue")
    assert AuditEntry.objects.filter(action="release.moved").latest("id").details["how"] == "taken back"


def test_a_canary_that_was_killed_goes_on_to_its_end(release: Release, webs: tuple[Web, Web], alice: User) -> None:
    words = ("release", "canary", "green", "--no-smoke", "--edge", str(release.path))
    killed = subprocess.Popen([sys.executable, "manage.py", *words], cwd=ROOT, env=environment())
    until(lambda: release.shares == (90, 10) or killed.poll() is not None, 60, "the first step")
    with people_at_work(release.edge.url, alice) as people:
        killed.send_signal(signal.SIGKILL)
        assert killed.wait(30) == -signal.SIGKILL
        assert release.shares == (90, 10)
        release.run("canary", "green", "--no-smoke", "--seconds", "0.2", "--least", "5")
        assert release.shares == (0, 100)
    assert_nothing_lost(people)
    moves = AuditEntry.objects.filter(action="release.moved").order_by("id")
    assert [move.details["after"]["green"] for move in moves] in ([10, 50, 100], [50, 100]), (
        "its first may have died unwritten"
    )


def test_a_watch_tells_the_admins_how_it_ended(release: Release, alice: User, admin: User) -> None:
    with (
        people_at_work(release.edge.url, alice),
        suppress(CommandError),
    ):  # of the tests' installation more than its web may not be well, a disk for instance
        release.run("watch", "--seconds", "1")
    told = Event.objects.get(user=admin, data__code="release_watched").data
    assert (told["side"], told["errors"], told["back"]) == ("blue", 0, "")
    assert told["requests"] > 0


def test_a_watch_goes_back_when_the_side_in_use_fails(
    between: Callable[[int, int], Release],
    webs: tuple[Web, Web],
    faulty: ThreadingHTTPServer,
    alice: User,
    admin: User,
) -> None:
    release = between(webs[0].port, faulty.server_port)
    with people_at_work(release.edge.url, alice):
        release.run("switch", "green", "--no-smoke")
        with pytest.raises(CommandError, match="all new requests go to blue again"):
            release.run("watch", "--seconds", "60")
    assert release.shares == (100, 0)
    assert Event.objects.get(user=admin, data__code="release_watched").data["back"] == "blue"


def test_the_version_before_goes_on_with_the_tables_of_the_one_after(release: Release, alice: User) -> None:
    """Which only add something: the rule of docs/releasing.md. Its own `setup` has nothing against them either."""
    film = make_media("Film", 1).pk
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE favorites ADD COLUMN of_the_future integer")
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('media', '9999_future', now())")
        try:
            by = {"Authorization": f"Bearer {token_of(alice)}"}
            assert (
                release.edge.request("POST", "/media/favorite", json={"media_id": film}, headers=by).status_code == 201
            )
            assert release.edge.get("/media/favorites", headers=by).json()["results"][0]["id"] == film
            call_command("migrate", interactive=False, verbosity=0)
        finally:
            cursor.execute("DELETE FROM django_migrations WHERE name = '9999_future'")
            cursor.execute("ALTER TABLE favorites DROP COLUMN of_the_future")


def test_an_edge_that_restarts_knows_what_was_decided(release: Release) -> None:
    release.run("switch", "green", "--no-smoke")
    release.restart_edge()
    assert release.shares == (0, 100)
    assert release.run("show")["release"]["way_back"] == "blue"
    release.run("back")
    assert release.shares == (100, 0)


def test_a_side_that_fails_its_visit_or_is_down_gets_nobody(
    between: Callable[[int, int], Release], webs: tuple[Web, Web], faulty: ThreadingHTTPServer
) -> None:
    release = between(webs[0].port, faulty.server_port)
    Faulty.schemes.clear()
    for words in (("switch", "green"), ("canary", "green")):
        with pytest.raises(CommandError, match=r"green failed its visit, and nothing was changed: health \("):
            release.run(*words)
    assert Faulty.schemes == {"http"}, "of PUBLIC_URL: a web that people reach by https refuses what comes without"
    with pytest.raises(CommandError, match="No release was made here"):
        release.run("back")
    assert release.shares == (100, 0)


def test_nobody_is_sent_to_a_side_that_is_down(
    between: Callable[[int, int], Release], webs: tuple[Web, Web], faulty: ThreadingHTTPServer
) -> None:
    release = between(faulty.server_port, webs[1].port)
    release.run("switch", "green", "--no-smoke")
    faulty.shutdown()
    faulty.server_close()
    until(lambda: not release.runtime.sides()[Side.BLUE].up, what="the edge noticing that blue is down")
    with pytest.raises(CommandError, match="blue does not answer its health check"):
        release.run("back")
    with pytest.raises(CommandError, match="Blue could not be reached"):
        release.run("switch", "blue", "--no-smoke")
    assert release.shares == (0, 100)


def test_requests_are_moved_while_postgresql_is_away(release: Release) -> None:
    release.run("switch", "green", "--no-smoke")
    without = {**environment(), "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing"}
    words = ("manage.py", "release", "back", "--edge", str(release.path))
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=without, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert release.shares == (100, 0)
    assert "The audit trail could not be written" in done.stderr


def test_a_canary_ends_where_somebody_else_moves_requests(release: Release) -> None:
    looks = releasing.canary(release.runtime, Side.GREEN, [10, 100], 60, releasing.Limit())
    assert next(looks).percent == 10
    release.run("back")
    with pytest.raises(PermanentError, match="Somebody else has moved requests"):
        next(looks)
    assert release.shares == (100, 0)


def test_the_edges_socket_is_for_its_group_alone(release: Release) -> None:
    mode = release.path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660


def test_without_the_socket_the_command_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no socket of the edge"):
        call_command("release", "show", "--edge", str(tmp_path / "none.sock"))
    with pytest.raises(CommandError, match="Say where the edge's socket is") as refused:
        call_command("release", "show")
    assert refused.value.returncode == 2
