"""Logs: one JSON object a line with the fields of SPEC 18, no secret in it, and a full disk that stops nobody."""

import json
import logging
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from sokoul import access, env, logs, masking, metrics, request_id

ROOT = Path(__file__).parents[2]
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
FIELDS = ["timestamp", "level", "service", "request_id", "user_id", "message"]


class Lines(logging.Handler):
    """Keeps what the formatter makes of each record."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.JsonFormatter("scout"))
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    @property
    def last(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.texts[-1])
        return found


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Secrets as an operator would configure them, all of them made up."""
    password, token, quoted = secrets.token_hex(12), secrets.token_hex(12), f'with"{secrets.token_hex(6)}\\and é'
    found = {
        "TMDB_API_KEY": f"{secrets.token_hex(12)},{secrets.token_hex(12)}",
        "TELEGRAM_BOT_TOKEN": f"123456:{secrets.token_hex(16)}",
        "JWT_SECRET": f"{secrets.token_hex(20)}\n{secrets.token_hex(20)}",
        "PROWLARR_API_KEY": secrets.token_hex(12),
        "ADMIN_PASSWORD": quoted,
        "METRICS_TOKEN": secrets.token_hex(12),
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    urls = {
        "database_url": f"postgresql://sokoul:{password}@localhost/x",
        "redis_url": f"redis://:{password}r@localhost/0",
        "nats_url": f"nats://{token}@localhost:4222,nats://{token}2@other",
    }
    for name, value in urls.items():
        monkeypatch.setattr(env.ENV, name, value)
    monkeypatch.setattr(env.ENV, "torznab_feeds", {"feed": ("http://feed/api", secret := secrets.token_hex(12))})
    env.reread()
    masking._known.cache_clear()
    yield {**found, "database": password, "redis": f"{password}r", "nats": token, "nats2": f"{token}2", "feed": secret}
    monkeypatch.undo()
    env.reread()
    masking._known.cache_clear()


def every(known: dict[str, str]) -> list[str]:
    return [part for name, value in known.items() for part in re.split(r"[,\n]", value)]


# Fields and levels


def test_a_line_has_the_fields_of_the_plan_in_order(lines: Lines) -> None:
    with request_id.bound("req-12345", 7):
        logs.logger("x").info("job ended", outcome="completed")
    assert list(lines.last) == [*FIELDS[:-1], "outcome", "message"]
    assert lines.last | {"timestamp": ""} == {
        "timestamp": "", "level": "INFO", "service": "scout", "request_id": "req-12345", "user_id": 7,
        "outcome": "completed", "message": "job ended",
    }  # fmt: skip
    assert datetime.fromisoformat(lines.last["timestamp"]).utcoffset() is not None
    assert "\n" not in lines.texts[-1]


@pytest.mark.parametrize(
    ("method", "level"),
    [("debug", "DEBUG"), ("info", "INFO"), ("warning", "WARN"), ("error", "ERROR"), ("critical", "ERROR")],
)
def test_levels_are_the_plans(lines: Lines, method: str, level: str) -> None:
    getattr(logs.logger("x"), method)("ours")
    assert lines.last["level"] == level
    getattr(logging.getLogger("library"), method)("theirs: %s", 5)
    assert (lines.last["level"], lines.last["message"]) == (level, "theirs: 5")


@pytest.mark.parametrize(("level", "least"), [("INFO", logging.INFO), ("DEBUG", logging.DEBUG)])
def test_debug_is_off_unless_it_is_asked_for(level: str, least: int) -> None:
    told = logs.configuration("web", level, is_component=True)
    assert logging.getLevelName(told["root"]["level"]) == least
    assert told["handlers"]["lines"]["level"] == level
    assert told["handlers"]["lines"]["descriptor"] == 1


def test_a_command_keeps_its_output_for_its_answer() -> None:
    told = logs.configuration("search", "INFO", is_component=False)
    assert told["handlers"]["lines"]["level"] == "ERROR"
    assert told["handlers"]["lines"]["descriptor"] == 2


def test_an_exception_brings_its_traceback(lines: Lines) -> None:
    try:
        raise ValueError("at TMDB")
    except ValueError:
        logs.logger("x").exception("failed")
        assert "ValueError: at TMDB" in lines.last["exception"]
        logging.getLogger("library").exception("failed too")
    assert "ValueError: at TMDB" in lines.last["exception"]
    assert lines.last["message"] == "failed too"


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("value", [2**80, "\ud800", b"\xff", {1: "a"}, {"nested": [{"set"}]}, float("nan"), object()])
def test_whatever_is_logged_becomes_a_line(lines: Lines, value: object) -> None:
    logs.logger("x").info("odd", value=value)
    assert lines.last["message"] == "odd"


@pytest.mark.parametrize(
    "said",
    [
        'name\n{"level":"ERROR"}',
        "name\r\n\r\nname",
        "\x1b[2J\x1b]0;title\x07",
        "\x9b31mred\x85next",
        "line\u2028line\u2029line",
        "\u202egpj.exe\u2066",
        'name","level":"ERROR","message":"forged',
        "\0\b\x7f",
        "=1+1\t@SUM(A1)",
    ],
)
def test_what_others_said_stays_text_in_its_line(lines: Lines, said: str) -> None:
    """No line of its own, no colour or command for the terminal that shows it, no field that it did not have."""
    logs.logger("x").info(said, path=said)
    text = lines.texts[-1].removesuffix("\n")
    assert len(text.splitlines()) == 1
    assert not [c for c in text if c != " " and c != "\x7f" and not c.isprintable()]
    assert (lines.last["message"], lines.last["path"], lines.last["level"]) == (said, said, "INFO")


# Secrets


def test_no_known_secret_is_told_wherever_it_stands(lines: Lines, known: dict[str, str]) -> None:
    log = logs.logger("x")
    for secret in every(known):
        log.info(
            " ".join(["asked with", secret]),
            url=f"http://host/{secret}/path?x={secret}",
            deep={"a": [{"b": (secret,)}]},
        )
        log.info("bytes and keys", raw=secret.encode(), odd={secret: 1}, error=RuntimeError(secret))
        logging.getLogger("library").warning("theirs %s", secret)
        try:
            raise ValueError(f"could not connect with {secret}")
        except ValueError:
            log.exception("failed")
    said = "\n".join(lines.texts)
    for secret in every(known):
        assert secret not in said
        assert json.dumps(secret)[1:-1] not in said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2 ok", "password=*** ok"),
        ("connection failed: host=x password='with space' user=y", "password=***"),
        ('{"password": "hunter2"}', '{"password": "***"}'),
        ("https://tracker/announce?passkey=hunter2&x=1", "passkey=***&x=1"),
        ("GET /api?apikey=hunter2&t=search", "apikey=***&t=search"),
        ("/ws?token=hunter2", "/ws?token=***"),
        ("/ws?ticket=hunter2&last_event_id=4", "ticket=***&last_event_id=4"),
        ("/app/login/oidc/callback?code=hunter2&state=hunter3&iss=x", "?code=***&state=***&iss=x"),
        ("postgresql://sokoul:hunter2@db:5432/x", "postgresql://***@db:5432/x"),
        ("postgresql://sokoul:with@hunter2@db/x", "postgresql://***@db/x"),
        ("nats://hunter2@nats:4222", "nats://***@nats:4222"),
        ("X-Api-Key: hunter2", "X-Api-Key: ***"),
        ("Authorization: Basic aHVudGVyMg==", "***"),
        ("sent Bearer hunter2hunter2", "Bearer ***"),
        (f"token={JWT}", f"token={JWT[:10]}..."),
        (f"Authorization: Bearer {JWT}", f"{JWT[:10]}..."),
        ("key sk_AbC123-hunter2_x was used", "key sk_...*** was used"),
    ],
)
def test_what_looks_like_a_secret_is_masked_as_the_plan_says(text: str, shown: str) -> None:
    masked = logs.mask(text)
    assert shown in masked
    assert "hunter2" not in masked
    assert JWT[12:] not in masked
    assert logs.mask(masked) == masked


@pytest.mark.parametrize("name", ["password", "access_token", "X_API_KEY", "api_key", "JWT_SECRET", "cookie", "ticket"])
def test_what_is_called_like_a_secret_is_hidden(lines: Lines, name: str) -> None:
    logs.logger("x").info("who", **{name: "open sesame"}, nested={name: ["open", "sesame"]})
    assert "sesame" not in lines.texts[-1]
    assert lines.last[name] == "***"


def test_a_jwt_shows_its_first_ten_characters(lines: Lines) -> None:
    logs.logger("x").info(f"signed in with {JWT}", token=JWT)
    assert lines.last["message"] == f"signed in with {JWT[:10]}..."
    assert lines.last["token"] == f"{JWT[:10]}..."


def test_an_api_key_shows_only_that_it_is_one(known: dict[str, str]) -> None:
    assert logs.mask(f"refused {known['PROWLARR_API_KEY']}") == "refused sk_...***"
    assert logs.mask(f"admin {known['ADMIN_PASSWORD']}") == "admin ***"


def test_a_rotated_secret_is_masked_too(known: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = secrets.token_hex(24)
    monkeypatch.setenv("JWT_SECRET", f"{fresh}\n{known['JWT_SECRET']}")
    env.reread()
    masking._known.cache_clear()
    assert fresh not in logs.mask(f"x {fresh} y")


@pytest.mark.parametrize(
    "text", ["/media/5?page=2", "Searching “Last Night Tram”", "tokens are read again", "user 5 at 12:30", "sky_blue"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert logs.mask(text) == text


# One line a request


@pytest.fixture
def answered(lines: Lines) -> Any:
    def ask(path: str, status: int = 200, method: str = "GET", user: int | None = None, **headers: str) -> None:
        def view(request: HttpRequest) -> HttpResponse:
            request_id.set_user(user)
            return HttpResponse(status=status)

        handle = request_id.middleware(access.middleware(view))
        handle(RequestFactory().generic(method, path, headers={"X-Request-ID": "req-1", **headers}))

    return ask


def test_each_request_is_told_in_one_line(lines: Lines, answered: Any) -> None:
    answered("/search?query=tram&token=hunter2hunter2", 200, user=9)
    (line,) = [json.loads(text) for text in lines.texts]
    assert (line["message"], line["method"], line["status"]) == ("request", "GET", 200)
    assert line["path"] == "/search?query=tram&token=***"
    assert (line["request_id"], line["user_id"], line["level"]) == ("req-1", 9, "INFO")
    assert 0 <= line["ms"] < 1000


def test_what_failed_on_our_side_is_a_warning(lines: Lines, answered: Any) -> None:
    answered("/downloads", 503)
    assert lines.last["level"] == "WARN"
    answered("/downloads", 404)
    assert lines.last["level"] == "INFO"


@pytest.mark.parametrize("path", ["/health", "/health/deep", "/metrics", "/static/x.css", "/api/v1/health/live"])
def test_probes_scrapes_and_static_files_are_not_told(lines: Lines, answered: Any, path: str) -> None:
    answered(path)
    assert not lines.texts


def test_an_odd_request_makes_no_odd_label(answered: Any) -> None:
    def unmatched(method: str) -> float:
        return float(metrics.API_REQUESTS.labels(method, "unmatched", "200")._value.get())

    before = unmatched("OTHER")
    answered("/anything/at/all", method="BREW")
    assert unmatched("OTHER") == before + 1


def test_a_long_address_is_cut(lines: Lines, answered: Any) -> None:
    answered("/" + "x" * 5000)
    assert len(lines.last["path"]) == access.LONGEST


# A full disk

TALKER = """
import logging.config, os
from sokoul import logs
logging.config.dictConfig(logs.configuration("relay", "INFO", is_component=True))
log = logs.logger("x")
log.info("before")
full = os.open("/dev/full", os.O_WRONLY)
kept = os.dup(1)
os.dup2(full, 1)
for number in range(50):
    log.info("lost", number=number)
os.dup2(kept, 1)
log.info("after")
"""


def test_a_full_disk_costs_lines_and_not_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", TALKER], cwd=ROOT, capture_output=True, text=True, check=True)
    told = [json.loads(line)["message"] for line in done.stdout.splitlines()]
    assert told == ["before", "50 log lines were lost", "after"]
    assert done.stderr == ""


def test_a_process_whose_output_is_full_from_the_start_ends_well() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", TALKER], cwd=ROOT, stdout=full, check=False)
    assert done.returncode == 0


def test_a_line_that_was_cut_does_not_spoil_the_next() -> None:
    handler = logs.LineHandler(1)
    written: list[bytes] = []
    room = [10, 1000, 1000]

    def write(descriptor: int, data: bytes) -> int:
        written.append(data[: room[0]])
        return min(len(data), room.pop(0))

    handler.setFormatter(logging.Formatter("%(message)s"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", write)
        for text in ("a line of more than ten", "the next"):
            handler.emit(logging.makeLogRecord({"msg": text}))
    lines = b"".join(written).splitlines()
    assert lines[0] == b"a line of "
    assert json.loads(lines[1])["message"] == "1 log lines were lost"
    assert lines[2] == b"the next"


def test_a_record_that_cannot_be_shown_is_told_of() -> None:
    handler = logs.LineHandler(1)
    handler.setFormatter(logs.JsonFormatter("web"))
    read, write = os.pipe()
    handler._descriptor = write
    handler.emit(logging.makeLogRecord({"msg": "%s", "args": (Unspeakable(),)}))
    os.close(write)
    assert "could not be made" in json.loads(os.read(read, 1000))["message"]
    os.close(read)
