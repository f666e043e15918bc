"""What operators do at a terminal: every command as they run it, with its answer, its words and its exit status."""

import io
import itertools
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.db import connection
from django.test import Client

from apps.accounts import anchors, audit, families
from apps.accounts.models import AuditEntry, SecondFactor, SignIn, User
from apps.accounts.second_factor import sealing
from apps.accounts.second_factor import services as second_factor
from apps.downloads.models import Download
from apps.jobs import broker
from apps.media.models import Favorite, Media
from sokoul import backup, env, keyring, smoke
from sokoul.operator_command import OperatorCommand
from tests.audited import assert_audited
from tests.demo import Demo
from tests.factories import PASSWORD, make_user
from tests.product import ROOT, Product
from tests.providers import providers
from tests.waiting import until

__all__ = ["providers"]

TITLE = "The Last Night Tram"
COMMANDS = {
    "search": "apps.downloads", "download": "apps.downloads", "check_stack": "sokoul", "rotate_secret": "sokoul",
    "import_library": "apps.downloads", "naming": "apps.downloads",
    "backup": "sokoul", "restore": "sokoul", "smoke": "sokoul", "release": "sokoul", "verify_audit": "apps.accounts",
}  # fmt: skip


def manage(product: Product, *words: str, status: int = 0, **variables: str) -> str:
    """Run `manage.py` as an operator of this product; gives standard output, or standard error where it has to fail."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env={**product.environment, **variables},
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if status else done.stdout


def answer(product: Product, *words: str) -> Any:
    return json.loads(manage(product, *words, "--json"))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains_each_command_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = load_command_class(COMMANDS[name], name)
    assert isinstance(command, OperatorCommand)
    command.create_parser("manage.py", name).print_help()
    told = capsys.readouterr().out
    assert "Examples:" in told
    assert f"manage.py {name}" in told
    assert "Exit status" in told
    assert "--json" in told
    assert "--pythonpath" not in told
    for example in command.examples:
        assert example.startswith(name)


# The main job by commands only


@pytest.mark.stack
def test_search_choose_download_file_by_commands_only(product: Product) -> None:
    product.start("scout", "hunter", "relay")
    make_user("alice")
    (title,) = answer(product, "search", TITLE)["results"]
    assert (title["title"], title["year"]) == (TITLE, 2015)

    shown = manage(product, "search", TITLE, "--releases")
    assert "Resolution 1080p (+7000)" in shown
    assert "It was filmed in a cinema (CAM)." in shown
    best = next(line.split() for line in shown.splitlines() if line[:1].isdigit())
    assert "BluRay" in best[2]

    words = ("download", "--media", str(title["id"]), "--release", best[0], "--user", "alice@example.com", "--wait")
    row = answer(product, *words)
    assert (row["status"], row["torrent_id"]) == ("Completed", int(best[0]))
    assert [file.stat().st_size for file in product.library.rglob("*.mp4")] == [row["bytes_total"]]
    download = Download.objects.get(pk=row["id"])
    assert download.request_id
    assert download.request_id in product.log("hunter")
    assert_audited("alice", command="download")

    with pytest.raises(CommandError, match="already in your library"):
        call_command(*words)


def test_a_wish_that_cannot_be_accepted_says_why(providers: Demo, child_environment: dict[str, str]) -> None:
    make_user("alice")
    for words, why, status in (
        (["No Such Film At All", "--user", "alice"], "No film or series is called", 1),
        ([TITLE, "--user", "bob"], "Nobody active is called bob", 1),
        (["--user", "alice"], "Say which title", 2),
        (["--media", "2000000000", "--user", "alice"], "was not found", 1),
        ([TITLE, "--user", "alice", "--magnet", "magnet:?nothing"], "magnet", 1),
    ):
        with pytest.raises(CommandError, match=why) as refused:
            call_command("download", *words)
        assert refused.value.returncode == status, why
    assert not Download.objects.exists()


def test_without_a_scout_the_search_says_that_it_waits(providers: Demo, child_environment: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="no scout has taken it yet"):
        call_command("search", TITLE, "--releases", "--timeout", "0.2")


# Is it well?


@pytest.mark.stack
def test_a_smoke_test_walks_the_main_job_and_leaves_nothing(product: Product) -> None:
    product.start(TRUSTED_IPS="")  # within the limits that hold for everybody
    report = answer(product, "smoke", product.url)
    outcomes = {check["check"]: (check["outcome"], check["detail"]) for check in report["checks"]}
    assert {outcome for outcome, _ in outcomes.values()} == {"ok"}, outcomes
    assert report["well"]
    assert not User.objects.filter(username__startswith="smoke-").exists()
    assert not Download.objects.exists()
    until(lambda: not list(product.library.rglob("*.mp4")), what="the end of the film that it downloaded")


class Hurried(BaseHTTPRequestHandler):
    """A deployment that wants some seconds between two calls."""

    last, wanted = 0.0, 1

    def do_GET(self) -> None:
        early = time.monotonic() - Hurried.last < Hurried.wanted
        if not early:
            Hurried.last = time.monotonic()
        self.send_response(429 if early else 200)
        if early:
            self.send_header("Retry-After", str(Hurried.wanted))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


def test_a_smoke_test_waits_as_long_as_it_is_told_within_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hurried) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            patient, hasty = smoke.Visit(url, patience=10), smoke.Visit(url, patience=0.5)
            assert [patient.call("GET", "/x").status for _ in range(2)] == [200, 200]
            monkeypatch.setattr(Hurried, "wanted", 600)
            assert hasty.call("GET", "/x").status == 429
        finally:
            server.shutdown()


@pytest.mark.stack
def test_a_smoke_test_with_a_test_account_says_what_fails(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    product.start("web", "relay", "bot")
    make_user("tester")
    words = ("smoke", product.url, "--user", "tester", "--patience", "1")
    with pytest.raises(CommandError, match="SMOKE_PASSWORD") as unasked:
        call_command(*words)
    assert unasked.value.returncode == 2
    monkeypatch.setenv("SMOKE_PASSWORD", PASSWORD)
    with pytest.raises(CommandError, match=r"2 of 12 checks failed: worker job, download."):  # no scout runs
        call_command(*words, stdout=io.StringIO())
    assert User.objects.filter(username="tester").exists()
    monkeypatch.setenv("SMOKE_PASSWORD", "wrong password")
    with pytest.raises(CommandError, match=r"1 of 12 checks failed: sign in."):  # what needs it is skipped
        call_command(*words, stdout=io.StringIO())


@pytest.mark.stack
def test_check_stack_tells_what_is_down(product: Product, installation: Path) -> None:
    product.start("web")
    parts = {part["name"]: part["status"] for part in run("check_stack")["components"]}
    assert {"postgres", "redis", "nats", "streams", "queue", "stranded jobs", "disk of data"} <= set(parts)
    assert set(parts.values()) == {"ok"}
    stack = {"web": {"pid": product.pid("web"), "url": product.url}, "scout": {"pid": None, "url": None}}
    (installation / "run").mkdir()
    (installation / "run" / "stack.json").write_text(json.dumps(stack))
    with pytest.raises(CommandError, match=r"Not well: scout."):
        call_command("check_stack", stdout=io.StringIO())

    told = run("check_stack", product.url)
    assert {part["name"] for part in told["components"]} == {"postgres", "redis", "nats"}
    product.stop("web")
    with pytest.raises(CommandError, match="could not be reached"):
        call_command("check_stack", product.url)
    with pytest.raises(CommandError, match=r"Not well: scout, web address|Not well: web, scout"):
        call_command("check_stack", stdout=io.StringIO())
    with pytest.raises(CommandError, match="must begin with http") as wrong:
        call_command("check_stack", "example.org")
    assert wrong.value.returncode == 2


def test_smoke_and_check_stack_of_an_address_need_no_configuration(tmp_path: Path) -> None:
    bare = {"PATH": os.environ["PATH"], "DOTENV": os.devnull, "DATA_DIR": str(tmp_path)}
    for words in (("smoke", "http://127.0.0.1:9"), ("check_stack", "http://127.0.0.1:9")):
        done = subprocess.run(
            [sys.executable, "manage.py", *words], cwd=ROOT, env=bare, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1, done.stderr
        assert "could not be reached" in done.stdout + done.stderr
    done = subprocess.run(
        [sys.executable, "manage.py", "check_stack"], cwd=ROOT, env=bare, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "DATABASE_URL: missing" in done.stderr


# Backup and restore


@pytest.fixture
def installation(tmp_path: Path, child_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DATA_DIR with a film in its library and secrets of its own, on the test's database; the commands run in here."""
    for name, value in {"data_dir": tmp_path, "library_dir": tmp_path / "library"}.items():
        monkeypatch.setattr(env.ENV, name, value)
    monkeypatch.setattr(env.ENV, "database_url", child_environment["DATABASE_URL"])
    monkeypatch.setattr(backup, "RESTORING", _restoring(child_environment["DATABASE_URL"]))
    (tmp_path / "library" / "Films").mkdir(parents=True)
    (tmp_path / "library" / "Films" / "Tram (2015).mp4").write_bytes(b"film" * 1000)
    (tmp_path / ".env").write_text('JWT_SECRET="' + "a" * 40 + '"\nSECRET_KEY="' + "b" * 40 + '"\nPORT="3000"\n')
    return tmp_path


def _restoring(url: str) -> tuple[str, ...]:
    return (*backup.RESTORING[:-1], f"--dbname={url.rpartition('/')[2]}")


def run(*words: str, **options: Any) -> Any:
    """A command in this process; its JSON."""
    output = io.StringIO()
    call_command(*words, "--json", stdout=output, **options)
    return json.loads(output.getvalue())


def test_a_backup_brings_everything_back(installation: Path) -> None:
    alice = make_user("alice")
    film = Media.objects.create(tmdb_id=1, kind="movie", title="Été “Tram”", slug="ete-tram", genres=["Drama"])
    Favorite.objects.create(user=alice, media=film)
    audit.record("test.before", "x", alice)
    told = run("backup", str(installation / "one.tar"), "--checksums")
    file = Path(told["file"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert told["rows"]["users"] == 1
    assert told["library_files"] == 1

    alice.delete()
    make_user("mallory")
    audit.record("test.after", "x")
    with pytest.raises(CommandError, match=r"not empty: 1 users.*say --yes"):
        call_command("restore", str(file))
    assert User.objects.get().username == "mallory", "nothing happened without --yes"

    (installation / "library" / "Films" / "Tram (2015).mp4").write_bytes(b"FILM" * 1000)
    restored = run("restore", str(file), "--yes")
    assert restored["missing"] == [{"path": "Films/Tram (2015).mp4", "why": "changed"}]
    assert User.objects.get().check_password(PASSWORD)
    assert Favorite.objects.get().media.title == "Été “Tram”"
    assert AuditEntry.objects.filter(action="test.before").exists()
    assert not AuditEntry.objects.filter(action="test.after").exists()
    assert audit.verify().altered is None, "the audit trail is whole, and goes on"
    audit.record("test.later", "x")
    assert audit.verify().altered is None
    assert Client().get("/media/favorites").status_code == 401


def test_after_a_restore_the_trail_is_older_than_its_anchor_and_that_is_said(installation: Path) -> None:
    broker.call(broker.declare())
    broker.call(broker.purge("LOGS"))
    audit.record("test.before")
    file = run("backup", str(installation / "one.tar"))["file"]
    assert AuditEntry.objects.latest("pk").details["command"] == "backup"
    audit.record("test.after")
    anchors.write()

    said = io.StringIO()
    call_command("restore", file, "--yes", stdout=said)
    assert "verify_audit --new-anchor" in said.getvalue()
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.target, entry.details["command"]) == ("backup.restored", "one.tar", "restore")
    with pytest.raises(CommandError, match="After a backup was restored this is as it must be"):
        call_command("verify_audit")
    assert run("verify_audit", "--new-anchor")["altered"] is None
    assert run("verify_audit")["anchors"] == 1


def test_a_restore_that_fails_changes_nothing(installation: Path) -> None:
    make_user("alice")
    file = Path(run("backup", str(installation / "one.tar"))["file"])
    broken = installation / "broken.tar"
    with tarfile.open(file) as whole, tarfile.open(broken, "w") as copy:
        for member in whole.getmembers():
            content = whole.extractfile(member)
            assert content is not None
            data = content.read()
            if member.name == "database.dump":
                data = data[: len(data) // 2]
                member.size = len(data)
            copy.addfile(member, io.BytesIO(data))
    make_user("bob")
    with pytest.raises(CommandError, match="pg_restore failed"):
        call_command("restore", str(broken), "--yes")
    assert set(User.objects.values_list("username", flat=True)) == {"alice", "bob"}


def test_what_is_no_backup_or_a_newer_one_is_refused(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (installation / "no.tar").write_bytes(b"not a tar")
    with pytest.raises(CommandError, match="is no backup of Sokoul"):
        call_command("restore", str(installation / "no.tar"), "--yes")
    described = backup.describe()
    monkeypatch.setattr(backup, "describe", lambda: described | {"migrations": ["media.9999_later"], "version": "99"})
    file = run("backup", str(installation / "newer.tar"))["file"]
    with pytest.raises(CommandError, match=r"newer Sokoul, 99 \(it has media.9999_later\)"):
        call_command("restore", file, "--yes")


def test_secrets_come_back_only_when_asked_for(installation: Path) -> None:
    file = run("backup", str(installation / "one.tar"))["file"]
    (installation / ".env").write_text('JWT_SECRET="' + "c" * 40 + '"\nPORT="4000"\n')
    assert run("restore", file, "--yes")["secrets"] == []
    assert run("restore", file, "--yes", "--secrets")["secrets"] == ["JWT_SECRET", "SECRET_KEY"]
    found = env.read_dotenv(installation / ".env")
    assert found == {"JWT_SECRET": "a" * 40, "SECRET_KEY": "b" * 40, "PORT": "4000"}


# Rotation


@pytest.fixture
def ring(installation: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of JWT_SECRET."""
    file = installation / "secrets"
    file.write_text("x" * 40 + "\n")
    file.chmod(0o640)
    monkeypatch.delenv("JWT_SECRET")
    monkeypatch.setenv("JWT_SECRET_FILE", str(file))
    env.reread()
    return file


def test_a_rotation_signs_nobody_out(ring: Path, db: None) -> None:
    client = Client()
    account = {"email": "a@example.com", "username": "alice", "password": PASSWORD}
    tokens = client.post("/auth/register", account, content_type="application/json").json()

    browser = Client()
    browser.force_login(User.objects.get(), "apps.accounts.authentication.EmailOrUsernameBackend")

    told = run("rotate_secret")
    assert (told["secrets"], told["place"]) == (2, str(ring))
    assert ring.stat().st_mode & 0o777 == 0o640, "whoever could read it still can"
    env.reread()  # 30 s later
    headers = {"Authorization": f"Bearer {tokens['access']}"}
    assert client.get("/user/profile", headers=headers).status_code == 200
    fresh = client.post("/auth/refresh", {"refresh": tokens["refresh"]}, content_type="application/json")
    assert fresh.status_code == 200
    assert _key_of(fresh.json()["access"]) != _key_of(tokens["access"]), "the new one signs"
    assert browser.get("/app/profile").status_code == 200
    assert "ended" not in AuditEntry.objects.get(action="secret.rotated").details

    assert run("rotate_secret", "--revoke")["secrets"] == 1
    assert not SignIn.objects.exists(), "nobody has a list of what proves nothing any more"
    assert AuditEntry.objects.filter(action="secret.rotated").latest("id").details["ended"] == 2
    assert browser.get("/app/profile").status_code == 302
    env.reread()
    unseen = {"Authorization": f"Bearer {fresh.json()['access']}"}  # one that was seen is believed for three seconds
    assert client.get("/user/profile", headers=unseen).status_code == 401


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


@contextmanager
def killed_after(words: str, number: int = 1) -> Iterator[None]:
    """The command dies once so many statements that have these words were carried out."""
    left = itertools.count(number - 1, -1)

    def execute(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        found = run(sql, *rest)
        if words in sql and not next(left):
            raise Killed
        return found

    with connection.execute_wrapper(execute), pytest.raises(Killed):
        yield
    env.reread()  # whoever runs it again reads the file


def test_revoking_that_is_killed_half_way_is_ended_by_doing_it_again(
    ring: Path, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    env.reread()
    alice, bob = make_user("alice"), make_user("bob")
    app = second_factor.begin(alice, PASSWORD)
    tokens = [families.start(person).access for person in (alice, bob)]

    with killed_after('UPDATE "second_factors"'):
        run("rotate_secret", "--revoke")
    assert sealing.unseal(SecondFactor.objects.get().secret) == app.secret

    with killed_after('DELETE FROM "sign_ins"', 2):
        run("rotate_secret", "--revoke")
    assert [sign_in.user for sign_in in SignIn.objects.all()] == [bob], "one after another"
    for token in tokens:
        answer = Client().get("/user/profile", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, "who is left over proves nothing with it either"

    assert run("rotate_secret", "--revoke")["secrets"] == 1
    env.reread()
    assert not SignIn.objects.exists()
    assert sealing.unseal(SecondFactor.objects.get().secret) == app.secret
    assert AuditEntry.objects.get(action="secret.rotated").details["ended"] == 1


def _key_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_a_generated_secret_is_rotated_where_make_up_keeps_it(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JWT_SECRET")
    assert run("rotate_secret")["place"] == str(installation / ".env")
    found = env.read_dotenv(installation / ".env")
    first, second = found["JWT_SECRET"].splitlines()
    assert second == "a" * 40
    assert keyring.born(first) is not None
    assert found["PORT"] == "3000"


def test_a_secret_of_the_environment_is_not_ours_to_change(installation: Path) -> None:
    with pytest.raises(CommandError, match="JWT_SECRET_FILE"):
        call_command("rotate_secret")


def test_an_old_secret_goes_when_its_last_refresh_token_has_expired() -> None:
    now = time.time()
    day = 86_400
    old, middle, new = "x" * 40, keyring.fresh(now - 9 * day), keyring.fresh(now - 8 * day)
    assert keyring.needed([new, middle, old], now) == [new]
    newest = keyring.fresh(now - day)
    assert keyring.needed([newest, new, middle], now) == [newest, new]
    assert keyring.needed(["operator's own", old], now) == ["operator's own", old], "nobody knows since when"
