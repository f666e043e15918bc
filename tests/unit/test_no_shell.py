"""No code of ours hands text to a shell, or runs text as code: programs are started with a list of arguments (SPEC 16)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("sokoul", "apps") for path in (ROOT / folder).rglob("*.py"))
SHELLS = {"os.system", "os.popen", "os.popen2", "subprocess.getoutput", "subprocess.getstatusoutput", "commands.getoutput",
          "asyncio.create_subprocess_shell", "create_subprocess_shell", "pty.spawn", "getoutput", "getstatusoutput"}  # fmt: skip
CODE = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "pickle.loads",
    "pickle.load",
    "marshal.loads",
    "yaml.load",
    "builtins.eval",
}
STARTERS = {"run", "Popen", "call", "check_call", "check_output"}


def name_of(call: ast.Call) -> str:
    return ast.unparse(call.func)


def faults(source: str) -> Iterator[str]:
    """What is wrong, with its line."""
    tree = ast.parse(source)
    lists = {name for node in ast.walk(tree) for name in _lists_of(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"os", "subprocess"}:
            taken = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (f"{node.lineno}: from {node.module} import hides a call" for _ in taken & SHELLS)
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node)
        if name in SHELLS | CODE or name.startswith("os.spawn"):
            yield f"{node.lineno}: {name}()"
        if any(word.arg == "shell" and not _is_false(word.value) for word in node.keywords):
            yield f"{node.lineno}: shell="
        if name.startswith("subprocess.") and name.partition(".")[2] in STARTERS and not _is_list(node, lists):
            yield f"{node.lineno}: {name}() without a list"


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def _lists_of(node: ast.AST) -> set[str]:
    """Names that are bound to a list, or declared as one."""
    if isinstance(node, ast.arg | ast.AnnAssign):
        target = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
        return (
            {target} if node.annotation and ast.unparse(node.annotation).startswith(("list[", "Sequence[")) else set()
        )
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
        return {ast.unparse(target) for target in node.targets}
    return set()


def _is_list(call: ast.Call, lists: set[str]) -> bool:
    first = call.args[0] if call.args else next((word.value for word in call.keywords if word.arg == "args"), None)
    return isinstance(first, ast.List) or (first is not None and ast.unparse(first) in lists)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_shell_and_no_code_from_text(path: Path) -> None:
    assert list(faults(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "os.system('ls ' + name)", "os.popen(x)", "subprocess.run('ls', shell=True)", "subprocess.run(['ls'], shell=flag)",
        "subprocess.run(f'ls {name}')", "subprocess.Popen(command)", "eval(text)", "exec(text)", "pickle.loads(data)",
        "subprocess.getoutput(x)", "await asyncio.create_subprocess_shell(x)", "from os import system", "os.spawnl(0, x)",
    ],
)  # fmt: skip
def test_the_guard_sees(source: str) -> None:
    assert list(faults(f"async def f():\n    {source}" if "await" in source else source))


def test_the_guard_lets_lists_pass() -> None:
    assert not list(faults("subprocess.run(['ls', name])\ndef f(command: list[str]):\n    subprocess.Popen(command)"))


def test_torrents_are_handled_by_a_library_and_no_program() -> None:
    """The engine starts nothing: libtorrent runs within the process."""
    for path in (ROOT / "apps/downloads/engine").rglob("*.py"):
        assert "subprocess" not in path.read_text(), path
