"""`make up`: real servers and the real supervisor; stand-ins only for the product's own programs."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest

from sokoul.stack.embedded import Nats, Postgres, Valkey
from tests.up import COMPONENTS, ROOT, STANDIN, Up, clean_environment, everyone
from tests.waiting import until

pytestmark = pytest.mark.stack
WORKERS = {"scout stopped", "hunter stopped", "bot stopped"}


@pytest.fixture(scope="module")
def made_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A freshly made PostgreSQL folder, to be copied: initdb takes longer than everything else here."""
    folder = tmp_path_factory.mktemp("made") / "postgres"
    Postgres(folder).prepare()
    return folder


Starter = Callable[..., Up]


def starter(base: Path, made_database: Path) -> Iterator[Starter]:
    """Start an `up` on the DATA_DIR of this name; all of them are ended afterwards."""
    running: list[Up] = []

    def start_one(name: str = "a", command: list[str] | None = None, **variables: str) -> Up:
        data_dir = base / name
        if not data_dir.exists():
            shutil.copytree(made_database, data_dir / "postgres")
        running.append(Up(data_dir, command, ROOT, **variables))
        return running[-1]

    yield start_one
    for up in running:
        up.end()


@pytest.fixture
def start(tmp_path: Path, made_database: Path) -> Iterator[Starter]:
    yield from starter(tmp_path, made_database)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[Up]:
    """One running stack for all the tests that only look at it."""
    for start_one in starter(tmp_path_factory.mktemp("standing"), made_database):
        yield start_one().ready()


def test_everything_runs_and_can_be_found(standing: Up) -> None:
    path = standing.data_dir / "run" / "stack.json"
    assert list(standing.stack()) == COMPONENTS
    assert path.stat().st_mode & 0o777 == 0o600
    assert (standing.data_dir / ".env").stat().st_mode & 0o777 == 0o600
    for name, program in (("postgres", "postgres"), ("valkey", "valkey-server"), ("nats", "nats-server")):
        assert Path(f"/proc/{standing.pid(name)}/exe").readlink().name == program
    assert f"http://localhost:{standing.url('web').rpartition(':')[2]}" in standing.said
    for name in COMPONENTS:
        assert f"{name}: running" in standing.said


def test_the_application_is_no_superuser_and_needs_its_password(standing: Up) -> None:
    with psycopg.connect(standing.url("postgres")) as link:
        row = link.execute(
            "SELECT current_user, current_database(), rolsuper, current_setting('max_connections')::int"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == ("sokoul", "sokoul_db", False, 200)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(re.sub(r":\w+@", ":wrong@", standing.url("postgres")))


def test_secrets_are_shown_where_they_must_and_logged_nowhere(standing: Up) -> None:
    assert "the admin's password is shown once" in standing.said
    passwords = [re.search(r"(\w+)@", standing.url(name)) for name in ("postgres", "valkey", "nats")]
    logs = "".join(path.read_text() for path in (standing.data_dir / "logs").iterdir())
    assert "tables made" in logs
    assert "shown once" not in logs
    for found in passwords:
        assert found is not None
        assert found.group(1) not in logs + standing.said
    lines = [Path(f"/proc/{standing.pid(name)}/cmdline").read_text() for name in COMPONENTS]
    assert not [line for line in lines for found in passwords if found and found.group(1) in line]


def test_warnings_reach_the_person_and_the_rest_only_the_log(standing: Up) -> None:
    until(lambda: "hunter: hunter is loud" in standing.said, what="the warning")
    assert "is quiet" not in standing.said
    assert "hunter is quiet" in (standing.data_dir / "logs" / "hunter.log").read_text()


def test_a_killed_server_comes_back_on_its_port_with_its_data(start: Starter) -> None:
    up = start().ready()
    urls = {name: up.url(name) for name in COMPONENTS[:3]}
    with psycopg.connect(urls["postgres"]) as link:
        link.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    servers = {"postgres": Postgres, "valkey": Valkey, "nats": Nats}
    for name, kind in servers.items():
        old = up.pid(name)
        os.kill(old, signal.SIGKILL)
        until(lambda name=name, old=old: up.replaced(name, old), what=f"a new {name}")  # type: ignore[misc]
        until(kind(up.data_dir / name).answers, what=f"an answer of {name}")
    assert {name: up.url(name) for name in urls} == urls
    with psycopg.connect(urls["postgres"]) as link:
        assert link.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_dead_component_is_replaced_and_a_frozen_one_is_not(start: Starter) -> None:
    up = start().ready()
    frozen, dead = up.pid("hunter"), up.pid("scout")
    os.kill(frozen, signal.SIGSTOP)
    for _ in range(2):  # the second time only after a pause
        os.kill(dead, signal.SIGKILL)
        until(lambda old=dead: up.replaced("scout", old), what="a new scout")  # type: ignore[misc]
        dead = up.pid("scout")
    assert up.pid("hunter") == frozen
    assert "scout was ended by SIGKILL; starting it again" in up.said
    up.send(signal.SIGINT)
    assert up.wait() == 0
    assert "hunter stopped" in up.diary(), "woken, so that it could stop in order"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_group_stops_all_in_order(start: Starter, number: signal.Signals) -> None:
    up = start().ready()
    up.send(number)
    assert up.wait() == 0, up.said
    stops = [line for line in up.diary() if line.endswith("stopped")]
    assert stops[0] == "serve stopped"
    assert set(stops[1:4]) == WORKERS
    assert stops[4:] == ["relay stopped", "demo stopped"]
    assert "database system is shut down" in (up.data_dir / "logs" / "postgres.log").read_text()
    assert everyone(up.data_dir) == []
    assert not (up.data_dir / "run" / "stack.json").exists()


def test_not_even_the_frozen_outlive_a_killed_supervisor(start: Starter) -> None:
    up = start().ready()
    link = psycopg.connect(up.url("postgres"))
    session = link.info.backend_pid
    for pid in (up.pid("postgres"), session, up.pid("hunter"), up.pid("nats")):
        os.kill(pid, signal.SIGSTOP)
    os.kill(up.process.pid, signal.SIGKILL)
    up.wait()
    until(lambda: everyone(up.data_dir) == [], what="the end of the frozen")
    link.close()


def test_nothing_outlives_a_killed_supervisor_and_the_data_does(start: Starter) -> None:
    up = start().ready()
    url, web = up.url("postgres"), up.url("web")
    link = psycopg.connect(url, autocommit=True)  # a busy session has a process of its own
    link.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert len(everyone(up.data_dir)) > len(COMPONENTS)
    os.kill(up.process.pid, signal.SIGKILL)
    up.wait()
    until(lambda: everyone(up.data_dir) == [], what="the end of all children")
    link.close()
    again = start().ready()
    assert (again.url("postgres"), again.url("web")) == (url, web)
    with psycopg.connect(url) as link:
        assert link.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_two_installations_run_at_once(start: Starter) -> None:
    one = start("one").ready()
    other = start("other").ready()
    assert one.process.poll() is None
    for name in ("postgres", "valkey", "nats", "web"):
        assert one.url(name) != other.url(name)
    own = [dict(re.findall(r'^(\w+)="(.*)"$', (up.data_dir / ".env").read_text(), re.MULTILINE)) for up in (one, other)]
    for name in ("JWT_SECRET", "SECRET_KEY", "TORRENT_LISTEN_INTERFACES", "TMDB_URL"):
        assert own[0][name] != own[1][name]


def test_a_second_up_says_that_the_first_runs(standing: Up) -> None:
    before = standing.stack()
    second = Up(standing.data_dir)
    assert second.wait() == 1
    assert f"already running in {standing.data_dir} (process {standing.process.pid})" in second.said
    assert standing.stack() == before


def test_down_stops_a_stack_whose_terminal_is_gone(start: Starter) -> None:
    up = start().ready()
    up.send(signal.SIGHUP)
    down = [sys.executable, "manage.py", "down"]
    for said in ("has stopped", "is not running"):
        done = subprocess.run(
            down, cwd=ROOT, env=clean_environment(up.data_dir), capture_output=True, text=True, timeout=30, check=True
        )
        assert said in done.stdout
    assert up.wait() == 0
    assert "relay stopped" in up.diary()


def test_make_stops_in_order_and_takes_all_along_when_killed(start: Starter) -> None:
    make = ["make", "-o", "venv", "up", f"RUN={sys.executable} {STANDIN}"]
    up = start("a", make).ready()
    up.send(signal.SIGINT)
    up.wait()
    assert "Stopped." in up.said
    assert "relay stopped" in up.diary()
    assert everyone(up.data_dir) == []
    up = start("a", make).ready()
    os.kill(up.process.pid, signal.SIGKILL)
    until(lambda: everyone(up.data_dir) == [], what="the end of all")


def test_without_the_demo_a_missing_provider_is_named_and_nothing_starts(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    up = start("bare", DEMO="off")
    assert up.wait() == 2
    assert re.search(r"^TMDB_API_KEY: missing, and DEMO=off forbids a stand-in", up.said, re.MULTILINE)
    assert re.search(r"^TELEGRAM_BOT_TOKEN: missing", up.said, re.MULTILINE)
    assert not (up.data_dir / "postgres").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused by PostgreSQL")
def test_root_without_user_namespaces_runs_postgresql_as_nobody(tmp_path: Path) -> None:
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    environment = clean_environment(tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}", PYTHONPATH=str(ROOT))
    steps = """
import os, sys
from pathlib import Path
from sokoul.stack.embedded import Postgres
server = Postgres(Path(sys.argv[1]))
for _ in range(2):  # the second time with what the first has left
    server.start()
    print(Path(f"/proc/{server.process.pid}").stat().st_uid, server.home)
    server.stop()
"""
    done = subprocess.run(
        [sys.executable, "-c", steps, str(tmp_path / "postgres")],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (first, second) = done.stdout.splitlines()
    assert first == second
    user, _, home = first.partition(" ")
    assert user == "65534"
    assert Path(home).stat().st_mode & 0o777 == 0o700
    shutil.rmtree(Path(home).parent)


def test_given_servers_are_used_instead_of_embedded_ones(start: Starter, valkey: str) -> None:
    up = start(REDIS_URL=valkey).ready()
    assert up.stack()["valkey"] == {"pid": None, "url": valkey}
    assert not (up.data_dir / "valkey").exists()


def test_make_up_in_a_new_checkout_brings_up_the_real_product(tmp_path: Path) -> None:
    root = tmp_path / "sokoul"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache"))
    up = Up(tmp_path / "data", ["make", "-o", "venv", "up", f"RUN={sys.executable}"], root)
    try:
        up.announced()
        with urlopen(f"{up.url('web')}/health", timeout=5) as answer:
            assert answer.status == 200
        assert "password, shown only now" in up.said
        assert all(up.pid(name) for name in COMPONENTS)
        assert "starting it again" not in up.said
    finally:
        up.end(signal.SIGINT)
    assert "Stopped." in up.said
    assert everyone(up.data_dir) == []
