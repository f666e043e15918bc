"""What the benchmarks of the plan's chapter 6 count is what they say they count."""

import itertools

import pytest

from tests.bench import answers, crowd
from tests.bench.load import Load, Right


def answered(slow_from: float, slow_until: float) -> Load:
    """Ten calls a second from before the spike until the end, each answered in 10 ms, but in 500 ms between these seconds."""
    asked = [number / 10 for number in range(10 * (crowd.BEFORE + crowd.DURING + crowd.AFTER))]
    return Load([500.0 if slow_from <= at < slow_until else 10.0 for at in asked], asked)


@pytest.mark.parametrize("seconds", [0, 3, crowd.AFTER])
def test_whoever_is_slow_after_the_spike_is_not_back(seconds: int) -> None:
    end = crowd.BEFORE + crowd.DURING
    assert crowd.recovery(answered(crowd.BEFORE, end + seconds)) == seconds


def test_seconds_of_which_nothing_was_answered_are_none_of_being_back() -> None:
    end = crowd.BEFORE + crowd.DURING
    whole = answered(0, 0)
    heard = [pair for pair in zip(whole.milliseconds, whole.asked, strict=True) if not end <= pair[1] < end + 2]
    assert crowd.recovery(Load([one for one, _ in heard], [at for _, at in heard])) == 2


def test_an_answer_is_right_by_its_status_and_by_what_it_holds() -> None:
    right = Right(b"200", b'"degraded":false')
    assert right.is_met(b'HTTP/1.1 200 OK\r\n\r\n{"degraded":false}')
    assert not right.is_met(b'HTTP/1.1 200 OK\r\n\r\n{"degraded":true}')
    assert not right.is_met(b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"degraded":false}')


def test_nobody_searches_twice_for_the_same_and_each_search_finds_something() -> None:
    from sokoul.demo.catalogue import search

    queries = list(itertools.islice(answers.unheard_of(), 4 * answers.SEARCHES))
    assert len(set(queries)) == 4 * answers.SEARCHES
    assert all(search(query.replace("+", " ")) for query in queries)
