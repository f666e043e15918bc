"""When a load counts as held, and from when its times are counted."""

import asyncio

import httpx

from tests.staging import load, run
from tests.staging.load import Sample


def test_what_is_late_wrong_or_large_is_named() -> None:
    good = [Sample("/library", phase, 10.0) for phase in (0, 1) for _ in range(20)]
    assert list(run.judged(good, 500)) == []
    late = [*good, *[Sample("/library", 1, 900.0) for _ in range(3)]]
    assert list(run.judged(late, 500)) == ["At the whole pace the p95 is 900 ms; it may be 500."]
    wrong = [*good, Sample("/search", 0, 5.0, "503")]
    assert list(run.judged(wrong, 500)) == ["1 of 41 requests went wrong (/search: 503)."]
    assert next(run.judged([], 500)) == "Nothing was asked."
    assert len(list(run.judged(good[:20], 500))) == 1, "a pace that nobody asked at"
    assert list(run.too_large({"web": {"memory": 501.0}, "bot": {"memory": 10.0}})) == [
        "web holds 501 MB; it may hold 500."
    ]


def test_a_server_that_stands_still_is_late_for_all_that_was_due() -> None:
    """Not for the one request alone that it did not answer."""

    class Slow(httpx.AsyncBaseTransport):
        asked = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.asked += 1
            if self.asked == 1:
                await asyncio.sleep(0.5)
            return httpx.Response(200)

    async def one() -> list[Sample]:
        async with httpx.AsyncClient(base_url="http://x", transport=Slow()) as http:
            return await load.performed([load.Person(http, "t")], [(20.0, 0.48)])

    samples = asyncio.run(one())
    assert len(samples) == 10
    assert sum(sample.ms > 100 for sample in samples) >= 7


def test_what_is_gone_holds_nothing() -> None:
    text = (
        "# TYPE sokoul_process_memory_bytes gauge\n"
        'sokoul_process_memory_bytes{component="web"} 150000000\n'
        "# TYPE sokoul_process_cpu_seconds counter\n"
        'sokoul_process_cpu_seconds_total{component="web"} 2.5\n'
        'sokoul_process_cpu_seconds_total{component="scout"} 0.4\n'
    )
    assert run.held_by(text) == {"web": {"memory": 150.0, "processor": 2.5}}
