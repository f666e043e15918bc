"""docs/test-plan.md names only what exists, and every box once, in order."""

import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLAN = (ROOT / "docs" / "test-plan.md").read_text()
ROW = re.compile(r"^\| ([0-9]+\.[0-9]+|C|Q)-(\d\d) \| (.+?) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
TARGET = re.compile(r"`make ([\w-]+)[^`]*`")


@functools.cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_box_stands_once_and_in_order() -> None:
    seen: dict[str, int] = {}
    for section, number, *_ in ROW.findall(PLAN):
        assert int(number) == seen.get(section, 0) + 1, f"{section}-{number}"
        seen[section] = int(number)
    assert len(seen) == 41, sorted(seen)
    assert sum(seen.values()) == len(re.findall(r"^\| [0-9CQ]", PLAN, re.MULTILINE)), "a row that does not parse"


def test_what_proves_a_box_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for section, number, _, proof in ROW.findall(PLAN):
        box = f"{section}-{number}"
        for path, name in TEST.findall(proof):
            assert (ROOT / path).is_file(), f"{box}: {path}"
            assert not name or name in functions_of(path), f"{box}: {path}::{name}"
        for target in TARGET.findall(proof):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{box}: make {target}"
        named = TEST.search(proof) or TARGET.search(proof) or proof == "its children"
        assert named or re.fullmatch(r"not yet: .{10,}", proof), f"{box}: {proof}"
