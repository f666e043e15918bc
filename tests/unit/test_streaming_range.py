"""What a Range header asks for (RFC 9110, 14.1.2)."""

import pytest

from apps.downloads.streaming import span
from sokoul.errors import PermanentError


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=99-99", (99, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        (" bytes=5-6 ", (5, 7)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1-2,5-6", None),
        ("bytes= 1-2", None),
        ("chars=1-2", None),
        ("bytes=1-2x", None),
        ("bytes=٣-٤", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("", None),
    ],
)
def test_what_a_range_means(header: str | None, wanted: tuple[int, int] | None) -> None:
    assert span(header, 100) == wanted


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=9999999999999999999-"])
def test_a_range_outside_is_refused(header: str) -> None:
    with pytest.raises(PermanentError) as caught:
        span(header, 100)
    assert caught.value.status == 416
    with pytest.raises(PermanentError):
        span("bytes=0-", 0)
