"""POST /search and the releases of a title: the whole way from the request through JetStream to ranked rows."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.downloads import offered, search, search_views
from apps.downloads.indexers import Offer
from apps.downloads.models import Candidate, Torrent
from apps.downloads.profiles import deciding
from apps.downloads.profiles.deciding import Part
from apps.downloads.search import SearchPayload
from apps.jobs.models import Job
from apps.jobs.worker import Worker
from apps.media import services as media_services
from apps.media.models import Media
from sokoul.api import Page
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError
from tests.cast import Api
from tests.demo import Demo
from tests.providers import providers
from tests.waiting import until
from tests.wishes import make_media

Clients = Callable[[User | None], Api]
__all__ = ["providers"]
GOOD = "The.Lighthouse.Keepers.Umbrella.2021.1080p.BluRay.x264-HALIOTE"
FIRST = Page(1, 100)


def title(query: str, kind: str = "") -> int:
    return int(media_services.search_titles(query, kind)["results"][0]["id"])


def names(found: dict[str, Any]) -> list[str]:
    return [release["title"] for release in found["results"]]


@pytest.fixture
def umbrella(providers: Demo) -> int:
    return title("umbrella", "movie")


# --- what the scout does --------------------------------------------------------------------------------------------


def test_releases_are_found_ranked_and_kept(umbrella: int) -> None:
    told = search.run(SearchPayload(media_id=umbrella))
    found = search.releases_of(umbrella, FIRST)
    assert (told["media_id"], told["found"], told["warnings"]) == (umbrella, found["total"], [])
    scores = [release["score"] for release in found["results"]]
    accepted = [score for score in scores if score is not None]
    assert told["accepted"] == len(accepted) > 0
    assert scores == sorted(accepted, reverse=True) + [None] * (len(scores) - len(accepted))
    for release in found["results"]:
        assert bool(release["rejections"]) is (release["score"] is None)
        if release["score"] is not None:
            assert release["score"] == sum(reason["points"] for reason in release["reasons"])


def test_a_camera_copy_a_dead_release_and_a_sample_are_rejected_in_words(umbrella: int) -> None:
    search.run(SearchPayload(media_id=umbrella))
    why = {
        release["title"]: [rejection["code"] for rejection in release["rejections"]]
        for release in search.releases_of(umbrella, FIRST)["results"]
    }
    rejected = {name.rsplit("-", 1)[1]: codes for name, codes in why.items() if codes}
    assert rejected["QUAI"] == ["cam"]
    Candidate.objects.filter(score__isnull=False).delete()
    assert "It was filmed in a cinema (CAM)." in search.rejections_of(umbrella, None, None)
    assert rejected["VIEUXPHARE"] == ["too_few_seeders"]
    assert any("sample" in codes for codes in why.values())


def test_another_film_of_a_similar_name_is_rejected(providers: Demo) -> None:
    media_id = title("ox", "movie")
    Media.objects.filter(pk=media_id).update(title="Ox")
    search.run(SearchPayload(media_id=media_id))
    chosen = search.best(media_id, None, None)
    assert chosen is not None
    assert chosen.title.startswith("Ox.2019.")


def test_the_years_of_other_films_of_the_title_are_known_to_the_decision(providers: Demo) -> None:
    found = media_services.search_titles("tin comets", "movie")["results"]
    ids = {media["year"]: int(media["id"]) for media in found}
    Media.objects.create(tmdb_id=7, kind="tv", title="Tin Comets", year=1999, genres=["Unknown"], slug="tin-comets")
    wanted = deciding.wanted(deciding.Part(media_services.get(ids[2022]), None, None))
    assert (wanted.year, wanted.namesakes) == (2022, (1987,))


def test_the_same_release_from_several_indexers_is_one_row(umbrella: int) -> None:
    search.run(SearchPayload(media_id=umbrella))
    torrent = Torrent.objects.get(title=GOOD)
    assert torrent.indexers == ["Criee", "Lanterne", "Vieux Port"]
    assert torrent.key == f"btih:{torrent.info_hash_v1}"


def test_searching_again_refreshes_and_adds_nothing(umbrella: int) -> None:
    search.run(SearchPayload(media_id=umbrella))
    before = Torrent.objects.count(), Candidate.objects.count()
    Torrent.objects.update(seeders=0)
    search.run(SearchPayload(media_id=umbrella))
    assert (Torrent.objects.count(), Candidate.objects.count()) == before
    assert Torrent.objects.get(title=GOOD).seeders == 57


def test_rows_hold_no_key(umbrella: int) -> None:
    search.run(SearchPayload(media_id=umbrella))
    rows = repr(list(Torrent.objects.values()))
    assert ENV.prowlarr_api_key
    assert ENV.prowlarr_api_key not in rows
    assert all(key not in rows for _, key in ENV.torznab_feeds.values())


def test_an_episode_is_told_from_its_season(providers: Demo) -> None:
    media_id = title("harbour cats", "tv")
    search.run(SearchPayload(media_id=media_id, season=1, episode=2))
    episode = search.best(media_id, 1, 2)
    assert episode is not None
    assert ".S01E02." in episode.title
    assert search.best(media_id, 1, None) is None
    search.run(SearchPayload(media_id=media_id, season=2))
    season = search.best(media_id, 2, None)
    assert season is not None
    assert ".S02.1080p" in season.title
    Torrent.objects.filter(pk=season.pk).update(parsed={"season": 2, "episodes": [1]})
    assert search.best(media_id, 2, None) is None
    assert "no release of the whole season" in search.rejections_of(media_id, 2, None)[0]
    only = search.releases_of(media_id, FIRST, 1, 2)
    assert all(".S01" in name for name in names(only))
    assert search.releases_of(media_id, FIRST)["total"] > only["total"]


def test_a_title_found_by_words_is_the_one_that_was_meant(providers: Demo) -> None:
    new = search.title_of("Tin Comets 2022")
    old = search.title_of("tin comets (1987)")
    assert Media.objects.get(pk=new).year == 2022
    assert Media.objects.get(pk=old).year == 1987
    assert Media.objects.get(pk=search.title_of("2049 Postcards")).title == "2049 Postcards"
    with pytest.raises(PermanentError, match="No film or series"):
        search.title_of("no such thing anywhere")


def test_words_are_not_looked_up_while_tmdb_is_away(providers: Demo) -> None:
    known = title("umbrella", "movie")
    providers.misbehave("tmdb", "status", code=503)
    assert search.title_of("the lighthouse keeper's umbrella") == known
    with pytest.raises(TransientError, match="TMDB"):
        search.title_of("something else")


def test_tmdb_away_is_worth_another_try(umbrella: int, providers: Demo) -> None:
    providers.misbehave("tmdb", "status", code=503)
    with pytest.raises(TransientError, match="TMDB"):
        search.run(SearchPayload(media_id=umbrella))


def test_what_nobody_offers_any_more_goes_away_after_a_day(umbrella: int) -> None:
    search.run(SearchPayload(media_id=umbrella))
    old = Torrent.objects.create(
        key="btih:" + "0" * 40, info_hash_v1="0" * 40, title="Old", indexer="x", seen_at="2020-01-01T00:00Z"
    )
    Candidate.objects.create(torrent=old, media_id=umbrella, score=10**6, decided_at="2020-01-01T00:00Z")
    search.run(SearchPayload(media_id=umbrella))
    assert "Old" not in names(search.releases_of(umbrella, FIRST))


# --- rows of offers -------------------------------------------------------------------------------------------------


def an_offer(name: str = "A", indexer: str = "i", guid: str = "g", **fields: Any) -> Offer:
    return Offer(**{"title": name, "indexer": indexer, "guid": guid, "download_url": "http://x/y", "size": 5, **fields})


V1, OTHER, V2 = "a" * 40, "b" * 40, "c" * 64


@pytest.mark.parametrize(
    ("offers", "rows"),
    [
        ([an_offer(info_hash_v1=V1), an_offer(indexer="j", info_hash_v1=V1)], 1),
        ([an_offer(info_hash_v1=V1), an_offer(indexer="j", info_hash_v1=OTHER)], 2),
        ([an_offer(indexer="j"), an_offer(info_hash_v1=V1)], 1),
        ([an_offer(), an_offer(indexer="j")], 1),
        ([an_offer(), an_offer(indexer="j", size=6)], 2),
        ([an_offer(size=0), an_offer(indexer="j", size=0)], 2),
        ([an_offer(info_hash_v1=V1, info_hash_v2=V2), an_offer("B", "j", info_hash_v2=V2)], 1),
        (
            [
                an_offer("A", info_hash_v1=V1),
                an_offer("B", "j", info_hash_v2=V2),
                an_offer("C", "k", info_hash_v1=V1, info_hash_v2=V2),
            ],
            1,
        ),
        ([an_offer(), an_offer()], 1),
        ([], 0),
    ],
)
def test_what_is_one_release(db: None, offers: list[Offer], rows: int) -> None:
    for _ in range(2):
        assert len(offered.keep(offers)) == rows
        assert Torrent.objects.count() == rows


def test_a_hash_learned_later_joins_the_row(db: None) -> None:
    [first] = offered.keep([an_offer(info_hash_v2=V2, seeders=1)])
    [again] = offered.keep([an_offer(indexer="j", info_hash_v1=V1, info_hash_v2=V2, seeders=9)])
    assert again.pk == first.pk
    row = Torrent.objects.get()
    assert (row.info_hash_v1, row.info_hash_v2, row.indexers, row.seeders) == (V1, V2, ["i", "j"], 9)
    offered.keep([an_offer(info_hash_v1=V1)])
    assert Torrent.objects.get().info_hash_v2 == V2


def test_while_the_indexer_that_told_the_hash_is_away_its_releases_are_known_by_name_and_size(db: None) -> None:
    media = make_media()
    both = [an_offer(info_hash_v1=V1), an_offer(indexer="j")]
    [first] = offered.keep(both, media.pk)
    Candidate.objects.create(torrent=first, media=media, score=1, decided_at=timezone.now())
    later = offered.keep([an_offer("a", "j", "other", seeders=3), an_offer(indexer="j", guid="cut", size=6)], media.pk)
    assert [row.pk == first.pk for row in later] == [True, False]
    first.refresh_from_db()
    assert (first.info_hash_v1, first.indexers, first.seeders) == (V1, ["i", "j"], 3)
    [stranger] = offered.keep([an_offer(indexer="k", info_hash_v1=OTHER)], media.pk)
    assert stranger.pk != first.pk


def test_rows_that_turn_out_to_be_one_release_stay_apart_and_nothing_breaks(db: None) -> None:
    offered.keep([an_offer(info_hash_v1=V1), an_offer("B", info_hash_v2=V2)])
    offered.keep([an_offer("C", info_hash_v1=V1, info_hash_v2=V2)])
    assert Torrent.objects.count() == 2


def test_two_searches_at_once_write_each_release_once(transactional_db: None) -> None:
    offers = [an_offer(f"R{number}", info_hash_v1=f"{number:040x}") for number in range(50)]
    errors: list[Exception] = []

    def write(some: list[Offer]) -> None:
        try:
            for _ in range(5):
                offered.keep(some)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=write, args=(order,)) for order in (offers, offers[::-1], offers[25:] + offers[:25])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert Torrent.objects.count() == 50


# --- REST -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def scout(transactional_db: None, providers: Demo, nats: str) -> Iterator[Worker]:
    worker = Worker("scout", delays=(0.1, 0.1, 0.1))
    worker.start()
    yield worker
    worker.stop()


def test_a_search_is_accepted_and_then_done(scout: Worker, api: Clients, alice: User) -> None:
    media_id = title("umbrella", "movie")
    answer = api(alice).post("/search", {"media_id": media_id})
    assert answer.status_code == 202
    accepted = answer.json()
    assert accepted["status_url"] == f"/jobs/{accepted['job_id']}"
    until(lambda: Job.objects.filter(pk=accepted["job_id"], status="Completed").exists(), 30, "the search")
    job = Job.objects.get()
    assert (job.user_id, job.kind, job.result["media_id"]) == (alice.pk, "search", media_id)
    found = api(alice).get(f"/media/{media_id}/torrents").json()
    assert found["results"][0]["score"] > 0


def test_with_prefer_wait_the_releases_come_at_once(scout: Worker, api: Clients, alice: User) -> None:
    answer = api(alice).post("/search", {"query": "Tin Comets 2022"}, headers={"Prefer": "respond-async, wait=20"})
    assert (answer.status_code, answer["Preference-Applied"]) == (200, "wait=20")
    found = answer.json()
    assert found["results"][0]["title"].startswith("Tin.Comets.2022")
    assert Media.objects.get(pk=found["media_id"]).year == 2022
    assert (found["warnings"], found["page"], found["limit"]) == ([], 1, 20)


def test_a_search_that_fails_while_waiting_says_so(scout: Worker, api: Clients, alice: User) -> None:
    answer = api(alice).post("/search", {"query": "no such thing anywhere"}, headers={"Prefer": "wait=20"})
    assert answer.status_code == 202
    assert answer.json()["status"] == "Failed"
    assert "No film or series" in answer.json()["error"]


def test_a_passing_fault_of_tmdb_is_survived(scout: Worker, providers: Demo, api: Clients, alice: User) -> None:
    media_id = title("umbrella", "movie")
    providers.misbehave("tmdb", "html", path_prefix="movie", times=2)
    answer = api(alice).post("/search", {"media_id": media_id}, headers={"Prefer": "wait=20"})
    assert answer.status_code == 200
    assert Job.objects.get().attempts == 3


def test_waiting_ends_when_it_was_said_to(umbrella: int, api: Clients, alice: User) -> None:
    """Nobody works on it: there is no scout."""
    started = time.monotonic()
    answer = api(alice).post("/search", {"media_id": umbrella}, headers={"Prefer": "wait=1"})
    assert 0.9 < time.monotonic() - started < 5
    assert (answer.status_code, answer.json()["status"]) == (202, "Pending")
    assert "Preference-Applied" not in answer


def test_waiting_callers_leave_threads_for_others(
    umbrella: int, api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_views, "_waiting", threading.BoundedSemaphore(1))
    search_views._waiting.acquire()
    started = time.monotonic()
    assert api(alice).post("/search", {"media_id": umbrella}, headers={"Prefer": "wait=20"}).status_code == 202
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("prefer", ["wait=0", "wait=-5", "wait=soon", "respond-async", "waiting=9", ""])
def test_other_preferences_are_not_waiting(umbrella: int, api: Clients, alice: User, prefer: str) -> None:
    assert api(alice).post("/search", {"media_id": umbrella}, headers={"Prefer": prefer}).status_code == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400), ({"query": "x", "media_id": 1}, 400), ({"query": ""}, 400), ({"query": "x" * 201}, 400),
        ({"media_id": 2**40}, 404), ({"media_id": "x"}, 400), ({"query": "x", "episode": 1}, 400),
        ({"query": "x", "season": -1}, 400), ({"query": "x", "other": 1}, 400), ("no object", 400),
    ],
)  # fmt: skip
def test_bad_searches(api: Clients, alice: User, body: Any, status: int) -> None:
    assert api(alice).post("/search", body).status_code == status
    assert Job.objects.count() == 0


def test_strangers_do_not_search_releases(api: Clients, providers: Demo) -> None:
    media_id = title("umbrella", "movie")
    assert api(None).post("/search", {"media_id": media_id}).status_code == 401
    assert api(None).get(f"/media/{media_id}/torrents").status_code == 401


def test_releases_of_a_title_over_rest(umbrella: int, api: Clients, alice: User) -> None:
    search.run(SearchPayload(media_id=umbrella))
    found = api(alice).get(f"/media/{umbrella}/torrents", limit=2).json()
    assert (len(found["results"]), found["limit"]) == (2, 2)
    release = found["results"][0]
    assert {"id", "title", "indexer", "indexers", "size", "seeders", "peers", "score", "reasons", "rejections"} <= set(
        release
    )
    assert (release["resolution"], release["codec"]) == ("1080p", "H.264")
    assert api(alice).get("/media/99999999/torrents").status_code == 404
    for bad in ({"season": "x"}, {"episode": "99999"}, {"page": 0}):
        assert api(alice).get(f"/media/{umbrella}/torrents", **bad).status_code == 400


def test_a_list_of_releases_takes_three_statements_however_long(
    umbrella: int, api: Clients, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = api(alice)
    for number in range(50):
        [torrent] = offered.keep([an_offer(f"R{number}", info_hash_v1=f"{number:040x}")])
        Candidate.objects.create(media_id=umbrella, torrent=torrent, score=number, decided_at=torrent.seen_at)
        if number in (0, 49):
            with django_assert_num_queries(4):  # one asks who is signed in
                assert len(client.get(f"/media/{umbrella}/torrents", limit=100).json()["results"]) == number + 1


# --- other ways to name an episode ----------------------------------------------------------------------------------


def _torrent(name: str) -> Torrent:
    return Torrent(
        key=f"btih:{abs(hash(name)):040x}"[:45], title=name, info_hash_v1=f"{abs(hash(name)):040x}", seeders=5,
        seen_at=timezone.now(),
    )  # fmt: skip


def _accepted(media: Media, season: int, episode: int | None, names: list[str]) -> list[str]:
    torrents = [_torrent(name) for name in names]
    Torrent.objects.bulk_create(torrents)
    search._decide(media, torrents, season, episode)
    rows = Candidate.objects.filter(media=media, season=season, episode=episode, score__isnull=False)
    return sorted(rows.values_list("torrent__title", flat=True))


def test_an_episode_is_known_by_its_count_and_its_day(providers: Demo) -> None:
    media = media_services.get(title("harbour cats", "tv"))
    names = [
        "[Kurage] Harbour Cats - 06 [1080p]",
        "Harbour.Cats.2023.04.09.1080p.WEB",
        "[Kurage] Harbour Cats - 02 [1080p]",
    ]
    assert _accepted(media, 2, 2, names) == []
    search._learn_numbers(media.pk)
    Torrent.objects.all().delete()
    assert _accepted(media, 2, 2, names) == ["Harbour.Cats.2023.04.09.1080p.WEB", "[Kurage] Harbour Cats - 06 [1080p]"]


def test_a_season_is_known_by_its_counts(providers: Demo) -> None:
    media = media_services.get(title("harbour cats", "tv"))
    search._learn_numbers(media.pk)
    names = ["[Kurage] Harbour Cats - 05-07 [BD 1080p] (Batch)", "[Kurage] Harbour Cats - 01-04 [BD 1080p] (Batch)"]
    assert _accepted(media, 2, None, names) == names[:1]


def test_without_the_schedule_a_search_goes_on(providers: Demo, caplog: pytest.LogCaptureFixture) -> None:
    media = media_services.refresh_details(title("harbour cats", "tv"))
    providers.misbehave("tmdb", "html")
    search._learn_numbers(media.pk)
    assert "searched without the schedule" in caplog.text
    assert deciding.wanted(Part(media, 2, 2)).absolute_episode is None
