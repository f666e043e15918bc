"""The small parts of the demo providers, by themselves."""

import hashlib
from pathlib import Path

import pytest

from sokoul.demo import catalogue, contents, markup, releases, swarm
from sokoul.demo.misbehaviour import Misbehaviour, Rule, place
from sokoul.demo.prowlarr import terms
from sokoul.demo.titles import Title
from sokoul.demo.tracker import EXPIRY, Tracker, bencode
from sokoul.demo.web import Request, Response, Router


def request(path: str, query: bytes = b"", body: bytes = b"", content_type: str = "") -> Request:
    return Request("GET", path, {}, [], query, {"content-type": content_type}, body, "127.0.0.1")


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("ox", "Oxbow.Lake.2019", True),
        ("box", "Oxbow Lake", False),
        ("ete", "Été sans tramway", True),
        ("the keepers umbrella", "The Lighthouse Keeper's Umbrella", True),
        ("horloger", "L'Horloger", True),
        ("harbour cats s01", "Harbour.Cats.S01E02.1080p", True),
        ("", "anything", False),
        ("?!", "anything", False),
    ],
)
def test_search_matches_by_the_beginnings_of_words(query: str, text: str, found: bool) -> None:
    assert catalogue.matches(query, text) is found


def test_the_catalogue_has_what_a_ranker_must_not_confuse() -> None:
    names = [title.title[0] for title in catalogue.TITLES]
    assert names.count("Tin Comets") == 2
    assert len({(title.kind, title.tmdb_id) for title in catalogue.TITLES}) == len(names)
    assert len({title.tmdb_id for title in catalogue.TITLES}) < len(names)
    assert any(not title.genres and not title.released and not title.poster for title in catalogue.TITLES)


@pytest.mark.parametrize("film", [t for t in catalogue.TITLES if t.kind == "movie" and t.released], ids=lambda t: t.key)
def test_each_film_has_good_bad_and_dead_releases(film: Title) -> None:
    found = releases.of_title(film)
    assert len({release.key for release in found}) == len(found)
    for part in ("2160p", "1080p.BluRay.x264", "1080p.WEB-DL", "720p", "HDCAM"):
        assert any(part in release.name and release.seeders for release in found), part
    assert any(release.seeders == 0 for release in found)


def test_no_release_hides_another() -> None:
    count = sum(len(releases.of_title(title)) for title in catalogue.TITLES)
    assert len(releases.RELEASES) == count


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Robot & Teapot", "Robot.and.Teapot"),
        ("M.I.N.T.", "M.I.N.T"),
        ("What If the Sea Called?", "What.If.the.Sea.Called"),
        ("The Lighthouse Keeper's Umbrella", "The.Lighthouse.Keepers.Umbrella"),
        ("Été", "Ete"),
    ],
)
def test_titles_are_written_as_release_names_are(title: str, name: str) -> None:
    assert releases.dotted(title) == name


def test_categories_tell_film_from_series_and_resolution() -> None:
    names = {release.name: release.categories for release in releases.RELEASES.values()}
    assert names["Ox.2019.2160p.WEB-DL.DDP5.1.HDR.HEVC-AURORE"] == (2000, 2045)
    assert names["Ox.2019.HDCAM.x264-QUAI"] == (2000, 2030)
    assert names["Harbour.Cats.S02E03.High.Water.720p.HDTV.x264-QUAI"] == (5000, 5040)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_is_added_to_a_video_is_skippable_and_of_the_right_size(suffix: str) -> None:
    start, zeros = contents.filler(b"label", 1000, suffix)
    assert len(start) + zeros == 1000
    if suffix == ".mp4":
        assert (int.from_bytes(start[:4], "big"), start[4:8]) == (1000, b"free")
    else:
        assert (start[0], int.from_bytes(start[2:9], "big")) == (0xEC, 1000 - 9)
    assert contents.filler(b"label", -5, suffix)[0].endswith(b"label")


def test_random_content_is_always_the_same_for_its_label(tmp_path: Path) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        contents.write_random(tmp_path / name, label, 1_500_000)
    a, b, c = (hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in "abc")
    assert a == b != c
    assert (tmp_path / "a").stat().st_size == 1_500_000


@pytest.mark.parametrize(("total", "size"), [(1, 16384), (9_000_000, 32768), (40_000_000, 131072), (1 << 40, 1 << 20)])
def test_pieces_grow_with_the_torrent(total: int, size: int) -> None:
    assert swarm.piece_size(total) == size


def test_bencode_sorts_keys() -> None:
    assert bencode({b"b": [1, "x"], b"a": b"\xff"}) == b"d1:a1:\xff1:bli1e1:xee"


async def test_the_tracker_forgets_who_no_longer_speaks() -> None:
    now = [0.0]
    tracker = Tracker(clock=lambda: now[0])
    query = b"info_hash=" + b"h" * 20 + b"&peer_id=" + b"p" * 20 + b"&left=1&port="
    await tracker.announce(request("/announce", query + b"1000"))
    body = (await tracker.announce(request("/announce", query + b"2000"))).body
    assert b"10:incompletei2e" in body
    assert bytes([127, 0, 0, 1]) + (1000).to_bytes(2, "big") in body
    now[0] = EXPIRY + 1
    assert b"10:incompletei1e" in (await tracker.announce(request("/announce", query + b"2000"))).body


def test_telegram_html_becomes_text_and_entities() -> None:
    text, entities = markup.parse('🐌 <b>Ox <i>&lt;3</i></b> <a href="http://x">y</a>')
    assert text == "🐌 Ox <3 y"
    assert [(e["type"], e["offset"], e["length"]) for e in entities] == [
        ("bold", 3, 5), ("italic", 6, 2), ("text_link", 9, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["<script>x</script>", "<b><i>x</b></i>", "x</b>", "<b>x"])
def test_telegram_html_that_is_broken_is_refused(text: str) -> None:
    with pytest.raises(markup.MarkupError):
        markup.parse(text)


def test_a_fault_strikes_after_its_skips_and_as_often_as_asked() -> None:
    faults = Misbehaviour()
    faults.add(Rule.read({"provider": "tmdb", "kind": "html", "skip": 1, "times": 2, "path_prefix": "/movie"}))
    struck = [faults.strike(request(f"/tmdb/3/{path}")) is not None for path in ("movie/1", "tv/1", *["movie/1"] * 3)]
    assert struck == [False, False, True, True, False]


def test_a_bots_token_is_not_part_of_the_path() -> None:
    assert place("/telegram/bot1:x/sendMessage") == ("telegram", "sendMessage")
    assert place("/announce") == ("tracker", "")
    assert place("/control/health") == ("", "/control/health")


@pytest.mark.parametrize(
    ("query", "text"),
    [("Cats {Season:1}{Episode:2}", "Cats S01E02"), ("Cats {season:10}", "Cats S10"), ("Ox {TmdbId:5}", "Ox")],
)
def test_prowlarrs_marks_become_search_words(query: str, text: str) -> None:
    assert terms(query) == text


def test_forms_json_and_multipart_are_read_alike() -> None:
    form = request("/", body=b"chat_id=7&text=a%20b", content_type="application/x-www-form-urlencoded")
    assert form.fields() == {"chat_id": "7", "text": "a b"}
    parts = (
        b'--B\r\nContent-Disposition: form-data; name="text"\r\n\r\n\xc3\xa9\r\n'
        b'--B\r\nContent-Disposition: form-data; name="photo"; filename="p.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n\x00\xff\r\n--B--\r\n"
    )
    multipart = request("/", body=parts, content_type="multipart/form-data; boundary=B")
    assert multipart.fields() == {"text": "é", "photo": {"file": "p.jpg", "size": 2}}
    assert request("/", body=b'{"chat_id": 7}', content_type="application/json").fields() == {"chat_id": 7}


async def test_routes_narrow_their_parts() -> None:
    async def answer(_: Request) -> Response:
        return Response(b"here")

    router = Router()
    router.add("GET", r"/a.b/{kind:x|y}/{id:\d+}", answer)
    found = router.find("GET", "/a.b/x/12")
    assert found is not None
    assert found[1] == {"kind": "x", "id": "12"}
    for method, path in (("GET", "/aab/x/12"), ("GET", "/a.b/z/12"), ("GET", "/a.b/x/12/"), ("POST", "/a.b/x/12")):
        assert router.find(method, path) is None
