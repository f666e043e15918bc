"""How far back a look at what is new reads: to what was seen before, a few pages at most."""

import time

import pytest

from apps.downloads.indexers.newest import MOST_PAGES
from apps.downloads.indexers.offer import Offer
from apps.downloads.indexers.paging import Slice, read_new

PAGE = 10


class Busy:
    """An indexer whose newest offer is the last of these numbers; how often it was asked."""

    def __init__(self, newest: int, oldest: int = 0) -> None:
        self.offers = [Offer(f"T{n}", "busy", str(n), download_url="http://x/y") for n in range(newest, oldest - 1, -1)]
        self.asked = 0

    def page(self, offset: int, seconds: float) -> Slice:
        self.asked += 1
        shown = self.offers[offset : offset + PAGE]
        return Slice(shown, len(shown))

    def look(self, *seen: str) -> tuple[list[str], list[str]]:
        keys = frozenset(Offer("", "busy", guid).key for guid in seen)
        batch = read_new("busy", self.page, PAGE, time.monotonic() + 60, {"busy": keys, "other": frozenset({"x"})})
        return [offer.guid for offer in batch.offers], batch.warnings


def test_nothing_is_lost_between_two_looks() -> None:
    busy = Busy(100)
    found, warnings = busy.look("74", "73", "72")
    assert (found, warnings) == ([str(n) for n in range(100, 70, -1)], []), "three pages, the third has what was seen"
    assert busy.asked == 3


@pytest.mark.parametrize(("seen", "pages"), [((), 1), (("100",), 1), (("91",), 1), (("90",), 2)])
def test_no_page_is_read_in_vain(seen: tuple[str, ...], pages: int) -> None:
    busy = Busy(100)
    assert (len(busy.look(*seen)[0]), busy.asked) == (pages * PAGE, pages)


def test_it_does_not_read_for_ever() -> None:
    busy = Busy(1000)
    found, warnings = busy.look("3")
    assert (len(found), busy.asked) == (MOST_PAGES * PAGE, MOST_PAGES)
    assert warnings == [f"busy: only part of its results, it has more than {MOST_PAGES} pages."]


def test_what_was_seen_may_be_gone() -> None:
    assert len(Busy(25, 1).look("0")[0]) == 25
