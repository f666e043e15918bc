"""What `up` adds to the configuration that it was given: decided here, before anything starts."""

import secrets
from dataclasses import dataclass, field

from sokoul.demo.keys import environment as demo_environment
from sokoul.env import PROVIDERS, explain, parse
from sokoul.stack.embedded import Nats, Postgres, Server, Valkey
from sokoul.stack.processes import is_free
from sokoul.stack.state import Installation

SERVERS: dict[str, type[Server]] = {"DATABASE_URL": Postgres, "REDIS_URL": Valkey, "NATS_URL": Nats}
_GENERATED = ("JWT_SECRET", "SECRET_KEY")
_DEFAULT_TORRENT_PORT = 6881


class CannotStartError(Exception):
    """The configuration does not allow a start; the text has one line per fault."""


@dataclass(frozen=True)
class Provider:
    """A service outside; it is missing when none of `keys` is given."""

    title: str
    keys: tuple[str, ...]
    variables: tuple[str, ...]


PROVIDER_TABLE = (
    Provider("TMDB", ("TMDB_API_KEY",), ("TMDB_URL", "TMDB_IMAGE_URL", "TMDB_API_KEY")),
    Provider("indexer", ("PROWLARR_URL", "TORZNAB_FEEDS"), ("PROWLARR_URL", "PROWLARR_API_KEY")),
    Provider("Telegram", ("TELEGRAM_BOT_TOKEN",), ("TELEGRAM_API_URL", "TELEGRAM_BOT_TOKEN")),
)


@dataclass
class Plan:
    """`filled` goes into the children's environment beside what was given; `servers` are to be started."""

    filled: dict[str, str] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    demo_port: int | None = None
    stand_ins: list[str] = field(default_factory=list)
    port: int = 0


def make_plan(given: dict[str, str], installation: Installation) -> Plan:
    """Fill in what is missing from `given` (NAME to value). Raises CannotStartError. Starts nothing."""
    environment, faults = parse(given)
    lacking = [provider for provider in PROVIDER_TABLE if not any(given.get(key) for key in provider.keys)]
    _refuse({name: fault for name, fault in faults.items() if fault != "missing"})
    if environment.demo == "off":
        _refuse({name: "missing, and DEMO=off forbids a stand-in" for name in faults if name.lower() in PROVIDERS})
        lacking = []
    plan = Plan(port=_web_port(given, installation, environment.port))
    plan.filled["DATA_DIR"] = str(installation.data_dir)
    plan.filled["PORT"] = str(plan.port)
    _fill_secrets(plan, given, installation.generated())
    for name, kind in SERVERS.items():
        if not given.get(name):
            plan.servers[name] = kind(installation.data_dir / kind.name)
    _fill_providers(plan, given, list(PROVIDER_TABLE) if environment.demo == "on" else lacking, installation)
    if not given.get("TORRENT_LISTEN_INTERFACES"):
        _fill_torrent_port(plan, installation)
    return plan


def _refuse(faults: dict[str, str]) -> None:
    if faults:
        raise CannotStartError(explain(faults))


def _web_port(given: dict[str, str], installation: Installation, wanted: int) -> int:
    if not given.get("PORT"):
        return installation.port("web", wanted)
    if not is_free(wanted, "0.0.0.0"):  # noqa: S104 - only asked
        raise CannotStartError(f"PORT: {wanted} is in use by another program. Choose another, or stop that program.")
    return wanted


def _fill_secrets(plan: Plan, given: dict[str, str], earlier: dict[str, str]) -> None:
    for name in _GENERATED:
        if not given.get(name):
            plan.filled[name] = earlier.get(name) or secrets.token_urlsafe(48)


def _fill_providers(plan: Plan, given: dict[str, str], lacking: list[Provider], installation: Installation) -> None:
    if not lacking:
        return
    plan.demo_port = installation.port("demo")
    stand_in = demo_environment(f"http://127.0.0.1:{plan.demo_port}")
    forced = given.get("DEMO") == "on"
    for provider in lacking:
        plan.stand_ins.append(provider.title)
        for name in provider.variables:
            if forced or not given.get(name):
                plan.filled[name] = stand_in[name]


def _fill_torrent_port(plan: Plan, installation: Installation) -> None:
    """The demo's swarm lives on loopback; and two installations must not fight for the default port."""
    if "indexer" in plan.stand_ins:
        plan.filled["TORRENT_LISTEN_INTERFACES"] = f"127.0.0.1:{installation.port('torrent')}"
    elif not is_free(_DEFAULT_TORRENT_PORT, "0.0.0.0"):  # noqa: S104 - only asked
        port = installation.port("torrent")
        plan.filled["TORRENT_LISTEN_INTERFACES"] = f"0.0.0.0:{port},[::]:{port}"


def fill_servers(plan: Plan) -> None:
    """Prepare the embedded servers (the first time that takes seconds) and note their URLs."""
    for name, server in plan.servers.items():
        server.prepare()
        plan.filled[name] = server.url
