"""The wire formats of the demo TMDB, pictures, Prowlarr and Torznab feed, and the faults on demand."""

import io
import time
import xml.etree.ElementTree as ET
from typing import Any

import av
import httpx
import libtorrent
import pytest
from PIL import Image

from sokoul.demo.torznab import NEWZNAB, TORZNAB
from tests.demo import Demo

lt: Any = libtorrent
KEY = {"api_key": "demo-tmdb-key"}
PROWLARR = {"X-Api-Key": "demo-prowlarr-key"}
FEED = {"apikey": "demo-torznab-key"}
# Fields of TMDB's documented answers (developer.themoviedb.org/reference) that clients read.
MOVIE_ROW = {
    "adult", "backdrop_path", "genre_ids", "id", "original_language", "original_title", "overview", "popularity",
    "poster_path", "release_date", "title", "video", "vote_average", "vote_count",
}  # fmt: skip
TV_ROW = MOVIE_ROW - {"original_title", "release_date", "title", "video"} | {
    "first_air_date", "name", "origin_country", "original_name",
}  # fmt: skip
RELEASE = {
    "guid", "age", "ageHours", "ageMinutes", "size", "files", "grabs", "indexerId", "indexer", "title", "sortTitle", "imdbId",
    "tmdbId", "tvdbId", "tvMazeId", "publishDate", "infoUrl", "indexerFlags", "categories", "seeders", "leechers", "protocol",
    "fileName",
}  # fmt: skip


def tmdb(demo: Demo, path: str, **query: str) -> Any:
    answer = demo.http.get(f"/tmdb/3/{path}", params={**KEY, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def releases(demo: Demo, query: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = demo.http.get("/prowlarr/api/v1/search", params={"query": query, **parameters}, headers=PROWLARR)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows


def test_tmdb_search_lists_both_remakes_and_tells_them_apart_by_year(demo: Demo) -> None:
    page = tmdb(demo, "search/movie", query="tin comets")
    assert (page["page"], page["total_pages"], page["total_results"]) == (1, 1, 2)
    assert {row["release_date"][:4] for row in page["results"]} == {"1987", "2022"}
    assert all(set(row) == MOVIE_ROW for row in page["results"])
    [row] = tmdb(demo, "search/movie", query="tin comets", year="1987")["results"]
    assert row["id"] == 9000104


def test_tmdb_search_puts_the_exact_name_first(demo: Demo) -> None:
    assert [row["title"] for row in tmdb(demo, "search/movie", query="Orchard")["results"]] == [
        "Orchard",
        "The Orchard at Night",
    ]


def test_tmdb_multi_search_tells_films_from_series(demo: Demo) -> None:
    [cats] = tmdb(demo, "search/multi", query="harbour cats")["results"]
    assert set(cats) == TV_ROW | {"media_type"}
    assert cats["media_type"] == "tv"
    assert tmdb(demo, "search/tv", query="umbrella")["results"] == []
    assert tmdb(demo, "search/multi", query="")["total_results"] == 0


def test_tmdb_answers_in_french_too(demo: Demo) -> None:
    [row] = tmdb(demo, "search/movie", query="horloger", language="fr-FR")["results"]
    assert row["title"] == "L'Horloger de Saint-Malo"
    film = tmdb(demo, f"movie/{row['id']}", language="fr")
    assert {"id": 9648, "name": "Mystère"} in film["genres"]
    assert [g["name"] for g in tmdb(demo, f"movie/{row['id']}")["genres"]] == ["Mystery", "Fantasy"]


def test_tmdb_details_append_what_was_asked_for(demo: Demo) -> None:
    film = tmdb(demo, "movie/9000101-umbrella", append_to_response="alternative_titles,external_ids,nonsense")
    assert film["runtime"] == 1
    assert film["imdb_id"] == film["external_ids"]["imdb_id"] == "tt99000101"
    assert film["alternative_titles"]["titles"][0]["title"] == "The Keeper's Umbrella"
    assert "nonsense" not in film
    assert "budget" in film
    assert tmdb(demo, "movie/9000101/external_ids")["id"] == 9000101


def test_tmdb_ids_are_unique_within_a_kind_only(demo: Demo) -> None:
    assert tmdb(demo, "movie/9000101")["title"] == "The Lighthouse Keeper's Umbrella"
    assert tmdb(demo, "tv/9000101")["name"] == "The Tiny Planet Club"


def test_tmdb_series_have_seasons_and_episodes(demo: Demo) -> None:
    series = tmdb(demo, "tv/9000201", append_to_response="alternative_titles,external_ids,season/2")
    assert (series["number_of_seasons"], series["number_of_episodes"]) == (2, 7)
    assert series["external_ids"]["tvdb_id"] == 990201
    assert series["alternative_titles"] == {"results": []}
    assert [season["episode_count"] for season in series["seasons"]] == [4, 3]
    season = tmdb(demo, "tv/9000201/season/2")
    assert [episode["episode_number"] for episode in season["episodes"]] == [1, 2, 3]
    assert season == series["season/2"]
    assert demo.http.get("/tmdb/3/tv/9000201/season/9", params=KEY).json()["status_code"] == 34


def test_tmdb_finds_by_outside_ids_and_lists_genres_and_sizes(demo: Demo) -> None:
    assert tmdb(demo, "find/tt99000103", external_source="imdb_id")["movie_results"][0]["id"] == 9000103
    assert tmdb(demo, "find/990202", external_source="tvdb_id")["tv_results"][0]["media_type"] == "tv"
    assert len(tmdb(demo, "genre/movie/list")["genres"]) == 19
    assert {"id": 10762, "name": "Kids"} in tmdb(demo, "genre/tv/list")["genres"]
    assert tmdb(demo, "configuration")["images"]["secure_base_url"] == f"{demo.url}/tmdb/images/"


def test_tmdb_refuses_as_the_real_one_does(demo: Demo) -> None:
    refused = demo.http.get("/tmdb/3/movie/9000101", params={"api_key": "wrong"})
    assert (refused.status_code, refused.json()["status_code"], refused.json()["success"]) == (401, 7, False)
    token = demo.http.get("/tmdb/3/movie/9000101", headers={"Authorization": "Bearer demo-tmdb-token"})
    assert token.status_code == 200
    for path in ("movie/1", "tv/9000102", "movie/abc", "nowhere"):
        missing = demo.http.get(f"/tmdb/3/{path}", params=KEY)
        assert (missing.status_code, missing.json()["status_code"]) == (404, 34)
    page = demo.http.get("/tmdb/3/search/movie", params={**KEY, "query": "ox", "page": "501"})
    assert (page.status_code, page.json()["status_code"]) == (400, 22)


def test_posters_are_pictures_of_the_size_asked_for(demo: Demo) -> None:
    path = tmdb(demo, "movie/9000103")["poster_path"]
    answer = demo.http.get(f"/tmdb/images/w342{path}")
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (342, 513)
    assert demo.http.get(f"/tmdb/images/w342{path}").content == answer.content
    assert demo.http.get("/tmdb/images/w342/none.jpg").status_code == 404
    assert tmdb(demo, "movie/9000115")["poster_path"] is None


def test_prowlarr_lists_its_indexers(demo: Demo) -> None:
    rows = demo.http.get("/prowlarr/api/v1/indexer", headers=PROWLARR).json()
    assert [(row["id"], row["protocol"], row["enable"]) for row in rows] == [
        (1, "torrent", True), (2, "torrent", True), (3, "torrent", False), (4, "usenet", True),
    ]  # fmt: skip
    assert rows[0]["capabilities"]["categories"][0]["id"] == 2000
    assert demo.http.get("/prowlarr/api/v1/indexer/2", headers=PROWLARR).json()["name"] == "Vieux Port"
    assert demo.http.get("/prowlarr/api/v1/indexer").status_code == 401
    assert demo.http.get("/prowlarr/api/v1/indexer/9", headers=PROWLARR).status_code == 404


def test_prowlarr_search_has_good_and_bad_releases(demo: Demo) -> None:
    rows = releases(demo, "The Clockmaker of Saint-Malo 2024", type="movie", categories="2000")
    assert all(set(row) >= RELEASE for row in rows if row["protocol"] == "torrent")
    names = {row["title"] for row in rows}
    for part in ("2160p", "1080p.BluRay.x264", "720p", "HDCAM", "Clockmakers.Daughter"):
        assert any(part in name for name in names), part
    assert any(row["seeders"] == 0 for row in rows)
    assert {row["protocol"] for row in rows} == {"torrent", "usenet"}
    assert not any(row["indexerId"] == 3 for row in rows)


def test_prowlarr_tells_the_same_release_of_two_indexers(demo: Demo) -> None:
    rows = [row for row in releases(demo, "Ox 2019") if row["title"] == "Ox.2019.720p.WEB-DL.AAC2.0.H.264-MAREE"]
    assert [row["indexerId"] for row in rows if row["protocol"] == "torrent"] == [1, 2]
    assert len(rows[0]["infoHash"]) == 40
    assert "infoHash" not in rows[1]


def test_prowlarr_narrows_by_category_indexer_and_page(demo: Demo) -> None:
    assert releases(demo, "Ox 2019", categories="5000") == []
    assert {row["indexerId"] for row in releases(demo, "Ox 2019", indexerIds=[2, 3])} == {2}
    assert {row["protocol"] for row in releases(demo, "Ox 2019", indexerIds="-2")} == {"torrent"}
    everything = [row["guid"] for row in releases(demo, "Ox 2019")]
    assert [row["guid"] for row in releases(demo, "Ox 2019", limit=2, offset=1)] == everything[1:3]
    episode = releases(demo, "Harbour Cats {Season:2}{Episode:3}", type="tvsearch")
    assert episode
    assert all("S02E03" in row["title"] for row in episode)


def test_prowlarr_links_lead_to_the_torrent_and_to_the_magnet(demo: Demo) -> None:
    row = next(row for row in releases(demo, "Ox 2019", indexerIds=1) if "1080p.BluRay" in row["title"])
    file = httpx.get(row["downloadUrl"])
    assert file.headers["content-type"] == "application/x-bittorrent"
    torrent = lt.load_torrent_buffer(file.content)
    assert str(torrent.info_hashes.v1) == row["infoHash"].lower()
    assert torrent.trackers == [f"{demo.url}/announce"]
    assert torrent.ti.total_size() == row["size"]
    redirect = httpx.get(row["magnetUrl"])
    assert redirect.status_code == 301
    assert str(lt.parse_magnet_uri(redirect.headers["location"]).info_hashes.v1) == row["infoHash"].lower()
    assert httpx.get(row["downloadUrl"].replace("demo-prowlarr-key", "wrong")).status_code == 401
    assert demo.http.get("/prowlarr/1/download?link=x&file=y", headers=PROWLARR).status_code == 400


def test_prowlarr_has_one_release_as_magnet_only_and_one_of_version_two(demo: Demo) -> None:
    [magnet] = releases(demo, "Robot Teapot BOUILLOIRE", indexerIds=1)
    assert "downloadUrl" not in magnet
    assert "magnetUrl" in magnet
    [modern] = releases(demo, "The Snail Express v2", indexerIds=1)
    assert "infoHash" not in modern
    assert lt.load_torrent_buffer(httpx.get(modern["downloadUrl"]).content).info_hashes.has_v2()


def test_the_multi_file_release_has_sample_notes_and_subtitles(demo: Demo) -> None:
    releases(demo, "Lighthouse Keepers Umbrella CORNICHE")
    paths = demo.torrent("The.Lighthouse.Keepers.Umbrella.2021.1080p.BluRay.DTS.x264-CORNICHE").sha256
    assert {path.rpartition(".")[2] for path in paths} == {"mp4", "nfo", "srt"}
    assert "Sample/sample-corniche.mp4" in paths


def test_films_are_h264_and_aac_that_browsers_play(demo: Demo) -> None:
    releases(demo, "The Last Night Tram 2015")
    folder = demo.data_dir / "swarm-1" / "content"
    films = [*folder.glob("the-last-night-tram*/*.mp4"), *folder.glob("the-last-night-tram*/*.mkv")]
    assert {film.suffix for film in films} == {".mp4", ".mkv"}
    for film in films:
        with av.open(str(film)) as video:
            picture, sound = video.streams.video[0], video.streams.audio[0]
            assert (picture.codec_context.name, picture.pix_fmt, sound.codec_context.name) == ("h264", "yuv420p", "aac")
            assert video.duration == pytest.approx(64_000_000, rel=0.01)
            assert sum(1 for _ in video.decode(video=0)) == 12 * 128
    index = min(films, key=lambda film: film.stat().st_size).with_suffix(".mp4").read_bytes()[:200_000]
    assert index.find(b"moov") < index.find(b"mdat") or b"mdat" not in index


def test_the_executable_poses_as_a_video(demo: Demo) -> None:
    releases(demo, "What If the Sea Called FREE")
    [fake] = (demo.data_dir / "swarm-1" / "content").glob("what-if*free/*/*.mp4")
    assert fake.read_bytes()[:2] == b"MZ"
    with pytest.raises(av.error.FFmpegError):
        av.open(str(fake))


def test_torznab_has_capabilities_results_and_errors(demo: Demo) -> None:
    caps = ET.fromstring(demo.http.get("/torznab/api", params={"t": "caps"}).content)
    assert caps.find("searching/movie-search").attrib == {"available": "yes", "supportedParams": "q"}  # type: ignore[union-attr]
    assert {c.get("id") for c in caps.iter("category")} == {"2000", "5000"}
    answer = demo.http.get("/torznab/api", params={"t": "movie", "q": "the last night tram", **FEED})
    channel = ET.fromstring(answer.content).find("channel")
    assert channel is not None
    total = channel.find(f"{{{NEWZNAB}}}response")
    [item] = channel.findall("item")
    assert total is not None
    assert total.attrib == {"offset": "0", "total": "1"}
    attributes = {a.get("name"): a.get("value") for a in item.findall(f"{{{TORZNAB}}}attr")}
    assert {"seeders", "peers", "size", "infohash", "magneturl", "category"} <= set(attributes)
    enclosure = item.find("enclosure")
    assert enclosure is not None
    torrent = lt.load_torrent_buffer(httpx.get(enclosure.attrib["url"]).content)
    assert str(torrent.info_hashes.v1) == attributes["infohash"]
    for query, code in (({"t": "search", "apikey": "no"}, "100"), (FEED, "200"), ({"t": "x", **FEED}, "202")):
        assert ET.fromstring(demo.http.get("/torznab/api", params=query).content).get("code") == code


def test_torznab_finds_an_episode_and_pages(demo: Demo) -> None:
    query = {"t": "tvsearch", "q": "harbour cats", "season": "1", "cat": "5000", **FEED}
    whole = [i.findtext("title") for i in ET.fromstring(demo.http.get("/torznab", params=query).content).iter("item")]
    assert len(whole) == 4
    assert all(title and "S01E0" in title for title in whole)
    second = demo.http.get("/torznab", params={**query, "limit": "3", "offset": "3"})
    assert [i.findtext("title") for i in ET.fromstring(second.content).iter("item")] == whole[3:]


def test_a_status_comes_in_the_providers_own_words_and_only_as_often_as_asked(demo: Demo) -> None:
    demo.misbehave("tmdb", "status", code=429, retry_after=7, times=1, path_prefix="search/")
    assert demo.http.get("/tmdb/3/movie/9000101", params=KEY).status_code == 200
    refused = demo.http.get("/tmdb/3/search/movie", params={**KEY, "query": "ox"})
    assert (refused.status_code, refused.headers["retry-after"], refused.json()["success"]) == (429, "7", False)
    assert demo.http.get("/tmdb/3/search/movie", params={**KEY, "query": "ox"}).status_code == 200
    demo.misbehave("tracker", "status", code=503, skip=1)
    assert demo.http.get("/announce").status_code == 200
    assert demo.http.get("/announce").status_code == 503


@pytest.mark.parametrize("kind", ["html", "empty", "broken_json"])
def test_an_answer_that_is_no_json(demo: Demo, kind: str) -> None:
    demo.misbehave("prowlarr", kind)
    answer = demo.http.get("/prowlarr/api/v1/indexer", headers=PROWLARR)
    assert answer.status_code == 200
    assert (answer.headers["content-type"] == "text/html; charset=utf-8") == (kind == "html")
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()
    demo.behave()
    assert demo.http.get("/prowlarr/api/v1/indexer", headers=PROWLARR).json()


def test_a_connection_is_cut_in_the_middle(demo: Demo) -> None:
    demo.misbehave("tmdb", "cut")
    with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"):
        demo.http.get("/tmdb/3/genre/movie/list", params=KEY)


def test_a_delay_and_a_hang_that_ends_when_it_is_cleared(demo: Demo) -> None:
    demo.misbehave("images", "delay", seconds=0.4)
    start = time.monotonic()
    assert demo.http.get("/tmdb/images/w92/ox-poster.jpg").status_code == 200
    assert time.monotonic() - start >= 0.4
    demo.misbehave("tmdb", "hang")
    with pytest.raises(httpx.ReadTimeout):
        demo.http.get("/tmdb/3/configuration", params=KEY, timeout=0.3)
    demo.behave()
    assert demo.http.get("/tmdb/3/configuration", params=KEY, timeout=5).status_code == 200


def test_pages_without_end(demo: Demo) -> None:
    for provider in ("tmdb", "prowlarr", "torznab"):
        demo.misbehave(provider, "endless_pages")
    page = tmdb(demo, "search/movie", query="ox", page="400")
    assert (page["page"], page["total_pages"], len(page["results"])) == (400, 500, 20)
    guids = {row["guid"] for offset in (0, 10, 990) for row in releases(demo, "Ox 2019", limit=10, offset=offset)}
    assert len(guids) == 30
    found = demo.http.get("/torznab/api", params={"t": "search", "q": "ox 2019", "offset": "5000", **FEED})
    assert len(list(ET.fromstring(found.content).iter("item"))) == 50


def test_a_body_without_end(demo: Demo) -> None:
    demo.misbehave("tmdb", "huge", size=3_000_000)
    with demo.http.stream("GET", "/tmdb/3/configuration", params=KEY) as answer:
        assert sum(len(chunk) for chunk in answer.iter_bytes()) > 2_900_000


def test_a_fault_that_makes_no_sense_is_refused(demo: Demo) -> None:
    for body in ({"provider": "imdb", "kind": "html"}, {"provider": "tmdb", "kind": "sulk"}, {"kind": "html"}):
        assert demo.http.post("/control/misbehave", json=body).status_code == 400


def test_requests_are_counted_without_keys(demo: Demo) -> None:
    tmdb(demo, "search/movie", query="l'été")
    [seen] = demo.requests("tmdb")
    assert (seen["method"], seen["path"], seen["query"]) == ("GET", "search/movie", "query=l%27%C3%A9t%C3%A9")
    demo.reset()
    assert demo.requests("tmdb") == []


def test_control_is_not_for_foreign_web_pages(demo: Demo) -> None:
    assert demo.http.get("/control/swarm", headers={"Origin": "http://evil.example"}).status_code == 403


def test_the_environment_it_tells_points_to_it(demo: Demo) -> None:
    env = demo.env()
    assert httpx.get(f"{env['TMDB_URL']}/configuration", params={"api_key": env["TMDB_API_KEY"]}).status_code == 200
    header = {"X-Api-Key": env["PROWLARR_API_KEY"]}
    assert httpx.get(f"{env['PROWLARR_URL']}/api/v1/indexer", headers=header).status_code == 200
    assert httpx.get(f"{env['TELEGRAM_API_URL']}{env['TELEGRAM_BOT_TOKEN']}/getMe").json()["ok"] is True
    feed, _, key = env["TORZNAB_FEEDS"].partition("=")[2].partition("|")
    assert httpx.get(feed, params={"t": "search", "q": "tram", "apikey": key}).text.count("<item>") >= 1
