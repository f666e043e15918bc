"""At most N in any window, whoever counts: Redis for all processes, or one process alone."""

import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django_redis import get_redis_connection
from hypothesis import given
from hypothesis import strategies as st

from sokoul import throttling
from sokoul.throttling import IP, Claim, Limiter, Policy, Standing, Verdict, headers, place
from tests.waiting import until


class Redis:
    """The real one, with its visits counted; while `gone`, it answers nothing."""

    def __init__(self) -> None:
        self.visits = 0
        self.gone = False

    def __call__(self, claims: Sequence[Claim]) -> Verdict:
        self.visits += 1
        if self.gone:
            raise redis.ConnectionError("gone")
        return throttling._ask_redis(claims)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def who() -> str:
    """Somebody whom no other test knows."""
    return secrets.token_hex(8)


def another_process() -> Limiter:
    return Limiter()


def gone(_: Sequence[Claim]) -> Verdict:
    raise redis.ConnectionError("gone")


# All processes together


def test_exactly_so_many_over_several_processes_at_once(valkey: str, who: str) -> None:
    claims = [Claim(Policy("test", 50), who)]
    processes = [another_process() for _ in range(8)]
    begin = threading.Barrier(8)

    def hammer(process: Limiter) -> int:
        begin.wait()
        return sum(process.ask(claims).admitted for _ in range(40))

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(hammer, processes)) == 50


def test_never_more_in_any_window_while_it_slides(valkey: str, who: str) -> None:
    """By the times before and after: Redis counted somewhere between, in the order in which it counted."""
    policy = Policy("test", 20, window=0.4)
    until_then = time.monotonic() + 2.0
    before, after = [], []

    def hammer(process: Limiter) -> None:
        while (begun := time.monotonic()) < until_then:
            if process.ask([Claim(policy, who)]).admitted:
                before.append(begun)
                after.append(time.monotonic())

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(hammer, [another_process() for _ in range(4)]))
    assert len(before) > 60, "it slides: several windows went by"
    for first, next_round in zip(sorted(before), sorted(after)[policy.quota :], strict=False):
        assert next_round - first >= policy.window


def test_what_is_refused_is_not_counted(valkey: str, who: str) -> None:
    """Somebody who goes on asking is let in as soon as somebody who waits."""
    claims = [Claim(Policy("test", 3, window=1.0), who)]
    begun = time.monotonic()
    assert [another_process().ask(claims).admitted for _ in range(4)] == [True, True, True, False]
    filled = time.monotonic()
    refusals = 0

    def let_in() -> bool:
        nonlocal refusals
        refusals += 1
        return another_process().ask(claims).admitted

    until(let_in, within=5, what="room again")
    assert refusals > 10
    assert time.monotonic() - begun >= 1.0
    assert time.monotonic() - filled < 1.9, "no later than a window after it was full"


def test_where_one_log_is_full_nothing_is_counted_in_the_others(valkey: str, who: str) -> None:
    narrow, wide = Claim(Policy("narrow", 2), who), Claim(Policy("wide", 10), who)
    for _ in range(5):
        verdict = another_process().ask([narrow, wide])
    assert not verdict.admitted
    assert [one.policy.name for one in verdict.full] == ["narrow"]
    assert another_process().ask([wide]).standings[0].remaining == 7, "two, and this one"


def test_a_verdict_says_what_is_left_and_when_there_is_more(valkey: str, who: str) -> None:
    claims = [Claim(Policy("test", 2), who)]
    first, second, third = (another_process().ask(claims) for _ in range(3))
    assert [first.standings[0].remaining, second.standings[0].remaining] == [1, 0]
    assert first.standings[0].reset == 60.0
    assert (first.retry_after, second.retry_after) == (0, 0)
    assert not third.admitted
    assert third.retry_after in {59, 60}


def test_what_was_counted_before_a_clock_was_set_back_holds_nobody_up(valkey: str, who: str) -> None:
    claims = [Claim(Policy("test", 2), who)]
    an_hour_ahead = int((time.time() + 3600) * 1_000_000)
    get_redis_connection("default").rpush(f"limit:{claims[0].key}", an_hour_ahead, an_hour_ahead)
    assert another_process().ask(claims).admitted


def test_logs_end_by_themselves(valkey: str, who: str) -> None:
    claims = [Claim(Policy("test", 2, window=0.2), who)]
    another_process().ask(claims)
    until(lambda: not get_redis_connection("default").exists(f"limit:{claims[0].key}"), within=2)


def test_a_hammer_that_is_refused_costs_no_round_trip(valkey: str, who: str) -> None:
    store, clock = Redis(), Clock()
    limiter = Limiter(store, clock)
    claims = [Claim(Policy("test", 2), who)]
    for _ in range(2):
        another_process().ask(claims)
    refusals = [limiter.ask(claims) for _ in range(50)]
    assert not any(one.admitted for one in refusals)
    assert store.visits == 1
    assert {one.retry_after for one in refusals} <= {59, 60}
    clock.now += 60.0
    limiter.ask(claims)
    assert store.visits == 2, "when there may be room again, it is asked"


# One process alone


def test_without_redis_the_process_goes_by_what_it_let_through(valkey: str, who: str) -> None:
    store = Redis()
    limiter = Limiter(store)
    claims = [Claim(Policy("test", 10), who)]
    assert sum(limiter.ask(claims).admitted for _ in range(6)) == 6
    store.gone = True
    assert sum(limiter.ask(claims).admitted for _ in range(20)) == 4


def test_redis_is_asked_again_after_a_while_and_by_one_request(valkey: str, who: str) -> None:
    store, clock = Redis(), Clock()
    store.gone = True
    limiter = Limiter(store, clock)
    claims = [Claim(Policy("test", 100), who)]
    for _ in range(10):
        assert limiter.ask(claims).admitted
    assert store.visits == 1
    clock.now += throttling.BLIND
    assert limiter.ask(claims).admitted
    assert limiter.ask(claims).admitted
    assert store.visits == 2
    store.gone = False
    clock.now += throttling.BLIND
    assert [limiter.ask(claims).standings[0].remaining for _ in range(3)] == [99, 98, 97], "Redis knows of these"
    assert store.visits == 5


def test_after_an_outage_what_was_let_through_meanwhile_still_counts(valkey: str, who: str) -> None:
    store, clock = Redis(), Clock()
    store.gone = True
    limiter = Limiter(store, clock)
    claims = [Claim(Policy("test", 10), who)]
    assert sum(limiter.ask(claims).admitted for _ in range(8)) == 8
    store.gone = False
    clock.now += throttling.BLIND
    assert sum(limiter.ask(claims).admitted for _ in range(8)) == 2


def test_an_outage_is_told_once(valkey: str, who: str, caplog: pytest.LogCaptureFixture) -> None:
    store, clock = Redis(), Clock()
    limiter = Limiter(store, clock)
    store.gone = True
    for _ in range(5):
        limiter.ask([Claim(IP, who)])
        clock.now += throttling.BLIND
    store.gone = False
    limiter.ask([Claim(IP, who)])
    limiter.ask([Claim(IP, who)])
    told = [record.levelname for record in caplog.records if record.name == "sokoul.throttling"]
    assert told == ["WARNING", "INFO"]


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["a", "b"])), max_size=80))
def test_alone_it_lets_through_what_a_plain_list_of_times_would(steps: list[tuple[float, str]]) -> None:
    clock = Clock()
    limiter = Limiter(gone, clock)
    policy, plain = Policy("test", 4, window=10.0), {"a": [-100.0], "b": [-100.0]}
    for seconds, name in steps:
        clock.now += seconds
        recent = [at for at in plain[name] if at > clock.now - 10.0]
        verdict = limiter.ask([Claim(policy, name)])
        assert verdict.admitted == (len(recent) < 4)
        if verdict.admitted:
            plain[name].append(clock.now)
            assert verdict.standings[0].remaining == 3 - len(recent)
        else:
            assert verdict.standings[0].reset == pytest.approx(recent[0] + 10.0 - clock.now)


def test_alone_it_counts_exactly_in_several_threads() -> None:
    limiter = Limiter(gone)
    claims = [Claim(Policy("test", 50), "somebody"), Claim(Policy("wide", 1000), "somebody")]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: limiter.ask(claims).admitted, range(300)))
    assert sum(answers) == 50
    assert limiter.ask(claims[1:]).standings[0].remaining == 949


def test_its_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "MOST", 100)
    limiter = Limiter(gone)
    for number in range(1000):
        limiter.ask([Claim(IP, f"192.0.{number // 256}.{number % 256}")])
    assert len(limiter._memory._logs) == 100
    assert limiter.ask([Claim(IP, "192.0.3.231")]).standings[0].remaining == 998, "the last of them is known"


# What clients are told, and by what they are known


@pytest.mark.parametrize(
    ("address", "known_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        (None, "unknown"),
    ],
)
def test_addresses_of_one_customer_are_one(address: str | None, known_as: str) -> None:
    assert place(address) == known_as


def test_headers_tell_every_policy_and_the_tightest() -> None:
    user, address = Policy("user", 100), Policy("ip", 1000)
    verdict = Verdict(True, (Standing(user, 7, 12.2), Standing(address, 900, 58.0)))
    assert headers([Claim(user, "1"), Claim(address, "192.0.2.1")], verdict) == {
        "RateLimit-Policy": '"user";q=100;w=60, "ip";q=1000;w=60',
        "RateLimit": '"user";r=7;t=13, "ip";r=900;t=58',
        "RateLimit-Limit": "100",
        "RateLimit-Remaining": "7",
        "RateLimit-Reset": "13",
    }


def test_one_comes_back_when_the_last_of_the_full_logs_has_room() -> None:
    full = Verdict(False, (Standing(Policy("a", 1), 0, 3.2), Standing(Policy("b", 1), 0, 9.1), Standing(IP, 5, 50.0)))
    assert full.retry_after == 10
