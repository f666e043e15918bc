"""docs/audit.md has every action that the code writes into the audit trail, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.accounts.admin import Topic

ROOT = Path(__file__).parents[2]
WRITERS = {"audit.record", "audit.writing"}
NAME = re.compile(r"[a-z_]+\.[a-z_]+")


def _calls(node: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    """Calls of audit.record or audit.writing, and of the module's own functions of these names."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and call.args:
            called = ast.unparse(call.func)
            if called in WRITERS or called.removeprefix("self.") in names:
                yield call


def _texts(node: ast.AST) -> set[str]:
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def _passes_on(function: ast.FunctionDef) -> bool:
    """Whether its caller says which action it is."""
    given = {argument.arg for argument in function.args.args}
    return any(isinstance(call.args[0], ast.Name) and call.args[0].id in given for call in _calls(function, set()))


def actions(source: str) -> set[str]:
    """What a module writes; the name may stand in the call, in a variable, or be given by a caller of its own."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    wrappers = {function.name for function in functions if _passes_on(function)}
    found: set[str] = set()
    for function in functions:
        for call in _calls(function, wrappers):
            first = call.args[0]
            values = [first]
            if isinstance(first, ast.Name):
                values = [
                    node.value
                    for node in ast.walk(function)
                    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == first.id
                ]
                assert values or function.name in wrappers, f"which action is {first.id} of {function.name}?"
            found |= {text for value in values for text in _texts(value) if NAME.fullmatch(text)}
    return found


def written() -> set[str]:
    files = [*ROOT.glob("apps/**/*.py"), *ROOT.glob("sokoul/**/*.py")]
    sources = [source for file in files if any(writer in (source := file.read_text()) for writer in WRITERS)]
    return {action for source in sources for action in actions(source)}


def documented() -> list[str]:
    table = re.findall(r"^\| (`.+?) \|", (ROOT / "docs" / "audit.md").read_text(), re.MULTILINE)
    return [action for cell in table for action in re.findall(r"`([^`]+)`", cell)]


def test_the_table_has_every_action_once_and_no_other() -> None:
    found = written()
    assert sorted(found) == sorted(documented())
    assert len(found) > 30


@pytest.mark.parametrize(
    "source",
    [
        'def f(user):\n    audit.record("new.action", "x", user)',
        'def f(user):\n    message.send(audit.writing("new.action", "x", user))',
        'def f(x):\n    action = "new.action" if x else ""\n    audit.record(action)',
        'def note(action):\n    audit.record(action)\ndef f():\n    note("new.action")',
        'class A:\n    def note(self, action):\n        audit.record(action)\n    def f(self):\n        self.note("new.action")',
    ],
)
def test_an_action_is_found_however_it_is_said(source: str) -> None:
    assert actions(source) == {"new.action"}


def test_the_dashboard_filters_by_every_topic() -> None:
    assert set(Topic.topics) == {action.partition(".")[0] for action in documented()}
