"""Moments between RFC 3339 and Unix seconds, and bytes as people read them."""

from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from django.utils.translation import override

from sokoul import moments
from sokoul.api import OrjsonRenderer
from sokoul.templatetags.shown import rate, size

PLAN = ("2026-02-15T15:28:37Z", 1771169317)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [PLAN, ("1970-01-01T00:00:00Z", 0), ("1969-12-31T23:59:59Z", -1), ("2024-02-29T12:00:00.250000Z", 1709208000.25)],
)
def test_a_moment_is_the_same_both_ways(text: str, seconds: float) -> None:
    assert moments.to_unix(moments.read(text)) == seconds
    assert moments.written(moments.of_unix(seconds)) == text


def test_every_zone_is_the_same_moment() -> None:
    for text in (
        "2026-02-15T17:28:37+02:00",
        "2026-02-15T10:28:37-05:00",
        "2026-02-15t15:28:37z",
        "2026-02-15 15:28:37Z",
    ):
        assert moments.to_unix(moments.read(text)) == PLAN[1], text
    local = datetime(2026, 2, 15, 16, 28, 37, tzinfo=timezone(timedelta(hours=1)))
    assert moments.written(local) == PLAN[0]
    assert moments.read(PLAN[0]) == datetime(2026, 2, 15, 15, 28, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "2026-02-15", "2026-02-15T15:28:37", "20260215T152837Z", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-W07-7",
     "1771169317", "2026-02-15T15:28:37+25:00", "２０２６-02-15T15:28:37Z"],
)  # fmt: skip
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        moments.read(text)


def test_a_moment_without_a_zone_is_not_guessed() -> None:
    naive = datetime(2026, 2, 15, 15, 28, 37)
    for refuse in (moments.to_unix, moments.written):
        with pytest.raises(ValueError, match="time zone"):
            refuse(naive)


def test_the_api_writes_them_the_same_way() -> None:
    at = moments.of_unix(PLAN[1])
    assert orjson.loads(OrjsonRenderer().render({"at": at})) == {"at": moments.written(at)}


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "0 B"), (0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1.0 KB"), (1536, "1.5 KB"), (99_949, "99.9 KB"),
        (100_000, "100 KB"), (999_499, "999 KB"), (999_500, "1.0 MB"),
        (4_790_000_000, "4.8 GB"), (999_950, "1.0 MB"), (1_000_000, "1.0 MB"), (734_003_200, "734 MB"),
        (1_000_000_000, "1.0 GB"), (4_700_000_000, "4.7 GB"), (2 * 10**12, "2.0 TB"), (5 * 10**15, "5000 TB"),
    ],
)  # fmt: skip
def test_bytes_are_told_in_kb_mb_and_gb(amount: int | None, text: str) -> None:
    with override("en"):
        assert size(amount) == text


def test_they_are_told_in_french_too() -> None:
    with override("fr"):
        assert (size(0), size(1536), size(4_700_000_000)) == ("0 o", "1,5 Ko", "4,7 Go")
        assert rate(1536).endswith("/s")
