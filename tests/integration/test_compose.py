"""docker-compose.yml as Compose itself reads it, and its servers' configurations under the real servers. No engine is needed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
import yaml
from redis.backoff import NoBackoff
from redis.retry import Retry

from sokoul.edge import Edge, Side
from sokoul.stack import unprivileged
from sokoul.stack.embedded import Postgres, Valkey
from sokoul.stack.processes import free_port, spawn
from tests.image import ROOT, SERVICES
from tests.waiting import until

SECRETS = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "NATS_TOKEN", "JWT_SECRET", "TMDB_API_KEY", "TELEGRAM_BOT_TOKEN")
TOKEN = "12345678901234567890"  # NATS would take it for a number


def compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`docker compose`, or the older program of that name."""
    docker = shutil.which("docker")
    plugin = docker and not subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    program = [docker, "compose"] if docker and plugin else [shutil.which("docker-compose") or ""]
    assert program[0], "These tests need Docker Compose. Run: sudo apt-get install docker-compose"
    with tempfile.NamedTemporaryFile() as nothing:  # instead of the .env of whoever runs the tests
        return subprocess.run(
            [*program, "-f", str(ROOT / "docker-compose.yml"), "--env-file", nothing.name, *arguments],
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def resolved() -> dict[str, Any]:
    """The services as Compose resolves them, with nothing but the secrets given, and a setting of one's own."""
    done = compose("config", **{name: f"{name.lower()}-given" for name in SECRETS}, SEED_RATIO="2.5", BIND="192.0.2.1")
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return services


@pytest.mark.parametrize("lacking", [SECRETS[0], SECRETS[-1]])
def test_compose_refuses_to_start_without_a_secret(lacking: str) -> None:
    """Two of them; that each has its sentence is a matter of the file (tests/unit/test_containers.py)."""
    done = compose("config", "-q", **{**dict.fromkeys(SECRETS, "given"), lacking: ""})
    assert done.returncode
    assert f"Set {lacking} in .env" in done.stderr


def test_what_is_given_reaches_the_processes(resolved: dict[str, Any]) -> None:
    environment = resolved["scout"]["environment"]
    assert environment["DATABASE_URL"] == "postgresql://sokoul:postgres_password-given@postgres:5432/sokoul_db"
    assert environment["REDIS_URL"] == "redis://:redis_password-given@redis:6379/0"
    assert environment["NATS_URL"] == "nats://nats_token-given@nats:4222"
    assert (environment["SEED_RATIO"], environment["SEED_HOURS"]) == ("2.5", None)
    assert resolved["nats"]["environment"]["NATS_TOKEN"] == '"nats_token-given"'
    assert "192.0.2.1" in str(resolved["edge"]["ports"])
    assert "192.0.2.1" not in str([resolved[name].get("ports") for name in resolved if name != "edge"])


@contextmanager
def running(command: list[str], folder: Path, **environment: str) -> Iterator[None]:
    process = spawn(command, {"PATH": os.environ["PATH"], **environment}, signal.SIGKILL, subprocess.DEVNULL, folder)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_postgres_is_made_with_sokouls_user_and_database(tmp_path: Path) -> None:
    """The script of a new volume, run by psql as the image does, on a server that has neither yet."""
    server = Postgres(tmp_path / "postgres", durable=False)
    server.start()
    try:
        with psycopg.connect(server.admin_url, autocommit=True) as admin:
            admin.execute("DROP DATABASE sokoul_db")
            admin.execute("DROP ROLE sokoul")
        (script,) = (ROOT / "deploy" / "postgres").iterdir()
        psql = [*unprivileged.prefix(), server._binary("psql"), "-v", "ON_ERROR_STOP=1", server.admin_url]
        password = "it's-given"
        environment = {"POSTGRES_PASSWORD": password}
        subprocess.run(psql, input=script.read_bytes(), env=environment, cwd="/", check=True, timeout=30)
        with psycopg.connect(server.url, password=password) as sokoul:
            row = sokoul.execute(
                "SELECT current_user, current_database(), rolsuper, pg_get_userbyid(datdba)"
                " FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"
            ).fetchone()
        assert row == ("sokoul", "sokoul_db", False, "sokoul")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.admin_url)
    finally:
        server.stop()


def test_valkey_starts_as_compose_starts_it(tmp_path: Path) -> None:
    port = free_port()
    _, _, script = SERVICES["redis"]["entrypoint"]
    script = script.replace("$$", "$").replace("/tmp/", f"{tmp_path}/")
    script = script.replace("/etc/valkey.conf", str(ROOT / "deploy" / "valkey" / "valkey.conf"))
    program = Valkey(tmp_path / "unused")
    program.claim()
    path = f"{Path(program.command()[0]).parent}:{os.environ['PATH']}"
    started = ["sh", "-c", f"{script.rstrip()} --port {port}"]
    with running(started, tmp_path, PATH=path, REDIS_PASSWORD=TOKEN):
        cache = redis.Redis(port=port, password=TOKEN)
        until(lambda: answers(port), what="Valkey")
        wanted = {"maxmemory": str(256 << 20), "maxmemory-policy": "volatile-lru", "save": "", "appendonly": "no"}
        assert cache.config_get(*wanted) == wanted
        cache.close()
        with pytest.raises(redis.AuthenticationError), redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as stranger:
            stranger.ping()
    assert (tmp_path / "valkey.conf").stat().st_mode & 0o077 == 0


def test_nats_starts_with_its_configuration(tmp_path: Path) -> None:
    port, monitor = free_port(), free_port()
    program = str(Path(sysconfig.get_path("scripts")) / "nats-server")
    config = (ROOT / "deploy" / "nats" / "nats.conf").read_text()
    config = config.replace("4222", str(port)).replace("8222", str(monitor)).replace("/data", str(tmp_path / "data"))
    (tmp_path / "nats.conf").write_text(config)
    with running([program, "-c", str(tmp_path / "nats.conf")], tmp_path, NATS_TOKEN=f'"{TOKEN}"'):
        until(lambda: answers(monitor) and answers(port), what="NATS")
        assert httpx.get(f"http://127.0.0.1:{monitor}/healthz").json() == {"status": "ok"}
        told = httpx.get(f"http://127.0.0.1:{monitor}/jsz").json()["config"]
        assert told["sync_interval"] == 1_000_000_000
        assert told["store_dir"] == str(tmp_path / "data" / "jetstream")
        assert greeted(port, TOKEN) == b"PONG\r\n"
        assert b"Authorization Violation" in greeted(port, "another")


def test_the_edge_starts_as_compose_starts_it() -> None:
    """Master and worker; its folder is open to its group, which `release` is in; SIGUSR1 ends it."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="edge-"))  # a socket's name has to be short
    script = SERVICES["edge"]["command"][-1].replace("/var/lib/haproxy", str(folder))
    script = script.replace("/usr/local/etc/haproxy/haproxy.cfg", str(ROOT / "deploy/edge/haproxy.cfg"))
    own = {name: value for name, value in SERVICES["edge"]["environment"].items() if "WEIGHT" in name}
    own |= {"EDGE_BIND": f"127.0.0.1:{port}", "EDGE_CONNECTIONS": "200", "EDGE_ADMIN": str(folder / "admin.sock")}
    own |= {"EDGE_WEB": "127.0.0.1:9", "EDGE_WEB_2": "127.0.0.1:9"}
    path = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
    edge = spawn(["sh", "-c", script], {"PATH": path, **own}, signal.SIGKILL, subprocess.DEVNULL, folder)

    try:
        until(lambda: (folder / "admin.sock").exists() and alive(port), what="the edge")
        until(lambda: listens_to_signals(edge.pid), what="its master being ready to be told")
        assert folder.stat().st_mode & 0o777 == 0o770
        sides = Edge(folder / "admin.sock").sides()
        assert (sides.whole, sides[Side.GREEN].weight) == (Side.BLUE, 0)
        edge.send_signal(signal.Signals[SERVICES["edge"]["stop_signal"]])
        edge.wait(60)
        until(lambda: not answers(port), what="the end of its worker")
    finally:
        edge.kill()
        edge.wait()
        shutil.rmtree(folder)


def listens_to_signals(pid: int) -> bool:
    """HAProxy's master starts itself anew once its worker runs, and forgets what it was told until then."""
    anew = b"HAPROXY_MWORKER_WAIT_ONLY=" in Path(f"/proc/{pid}/environ").read_bytes()
    caught = re.search(r"^SigCgt:\s+(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return anew and caught is not None and bool(int(caught[1], 16) & 1 << signal.SIGUSR1 - 1)


def alive(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/edge/alive", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def answers(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


def greeted(port: int, token: str) -> bytes:
    """What NATS says to a client with this token."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link, link.makefile("rb") as lines:
        assert re.match(rb"INFO ", lines.readline())
        link.sendall(f'CONNECT {{"auth_token": "{token}", "verbose": false}}\r\nPING\r\n'.encode())
        return lines.readline()
