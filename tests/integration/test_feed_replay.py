"""Nothing is lost and nothing comes twice: replay, lost hints, and a Redis that is gone."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from websockets.exceptions import InvalidStatus

from apps.accounts.models import User
from apps.feed import push, replay
from apps.feed.models import Event
from tests.outages import broken
from tests.servers import SERVERS
from tests.waiting import until
from tests.web import Feed, Web, token_of

pytestmark = pytest.mark.django_db(transaction=True)


def told_to(user: User, after: int = 0) -> list[int]:
    """The ids of what this person should have been told."""
    mine = Event.objects.filter(Q(user=user) | Q(user=None), pk__gt=after)
    return list(mine.order_by("pk").values_list("pk", flat=True))


def say(user: User | None, **data: Any) -> int:
    return int(push.record(user.pk if user else None, "message" if user else "broadcast", data).pk)


def receive(feed: Feed, ids: list[int], timeout: float = 15) -> None:
    """These events come, in this order, and no other."""
    seen: list[int] = []
    while len(seen) < len(ids):
        message = feed.next(timeout)
        if "id" in message:
            seen.append(message["id"])
    assert seen == ids


@contextmanager
def running(*works: Callable[[], None]) -> Iterator[None]:
    """Each in a thread of its own; the block's end waits for them, and fails with the first that failed."""
    faults: list[BaseException] = []

    def guard(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=guard, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join(60)
    if faults:
        raise faults[0]


class Wanderer:
    """A client that comes and goes, and remembers only the last event that it saw. It starts where it first connected."""

    def __init__(self, webs: list[Web], user: User, seed: int) -> None:
        self.webs, self.user, self.random = webs, user, random.Random(seed)
        self.seen: list[int] = []
        first = Feed(webs[0], user)
        self.start = self.last = first.until("snapshot")["data"]["last_event_id"]
        first.socket.close()
        self.finish: int | None = None

    def wander(self) -> None:
        while self.finish is None or self.last < self.finish:
            feed = Feed(self.random.choice(self.webs), self.user, self.last, max_queue=None)
            assert feed.next()["type"] == "snapshot"
            self._stay(feed, self.random.choice((0, 1, 5, 40, 400)))
            self._leave(feed)

    def _stay(self, feed: Feed, messages: int) -> None:
        for _ in range(messages):
            if self.finish is not None and self.last >= self.finish:
                return
            try:
                message = feed.next(0.3)
            except TimeoutError:
                return
            if self.random.random() < 0.02:
                feed.send({"type": "resume", "last_event_id": self.last})
            if "id" in message and message["id"] > self.last:
                self.seen.append(message["id"])
                self.last = message["id"]

    def _leave(self, feed: Feed) -> None:
        if self.random.random() < 0.5:
            feed.socket.socket.shutdown(2)  # as a lost network does: no close frame
        feed.socket.close()


def write(seed: int, people: list[User | None]) -> None:
    """Transactions of one to three events that overlap with those of other writers; one in ten is rolled back."""
    chance = random.Random(seed)
    for _number in range(60):
        try:
            with transaction.atomic():
                for person in chance.choices(people, k=1):
                    for _ in range(chance.randint(1, 3)):
                        say(person, writer=seed)
                        time.sleep(chance.random() / 500)
                if chance.random() < 0.1:
                    raise InterruptedError
        except InterruptedError:
            continue


def test_wanderers_see_everything_once_and_in_order(
    web: Web, another_web: Callable[..., Web], alice: User, bob: User
) -> None:
    webs = [web, another_web()]
    clients = [Wanderer(webs, user, seed) for seed, user in enumerate((alice, alice, alice, bob))]

    def write_all() -> None:
        with running(*(lambda seed=seed: write(seed, [alice, alice, bob, None]) for seed in range(6))):  # type: ignore[misc]
            pass
        for client in clients:
            client.finish = told_to(client.user)[-1]

    with running(write_all, *(client.wander for client in clients)):
        pass
    for client in clients:
        assert client.seen == told_to(client.user, client.start)
    assert len(told_to(alice)) > 300
    assert set(clients[0].seen) & set(clients[3].seen) == set(
        Event.objects.filter(user=None).values_list("pk", flat=True)
    )


def test_hints_may_be_lost_or_come_in_any_order(web: Web, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each writer's commit sends its hint; here a third is lost, and the others come late and shuffled."""
    chance, held, plain = random.Random(1), [], push._hint

    def hold(*hint: Any) -> None:
        if chance.random() > 0.3:
            held.append(hint)
        if len(held) > 4:
            chance.shuffle(held)
            while held:
                plain(*held.pop())

    monkeypatch.setattr(push, "_hint", hold)
    with Feed(web, alice, max_queue=None) as feed:
        feed.until("snapshot")
        ids = [say(alice if chance.random() < 0.8 else None, n=n) for n in range(300)]
        receive(feed, ids)
        assert feed.silent()


def test_the_last_hint_lost_is_found_soon(web: Web, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with Feed(web, alice) as feed:
        feed.until("snapshot")
        monkeypatch.setattr(push, "_hint", lambda *_: None)
        ids = [say(alice), say(None)]
        began = time.monotonic()
        receive(feed, ids)
        assert time.monotonic() - began < 10


def test_a_broadcast_does_not_hide_a_lost_event(web: Web, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with Feed(web, alice) as feed:
        feed.until("snapshot")
        with monkeypatch.context() as lossy:
            lossy.setattr(push, "_hint", lambda *_: None)
            lost = say(alice)
        receive(feed, [lost, say(None)])
        with monkeypatch.context() as lossy:
            lossy.setattr(push, "_hint", lambda *_: None)
            lost = say(None)
        receive(feed, [lost, say(alice)])


def test_a_foreign_hint_does_no_harm(web: Web, alice: User) -> None:
    with Feed(web, alice) as feed:
        feed.until("snapshot")
        for rubbish in (b"", b"{", b"[]", b'{"user_id": "x"}', b'{"user_id": null, "message": {}}'):
            push._redis().publish(push.CHANNEL, rubbish)
        receive(feed, [say(alice), say(None)])


def test_a_frozen_redis_makes_it_slower_and_nothing_worse(web: Web, alice: User, bob: User) -> None:
    redis = SERVERS["REDIS_URL"].process
    assert redis
    with Feed(web, alice, max_queue=None) as feed:
        feed.until("snapshot")
        redis.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            ids = [say(alice, n=n) for n in range(20)] + [say(None)]
            assert time.monotonic() - began < 6, "whoever tells does not wait for Redis each time"
            receive(feed, ids)
            assert time.monotonic() - began < 12
            began = time.monotonic()
            with Feed(web, bob) as opened:
                opened.until("snapshot")
            assert time.monotonic() - began < 10
        finally:
            redis.send_signal(signal.SIGCONT)
        receive(feed, [say(alice) for _ in range(5)])
        assert feed.silent()


def test_a_redis_that_dies_and_comes_back(web: Web, alice: User) -> None:
    server = SERVERS["REDIS_URL"]
    with Feed(web, alice, max_queue=None) as feed:
        feed.until("snapshot")
        server.stop()
        try:
            receive(feed, [say(alice, n=n) for n in range(10)])
            with Feed(web, alice) as opened:
                opened.until("snapshot")
                receive(opened, [say(None)])
        finally:
            server.start()
        feed.until("broadcast")
        receive(feed, [say(alice, n=n) for n in range(10)])

        def comes_at_once() -> bool:
            began = time.monotonic()
            receive(feed, [say(alice)])
            return time.monotonic() - began < 0.2

        deadline = time.monotonic() + 15
        while not comes_at_once():
            assert time.monotonic() < deadline, "hints are heard again"


def test_a_resume_in_the_middle_of_a_replay_starts_it_anew(web: Web, alice: User) -> None:
    start = say(alice)
    ids = [say(alice, text="x" * 2000) for _ in range(1500)]
    with Feed(web, alice, last_event_id=start, max_queue=4) as feed:
        feed.until("snapshot")
        receive(feed, ids[:20])
        feed.send({"type": "resume", "last_event_id": start})
        while feed.next().get("id") != ids[0]:
            continue
        receive(feed, ids[1:])
        assert feed.silent()


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_without_the_database_nobody_gets_in_and_nobody_is_thrown_out(
    web: Web, alice: User, bob: User, how: str
) -> None:
    token = token_of(bob)
    with Feed(web, alice) as feed:
        feed.until("snapshot")
        with broken("postgres", how):
            began = time.monotonic()
            with pytest.raises(InvalidStatus) as refused:
                web.ws(f"?token={token}")
            assert time.monotonic() - began < 10
            answer = refused.value.response
            assert (answer.status_code, bool(answer.headers["Retry-After"])) == (503, True)
            feed.send({"type": "resume", "last_event_id": 10**6})
        assert feed.next(20)["type"] in {"error", "resync"}
        until(lambda: web.get("/health/ready").status_code == 200, 30, "the database")
        receive(feed, [say(alice), say(None)])
        until(lambda: _may_enter(web, token), 30, "getting in again")


def _may_enter(web: Web, token: str) -> bool:
    try:
        web.ws(f"?token={token}").close()
    except InvalidStatus:
        return False
    return True


# Where a reader may go on from


def age(ids: list[int], hours: float) -> None:
    Event.objects.filter(pk__in=ids).update(at=timezone.now() - timedelta(hours=hours))


def test_replay_reaches_back_a_day_and_says_resync_beyond(web: Web, alice: User, bob: User) -> None:
    old = [say(alice), say(bob), say(alice)]
    ids = [say(alice) for _ in range(1200)]
    age(old, 25)
    age(ids[:5], 23.9)
    with Feed(web, alice, last_event_id=old[2], max_queue=None) as feed:
        assert feed.next()["type"] == "snapshot"
        receive(feed, ids)
        assert feed.silent()
    for position in (old[0], 0, ids[-1] + 10**6, 10**17, 2**63):
        with Feed(web, alice, last_event_id=position) as feed:
            assert feed.next() == {"type": "resync", "data": {}}
            snapshot = feed.next()
            assert snapshot["type"] == "snapshot"
            assert snapshot["data"]["last_event_id"] == ids[-1]
            assert feed.silent()
            new = say(alice)
            ids.append(new)
            receive(feed, [new])


@pytest.mark.parametrize("position", ["", "x", "-1", "1.5", "%00", "١", "9" * 5000])
def test_a_position_that_is_no_number_is_unknown(web: Web, alice: User, position: str) -> None:
    with web.ws(f"?token={token_of(alice)}&last_event_id={position}") as socket:
        first = socket.recv(10)
    assert ("resync" in str(first)) == bool(position)


def test_a_person_without_events_can_go_on_from_their_first_snapshot(web: Web, alice: User, bob: User) -> None:
    age([say(bob)], 48)
    with Feed(web, alice) as feed:
        position = feed.until("snapshot")["data"]["last_event_id"]
    ids = [say(alice), say(None)]
    with Feed(web, alice, last_event_id=position) as feed:
        assert feed.next()["type"] == "snapshot"
        receive(feed, ids)


def test_what_no_replay_reaches_is_forgotten(alice: User, bob: User) -> None:
    old = [say(alice), say(bob), say(None)]
    bell = push.notify(alice.pk, "hello", "Kept").pk
    last_old, young = say(bob), say(alice)
    age([*old, bell, last_old], 30)
    assert replay.prune() == 3
    assert list(Event.objects.order_by("pk").values_list("pk", flat=True)) == [bell, last_old, young]
    assert not replay.known(old[2])
    assert replay.known(last_old)
    assert replay.prune() == 0
