"""The pre-commit hooks in a repository of their own: what is badly written or secret is not committed."""

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = '"""A module."""\n\nANSWER = 42\n'


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        who = {
            f"GIT_{role}_{what}": "nobody@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        self.environment = {**inherited, **nobody, **who, "PRE_COMMIT_HOME": str(folder / ".git" / "pre-commit")}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )

    def commit(self, name: str, text: str) -> subprocess.CompletedProcess[str]:
        """Write one file and try to commit it; a file that was refused is taken back."""
        (self.folder / name).write_text(text)
        self.run("git", "add", name)
        done = self.run("git", "commit", "-m", f"Add {name}")
        if done.returncode:
            self.run("git", "rm", "--force", name)
        return done


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """With the project's own hooks and settings, installed as `make hooks` does."""
    made = Repository(tmp_path)
    for name in (".pre-commit-config.yaml", ".secrets.baseline", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    assert made.run("git", "init", "--quiet").returncode == 0
    assert made.run(".venv/bin/pre-commit", "install").returncode == 0
    return made


def test_what_is_badly_written_or_secret_is_not_committed(repository: Repository) -> None:
    assert repository.commit("good.py", GOOD).returncode == 0
    badly = {
        "ruff format": GOOD.replace("ANSWER = 42", "ANSWER    =   42"),
        "ruff check": f"{GOOD}raise Unheard\n",
        "detect-secrets": f'{GOOD}ANSWER = "{secrets.token_hex(20)}"\n',
    }
    for hook, text in badly.items():
        refused = repository.commit("bad.py", text)
        assert refused.returncode, hook
        failed = [line.split(".")[0] for line in refused.stderr.splitlines() if line.endswith("Failed")]
        assert failed == [hook], refused.stderr
    key = repository.commit("settings.txt", "aws_key = AKIA" + secrets.token_hex(8).upper() + "\n")
    assert key.returncode
    assert repository.run("git", "log", "--format=%s").stdout.splitlines() == ["Add good.py"]
