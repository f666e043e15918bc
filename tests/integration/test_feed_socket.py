"""The WebSocket: who gets in, what they are told first, what they may say, and when it ends."""

import signal
import socket as sockets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import orjson
import pytest
import redis
from django.db import transaction
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from apps.accounts import families, services, tokens
from apps.accounts.models import User
from apps.accounts.tokens import Kind
from apps.accounts.websocket import issue_ticket
from apps.downloads.models import Download, Phase
from apps.feed import push
from apps.feed.models import Event
from sokoul.env import ENV
from tests import waiting
from tests.web import Feed, Web, token_of
from tests.wishes import make_media

pytestmark = pytest.mark.django_db(transaction=True)
AnotherWeb = Callable[..., Web]


def refusal(web: Web, query: str, **options: object) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as caught:
        web.ws(query, **options)
    return caught.value


def closing(socket: ClientConnection, within: float = 20) -> int | None:
    """The code of the close frame, once it came; whatever comes before it is read."""
    deadline = time.monotonic() + within
    while True:
        try:
            socket.recv(max(0.01, deadline - time.monotonic()))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


# Connection


def test_a_token_or_a_ticket_opens_it_and_the_snapshot_comes_first(web: Web, alice: User, bob: User) -> None:
    media = make_media()
    running = Download.objects.create(user=alice, media=media, phase=Phase.DOWNLOADING, status="Running", progress=5)
    Download.objects.create(user=alice, media=make_media("Done", 2), phase=Phase.DONE, status="Completed")
    Download.objects.create(user=bob, media=media)
    push.notify(alice.pk, "download_completed", "Read", media_id=media.pk)
    Event.objects.update(read_at="2026-01-01T00:00:00Z")
    push.notify(bob.pk, "secret", "Bob's")
    told = push.notify(alice.pk, "download_failed", "“It” failed", media_id=media.pk)
    for query in (f"?token={token_of(alice)}", f"?ticket={issue_ticket(alice, None).ticket}"):
        with web.ws(query) as socket:
            assert socket.response
            assert len(socket.response.headers["X-Request-ID"]) == 32
            message = orjson.loads(socket.recv(10))
        assert set(message) == {"type", "data"}
        assert message["type"] == "snapshot"
        state = message["data"]
        assert state["last_event_id"] == told.pk
        assert [row["id"] for row in state["downloads"]] == [running.pk]
        assert (state["downloads"][0]["title"], state["downloads"][0]["progress"]) == (media.title, 5)
        (unread,) = state["notifications"]
        assert (unread["id"], unread["code"], unread["media_id"]) == (told.pk, "download_failed", media.pk)
        assert unread["at"].endswith("Z")


def test_strangers_are_refused_before_it_is_accepted(web: Web, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    good = token_of(alice)
    ticket = issue_ticket(alice, None).ticket
    web.ws(f"?ticket={ticket}").close()
    monkeypatch.setitem(tokens.LIFETIMES, Kind.ACCESS, -1)
    expired = token_of(alice)
    for query in ("", "?token=", "?token=rubbish", f"?token={good[:-2]}xx", f"?token={expired}", f"?ticket={ticket}",
                  f"?ticket={good}"):  # fmt: skip
        answer = refusal(web, query, additional_headers={"X-Request-ID": "req-1"}).response
        assert answer.status_code == 401, query
        problem = orjson.loads(answer.body or b"")
        assert (problem["status"], problem["title"], problem["request_id"]) == (401, "Unauthorized", "req-1")
        assert answer.headers["X-Request-ID"] == "req-1"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "without completing handshake" not in web.log()  # a stranger is no fault of ours


def test_somebody_who_is_gone_is_refused(web: Web, alice: User, bob: User) -> None:
    of_alice, of_bob = token_of(alice), token_of(bob)
    alice.delete()
    bob.is_active = False
    bob.save()
    for token in (of_alice, of_bob):
        assert refusal(web, f"?token={token}").response.status_code == 401


def test_a_page_of_another_host_may_not_open_it(web: Web, alice: User) -> None:
    token = token_of(alice)
    foreign = (
        "https://evil.example",
        "http://127.0.0.1:1",
        "null",
        "http://localhost",
        "file://",
        "http://[::1",
        f"https://x@{web.url[7:]}",
    )
    for origin in foreign:
        answer = refusal(web, f"?token={token}", origin=origin).response
        assert answer.status_code == 403, origin
        assert orjson.loads(answer.body or b"")["type"].endswith("origin")
    for own in (web.url, web.url.upper().replace("HTTP", "http"), None):
        web.ws(f"?token={token}", origin=own).close()


def test_it_lives_at_its_address_only(web: Web, alice: User) -> None:
    address = f"127.0.0.1:{web.port}"
    for path, status in (("/", 404), ("/ws/x", 404), ("/downloads", 404), ("/api/v1/ws", 101)):
        request = (
            f"GET {path}?token={token_of(alice)} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        with sockets.create_connection(("127.0.0.1", web.port), 10) as raw:
            raw.sendall(request.encode())
            assert raw.recv(4096).split()[1] == str(status).encode(), path


def test_a_hundred_sockets_of_one_person_across_two_processes_and_not_one_more(
    web: Web, another_web: AnotherWeb, alice: User, bob: User
) -> None:
    other, token = another_web(), token_of(alice)

    def attempt(number: int) -> ClientConnection | int:
        try:
            return (web, other)[number % 2].ws(f"?token={token}", open_timeout=60)
        except InvalidStatus as refused:
            return refused.response.status_code

    with ThreadPoolExecutor(32) as threads:
        results = list(threads.map(attempt, range(140)))
    opened = [result for result in results if isinstance(result, ClientConnection)]
    assert len(opened) == 100
    assert [result for result in results if isinstance(result, int)] == [429] * 40
    answer = refusal(web, f"?token={token}").response
    assert "too many connections" in orjson.loads(answer.body or b"")["detail"]
    assert answer.headers["Retry-After"]
    Feed(other, bob).socket.close()  # another person has places of their own

    opened.pop().close()

    def has_a_place() -> bool:
        with suppress(InvalidStatus):
            opened.append(other.ws(f"?token={token}"))
            return True
        return False

    waiting.until(has_a_place, what="the place that was given back")
    assert refusal(web, f"?token={token}").response.status_code == 429
    for socket in opened:
        socket.close()


# Messages


def test_events_come_with_ascending_ids_and_progress_without(web: Web, alice: User) -> None:
    with Feed(web, alice) as feed:
        snapshot = feed.until("snapshot")
        push.progress([(alice.pk, {"id": 7, "progress": 12.5})])
        assert feed.next() == {"type": "download.progress", "data": {"id": 7, "progress": 12.5}}
        first = push.record(alice.pk, "job.updated", {"status": "Completed"})
        second = push.notify(alice.pk, "hello", "Hello")
        everybody = push.record(None, "broadcast", {"text": "Back at noon <b>"})
        messages = [feed.next() for _ in range(3)]
    assert [message["id"] for message in messages] == [first.pk, second.pk, everybody.pk]
    assert snapshot["data"]["last_event_id"] < first.pk < second.pk < everybody.pk
    assert [message["type"] for message in messages] == ["job.updated", "notification", "broadcast"]
    assert messages[2]["data"] == {"text": "Back at noon <b>"}
    assert set(messages[0]) == {"id", "type", "at", "data"}


def test_people_are_told_their_own_and_what_is_for_everybody(
    web: Web, another_web: AnotherWeb, alice: User, bob: User
) -> None:
    with Feed(web, alice) as hers, Feed(another_web(), alice) as hers_elsewhere, Feed(web, bob) as his:
        for feed in (hers, hers_elsewhere, his):
            feed.until("snapshot")
        push.record(bob.pk, "message", {"text": "to Bob"})
        assert his.next()["data"] == {"text": "to Bob"}
        push.progress([(bob.pk, {"id": 1})])  # has no row, so that nothing but its turn here says when it comes
        assert his.next()["type"] == "download.progress"
        push.progress([(bob.pk, {"id": 2}), (alice.pk, {"id": 3}), (bob.pk, {"id": 4})])
        assert [his.next()["data"], his.next()["data"]] == [{"id": 2}, {"id": 4}]
        assert [feed.next()["data"] for feed in (hers, hers_elsewhere)] == [{"id": 3}] * 2
        push.record(alice.pk, "message", {"text": "to Alice"})
        push.record(None, "broadcast", {"text": "to all"})
        for feed in (hers, hers_elsewhere):
            assert [feed.next()["data"]["text"] for _ in range(2)] == ["to Alice", "to all"]
            assert feed.silent()
        assert his.next()["data"] == {"text": "to all"}
        assert his.silent()


def test_an_aborted_transaction_tells_nobody(web: Web, alice: User) -> None:
    with Feed(web, alice) as feed:
        feed.until("snapshot")
        with transaction.atomic():
            push.record(alice.pk, "message", {"text": "never"})
            transaction.set_rollback(True)
        kept = push.record(alice.pk, "message", {"text": "kept"})
        assert feed.next()["id"] == kept.pk
        assert feed.silent()


def test_ping_is_answered_and_nonsense_is_told_so(web: Web, alice: User) -> None:
    with Feed(web, alice) as feed:
        feed.until("snapshot")
        feed.send({"type": "ping", "data": {"n": 1}})
        assert feed.next() == {"type": "pong", "data": {"n": 1}}
        feed.send({"type": "pong"})
        big = "x" * 1_000_000
        nonsense: list[str | bytes] = [
            "", "hello", "{", "[]", "null", "1", '"ping"', "{}", '{"type": 5}', '{"type": ["ping"]}', '{"type": "subscribe"}',
            '{"type": "resume"}', '{"type": "resume", "last_event_id": "1"}', '{"type": "resume", "last_event_id": -1}',
            '{"type": "resume", "last_event_id": true}', '{"type": "resume", "last_event_id": 9223372036854775808}',
            "[" * 5000, b"\x00\xff", b"", b'{"type": "ping"}', big, f'{{"type": "{big}"}}', '{"type":"\\u0000"}',
        ]  # fmt: skip
        for text in nonsense:
            feed.socket.send(text)
            message = feed.next()
            assert message["type"] == "error", text[:50]
            assert message["data"]["detail"].endswith(".")
        assert feed.silent()


def test_resume_tells_again_what_came_after(web: Web, alice: User) -> None:
    with Feed(web, alice) as feed:
        start = feed.until("snapshot")["data"]["last_event_id"]
        ids = [push.record(alice.pk, "message", {"n": n}).pk for n in range(5)]
        assert [feed.next()["id"] for _ in ids] == ids
        feed.send({"type": "resume", "last_event_id": ids[2]})
        assert [feed.next()["id"] for _ in range(2)] == ids[3:]
        feed.send({"type": "resume", "last_event_id": start})
        assert [feed.next()["id"] for _ in ids] == ids
        assert feed.silent()
        feed.send({"type": "resume", "last_event_id": ids[-1] + 10**6})
        assert feed.next()["type"] == "resync"
        assert feed.next()["data"]["last_event_id"] == ids[-1]
        assert feed.silent()


# The end


def test_it_closes_with_4401_when_the_token_expires(web: Web, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tokens.LIFETIMES, Kind.ACCESS, 6)
    feed = Feed(web, alice)
    feed.until("snapshot")
    assert closing(feed.socket) == 4401


def test_it_closes_when_its_person_is_deactivated_gone_or_signed_out_everywhere(
    web: Web, alice: User, bob: User, mallory: User, moderator: User, admin: User
) -> None:
    feeds = [Feed(web, user) for user in (alice, bob, mallory, moderator)]
    pair = families.start(admin)
    leaving = web.ws(f"?token={pair.access}")
    for feed in feeds:
        feed.until("snapshot")
    alice.delete()
    User.objects.filter(pk=bob.pk).update(is_active=False)
    services.sign_out_everywhere(moderator)
    families.end(pair.refresh)
    for socket in (feeds[0].socket, feeds[1].socket, feeds[3].socket, leaving):
        assert closing(socket, 30) == 4401
    assert feeds[2].silent()
    feeds[2].socket.close()


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_a_reader_that_does_not_read_is_cut_with_4008_and_catches_up(
    another_web: AnotherWeb, server: str, alice: User
) -> None:
    # Neither side takes the other, which answers no PING, for dead before it is drowned.
    web = another_web(server, PING_SECONDS="300")
    connection = sockets.socket()
    connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 1 << 16)
    connection.connect(("127.0.0.1", web.port))
    # The library reads no more while one message waits.
    slow = Feed(web, alice, max_queue=1, sock=connection, ping_interval=None)
    start = slow.until("snapshot")["data"]["last_event_id"]
    ids = [push.record(alice.pk, "message", {"n": n}).pk for n in range(20)]
    # Passing messages: what has a row may also be told from the rows, and that waits for its reader. Each is seen by another
    # socket before the next, so that all are told when the slow one reads at last: 20 MB are more than is kept for it.
    store = redis.Redis.from_url(ENV.redis_url)
    with Feed(web, alice, max_queue=None) as quick:
        quick.until("snapshot")
        for n in range(400):
            drop = {"type": "download.progress", "data": {"n": n, "text": "x" * 50_000}}
            store.publish(push.CHANNEL, orjson.dumps({"user_id": alice.pk, "message": drop}))
            assert quick.until("download.progress")["data"]["n"] == n
    assert closing(slow.socket, 30) == 4008
    with Feed(web, alice, last_event_id=start, max_queue=None) as again:
        assert again.next()["type"] == "snapshot"
        assert [again.next()["id"] for _ in ids] == ids
        assert again.silent()


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_sigterm_closes_with_1001_and_exits_with_0(another_web: AnotherWeb, server: str, alice: User) -> None:
    web = another_web(server)
    assert refusal(web, "?token=x").response.status_code == 401
    feeds = [Feed(web, alice) for _ in range(3)]
    for feed in feeds:
        feed.until("snapshot")
    push.record(alice.pk, "message", {"text": "before"})
    for feed in feeds:
        assert feed.next()["data"]["text"] == "before"
    web.process.send_signal(signal.SIGTERM)
    assert [closing(feed.socket) for feed in feeds] == [1001] * 3
    assert web.process.wait(20) == 0
    assert "Traceback" not in web.log()


def test_a_socket_that_is_dropped_gives_its_place_back(web: Web, alice: User) -> None:
    """A client that vanishes says no good-bye: the connection is reset."""
    store, key = redis.Redis.from_url(ENV.redis_url), f"sockets:{alice.pk}"
    feed = Feed(web, alice)
    feed.until("snapshot")
    assert store.zcard(key) == 1
    feed.socket.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    feed.socket.socket.close()
    waiting.until(lambda: store.zcard(key) == 0, what="the place given back")
    store.close()


def test_the_log_never_shows_a_token(web: Web, alice: User) -> None:
    token = token_of(alice)
    with web.ws(f"?token={token}") as socket:
        socket.recv(10)
    refusal(web, f"?token={token}x")
    assert token not in web.log()
    assert token[:40] not in web.log()


def test_one_row_and_one_hint_tell_every_socket_of_a_person(web: Web, alice: User) -> None:
    feeds = [Feed(web, alice) for _ in range(20)]
    for feed in feeds:
        feed.until("snapshot")
    told = push.record(alice.pk, "message", {"text": "one row, one hint, twenty sockets"})
    assert [feed.next()["id"] for feed in feeds] == [told.pk] * 20
    for feed in feeds:
        feed.socket.close()
