"""Small truths about channels: signatures as documented, digests in both languages, what loads what."""

import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.channels import webhook
from apps.accounts.channels.letter import Item, Letter, trial

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 26, tzinfo=UTC)


def letter(language: str, count: int) -> Letter:
    return Letter(language, tuple(Item(n, "test", f"Film {n}", AT, {}) for n in range(1, count + 1)))


@pytest.fixture
def documented() -> Any:
    """`is_genuine` of docs/notifications.md."""
    text = (ROOT / "docs/notifications.md").read_text()
    (snippet,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    return names["is_genuine"]


def test_a_signature_is_checked_as_the_documentation_says(documented: Any) -> None:
    now, body = int(time.time()), '{"text": "é"}'.encode()
    signature = webhook.signature("secret", body, now)
    assert documented("secret", signature, body)
    assert not documented("other", signature, body)
    assert not documented("secret", signature, body + b" ")
    assert not documented("secret", signature.replace(f"t={now}", f"t={now - 1}"), body)
    assert not documented("secret", webhook.signature("secret", body, now - 301), body), "an old one, sent again"


@pytest.mark.parametrize(
    ("language", "count", "first", "last"),
    [
        ("en", 1, "Film 1", "Film 1"),
        ("en", 2, "2 things happened", "• Film 2"),
        ("en", 21, "21 things happened", "… and 1 more."),
        ("en", 22, "22 things happened", "… and 2 more."),
        ("fr", 1, "Film 1", "Film 1"),
        ("fr", 2, "2 choses se sont passées", "• Film 2"),
        ("fr", 21, "21 choses se sont passées", "… et 1 autre."),
        ("fr", 22, "22 choses se sont passées", "… et 2 autres."),
    ],
)
def test_a_digest_counts_in_both_languages(language: str, count: int, first: str, last: str) -> None:
    lines = letter(language, count).text.split("\n")
    assert (lines[0], lines[-1]) == (first, last)


def test_a_test_speaks_the_person_s_language() -> None:
    assert "Ceci est un test" in trial("fr", AT).text


def test_only_who_sends_loads_what_sends() -> None:
    """Every process imports the channels and the jobs' handlers; Apprise would cost each of them its memory."""
    program = (
        "import django, sys; django.setup(); import apps.accounts.tasks, apps.accounts.urls, apps.accounts.channels.sending; "
        "print(sorted({'apprise', 'telegram'} & set(sys.modules)))"
    )
    environment = {"PATH": "", "DOTENV": "/dev/null", "DJANGO_SETTINGS_MODULE": "sokoul.settings"}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert ran.stdout.strip() == "[]", ran.stderr
