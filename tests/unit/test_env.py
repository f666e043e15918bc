"""The configuration: what wins, what is refused and in which words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sokoul import env

ROOT = Path(__file__).parent.parent.parent
COMPLETE = {
    "DATABASE_URL": "postgresql://sokoul:pw@db.example:5432/sokoul_db",
    "REDIS_URL": "redis://:pw@cache.example:6379/0",
    "NATS_URL": "nats://token@queue.example:4222",
    "TMDB_API_KEY": "key",
    "TELEGRAM_BOT_TOKEN": "123:abc",
    "JWT_SECRET": "s" * 32,
}


def test_the_required_are_enough_and_the_rest_has_its_default() -> None:
    environment, faults = env.parse(COMPLETE)
    assert faults == {}
    assert (environment.port, environment.demo, environment.seed_hours) == (3000, "auto", 24)
    assert environment.downloads == Path("var/downloads").absolute()


@pytest.mark.parametrize("name", COMPLETE)
def test_each_required_variable_is_missed_by_name(name: str) -> None:
    _, faults = env.parse({**COMPLETE, name: " "})
    assert faults == {name: "missing"}
    assert env.explain(faults).startswith(f"{name}: missing. ")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("DATABASE_URL", "mysql://u:hunter2@host/db", "must be a URL that begins with postgresql:// or postgres://"),
        ("DATABASE_URL", "postgresql://u:hunter2/x@host/db", "escape / ? # : @ in a password"),
        ("REDIS_URL", "redis://[hunter2", "must be a URL that begins with redis:// or"),
        ("NATS_URL", "nats://hunter2@a:4222,hunter2", "must be a URL that begins with nats:// or tls://"),
        ("JWT_SECRET", "hunter2", "must be at least 32 bytes long"),
        ("JWT_SECRET", "s" * 32 + "\nhunter2", "must be at least 32 bytes long"),
        ("SECRET_KEY", "hunter2", "must be at least 32 bytes long"),
        ("PORT", "hunter2", "valid integer"),
        ("PORT", "65536", "less than or equal to 65535"),
        ("PUBLIC_URL", "hunter2", "must be a URL that begins with http:// or https://"),
        ("TORZNAB_FEEDS", "name=hunter2|key", "must be name=http://host/path|apikey"),
        ("DEMO", "hunter2", "'auto', 'on' or 'off'"),
        ("TRUSTED_IPS", "10.0.0.0/8,hunter2", "not a valid IPv"),
        ("SEED_HOURS", "25", "less than or equal to 24"),
        ("ANONYMOUS_SEARCH", "hunter2", "valid boolean"),
        ("STALL_TIMEOUT", "0", "greater than 0"),
        ("EMAIL_URL", "hunter2", "must be console: or begin with smtp:// or smtps://"),
        ("EMAIL_URL", "smtp://u:hunter2", "must be console: or begin with smtp:// or smtps://"),
        ("EMAIL_URL", "smtp://[hunter2", "must be console: or begin with smtp:// or smtps://"),
    ],
)
def test_a_malformed_value_is_explained_in_one_line_and_never_shown(name: str, value: str, complaint: str) -> None:
    environment, faults = env.parse({**COMPLETE, name: value})
    (line,) = env.explain(faults).splitlines()
    assert line.startswith(f"{name}: ")
    assert complaint in line
    assert "hunter2" not in line
    assert getattr(environment, name.lower()) == env.Environment.model_fields[name.lower()].default


def test_lists_feeds_and_several_servers_are_read() -> None:
    environment, faults = env.parse(
        {
            **COMPLETE,
            "NATS_URL": "nats://t@a:4222,nats://t@b:4222",
            "TORZNAB_FEEDS": "one=http://a/api|k1, two=https://b/api|k2",
            "TRUSTED_IPS": "127.0.0.1, 10.0.0.0/8",
            "DATA_DIR": "~/sokoul",
        }
    )
    assert faults == {}
    assert environment.torznab_feeds == {"one": ("http://a/api", "k1"), "two": ("https://b/api", "k2")}
    assert [str(network) for network in environment.trusted_ips] == ["127.0.0.1/32", "10.0.0.0/8"]
    assert environment.data_dir == Path.home() / "sokoul"


def test_a_dotenv_file_may_be_commented_exported_and_quoted(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# PORT=1\nexport PORT=4000 # the door\nA='x # y'\nB=\"q\" # z\nC=a=b#c\n\nnonsense\nD=\n")
    assert env.read_dotenv(file) == {"PORT": "4000", "A": "x # y", "B": "q", "C": "a=b#c", "D": ""}
    assert env.read_dotenv(tmp_path / "missing") == {}


def test_the_environment_wins_over_dotenv_and_that_over_what_was_generated(tmp_path: Path) -> None:
    (tmp_path / "own").write_text(f"DATA_DIR={tmp_path}\nPORT=2\nBIND=::\n")
    (tmp_path / ".env").write_text("PORT=3\nBIND=0.0.0.0\nDEMO=on\n")
    environ = {"DOTENV": str(tmp_path / "own"), "PORT": "1", "BIND": ""}
    values = env.gather(environ)
    assert (values["PORT"], values["BIND"], values["DEMO"]) == ("1", "::", "on")
    assert "DEMO" not in env.gather(environ, generated=False)


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("  from the file\n")
    environ = {"DOTENV": os.devnull, "TMDB_API_KEY": "direct", "TMDB_API_KEY_FILE": str(tmp_path / "secret")}
    assert env.gather(environ)["TMDB_API_KEY"] == "from the file"


def test_a_file_of_a_lower_layer_does_not_win_over_a_value_above(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file")
    (tmp_path / ".env").write_text(f"TMDB_API_KEY_FILE={tmp_path / 'secret'}\n")
    assert env.gather({"DOTENV": str(tmp_path / ".env"), "TMDB_API_KEY": "direct"})["TMDB_API_KEY"] == "direct"


def test_a_file_that_cannot_be_read_is_a_fault_of_its_variable(tmp_path: Path) -> None:
    values = env.gather({**COMPLETE, "DOTENV": os.devnull, "METRICS_TOKEN_FILE": str(tmp_path / "none")})
    _, faults = env.parse(values)
    assert faults == {"METRICS_TOKEN": "the file that METRICS_TOKEN_FILE names is empty or cannot be read"}


def test_a_secret_is_read_anew_and_kept_while_its_file_is_being_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys"
    file.write_text("first, second")
    monkeypatch.setenv("METRICS_TOKEN_FILE", str(file))
    for content, wanted in (("first, second", ("first", "second")), ("third", ("third",)), ("", ("third",))):
        file.write_text(content)
        env.reread()
        assert env.secrets_of("METRICS_TOKEN") == wanted
    env.reread()


def test_the_example_names_every_variable_and_parses() -> None:
    text = (ROOT / ".env.example").read_text()
    assert text == env.example()
    values = env.read_dotenv(ROOT / ".env.example")
    assert set(values) == {field.upper() for field in env.Environment.model_fields}
    _, faults = env.parse(values)
    assert faults == dict.fromkeys(COMPLETE, "missing")


def test_a_process_without_its_configuration_stops_at_once_with_a_line_per_fault() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env={"DOTENV": os.devnull, "DATA_DIR": os.devnull, "PORT": "hunter2", "JWT_SECRET": "hunter2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "JWT_SECRET", "PORT", "DATABASE_URL", "REDIS_URL", "NATS_URL", "TMDB_API_KEY", "TELEGRAM_BOT_TOKEN",
    ]  # fmt: skip
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("console:", "console '' 25 '' False False sokoul@media.example"),
        ("smtp://mail.example", "smtp 'mail.example' 25 '' False False sokoul@media.example"),
        ("smtp://me%40a.example:p%2Fw@mail.example:587", "smtp 'mail.example' 587 'p/w' True False me@a.example"),
        ("smtps://u:pw@mail.example?from=x@y.example", "smtp 'mail.example' 465 'pw' False True x@y.example"),
    ],
)
def test_mail_leaves_as_the_url_says(url: str, wanted: str) -> None:
    """A password never goes in the clear."""
    program = (
        "from sokoul.settings import *; print(EMAIL_BACKEND.split('.')[-2], repr(EMAIL_HOST), EMAIL_PORT, "
        "repr(EMAIL_HOST_PASSWORD), EMAIL_USE_TLS, EMAIL_USE_SSL, DEFAULT_FROM_EMAIL)"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "DOTENV": os.devnull,
        "EMAIL_URL": url,
        "PUBLIC_URL": "https://media.example",
    }
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout.strip() == wanted, ran.stderr
