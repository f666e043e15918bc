"""docs/security.md: every requirement of the ASVS has its row, and every proof exists."""

import re
from pathlib import Path

from django.conf import settings

from apps.accounts.sign_ins.models import Kind as SignInKind
from apps.accounts.sign_ins.services import IDLE
from apps.accounts.tokens import LIFETIMES, Kind
from sokoul.env import ENV
from tests.unit.test_test_plan import TARGET, TEST, functions_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
ROW = re.compile(r"^\| (V\d+\.\d+\.\d+(?:, V\d+\.\d+\.\d+)*) \| (.+?) \| (.+?) \| (.+) \|$", re.MULTILINE)
ATTACK = re.compile(r"^\| ([^|]+) \| ([^|]+) \| (`[^|]+`) \|$", re.MULTILINE)
HONEST = re.compile(r"not (?:yet|applicable): .{10,}")
# How many requirements of levels 1 and 2 each section of the OWASP ASVS 5.0.0 has; what follows in a section is level 3.
SECTIONS = {
    "1": (2, 9, 11, 3, 2), "2": (3, 3, 4, 1), "3": (0, 2, 4, 6, 5, 0, 2), "4": (3, 1, 2, 4), "5": (1, 3, 2, 3),
    "6": (3, 12, 4, 4, 5, 3, 0, 4), "7": (3, 4, 2, 5, 2, 2), "8": (2, 3, 1, 1), "9": (3, 4), "10": (2, 2, 4, 11, 5, 2, 3),
    "11": (2, 3, 3, 4, 1, 1), "12": (3, 2, 4), "13": (1, 5, 2, 5), "14": (2, 4, 3), "15": (3, 3, 7), "16": (1, 5, 4, 3, 3),
}  # fmt: skip


def wanted() -> set[str]:
    return {
        f"V{chapter}.{section}.{number}"
        for chapter, counts in SECTIONS.items()
        for section, count in enumerate(counts, 1)
        for number in range(1, count + 1)
    }


def proved(proof: str, about: str) -> bool:
    """Whether all that a proof names exists, and it names something."""
    makefile = (ROOT / "Makefile").read_text()
    for path, name in TEST.findall(proof):
        assert (ROOT / path).is_file(), f"{about}: {path}"
        assert not name or name in functions_of(path), f"{about}: {path}::{name}"
    for target in TARGET.findall(proof):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{about}: make {target}"
    return bool(TEST.search(proof) or TARGET.search(proof))


def test_every_requirement_stands_once() -> None:
    rows = [number for numbers, *_ in ROW.findall(PAGE) for number in numbers.split(", ")]
    assert sorted(rows) == sorted(wanted())
    assert len(re.findall(r"^\| V\d", PAGE, re.MULTILINE)) == len(ROW.findall(PAGE)), "a row that does not parse"


def test_what_proves_a_requirement_exists() -> None:
    for numbers, _, _, proof in ROW.findall(PAGE):
        assert HONEST.fullmatch(proof) or proved(proof, numbers), f"{numbers}: {proof}"


def test_each_attack_has_a_test() -> None:
    attacks = ATTACK.findall(PAGE.partition("## Attacker's checklist")[2].partition("## OWASP")[0])
    assert len(attacks) >= 40
    for attack, _, proof in attacks:
        assert TEST.search(proof), f"{attack}: no test"
        assert proved(proof, attack), f"{attack}: {proof}"


def test_how_long_a_sign_in_lasts_is_written_down_as_it_is() -> None:
    page = (ROOT / "docs" / "accounts.md").read_text().partition("## How long a sign-in lasts")[2].partition("\n## ")[0]
    units = {"minute": 60, "hour": 3600, "day": 86_400}
    written = {
        what: int(count) * units[unit]
        for what, count, unit in re.findall(r"^\| an? (.+?) \| (\d+) (minute|hour|day)s?\b", page, re.MULTILINE)
    }
    assert written == {
        "session of the pages": settings.SESSION_COOKIE_AGE,
        "family of refresh tokens": ENV.refresh_days * 86_400,
        "access token": LIFETIMES[Kind.ACCESS],
        "refresh token": LIFETIMES[Kind.REFRESH],
        "ticket for a socket": LIFETIMES[Kind.TICKET],
        "code of a password reset": settings.PASSWORD_RESET_TIMEOUT,
    }
    assert f"{IDLE[SignInKind.PAGES].days} days without use" in page
    assert not settings.SESSION_SAVE_EVERY_REQUEST


def test_whoever_finds_a_weakness_is_told_how_to_report_it_in_confidence() -> None:
    policy = (ROOT / "SECURITY.md").read_text()
    assert "Report a vulnerability" in policy
    assert "not in a public issue" in policy
    assert "](docs/security.md)" in policy
    assert "](../SECURITY.md)" in PAGE
