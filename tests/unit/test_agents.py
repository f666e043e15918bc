"""What a client calls itself becomes two plain words, whatever it says."""

import re

import pytest

from apps.accounts.sign_ins.agents import coarse

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/140.0", "Edge, Windows"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1", "Safari, iPhone"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("", ""),
        ("<script>alert(1)</script>", ""),
        ("a" * 10_000, "a" * 40),
    ],
)  # fmt: skip
def test_a_client_in_two_words(said: str, shown: str) -> None:
    assert coarse(said) == shown


def test_nothing_of_the_header_goes_further_than_plain_characters() -> None:
    assert re.fullmatch(r"[\w.+, -]{0,40}", coarse("Mozilla/5.0 <b>\0\n' Chrome/ \x1b[31m Windows"))
