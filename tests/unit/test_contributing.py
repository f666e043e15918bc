"""What whoever wants to help is told is there, and whoever reports a fault is asked for what finding it needs."""

import re
from typing import Any

import yaml

from tests.image import ROOT
from tests.unit.test_test_plan import functions_of

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
FORM: dict[str, Any] = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/testing.yml").read_text())


def test_every_file_and_folder_that_contributors_are_sent_to_is_there() -> None:
    linked = set(re.findall(r"\]\(([\w./-]+?)\)", PAGE)) - {"../../issues/new/choose"}
    named = set(re.findall(r"`((?:apps|sokoul|tests|docs|locale)/[\w./]*)`", PAGE))
    assert linked >= {"docs/architecture.md", "docs/test-plan.md", "SECURITY.md"}
    assert named >= {"apps/downloads", "tests/permissions.py"}
    assert [path for path in linked | named if not (ROOT / path).exists()] == []
    assert "](CONTRIBUTING.md)" in (ROOT / "README.md").read_text()


def test_every_command_that_contributors_are_told_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(re.findall(r"^```sh\n(.+?)^```", PAGE, re.M | re.S))))
    assert targets >= {"dev", "hooks", "unit", "test", "lint"}
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.M)] == []
    tests = re.findall(r"pytest .*?(tests/[\w/]+\.py)(?:::(\w+))?", PAGE)
    assert len(tests) == 2
    for path, name in tests:
        assert (ROOT / path).is_file()
        assert not name or name in functions_of(path)


def test_an_issue_is_labelled_and_asks_for_the_steps_and_the_log() -> None:
    assert FORM["labels"] == ["testing"]
    required = {part["id"] for part in FORM["body"] if part.get("validations", {}).get("required")}
    assert required >= {"steps", "happened", "logs", "version"}
    assert "in confidence" in FORM["body"][0]["attributes"]["value"]
