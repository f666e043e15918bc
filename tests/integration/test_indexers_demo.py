"""Prowlarr and Torznab spoken to for real: the demo providers, well and unwell."""

import time
from urllib.parse import parse_qs

import pytest

from apps.downloads.indexers import Wish, fetch_torrent, gather, latest, prowlarr, search_all
from apps.downloads.indexers.offer import Offer
from apps.downloads.models import Torrent
from apps.media.models import Kind
from sokoul import env
from sokoul.demo import keys
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError
from tests.demo import Demo
from tests.providers import providers

__all__ = ["providers"]
UMBRELLA = Wish(Kind.MOVIE, "The Lighthouse Keeper's Umbrella", year=2021, imdb_id="tt99000101")
TEAPOT = Wish(Kind.MOVIE, "Robot & Teapot", year=2025)
FEED = "Criee"
PATIENT = 3.0  # seconds, in which a busy machine lets the others answer beside one that hangs


def by_indexer(offers: list[Offer]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for offer in offers:
        counted[offer.indexer] = counted.get(offer.indexer, 0) + 1
    return counted


def test_every_indexer_is_asked_and_the_disabled_and_usenet_ones_are_not(providers: Demo) -> None:
    offers, warnings = search_all(UMBRELLA)
    assert warnings == []
    assert set(by_indexer(offers)) == {"Lanterne", "Vieux Port", FEED}
    paths = {row["path"] for row in providers.requests("prowlarr")}
    assert paths == {"api/v1/indexer", "api/v1/search"}


def test_an_offer_has_what_the_indexer_told(providers: Demo) -> None:
    offers, _ = search_all(UMBRELLA)
    name = "The.Lighthouse.Keepers.Umbrella.2021.1080p.BluRay.x264-HALIOTE"
    same = {offer.indexer: offer for offer in offers if offer.title == name}
    truth = providers.torrent(name)
    assert set(same) == {"Lanterne", "Vieux Port", FEED}
    assert same["Lanterne"].info_hash_v1 == same[FEED].info_hash_v1 == truth.info_hash_v1
    assert same["Vieux Port"].info_hash_v1 is None
    for offer in same.values():
        assert (offer.size, offer.seeders) == (truth.size, 57)
        assert offer.published_at is not None


def test_no_key_stays_in_an_offer(providers: Demo) -> None:
    offers, _ = search_all(UMBRELLA)
    assert all(key not in repr(offers) for key in (keys.PROWLARR, keys.TORZNAB))
    assert any("{apikey}" in offer.download_url for offer in offers)


def test_an_episode_and_a_season_are_found_by_number(providers: Demo) -> None:
    offers, _ = search_all(Wish(Kind.TV, "Harbour Cats", season=1, episode=2))
    assert {offer.title.split(".")[2] for offer in offers} == {"S01E02"}
    packs, _ = search_all(Wish(Kind.TV, "Harbour Cats", season=2))
    assert any(offer.title.startswith("Harbour.Cats.S02.1080p") for offer in packs)


def test_the_newest_of_every_indexer_are_listed(providers: Demo) -> None:
    film, episode = "A.New.Film.2026.1080p.WEB-DL.H.264-QUAI", "Harbour.Cats.S09E01.1080p.WEB-DL.H.264-QUAI"
    for name in (film, episode):
        providers.add_content(name, [{"path": f"{name}.mkv", "size": 1000}], listed=True)
    offers, warnings = latest()
    assert warnings == []
    assert {(offer.title, offer.indexer) for offer in offers} >= {
        (n, i) for n in (film, episode) for i in ("Lanterne", FEED)
    }
    asked = [row["query"] for row in providers.requests("prowlarr") if row["path"] == "api/v1/search"]
    assert len(asked) == 2  # one page of each of its indexers
    assert all("query" not in parse_qs(question) for question in asked)


def test_the_newest_of_the_others_are_listed_when_one_hangs(providers: Demo) -> None:
    name = "A.New.Film.2026.1080p.WEB-DL.H.264-QUAI"
    providers.add_content(name, [{"path": f"{name}.mkv", "size": 1000}], listed=True)
    providers.misbehave("torznab", "hang")
    offers, warnings = latest(seconds=PATIENT)
    assert name in {offer.title for offer in offers if offer.indexer == "Lanterne"}
    assert warnings[0].startswith(FEED)


def test_a_slow_indexer_delays_nobody_beyond_the_deadline(providers: Demo) -> None:
    providers.misbehave("torznab", "hang")
    started = time.monotonic()
    offers, warnings = search_all(UMBRELLA, seconds=PATIENT)
    assert time.monotonic() - started < PATIENT + 8
    assert set(by_indexer(offers)) == {"Lanterne", "Vieux Port"}
    assert len(warnings) == 1
    assert warnings[0].startswith(FEED)


@pytest.mark.parametrize("fault", ["status", "html", "broken_json", "cut", "empty"])
def test_a_broken_indexer_costs_a_warning(providers: Demo, fault: str) -> None:
    providers.misbehave("torznab", fault)
    offers, warnings = search_all(UMBRELLA)
    assert set(by_indexer(offers)) == {"Lanterne", "Vieux Port"}
    assert warnings[0].startswith(FEED)


@pytest.mark.parametrize("fault", ["status", "html", "broken_json", "cut", "empty", "hang"])
def test_a_broken_prowlarr_leaves_the_feeds(providers: Demo, fault: str) -> None:
    providers.misbehave("prowlarr", fault)
    offers, warnings = search_all(UMBRELLA, seconds=PATIENT)
    assert set(by_indexer(offers)) == {FEED}
    assert "Prowlarr" in warnings[0]


def test_when_nobody_answers_it_is_worth_another_try(providers: Demo) -> None:
    for provider in ("prowlarr", "torznab"):
        providers.misbehave(provider, "status", code=429, retry_after=7)
    with pytest.raises(TransientError) as error:
        search_all(UMBRELLA)
    assert error.value.retry_after == 7.0


def test_without_an_indexer_there_is_nothing_to_search(providers: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "prowlarr_url", None)
    monkeypatch.setattr(ENV, "torznab_feeds", {})
    with pytest.raises(PermanentError, match="PROWLARR_URL"):
        search_all(UMBRELLA)


@pytest.mark.parametrize("provider", ["prowlarr", "torznab"])
def test_endless_pages_end_with_what_was_found(providers: Demo, provider: str) -> None:
    providers.misbehave(provider, "endless_pages")
    offers, warnings = search_all(UMBRELLA)
    assert len(offers) >= 50
    assert any("50 pages" in warning or "repeat" in warning for warning in warnings)
    assert len(providers.requests(provider)) <= 2 * 50 + 2


def test_a_page_that_breaks_leaves_those_before(providers: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prowlarr, "LIMIT", 2)
    providers.misbehave("prowlarr", "html", path_prefix="api/v1/search", skip=2)
    offers, warnings = search_all(UMBRELLA)
    assert 0 < by_indexer(offers)["Lanterne"] <= 4
    assert any("only part of its results" in warning for warning in warnings)


def test_a_refused_prowlarr_key_falls_to_the_next(providers: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROWLARR_API_KEY", f"wrong,{keys.PROWLARR}")
    env.reread()
    assert "Lanterne" in by_indexer(search_all(UMBRELLA)[0])
    monkeypatch.setenv("PROWLARR_API_KEY", "wrong")
    env.reread()
    _, warnings = search_all(UMBRELLA)
    assert "PROWLARR_API_KEY" in warnings[0]


def test_a_refused_feed_key_is_told(providers: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    [(url, _)] = ENV.torznab_feeds.values()
    monkeypatch.setattr(ENV, "torznab_feeds", {FEED: (url, "wrong-key")})
    _, warnings = search_all(UMBRELLA)
    assert "Incorrect user credentials" in warnings[0]
    assert "wrong-key" not in warnings[0]


def torrent_of(offer: Offer) -> Torrent:
    return Torrent(indexer=offer.indexer, download_url=offer.download_url, title=offer.title)


@pytest.mark.parametrize("indexer", ["Lanterne", "Vieux Port", FEED])
def test_a_torrent_file_is_fetched_with_the_key(providers: Demo, indexer: str) -> None:
    offers, _ = search_all(UMBRELLA)
    found = next(offer for offer in offers if offer.indexer == indexer and offer.download_url)
    data = fetch_torrent(torrent_of(found))
    assert isinstance(data, bytes)
    assert data.startswith(b"d8:announce")


def test_a_release_that_is_a_magnet_only_is_fetched_as_one(providers: Demo) -> None:
    offers, _ = search_all(TEAPOT)
    found = next(offer for offer in offers if "BOUILLOIRE" in offer.title and offer.indexer == "Lanterne")
    magnet = found.magnet or fetch_torrent(torrent_of(found))
    assert isinstance(magnet, str)
    assert magnet.startswith("magnet:?xt=urn:btih:")


def test_the_key_goes_to_its_own_indexer_only(providers: Demo) -> None:
    stranger = Torrent(
        indexer="Lanterne", download_url=f"{providers.url.replace('127.0.0.1', 'localhost')}/?k={{apikey}}"
    )
    with pytest.raises(PermanentError, match="API key"):
        fetch_torrent(stranger)


@pytest.mark.parametrize(
    ("fault", "kind"), [("html", TransientError), ("huge", PermanentError), ("cut", TransientError)]
)
def test_what_is_no_torrent_file_is_refused(providers: Demo, fault: str, kind: type[Exception]) -> None:
    offers, _ = search_all(UMBRELLA)
    found = next(offer for offer in offers if offer.indexer == FEED)
    providers.misbehave("torznab", fault)
    with pytest.raises(kind):
        fetch_torrent(torrent_of(found))


def test_what_an_indexer_does_wrong_is_not_our_crash(providers: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(prowlarr, "_offer", explode)
    offers, warnings = search_all(UMBRELLA)
    assert set(by_indexer(offers)) == {FEED}
    assert len(warnings) == 2
    assert gather.DEADLINE < 25
