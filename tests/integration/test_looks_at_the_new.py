"""What was seen at one look at the indexers is where the next one ends."""

from typing import Any

import pytest

from apps.downloads.following import rss
from apps.downloads.indexers import latest, newest
from apps.downloads.indexers.offer import Offer
from sokoul.env import ENV
from tests.demo import Demo
from tests.integration.test_indexers_books import asked, configure, fault
from tests.providers import providers

__all__ = ["providers"]
NAME = "Quiet.Quay.2026.1080p.WEB-DL.H.264-QUAI"


@pytest.fixture
def feed(providers: Demo, monkeypatch: pytest.MonkeyPatch) -> Demo:
    providers.add_content(NAME, [{"path": f"{NAME}.mkv", "size": 1000}], listed=True)
    monkeypatch.setattr(ENV, "prowlarr_url", None)
    monkeypatch.setattr(ENV, "torznab_feeds", {})
    configure(providers, "Good")
    return providers


def test_the_first_look_reads_a_page_and_the_next_ones_as_far_as_that(feed: Demo) -> None:
    fault(feed, "Good", "endless_pages")
    rss.read()
    assert asked(feed, question="t=search") == 1
    assert newest.seen()["Good"], "it is noted for the next one"
    rss.read()
    assert asked(feed, question="t=search") == 2, "the newest are those of the last look"
    newest.note([Offer("Old", "Good", "gone", download_url="http://x/y")])
    rss.read()
    assert asked(feed, question="t=search") == 2 + newest.MOST_PAGES


def test_a_look_that_dies_has_seen_nothing(feed: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(offers: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rss, "_taken", dies)
    with pytest.raises(KeyboardInterrupt):
        rss.read()
    assert newest.seen() == {}


def test_who_did_not_answer_is_known_by_what_it_had_before(feed: Demo) -> None:
    newest.note([Offer("Old", "Away", "g", download_url="http://x/y")])
    newest.note(latest()[0])
    assert set(newest.seen()) == {"Away", "Good"}
