"""What indexers say of a release is kept with it, as fresh as its seeders, and read by custom formats."""

from typing import Any

import pytest

from apps.downloads import offered
from apps.downloads.indexers import Offer
from apps.downloads.models import Torrent
from apps.downloads.profiles import deciding
from apps.downloads.profiles.deciding import Part
from apps.downloads.releases.formats import CustomFormat, FlagCondition, ScoredFormat
from apps.downloads.releases.profile import Profile
from tests.wishes import make_media

pytestmark = pytest.mark.django_db
V1 = "a" * 40
NAME = "Lamp.2019.1080p.WEB-DL.x264-A"


def an_offer(*flags: str, **fields: Any) -> Offer:
    facts = {
        "indexer": "one",
        "guid": "g",
        "download_url": "http://x/y",
        "size": 6 * 10**9,
        "info_hash_v1": V1,
        "seeders": 9,
    }
    return Offer(title=NAME, flags=frozenset(flags), **{**facts, **fields})


def kept(*offers: Offer) -> list[str]:
    offered.keep(offers)
    return Torrent.objects.get().flags


def test_they_are_as_they_were_said_last() -> None:
    assert kept(an_offer("scene", "freeleech")) == ["freeleech", "scene"]
    assert kept(an_offer("scene")) == ["scene"], "the freeleech is over"
    assert kept(an_offer()) == []


def test_freeleech_is_so_where_the_release_is_fetched_from_and_scene_wherever() -> None:
    other = an_offer("freeleech", "internal", indexer="two", guid="h", priority=50)
    assert kept(an_offer("double_upload"), other) == ["double_upload", "internal"]
    assert kept(an_offer("double_upload", priority=51), other) == ["freeleech", "internal"]


def test_a_format_that_asks_for_a_flag_finds_it() -> None:
    condition = FlagCondition(name="x", kind="indexer_flag", flag="freeleech")
    free = ScoredFormat(format=CustomFormat(name="Free", app="radarr", conditions=(condition,)), score=7)
    asked = deciding.wanted(Part(make_media("Lamp", year=2019, runtime=100), None, None))
    for flags in (("freeleech",), ()):
        [torrent] = offered.keep([an_offer(*flags)])
        decision = deciding.decide(asked, torrent, Profile(formats=(free,)))
        assert [reason.points for reason in decision.reasons if reason.code == "format"] == ([7] if flags else [])
