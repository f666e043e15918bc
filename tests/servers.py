"""The real servers of one test session, and the environment that points the product at them.

Importing this module, which tests/conftest.py does before Django's settings load, chooses ports and secrets and sets the
environment; a server starts when the first test asks for it. Each session has its own, and they die with it, also when
it is killed.
"""

import atexit
import os
import re
import secrets
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

from sokoul.stack import processes
from sokoul.stack.embedded import Nats, Postgres, Server, Valkey
from sokoul.stack.processes import started_at

_PREFIX = "sokoul-tests-"
_SHARES = 8  # of the ports: more than run at once
FOLDER = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
(FOLDER / "data" / "static").mkdir(parents=True)  # WhiteNoise warns when it is not there
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

SERVERS: dict[str, Server] = {
    "DATABASE_URL": Postgres(FOLDER / "postgres", durable=False),
    "REDIS_URL": Valkey(FOLDER / "valkey"),
    "NATS_URL": Nats(FOLDER / "nats"),
}


def _divide_ports() -> None:
    """Test processes that run beside each other choose from different ports: between choosing and binding lie seconds."""
    run, worker = os.environ.get("PYTEST_XDIST_TESTRUNUID", ""), os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    share = (zlib.crc32(run.encode() or os.urandom(4)) + int(worker.removeprefix("gw"))) % _SHARES
    own = processes.ports()[share::_SHARES]
    processes.ports = lambda: own


def _sweep() -> None:
    """Remove the folders of sessions that were killed."""
    for folder in FOLDER.parent.glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and started_at(int(pid)) is None:
            shutil.rmtree(folder, ignore_errors=True)


def start(name: str) -> str:
    """Start the server behind the variable `name`; gives its URL, which the environment holds already."""
    url = SERVERS[name].start()
    if url != os.environ[name]:
        raise RuntimeError(f"the port chosen for {name} was taken by another program meanwhile: run the tests again")
    return url


def _set_environment() -> None:
    """Whatever the person who runs the tests has configured, the tests must not touch."""
    documented = (Path(__file__).parent.parent / ".env.example").read_text()
    for name in re.findall(r"^([A-Z_]+)=", documented, re.MULTILINE):
        os.environ.pop(name, None)
        os.environ.pop(f"{name}_FILE", None)
    # Each of hundreds of processes would otherwise compile all of Django and of ours anew, and each worker all tests.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ |= {name: server.claim() for name, server in SERVERS.items()}
    os.environ |= {
        "DOTENV": os.devnull,
        "DJANGO_SETTINGS_MODULE": "sokoul.settings",
        "DATA_DIR": str(FOLDER / "data"),
        "TMDB_API_KEY": f"tmdb-{secrets.token_hex(16)}",
        "TELEGRAM_BOT_TOKEN": f"{secrets.randbelow(10**9)}:{secrets.token_hex(17)}",
        "JWT_SECRET": secrets.token_hex(32),
        "TRUSTED_IPS": "127.0.0.0/8,::1",  # all tests together ask more than one may; those of the limits take it away
    }


_divide_ports()
_sweep()
_set_environment()
