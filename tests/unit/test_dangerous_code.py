"""No code that runs what somebody typed: no shell, no eval, no objects out of bytes (plan 5.2)."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLS = {
    "os.system", "os.popen", "os.execl", "os.spawnl", "subprocess.getoutput", "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell", "eval", "exec", "compile", "pickle.loads", "pickle.load", "marshal.loads", "yaml.load",
    "shelve.open", "mark_safe",
}  # fmt: skip
# In a script: what makes markup or code of a text, merges objects, or writes to a property that something else has named.
IN_SCRIPTS = re.compile(
    r"__proto__|\bObject\.assign\(|\bsetPrototypeOf\b|\.(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write|\beval\(|"
    r"\bnew Function\b|\b\w+\[[^\]'\"]+\]\s*=(?!=)"
)
STARTS = {"run", "Popen", "call", "check_call", "check_output", "create_subprocess_exec"}


def dangers(source: str) -> list[str]:
    """Calls that run or revive a text; programs started by a shell, or by one string instead of a list of words."""
    return [
        f"{node.lineno}: {ast.unparse(node)[:80]}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and (ast.unparse(node.func) in CALLS or _by_shell(node))
    ]


def _by_shell(call: ast.Call) -> bool:
    shell = [keyword.value for keyword in call.keywords if keyword.arg == "shell"]
    if shell and ast.unparse(shell[0]) != "False":
        return True
    starts = (
        isinstance(call.func, ast.Attribute) and call.func.attr in STARTS and "subprocess" in ast.unparse(call.func)
    )
    return starts and call.func.attr != "create_subprocess_exec" and isinstance(call.args[0], ast.JoinedStr | ast.BinOp)


def test_nothing_runs_what_somebody_typed() -> None:
    files = [ROOT / "manage.py", *ROOT.glob("apps/**/*.py"), *ROOT.glob("sokoul/**/*.py")]
    found = {str(file.relative_to(ROOT)): places for file in files if (places := dangers(file.read_text()))}
    assert found == {}
    assert len(files) > 200


@pytest.mark.parametrize(
    "code",
    [
        'os.system(f"rm {name}")',
        'subprocess.run(f"ls {name}", shell=True)',
        "subprocess.Popen(words, shell=shell)",
        'subprocess.run("ls " + name)',
        "await asyncio.create_subprocess_shell(line)",
        "eval(text)",
        "pickle.loads(data)",
        "yaml.load(data)",
    ],
)
def test_code_that_does_is_found(code: str) -> None:
    assert dangers(f"async def f():\n    {code}")


@pytest.mark.parametrize(
    "code", ['subprocess.run(["ls", name], shell=False)', "re.compile(word)", "subprocess.run([a, *b])"]
)
def test_what_is_harmless_is_no_find(code: str) -> None:
    assert dangers(code) == []


def test_no_script_of_ours_merges_objects_or_makes_markup() -> None:
    """What a server or a page says never becomes a prototype's property, or an element."""
    bad = ("all[message.type] = 1", "Object.assign(a, b)", "x.innerHTML = text", "a.__proto__", "row[name]=2")
    assert all(IN_SCRIPTS.search(line) for line in bad)
    assert not any(
        IN_SCRIPTS.search(line) for line in ("if (a[i] === b) {", "const all = [1, 2];", "a.textContent = b[c];")
    )
    files = [*(ROOT / "static" / "js").glob("*.js")]
    found = {file.name: IN_SCRIPTS.findall(text) for file in files if IN_SCRIPTS.search(text := file.read_text())}
    assert found == {}
    assert len(files) >= 7
