"""No SQL is built from what somebody sent: whatever is executed consists of constants, and values go beside it as parameters."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What takes SQL, and where in its arguments. Ours are `Statement` (sokoul.api), `MessagePart` (sokoul.postgres.message) and `_claims`,
# which executes what it is given.
SINKS = {
    "execute": 0,
    "executemany": 0,
    "raw": 0,
    "RawSQL": 0,
    "RunSQL": 0,
    "copy": 0,
    "Statement": 0,
    "_claims": 0,
    "MessagePart": 0,
}
NEVER = {"extra"}  # Django's own way around its parameters
# (file, function) → why it may execute what is no constant in that function.
ALLOWED = {
    (
        "sokoul/api.py",
        "rows",
    ): "a Statement's own SQL, which is checked where it is made, and LIMIT and OFFSET formatted as whole numbers",
    ("sokoul/api.py", "json"): "the same",
    (
        "apps/downloads/search.py",
        "_window",
    ): "what Django makes of two query sets, whose values go beside it, and LIMIT and OFFSET formatted as whole numbers",
    ("apps/downloads/claims.py", "_claims"): "what it is given is checked at its callers",
    ("sokoul/postgres/message.py", "send"): "parts, each checked where it is made",
    ("apps/jobs/claims.py", "_fail"): "one of the two constants that its two callers name",
    ("sokoul/postgres/inserting.py", "inserting"): "names of our own tables and columns, quoted by the driver",
    ("sokoul/backup.py", "counts"): "names of our own tables, quoted by the driver",
}
Found = tuple[str, int]


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


class Constants:
    """What is constant in one function: what was written at the module's own level, and local names made of that only."""

    def __init__(self, tree: ast.Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._known = {name for node in tree.body for name in _bound(node)}
        self._locals: dict[str, list[ast.expr | None]] = {}
        arguments = function.args
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ):
            if argument is not None:
                self._locals[argument.arg] = [None]
        for node in ast.walk(function):
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    self._bind(target, node.value)
            elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
                self._bind(node.target, None)
            elif isinstance(node, ast.withitem) and node.optional_vars:
                self._bind(node.optional_vars, None)

    def _bind(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self._locals.setdefault(target.id, []).append(value)
        else:
            for part in ast.walk(target):
                if isinstance(part, ast.Name):
                    self._locals.setdefault(part.id, []).append(None)

    def has(self, node: ast.expr | None) -> bool:
        match node:
            case None:
                return False
            case ast.Constant():
                return True
            case ast.JoinedStr(values=parts):
                return all(self.has(part) for part in parts)
            case ast.FormattedValue(value=value):
                return self.has(value)
            case ast.BinOp(left=left, right=right):
                return self.has(left) and self.has(right)
            case ast.IfExp(body=one, orelse=other):
                return self.has(one) and self.has(other)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return all(self.has(part) for part in parts)
            case ast.Call(func=ast.Attribute(attr="format", value=text), args=given, keywords=named):
                return all(self.has(part) for part in (text, *given, *(word.value for word in named)))
            case ast.Name(id=name):
                if name in self._locals:
                    values = self._locals.pop(name)  # so that nothing is made of itself
                    constant = all(self.has(value) for value in values)
                    self._locals[name] = values
                    return constant
                return name in self._known and name.lstrip("_").isupper()
            case ast.Attribute(value=ast.Name(id=module), attr=name):  # a constant of another module
                return module in self._known and module not in self._locals and name.isupper()
        return False


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Assign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)


def built(source: str) -> Iterator[Found]:
    """(function, line) of whatever executes SQL that is not constant. At a module's own level nobody has sent anything yet."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in functions:
        constants = Constants(tree, function)
        for node in ast.walk(function):
            if not isinstance(node, ast.Call):
                continue
            name = _name(node.func)
            place = SINKS.get(name)
            sql = [word.value for word in node.keywords if word.arg in {"sql", "query", "raw_query"}]
            given = node.args[place] if place is not None and len(node.args) > place else next(iter(sql), None)
            if name in NEVER or (place is not None and given is not None and not constants.has(given)):
                yield function.name, node.lineno


def files() -> list[Path]:
    return [
        path
        for folder in ("apps", "sokoul")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "demo" not in path.parts
    ]


def test_no_sql_is_built_from_what_somebody_sent() -> None:
    found = {(str(path.relative_to(ROOT)), *one) for path in files() for one in built(path.read_text())}
    foreign = sorted(one for one in found if one[:2] not in ALLOWED)
    assert not foreign, f"SQL that is not constant: pass values as parameters. {foreign}"
    idle = ALLOWED.keys() - {one[:2] for one in found}
    assert not idle, f"nothing there needs to be allowed any more: {sorted(idle)}"


@pytest.mark.parametrize(
    "planted",
    [
        'cursor.execute(f"SELECT * FROM users WHERE id = {wanted}")',
        'cursor.execute("SELECT * FROM users WHERE id = %s" % wanted)',
        'cursor.execute("SELECT * FROM users WHERE id = " + wanted)',
        'cursor.execute("SELECT * FROM users WHERE id = {}".format(wanted))',
        "cursor.execute(wanted)",
        'sql = "SELECT 1"\n    sql += wanted\n    cursor.execute(sql)',
        'sql = f"SELECT {wanted}"\n    User.objects.raw(sql, [1])',
        'User.objects.annotate(x=RawSQL("SELECT " + wanted, []))',
        'User.objects.extra(where=["1 = 1"])',
        'cursor.execute(f"SELECT {BEGUN} {request.GET}")',
        'for wanted in ("a", "b"):\n        cursor.execute(wanted)',
    ],
)
def test_one_that_is_planted_is_found(planted: str) -> None:
    assert list(built(f'BEGUN = "SELECT"\ndef ask(cursor, request, wanted):\n    {planted}\n'))


@pytest.mark.parametrize(
    "fine",
    [
        'cursor.execute("SELECT * FROM users WHERE id = %s", [wanted])',
        'cursor.execute(BEGUN + " 1", [wanted])',
        'cursor.execute(f"{BEGUN} {1}")',
        'sql = BEGUN if wanted else "SELECT 2"\n    cursor.execute(sql)',
    ],
)
def test_constants_are_none(fine: str) -> None:
    assert not list(built(f'BEGUN = "SELECT"\ndef ask(cursor, wanted):\n    {fine}\n'))
