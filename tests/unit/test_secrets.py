"""No secret in the repository, and no code that shows one (plan 2.1, 5.4)."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.exposed import exposures

ROOT = Path(__file__).parents[2]
GREP = r"(password|token|secret).*=.*['\"]"  # the plan's own

# Every line that the plan's grep finds belongs to one of these. A secret that was written down belongs to none.
ALLOWED = {
    "a field of a model, form, serializer or setting, without a default or with an empty one":
        r"""Field\((?!f?["'][^"'])(?!.*\b(?:default|initial)=f?(["'])(?!\1))""",
    "a condition or an index, which names columns": r"models\.(?:Index|CheckConstraint)\(|condition=",
    "nothing yet": r"""^\s*\w*(?:password|token|secret)\w*(?:: str)? = ""$""",
    "asked from where it is kept, by its name": r"""(?:secrets_of|environ\.get|params\.get|getattr)\(["A-Za-z, ]*["'][A-Za-z_]+["']""",
    "taken out of what a client sent": r"""\.partition\("[ .]"\)""",
    "made, checked or fetched by a function": r"= (?:make_password|check_password|self\.expect|secrets\.token_\w+)\(",
    "a value from a row, under its name": r"""= \{"secret": channel\.secret\}|\["password"\] = """,
    "a password within an address that is being read": r"= parts\.password or",
    "a pattern that finds secrets": r"re\.compile\(r",
    "a sentence that names one": r"""(?:unauthenticated\(|40[13], |description=|^\s*)["'][A-Za-z;_][^"']* [^"']* [^"']*["']""",
    "an option, a widget or a class, by its name": r"""--pwfile|PasswordInput\(attrs=\{"autocomplete": |PASSWORD_HASHERS = \["apps\.""",
    "names of what holds secrets": r"""^\w*SECRETS?(?:_HEADERS)? = [({]["'][A-Za-z_-]+["'], """,
    "keys of the demo's stand-ins, which open nothing": r"""^T\w+_TOKEN = f?"(?:\{BOT_ID\}:)?demo-""",
    "a field of a form, by its label": r"""= _password\(_\("[A-Z][a-z ]+"\), new=""",
    "an argument that may be left out": r"""^def \w+\(.*: str = ""[,)]|LONGEST_PASSWORD, .*default="", """,
    "the word itself: a limit, a kind, an address": r"""\("password", 10, |what == "password"|PASSWORD = "password"|^    path\("[a-z]+/""",
    "what calls take, as the API's description says it": r"""^TOKEN: Any = \[\{"bearer": \[\]\}\]""",
    "settings that are made of what the environment holds": r"= \(hashlib\.sha256\(|= unquote\(_MAIL\.",
}  # fmt: skip


def reasons(line: str) -> list[str]:
    """Why a line that the grep finds may stand."""
    return [reason for reason, pattern in ALLOWED.items() if re.search(pattern, line)]


def found() -> list[str]:
    command = ["git", "grep", "-hiE", GREP, "--", "sokoul", "apps", "deploy"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_plans_grep_finds_only_lines_that_are_accounted_for() -> None:
    lines = found()
    assert not [line for line in lines if not reasons(line)]
    used = {reason for line in lines for reason in reasons(line)}
    assert used == ALLOWED.keys(), "a reason that no line needs any more"


@pytest.mark.parametrize(
    "line",
    [
        'password = "hunter2"',  # pragma: allowlist secret
        "    api_token: str = 'abcdef0123456789'",
        'JWT_SECRET = "correct-horse-battery-staple"',
        'client = Client(token="abc")',
        'password = models.CharField(max_length=128, default="hunter2")',
        'metrics_token: str = Field("hunter2", description="Bearer token.")',
        "  - POSTGRES_PASSWORD='hunter2'",  # pragma: allowlist secret
        'SECRETS = ("Zm9vYmFyYmF6cXV4Cg==", 1)',
        'self.token = "eyJhbGciOiJIUzI1NiJ9"',
    ],
)
def test_a_secret_that_was_written_down_is_found(line: str) -> None:
    assert re.search(GREP, line, re.IGNORECASE)
    assert reasons(line) == []


@pytest.mark.parametrize("name", [".env", "var/.env", "secrets/jwt"])
def test_git_ignores_what_holds_secrets(name: str) -> None:
    assert subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT, check=False).returncode == 0
    assert not subprocess.run(["git", "ls-files", name], cwd=ROOT, capture_output=True, check=True).stdout


def test_nothing_prints_logs_or_raises_the_environment_or_a_secret() -> None:
    files = [ROOT / "manage.py", *ROOT.glob("apps/**/*.py"), *ROOT.glob("sokoul/**/*.py")]
    shown = {str(file.relative_to(ROOT)): places for file in files if (places := exposures(file.read_text()))}
    assert shown == {}
    assert len(files) > 200


@pytest.mark.parametrize(
    "code",
    [
        "print(os.environ)",
        "print(dict(os.environ))",
        'print(os.environ["JWT_SECRET"])',
        'print(os.environ.get("TMDB_API_KEY"))',
        "print(os.environ[name])",
        'log.info("started", environment=os.environ)',
        'log.debug("settings", settings=ENV)',
        'logger.error("%s", vars(ENV))',
        'log.info(f"with {ENV!r}")',
        'log.info("x", values=ENV.model_dump())',
        'log.warning("cannot connect", url=ENV.database_url)',
        'self.stdout.write(f"key {ENV.tmdb_api_key}")',
        'log.info("x", key=secrets_of("JWT_SECRET")[0])',
        'log.info("x", key=env.secrets_of("JWT_SECRET"))',
        'raise ValueError(f"bad configuration: {ENV}")',
        "raise PermanentError(str(os.environ))",
        "raise CommandError(f\"no {os.environ['ADMIN_PASSWORD']}\")",
        "from django.conf import settings\nprint(settings)",
        "from django.conf import settings\nlog.info('x', key=settings.SECRET_KEY)",
        "from django.conf import settings\nlog.info('x', databases=settings.DATABASES)",
    ],
)
def test_code_that_shows_a_secret_is_found(code: str) -> None:
    assert exposures(code)


@pytest.mark.parametrize(
    "code",
    [
        'print(f"http://127.0.0.1:{ENV.port}")',
        'log.info("x", folder=str(ENV.data_dir))',
        'print(os.environ["PATH"])',
        'log.info("x", known=len(secrets_of("JWT_SECRET")))',
        'log.info("x", url=mask(ENV.database_url))',
        'raise CommandError(f"{name} is missing") from error',
        "connect(ENV.database_url)",
        'print("no" if ENV.secret_key == "" else "yes")',
        "from x import y\nprint(settings)",
    ],
)
def test_what_is_harmless_is_no_find(code: str) -> None:
    assert exposures(code) == []
