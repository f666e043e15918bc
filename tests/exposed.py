"""Looking for code that shows the environment, the settings or a secret: in what it prints, logs or raises.

A secret in a log is masked (`sokoul.masking`), which is the second line: the first is that nobody writes such code.
"""

import ast
from collections.abc import Iterator

from sokoul.env import Environment
from sokoul.masking import API_KEYS, PASSWORDS, URLS

# How a program tells people something: names of functions and methods.
TELLING = {
    "print", "pprint", "debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log", "msg", "write",
    "writelines", "say", "tell", "table",
}  # fmt: skip
SECRET_FIELDS = {name.lower() for name in (*PASSWORDS, *API_KEYS, *URLS)} | {"torznab_feeds", "smoke_password"}
WHOLE = {"model_dump", "model_dump_json", "dict", "json", "copy", "items", "values", "__dict__", "_wrapped"}
SECRET_SETTINGS = {"SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASES", "CACHES", "CHANNEL_LAYERS", "EMAIL_HOST_PASSWORD"}
assert SECRET_FIELDS - {"smoke_password"} <= Environment.model_fields.keys(), "a name that no setting has"


def exposures(source: str) -> list[str]:
    """Each place where secrets are shown: line and code."""
    tree = ast.parse(source)
    has_settings = "import settings" in source  # Django's; elsewhere the word means something else
    return [
        f"{node.lineno}: {ast.unparse(part)}"
        for node in _tellings(tree)
        for shown in _shown(node)
        for part in _secrets_in(shown, has_settings)
    ]


def _tellings(tree: ast.AST) -> Iterator[ast.Call | ast.Raise]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc:
            yield node
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in TELLING:
                yield node


def _shown(node: ast.Call | ast.Raise) -> list[ast.AST]:
    if isinstance(node, ast.Raise):
        return [node.exc] if node.exc else []
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def _secrets_in(node: ast.AST, has_settings: bool) -> Iterator[ast.AST]:
    """Parts of an expression that are, or hold, what must not be shown. Asking for one harmless field is none."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"mask", "masked", "bool", "len"}:
        return
    if isinstance(node, ast.Compare) or _is_secret(node, has_settings):
        if not isinstance(node, ast.Compare):
            yield node
        return
    if isinstance(node, ast.Attribute | ast.Subscript) and _is_store(node.value, has_settings):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_store(node.func.value, has_settings):
        return
    for child in ast.iter_child_nodes(node):
        yield from _secrets_in(child, has_settings)


def _is_store(node: ast.AST, has_settings: bool) -> bool:
    """The environment, the configuration or the settings, as a whole."""
    text = ast.unparse(node)
    return text in {"os.environ", "environ", "ENV", "env.ENV"} or (has_settings and text == "settings")


def _is_secret(node: ast.AST, has_settings: bool) -> bool:
    if _is_store(node, has_settings):
        return True
    if isinstance(node, ast.Attribute) and _is_store(node.value, has_settings):
        return node.attr in SECRET_FIELDS | WHOLE | SECRET_SETTINGS
    if isinstance(node, ast.Subscript) and _is_store(node.value, has_settings):
        return _is_secret_name(node.slice)
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        if name.rpartition(".")[2] in {"secrets_of", "getenv"} or name.endswith("environ.get"):
            return name.endswith("secrets_of") or _is_secret_name(node.args[0])
        return isinstance(node.func, ast.Attribute) and _is_secret(node.func, has_settings)
    return False


def _is_secret_name(node: ast.AST) -> bool:
    """A variable called like a secret, or one whose name nobody knows here."""
    if not isinstance(node, ast.Constant):
        return True
    return any(word in str(node.value).upper() for word in ("KEY", "TOKEN", "SECRET", "PASSWORD", "_URL"))
