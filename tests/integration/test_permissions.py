"""Every door of the product and everybody who may stand before it: what `tests/permissions.py` says is what happens."""

import ast
import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import get_commands, load_command_class
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from websockets.exceptions import InvalidStatus

from apps.accounts import api_keys, audit, families, identity
from apps.accounts.models import Channel, SignIn, TelegramBot, TelegramLink, User
from apps.bot import talking
from apps.bot.handlers import registry
from apps.bot.incoming import Incoming
from apps.bot.reply import Sender
from apps.downloads.following.models import Follow
from apps.downloads.models import (
    Blocked,
    Candidate,
    Download,
    Indexer,
    LibraryFile,
    QualityProfile,
    Torrent,
    TorrentState,
)
from apps.feed import payloads, push
from apps.jobs import broker
from apps.jobs.models import Job
from apps.media.models import Favorite, Schedule, Watch
from sokoul import urls
from sokoul.env import ENV
from tests import permissions as table
from tests.demo import Demo
from tests.permissions import Row, Things
from tests.providers import providers
from tests.web import Feed, Web
from tests.wishes import make_media

__all__ = ["providers"]

People = dict[str, User | None]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
MARK = "Alice's own"  # in every text that is hers alone
HER_ADDRESS = "198.51.100.7"  # no loopback, which may read the metrics
LOGIN = "/app/login?next="
TABLES = {"api": table.API, "pages": table.PAGES, "dashboard": table.DASHBOARD}
MOMENT = re.compile(rb'"\d{4}-\d\d-\d\dT\d\d:\d\d[^"]*"')
WRITING = re.compile(r"\s*(INSERT|UPDATE|DELETE|TRUNCATE|WITH[^)]*\b(INSERT|UPDATE|DELETE))\b", re.IGNORECASE)
ADD = "add a row for it to tests/permissions.py"


# --- everybody, and what is alice's ------------------------------------------------------------------------------------


@pytest.fixture
def people(mallory: User, alice: User, moderator: User, admin: User) -> People:
    return {"stranger": None, "other": mallory, "owner": alice, "moderator": moderator, "admin": admin}


@pytest.fixture
def things(alice: User, bob: User) -> dict[str, Any]:
    """Alice's things, each with her MARK; a film and a release that are everybody's; bob, whom an admin may change."""
    film = make_media("The Last Night Tram", details_at=timezone.now())
    hers = make_media(f"{MARK} film", tmdb_id=2, details_at=timezone.now())
    release = Torrent.objects.create(
        key="url:1",
        title="The.Last.Night.Tram.2021.1080p-X",
        download_url="http://indexer/1",
        indexer="Quay",
        seen_at=timezone.now(),
    )
    reasons = [{"code": "source", "points": 1, "sentence": "Source WEB-DL."}]
    candidate = Candidate.objects.create(
        media=film, torrent=release, score=1, reasons=reasons, decided_at=timezone.now()
    )
    profile = QualityProfile.objects.create(name="Bright", settings={})
    wishes = {
        name: Download.objects.create(
            user=alice, media=hers, target=name, phase=phase, status=status, name=f"{MARK} {name}", reason=MARK
        )
        for name, phase, status in (
            ("download_id", "downloading", "Running"), ("paused", "paused", "Running"), ("failed", "failed", "Failed"),
            ("filed", "done", "Completed"),
        )
    }  # fmt: skip
    wishes["tram"] = Download.objects.create(  # its release failed, and another one could be taken
        user=alice, media=film, torrent=release, phase="failed", status="Failed", name=f"{MARK} tram", reason=MARK
    )
    blocked = Blocked.objects.create(
        user=alice, media=hers, key="url:2", title=MARK, code="stalled", reason=MARK, source="automatic"
    )
    file = {"index": 0, "path": f"{MARK}.mp4", "size": 3}
    for wish in wishes.values():
        TorrentState.objects.create(download=wish, files=[file])
    LibraryFile.objects.create(
        user=alice, media=hers, download=wishes["filed"], index=0, path=f"Movies/{MARK}.mp4", size=3
    )
    Favorite.objects.create(user=alice, media=hers)
    followed = Follow.objects.create(user=alice, media=hers, what="film")
    Schedule.objects.create(
        media=hers, available_on=timezone.now().date(), digital_on=timezone.now().date(), read_at=timezone.now()
    )
    Watch.objects.create(user=alice, media=hers, position=50, duration=100, watched_at=timezone.now())
    hook = Channel.objects.create(
        user=alice, kind="webhook", target=f"https://{MARK}.example", secret="x" * 32, confirmed_at=timezone.now()
    )
    mail = Channel.objects.create(user=alice, kind="email", target="alice@example.com")
    job = Job.objects.create(
        worker="scout", kind="search", user=alice, payload={"query": MARK}, error=MARK, request_id="click-1"
    )
    push.notify(alice.pk, "download_completed", f"{MARK} film is in your library.")
    entry = audit.record("download.started", MARK, alice)
    key = api_keys.create(alice, MARK).row
    sign_ins = {
        name: SignIn.objects.create(
            user=user, kind="api", epoch=0, began_at=timezone.now(), seen_at=timezone.now(), agent=MARK if user is alice else "",
            expires_at=timezone.now() + timedelta(days=1), ends_at=timezone.now() + timedelta(days=1),
        ).pk
        for name, user in (("sign_in_id", alice), ("bobs_sign_in", bob))
    }  # fmt: skip
    TelegramBot.objects.create(bot_id=1, username="sokoul_bot")
    indexer = Indexer.objects.create(name="Quay", kind="torznab")
    return {
        **{name: wish.pk for name, wish in wishes.items()},
        **sign_ins,
        "user_id": bob.pk, "media_id": film.pk, "hers": hers.pk, "torrent": release.pk, "job_id": job.pk, "channel_id": hook.pk,
        "mail": mail.pk, "index": 0, "sequence": 999_999, "request_id": "click-1", "slug": film.slug, "size": "w342",
        "file": "none.jpg", "content_type_id": 1, "app_label": "accounts", "url": "nothing", "accounts/user": bob.pk,
        "accounts/auditentry": entry, "media/media": hers.pk, "downloads/torrent": release.pk,
        "downloads/candidate": candidate.pk, "downloads/download": wishes["download_id"].pk, "jobs/job": job.pk,
        "object_id": 1, "key_id": key.pk, "blocked_id": blocked.pk, "downloads/blocked": blocked.pk,
        "indexer_id": indexer.pk, "downloads/indexer": indexer.pk, "profile_id": profile.pk, "follow_id": followed.pk,
    }  # fmt: skip


# --- HTTP --------------------------------------------------------------------------------------------------------------


def routes(patterns: Iterable[URLPattern | URLResolver] | None = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(pattern, view) of everything that the URL configuration leads to; what stands again under /api/v1/ once."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        whole = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if whole != "api/v1/":
                yield from routes(pattern.url_patterns, whole)
        else:
            yield whole, pattern.callback


def kind_of(route: str) -> str:
    if route.startswith("dashboard"):
        return "dashboard"
    return "pages" if route.startswith("app/") or not route else "api"


class Doors:
    """Knocks as each of the cast, each knock undone before the next one, and notes what it wrote."""

    def __init__(self, people: People, things: Things) -> None:
        self._things = things
        self._tokens = {role: families.start(user).access for role, user in people.items() if user}
        self._cookies = {role: self._signed_in(user) for role, user in people.items() if user}
        # One each: a client's first request reads all static files.
        self._clients = {
            strict: Client(raise_request_exception=False, enforce_csrf_checks=strict) for strict in (False, True)
        }
        self.wrote: list[str] = []

    def _signed_in(self, user: User) -> str:
        client = Client()
        client.force_login(user, "apps.accounts.authentication.EmailOrUsernameBackend")
        return client.cookies["sessionid"].value

    def address(self, row: Row) -> str:
        """The route with alice's things in it."""

        def part(found: re.Match[str]) -> str:
            name = found["name"]
            wanted = row.at.get(name, name)
            return str(self._things.get(wanted, wanted))

        path = re.sub(r"<(?:\w+:)?(?P<name>\w+)>", part, re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", row.route))
        return "/" + path.replace("^", "").replace("$", "")

    def knock(
        self, role: str, row: Row, method: str = "", *, by_cookie: bool = False, strict: bool = False
    ) -> HttpResponse:
        """What this person gets. `by_cookie`: signed in as pages are, `strict`: without the token of a form."""
        kind, method = kind_of(row.route), method or row.method
        client = self._clients[strict]
        client.cookies.clear()
        headers = {"Accept": "*/*" if kind == "api" else "text/html"}
        if role in self._cookies and (by_cookie or kind != "api"):
            client.cookies["sessionid"] = self._cookies[role]
        elif role in self._tokens:
            headers["Authorization"] = f"Bearer {self._tokens[role]}"
        if kind == "pages" and method == "POST":
            headers["HX-Request"] = "true"  # a refusal has its own status then, instead of a way back
        body = row.body(self._things) if row.body else None
        return self._undone(lambda: self._send(client, method, row, headers, body, form=kind != "api"))

    def _send(self, client: Client, method: str, row: Row, headers: dict[str, str], body: Any, *, form: bool) -> Any:
        extra: dict[str, Any] = {"QUERY_STRING": row.query}
        if row.route == "metrics":  # elsewhere from loopback, which the limits let ask as often as a test has to
            extra["REMOTE_ADDR"] = HER_ADDRESS
        if body is not None and method == row.method:
            extra["data"] = body
        if method != "GET" and not (form and method == "POST"):
            extra["content_type"] = "application/json"
        return getattr(client, method.lower())(self.address(row), headers=headers, **extra)

    def _undone(self, act: Callable[[], HttpResponse]) -> HttpResponse:
        self.wrote = []
        with connection.execute_wrapper(self._note), transaction.atomic():
            answer = act()
            transaction.set_rollback(True)
        return answer

    def _note(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if WRITING.match(sql) and "web_sessions" not in sql:
            self.wrote.append(sql[:80])
        return execute(sql, params, many, context)


def refused(role: str, answer: HttpResponse) -> bool:
    """As a stranger: 401, or led to the sign-in page; as somebody: 403."""
    if role != "stranger":
        return answer.status_code == 403
    to_login = answer.headers.get("Location", answer.headers.get("HX-Redirect", "")).startswith(LOGIN)
    return answer.status_code == 401 or to_login


@pytest.fixture
def doors(people: People, things: Things, nats: str, providers: Demo, monkeypatch: pytest.MonkeyPatch) -> Doors:
    monkeypatch.setattr(identity, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(ENV, "telegram_webhook_secret", "s" * 32)
    monkeypatch.setenv("TELEGRAM_WEBHOOK_SECRET", "s" * 32)
    broker.call(broker.declare())
    return Doors(people, things)


def told_of_hers(answer: Any) -> bool:
    return MARK.encode() in answer.content if not answer.streaming else False


def odd_moments(answer: Any) -> list[bytes]:
    """Times of a JSON answer that are written in another way than all others."""
    found = MOMENT.findall(answer.content) if "json" in answer.headers.get("Content-Type", "") else []
    return [moment for moment in found if not moment.endswith(b'Z"')]


def faults_of(doors: Doors, row: Row) -> Iterator[str]:
    """What happens otherwise than its row says."""
    for role in table.ROLES:
        answer, who = doors.knock(role, row), f"{row.call} {dict(row.at) or ''} as {role}"
        if role not in row.who:
            if not refused(role, answer) and not (row.who == table.NOBODY and answer.status_code == 403):
                yield f"{who} should be refused and answers {answer.status_code}"
            if doors.wrote:
                yield f"{who} is refused and writes {doors.wrote}"
        elif answer.status_code != row.wanted(role) or (row.who != table.ANYONE and refused(role, answer)):
            yield f"{who} should answer {row.wanted(role)} and answers {answer.status_code}: {answer.content[:200]!r}"
        if row.method == "GET" and doors.wrote and not row.writes:
            yield f"{who} is a look and writes {doors.wrote}"
        if odd := odd_moments(answer):
            yield f"{who} is told a time that does not end with Z: {odd[0]!r}"
        if role != "owner" and not (row.shows and role in row.who) and told_of_hers(answer):
            yield f"{who} is told of alice's things"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", TABLES)
def test_every_route_lets_in_whom_its_row_says(doors: Doors, kind: str) -> None:
    faults = [fault for row in TABLES[kind] for fault in faults_of(doors, row)]
    assert not faults, "\n".join(faults)


def some_of(let_in: frozenset[str], kind: str) -> list[str]:
    """Enough of the cast for what there is no row for: whoever is refused or let in by a route's rows is among them."""
    one = "owner" if "owner" in let_in and "other" not in let_in else "other"
    return ["stranger", one, *(["moderator"] if kind == "dashboard" else []), "admin"]


@pytest.mark.timeout(300)  # many requests, on whatever machine
@pytest.mark.parametrize("kind", TABLES)
def test_every_route_has_a_row_and_no_method_without_one(doors: Doors, kind: str) -> None:
    """What a route has no row for is 405 for those whom it lets in, and changes nothing."""
    rows = {row.route: row for row in TABLES[kind]}
    faults = []
    found = [route for route, _ in routes() if kind_of(route) == kind]
    for route in found:
        if route not in rows:
            faults.append(f"/{route} has no row: {ADD}")
            continue
        here = [row for row in TABLES[kind] if row.route == route]
        let_in = frozenset().union(*(row.who for row in here))
        for method in sorted({*METHODS} - {row.method for row in here}):
            for role in some_of(let_in, kind):
                answer = doors.knock(role, rows[route], method)
                if doors.wrote or told_of_hers(answer):
                    faults.append(f"{method} {route} as {role} writes {doors.wrote} or tells of alice's things: {ADD}")
                sent_away = refused(role, answer) and (role == "stranger" or role not in let_in)
                if answer.status_code != 405 and not sent_away:
                    faults.append(f"{method} {route} as {role} answers {answer.status_code} and not 405: {ADD}")
    assert not faults, "\n".join(faults)
    gone = rows.keys() - set(found)
    assert not gone, (
        f"the URL configuration has no {sorted(gone)} any more: remove their rows from tests/permissions.py"
    )


def test_asking_for_headers_or_options_changes_nothing_and_tells_nothing(doors: Doors) -> None:
    rows = {row.route: row for kind in TABLES.values() for row in kind}
    for route, row in rows.items():
        for method in ("HEAD", "OPTIONS"):
            answer = doors.knock("stranger", row, method)
            assert answer.status_code < 500, (method, route)
            assert not told_of_hers(answer), (method, route)
            assert row.writes or not doors.wrote, (method, route, doors.wrote)


def test_what_stands_under_v1_is_the_same() -> None:
    plain, versioned = dict(routes(urls.api)), dict(routes(urls.api, "api/v1/"))
    resolved = {str(p.pattern): p for p in get_resolver().url_patterns if isinstance(p, URLResolver)}
    assert resolved["api/v1/"].url_patterns is urls.api or list(resolved["api/v1/"].url_patterns) == urls.api
    assert {f"api/v1/{route}" for route in plain} == set(versioned)


def test_a_session_of_the_pages_opens_nothing_of_the_api(doors: Doors) -> None:
    """No foreign page can use the API with somebody's cookies: the API takes tokens only."""
    for row in table.API:
        if row.who not in (table.ANYONE, table.NOBODY):
            assert doors.knock("admin", row, by_cookie=True).status_code == 401, row.call


def test_no_page_is_changed_without_its_form(doors: Doors) -> None:
    """A POST without the form's token is refused on every page, whoever sends it."""
    for row in (*table.PAGES, *table.DASHBOARD):
        if row.method == "POST":
            answer = doors.knock("owner" if row.who == table.OWNER else "admin", row, strict=True)
            assert (answer.status_code, doors.wrote) == (403, []), row.call


# --- the web process: streams, health, metrics, sockets ----------------------------------------------------------------


@pytest.fixture
def everybody(transactional_db: None, web: Web, people: People, things: Things) -> People:
    """The cast and alice's things, where another process sees them; her filed download has its file."""
    path = ENV.library / f"Movies/{MARK}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"abc")
    return people


def test_what_stands_beside_django_has_a_row_too() -> None:
    from sokoul.asgi import application

    addresses = [address.format(filed=1) for address in table.STREAMS]
    for pattern, _ in application._streams:
        assert any(pattern.fullmatch(address) for address in addresses), (
            f"{pattern.pattern} has no row: {ADD} (STREAMS)"
        )


@pytest.mark.parametrize("version", ["", "/api/v1"])
def test_streams_health_and_metrics(web: Web, everybody: People, things: Things, version: str) -> None:
    for address, who in table.STREAMS.items():
        path = version + address.format(**things)
        for role, user in everybody.items():
            wanted = 200 if role in who else 401 if user is None else 403
            assert web.get(path, user).status_code == wanted, (path, role)
            assert web.request("HEAD", path, user).status_code == wanted, (path, role)
            for method in {*METHODS} - {"GET"}:
                status = web.request(method, path, user).status_code
                # 403: a form without its token
                assert status in {403, 405} or (role not in who and status == wanted), (method, path, role, status)


def test_a_relayed_stranger_reads_no_metrics(another_web: Callable[..., Web]) -> None:
    web = another_web(TRUSTED_IPS="")
    assert web.get("/metrics").status_code == 200
    assert web.get("/metrics", headers={"X-Forwarded-For": HER_ADDRESS}).status_code == 403


def handshake(web: Web, user: User | None) -> int:
    try:
        with Feed(web, user) if user else web.ws(""):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


def test_sockets_are_for_those_who_are_signed_in(web: Web, everybody: People, alice: User) -> None:
    assert {role: handshake(web, user) for role, user in everybody.items()} == table.HANDSHAKE
    token = families.start(alice).access
    User.objects.filter(pk=alice.pk).update(is_active=False)
    with pytest.raises(InvalidStatus):
        web.ws(f"?token={token}")


DATA: dict[str, dict[str, Any]] = {
    "job.updated": {"job_id": "1", "kind": "search", "status": "Failed", "error": MARK},
    "download.updated": {"id": 1, "name": MARK},
    "download.progress": {"id": 1, "reason": MARK},
    "notification": {"code": "x", "text": MARK},
    "message": {"text": MARK},
    "broadcast": {"text": "for everybody"},
}


def test_every_event_reaches_those_whom_its_row_says(web: Web, everybody: People, alice: User) -> None:
    known = {*payloads.ROWS, *payloads.PASSING, *payloads.CONTROL}
    assert known == table.EVENTS.keys(), f"{known ^ table.EVENTS.keys()}: {ADD} (EVENTS)"
    feeds = {role: Feed(web, user) for role, user in everybody.items() if user}
    told: dict[str, set[str]] = {name: set() for name in known}
    for role, feed in feeds.items():
        first = feed.next()
        told[first["type"]].add(role)
        assert (MARK in str(first)) == (role == "owner"), "a snapshot shows one's own"
    for name in sorted(DATA, key=lambda name: name == "broadcast"):  # last, to know that nothing else was on its way
        if name in payloads.PASSING:
            push.progress([(alice.pk or 0, DATA[name])])
        else:
            push.record(alice.pk if table.EVENTS[name] == table.OWNER else None, name, DATA[name])
    feeds["owner"].send({"type": "dance"})
    feeds["owner"].send({"type": "ping"})
    for role, feed in feeds.items():
        seen = {feed.next()["type"]}
        while seen.isdisjoint({"broadcast"}) or (role == "owner" and not {"pong", "error"} <= seen):
            seen.add(feed.next()["type"])
        for name in seen:
            told[name].add(role)
        feed.send({"type": "ping"})
        assert feed.next()["type"] == "pong", "nothing else was on its way"
        feed.socket.close()
    with Feed(web, alice, last_event_id=2**62) as asked_for_too_much:
        told[asked_for_too_much.next()["type"]].add("owner")
    assert told == {name: set(who) for name, who in table.EVENTS.items()}


# --- Telegram ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def telegram(people: People, things: Things, providers: Demo, nats: str) -> dict[str, int]:
    """The Telegram account of each; the stranger's is linked to nobody."""
    numbers = {role: 1000 + number for number, role in enumerate(people)}
    for role, user in people.items():
        if user:
            TelegramLink.objects.create(user=user, telegram_id=numbers[role], chat_id=numbers[role], name=role)
    return numbers


def said(telegram_id: int, text: str, kind: Any = "message", *, private: bool = True) -> str:
    """What the bot answers, its buttons included; what it did is undone."""
    update = Incoming(
        kind=kind, key=str(uuid4()), telegram_id=telegram_id, chat_id=telegram_id, private=private, name="x", text=text
    )
    with transaction.atomic():
        reply = talking.answer(update)
        transaction.set_rollback(True)
    assert reply
    return " ".join([reply.text, reply.toast, *(button.text for row in reply.rows for button in row)])


UNLINKED, FOREIGN = "You are not linked yet", "That belongs to somebody else"
ARGUMENTS = {"search": "zzzz", "cancel": "{download_id}"}


def test_every_command_of_the_bot(telegram: dict[str, int], things: Things) -> None:
    known = set(registry.commands())
    assert known == table.COMMANDS.keys(), f"{known ^ table.COMMANDS.keys()}: {ADD} (COMMANDS)"
    for name, who in table.COMMANDS.items():
        for role, telegram_id in telegram.items():
            answer = said(telegram_id, f"/{name} {ARGUMENTS.get(name, '').format(**things)}".strip())
            if role in who:
                assert role == "stranger" or UNLINKED not in answer, (name, role)
            else:
                assert answer.strip().startswith(UNLINKED), (name, role)
            assert role == "owner" or MARK not in answer, (name, role)
            if name == "cancel" and role not in {"stranger", "owner"}:
                assert FOREIGN in answer, role
            if name == "status":
                assert ("postgres" in answer) == (role == "admin"), role


def test_every_button_of_the_bot(telegram: dict[str, int], people: People, things: Things) -> None:
    assert registry._presses.keys() == table.PRESSES.keys(), f"{ADD} (PRESSES)"
    alice = Sender(telegram["owner"], telegram["owner"], "alice", "en", people["owner"])
    for verb, (who, names) in table.PRESSES.items():
        numbers = [things[name] if isinstance(name, str) else name for name in names]
        hers = alice.button("x", verb, *numbers).data
        for role, user in people.items():
            if user is None:
                assert UNLINKED in said(telegram[role], hers, "button")
                continue
            own = Sender(telegram[role], telegram[role], role, "en", user).button("x", verb, *numbers).data
            answer = said(telegram[role], own, "button")
            assert (FOREIGN in answer) == (role not in who), (verb, role, answer)
            assert role == "owner" or MARK not in answer, (verb, role)
            assert ("too old or not yours" in said(telegram[role], hers, "button")) == (role != "owner"), (verb, role)


# --- the operator ------------------------------------------------------------------------------------------------------


def test_every_command_is_the_operators() -> None:
    """Whoever has a shell on the machine may run them all: none signs anybody in, or goes through what HTTP shows."""
    ours = {name: app for name, app in get_commands().items() if str(app).split(".")[0] in {"sokoul", "apps"}}
    assert ours.keys() == table.MANAGEMENT.keys(), f"{ours.keys() ^ table.MANAGEMENT.keys()}: {ADD} (MANAGEMENT)"
    assert set(table.MANAGEMENT.values()) == {table.OPERATOR}
    for name, app in ours.items():
        command = load_command_class(str(app), name)
        assert command.create_parser("manage.py", name).format_help()
        tree = ast.parse(Path(importlib.import_module(type(command).__module__).__file__ or "").read_text())
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not [module for module in imported if module.split(".")[-1] in {"views", "pages", "permissions"}], name
