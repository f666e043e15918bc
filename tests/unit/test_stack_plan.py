"""What `up` fills in, from what was given."""

import socket
from pathlib import Path

import pytest

from sokoul.stack.plan import CannotStartError, make_plan
from sokoul.stack.state import Installation

PROVIDERS = {"TMDB_API_KEY": "own-key", "TELEGRAM_BOT_TOKEN": "1:own", "PROWLARR_URL": "http://own.example"}


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_with_nothing_given_everything_is_filled_in(installation: Installation) -> None:
    plan = make_plan({}, installation)
    assert set(plan.servers) == {"DATABASE_URL", "REDIS_URL", "NATS_URL"}
    assert plan.stand_ins == ["TMDB", "indexer", "Telegram"]
    assert plan.filled["TMDB_URL"] == f"http://127.0.0.1:{plan.demo_port}/tmdb/3"
    assert plan.filled["TORRENT_LISTEN_INTERFACES"].startswith("127.0.0.1:")
    assert len(plan.filled["JWT_SECRET"]) >= 32
    assert plan.filled["JWT_SECRET"] != plan.filled["SECRET_KEY"]


def test_what_was_filled_in_once_stays(installation: Installation) -> None:
    first = make_plan({}, installation)
    installation.write_environment(first.filled)
    assert make_plan({}, installation).filled == first.filled


def test_nothing_that_is_given_is_touched(installation: Installation) -> None:
    given = {
        **PROVIDERS,
        "DATABASE_URL": "postgresql://u@h/d",
        "REDIS_URL": "redis://h",
        "NATS_URL": "nats://h",
        "JWT_SECRET": "j" * 32,
        "SECRET_KEY": "k" * 32,
        "TORRENT_LISTEN_INTERFACES": "192.0.2.1:1",
    }
    plan = make_plan(given, installation)
    assert plan.servers == {}
    assert plan.demo_port is None
    assert set(plan.filled) == {"DATA_DIR", "PORT"}


@pytest.mark.parametrize(
    ("missing", "stand_in", "filled"),
    [
        ("TMDB_API_KEY", "TMDB", {"TMDB_URL", "TMDB_IMAGE_URL", "TMDB_API_KEY"}),
        ("PROWLARR_URL", "indexer", {"PROWLARR_URL", "PROWLARR_API_KEY"}),
        ("TELEGRAM_BOT_TOKEN", "Telegram", {"TELEGRAM_API_URL", "TELEGRAM_BOT_TOKEN"}),
    ],
)
def test_only_the_missing_provider_gets_a_stand_in(
    installation: Installation, missing: str, stand_in: str, filled: set[str]
) -> None:
    plan = make_plan({name: value for name, value in PROVIDERS.items() if name != missing}, installation)
    assert plan.stand_ins == [stand_in]
    variables = {name for name in plan.filled if name.startswith(("TMDB", "PROWLARR", "TELEGRAM"))}
    assert variables == filled


def test_a_torznab_feed_is_an_indexer(installation: Installation) -> None:
    given = {**PROVIDERS, "PROWLARR_URL": "", "TORZNAB_FEEDS": "own=http://own.example/api|k"}
    assert make_plan(given, installation).stand_ins == []


def test_demo_on_replaces_even_what_is_given(installation: Installation) -> None:
    plan = make_plan({**PROVIDERS, "DEMO": "on"}, installation)
    assert plan.stand_ins == ["TMDB", "indexer", "Telegram"]
    assert plan.filled["TMDB_API_KEY"] != "own-key"


def test_demo_off_with_a_missing_provider_names_it(installation: Installation) -> None:
    with pytest.raises(CannotStartError) as refused:
        make_plan({"DEMO": "off", "TMDB_API_KEY": "own-key"}, installation)
    (line,) = str(refused.value).splitlines()
    assert line.startswith("TELEGRAM_BOT_TOKEN: missing, and DEMO=off forbids a stand-in.")


def test_a_malformed_variable_stops_it(installation: Installation) -> None:
    with pytest.raises(CannotStartError, match=r"^REDIS_URL: must be a URL"):
        make_plan({"REDIS_URL": "nonsense"}, installation)


def test_a_taken_port_is_refused_when_asked_for_and_avoided_when_not(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStartError, match=f"PORT: {port} is in use"):
            make_plan({"PORT": str(port)}, installation)
        chosen = installation.port("web", port)
        assert chosen != port
    assert installation.port("web", port) == chosen, "an address that people have noted does not change again"
