"""docs/releasing.md: its lines are lines that work, of services, variables and commands that exist. They run in the drill."""

import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest
from django.core.management import load_command_class

from tests.image import ROOT, SERVICES

PAGE = (ROOT / "docs" / "releasing.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
PARSER = load_command_class("sokoul", "release").create_parser("manage.py", "release")
ANSWERS = {"web", "green"}  # what `up --wait` waits for


def commands(program: str) -> Iterator[list[str]]:
    for line in "".join(BLOCKS).splitlines():
        for part in line.partition("#")[0].split("&&"):
            words = shlex.split(part.partition(" | ")[0])
            if words[: len(program.split())] == program.split():
                yield words[len(program.split()) :]


@pytest.mark.parametrize("block", BLOCKS)
def test_the_lines_are_lines_of_a_shell(block: str) -> None:
    done = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False)
    assert not done.stderr


def test_compose_is_asked_for_services_and_what_it_can_do() -> None:
    asked = list(commands("docker compose"))
    assert len(asked) > 20
    for verb, *words in asked:
        names = [word for word in words if not word.startswith("-") and word not in {"15m"}]
        assert verb in {"exec", "run", "up", "stop", "logs", "build"}, verb
        assert set(names[:1] if verb in {"exec", "run"} else names) <= SERVICES.keys(), words
        if verb == "up":
            assert names, "without names it would bring the old side to the new image"
            assert "--wait" not in words or set(names) <= ANSWERS


def test_each_move_is_one_that_the_command_knows() -> None:
    moves = [words[2:] for words in commands("docker compose run") if words[:2] == ["--rm", "release"]]
    moves += list(commands("python manage.py release"))
    assert {words[0] for words in moves} == {"show", "switch", "canary", "watch", "back"}
    for words in moves:
        PARSER.parse_args(words)


def test_the_variables_are_those_of_compose_and_of_the_edge() -> None:
    files = ("docker-compose.yml", "deploy/edge/haproxy.cfg")
    known = "".join((ROOT / file).read_text() for file in files) + "COMPOSE_PROFILES"
    for name in set(re.findall(r"\b(?:EDGE|SOKOUL|COMPOSE)_[A-Z_0-9]+", PAGE)):
        assert re.search(rf"\b{name}\b", known), name


def test_the_order_is_tables_then_the_new_side_then_people_then_workers() -> None:
    lines = BLOCKS[0].splitlines()
    order = ("backup", "green setup", "--wait green", "switch green", "release watch", "scout hunter bot relay")
    places = [next(number for number, line in enumerate(lines) if words in line) for words in order]
    assert places == sorted(places)


def test_it_is_found_from_the_readme_and_from_the_page_on_deploying() -> None:
    assert "](docs/releasing.md)" in (ROOT / "README.md").read_text()
    assert "](releasing.md)" in (ROOT / "docs/deploying.md").read_text()
