"""The search for secrets finds them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.leaks import assert_tight, leaks, secrets_of

ENVIRONMENT = {
    "TMDB_API_KEY": "first-key-of-two,second-key-of-two",
    "JWT_SECRET": "the line that signs\nthe line before",
    "JWT_SECRET_FILE": "/run/secrets/jwt",
    "DATABASE_URL": "postgresql://sokoul:a-database-password@127.0.0.1:1/sokoul_db",
    "NATS_URL": "nats://a-nats-token@127.0.0.1:2",
    "PORT": "3000",
}
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"  # pragma: allowlist secret


def test_what_counts_as_a_secret() -> None:
    assert secrets_of(ENVIRONMENT) == {
        "first-key-of-two", "second-key-of-two", "the line that signs", "the line before", "a-database-password",
        "a-nats-token",
    }  # fmt: skip


@pytest.mark.parametrize("line", ['{"url": "nats://a-nats-token@x"}', "key=second-key-of-two", f"Bearer {TOKEN}"])
def test_a_planted_secret_is_found(tmp_path: Path, line: str) -> None:
    log = tmp_path / "web.log"
    log.write_text(f"all is well\n{line}\n")
    assert leaks([log.read_text()], secrets_of(ENVIRONMENT)) == [line]
    with pytest.raises(AssertionError, match="secrets in logs"):
        assert_tight([log], ENVIRONMENT)


def test_what_is_masked_is_no_find() -> None:
    assert leaks([f"Bearer {TOKEN[:10]}", "postgresql://sokoul:***@127.0.0.1"], secrets_of(ENVIRONMENT)) == []


PLANTED = """
import logging, os, sys
from sokoul import logs
log, SECRET = logging.getLogger("x"), os.environ["JWT_SECRET"]
def test_printed(): print(SECRET)
def test_told_as_an_error(): sys.stderr.write("key " + os.environ["TMDB_API_KEY"])
def test_logged_unmasked(monkeypatch): monkeypatch.setattr(logs, "may_hold_secret", lambda _: False); log.error(SECRET)
def test_logged_and_masked(): log.error(SECRET)
def test_silent(): print("all is well")
"""


def test_a_test_that_logs_or_prints_a_secret_fails(tmp_path: Path) -> None:
    """Also what runs within the tests' own process is searched (tests/tight.py)."""
    (tmp_path / "test_planted.py").write_text(PLANTED)
    words = [
        "-rfp",
        "-p",
        "tests.servers",
        "-p",
        "tests.tight",
        "-p",
        "no:django",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
    ]
    command = [sys.executable, "-m", "pytest", *words, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    ends = {
        ending: set(re.findall(rf"^{ending} \S+::test_(\w+)", done.stdout, re.MULTILINE))
        for ending in ("FAILED", "PASSED")
    }
    assert ends["FAILED"] == {"printed", "told_as_an_error", "logged_unmasked"}, done.stdout
    assert ends["PASSED"] == {"logged_and_masked", "silent"}
    assert len(re.findall("^a secret was logged or printed", done.stdout, re.MULTILINE)) == 3
