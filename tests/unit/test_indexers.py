"""Indexers' answers read, keys kept out, pages counted, questions asked in the feed's own words."""

from datetime import UTC, datetime

import pytest

from apps.downloads.indexers import caps, offer, pauses, prowlarr, refusals, torznab, xml
from apps.downloads.indexers.caps import Caps
from apps.downloads.indexers.offer import Batch, Offer
from apps.downloads.indexers.paging import MAX_PAGES, Slice, first_answer, read_all
from apps.downloads.indexers.questions import Question, as_prowlarr, questions
from apps.downloads.indexers.refusals import KeyRefusedError, LimitReachedError, QuestionRefusedError, SpentError
from apps.downloads.indexers.torznab import Feed
from apps.downloads.indexers.turn import Turn
from apps.downloads.indexers.wish import Wish, spelled
from apps.media.models import Kind
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError

KEY = "0123456789abcdef"
FEED = Feed("Feed", "http://feed/api", KEY)
V1, V2 = "ab" * 20, "cd" * 32
FILM = Wish(Kind.MOVIE, "The Film", "Le Film", 2010, imdb_id="tt0000001")
EPISODE = Wish(Kind.TV, "The Series", season=1, episode=2)

ITEM = f"""<rss xmlns:t="http://torznab.com/schemas/2015/feed" xmlns:n="http://www.newznab.com/DTD/2010/feeds/attributes/">
<channel><n:response offset="0" total="321"/><item>
 <title> The.Film.2010.1080p  </title><guid>https://feed/details/7</guid><link>https://feed/dl/7?apikey={KEY}</link>
 <comments>https://feed/details/7</comments><pubDate>Sat, 14 Mar 2015 17:10:42 -0400</pubDate>
 <enclosure url="https://feed/dl/7?apikey={KEY}&amp;x=1" length="123" type="application/x-bittorrent"/>
 <t:attr name="seeders" value="5"/><t:attr name="peers" value="9"/><t:attr name="infohash" value="{V1.upper()}"/>
</item></channel></rss>"""


def item(inside: str) -> Offer | None:
    root = xml.parse(f"<item xmlns:t='u'><title>T</title><guid>g</guid>{inside}</item>".encode())
    return torznab._offer(FEED, root)


def test_an_item_of_a_feed() -> None:
    root = xml.parse(ITEM.encode())
    found = torznab._offer(FEED, root.findall("channel/item")[0])
    assert found is not None
    assert found.published_at is not None
    assert found.published_at.isoformat() == "2015-03-14T21:10:42+00:00"
    assert (found.title, found.indexer, found.size, found.seeders, found.peers) == (
        "The.Film.2010.1080p", "Feed", 123, 5, 9,
    )  # fmt: skip
    assert (found.info_hash_v1, found.key) == (V1, f"btih:{V1}")
    assert found.download_url == "https://feed/dl/7?apikey={apikey}&x=1"
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    ("inside", "v1", "v2"),
    [
        (f"<link>magnet:?xt=urn:btih:{V1}</link>", V1, None),
        (f"<enclosure url='magnet:?xt=urn:btmh:1220{V2}'/>", None, V2),
        (f"<t:attr name='magneturl' value='magnet:?xt=urn:btih:{V1}&amp;xt=urn:btmh:1220{V2}'/>", V1, V2),
        (f"<t:attr name='infohash' value='{V2}'/>", None, V2),
    ],
)
def test_hashes_come_from_wherever_they_stand(inside: str, v1: str | None, v2: str | None) -> None:
    found = item(inside)
    assert found is not None
    assert (found.info_hash_v1, found.info_hash_v2) == (v1, v2)


@pytest.mark.parametrize(
    "inside",
    ["", "<link></link>", "<link>ftp://x/y</link>", "<link>magnet:?dn=none</link>", "<t:attr name='infohash' value='zz'/>",
     "<enclosure url='http://x/y.nzb' type='application/x-nzb'/>"],
)  # fmt: skip
def test_what_cannot_be_fetched_is_no_offer(inside: str) -> None:
    assert item(inside) is None


def test_nothing_that_postgresql_cannot_keep_comes_in() -> None:
    found = offer.build(title="a\x00b", indexer="i", guid="g\x00", links=["http://x/\x00y"], page_url="http://x/\x00")
    assert found is not None
    assert "\\x00" not in repr(found)


def test_odd_numbers_and_dates_are_unknown() -> None:
    found = item(
        "<link>http://x/y</link><size>a lot</size><pubDate>yesterday</pubDate><t:attr name='seeders' value='-3'/>"
        f"<t:attr name='peers' value='{'9' * 18}'/>"
    )
    assert found is not None
    assert (found.size, found.published_at, found.seeders, found.peers) == (0, None, 0, 2**31 - 1)


def test_a_key_is_taken_out_and_put_back() -> None:
    url = f"http://host/{KEY}/x?apikey={KEY}&p=a%2Fb"
    bare = offer.strip_key(url, (KEY, "other"))
    assert bare == "http://host/{apikey}/x?apikey={apikey}&p=a%2Fb"
    assert offer.add_key(bare, KEY) == url
    assert offer.strip_key("http://host/?k=a%2Bb", ("a+b",)) == "http://host/?k={apikey}"
    assert offer.strip_key("http://host/", ("",)) == "http://host/"


def test_an_indexer_cannot_ask_for_a_key() -> None:
    assert "{apikey}" not in offer.strip_key("http://evil/?x={apikey}", (KEY,))


@pytest.mark.parametrize(
    "data",
    [b"", b"<html><body>no", b"not xml", b"<a><b></a>", b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
     '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16"), b"<?xml version='1.0' encoding='x'?>"],
)  # fmt: skip
def test_bad_xml_is_refused(data: bytes) -> None:
    with pytest.raises(xml.BadXmlError):
        xml.parse(data)


def test_xml_with_usual_faults_is_mended() -> None:
    root = xml.parse(b"\n<?xml version='1.0'?><a><b>R&B \x07 &eacute; &lt;i&gt; &szlig;&nope; &#233;</b></a>")
    assert root.findtext("b") == "R&B  é <i> ß&nope; é"


def test_too_many_elements_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "MAX_ELEMENTS", 3)
    with pytest.raises(xml.BadXmlError, match="too many"):
        xml.parse(b"<a><b/><b/><b/></a>")


@pytest.mark.parametrize(
    ("code", "kind"), [(100, PermanentError), (201, PermanentError), (500, TransientError), (900, TransientError)]
)
def test_errors_of_a_feed(code: int, kind: type[Exception]) -> None:
    error = torznab._error(FEED, xml.parse(f'<error code="{code}" description="Wrong key {KEY}"/>'.encode()))
    assert isinstance(error, kind)
    assert KEY not in str(error)


def test_capabilities() -> None:
    root = xml.parse(
        b"<caps><limits max='50'/><searching><search available='yes' supportedParams='q'/>"
        b"<tv-search available='no' supportedParams='q'/><movie-search available='yes' supportedParams='q, imdbid'/></searching>"
        b"<categories><category id='2000'><subcat id='2040'/></category><category id='x'/></categories></caps>"
    )
    able = torznab._read_caps(root)
    assert (able.limit, able.categories) == (50, (2000, 2040))
    assert able.parameters("movie-search") == {"q", "imdbid"}
    assert able.parameters("tv-search") == frozenset()
    assert torznab._read_caps(xml.parse(b"<caps/>")) == Caps()


def test_a_film_is_asked_for_by_number_and_then_by_name() -> None:
    able = Caps(modes=(("movie-search", frozenset({"q", "imdbid"})),))
    assert questions(FILM, able) == [
        {"t": "movie", "imdbid": "tt0000001"}, {"t": "movie", "q": "The Film 2010"}, {"t": "movie", "q": "Le Film 2010"},
    ]  # fmt: skip
    assert questions(FILM, Caps())[0] == {"t": "search", "q": "The Film 2010"}


def test_an_episode_is_asked_for_as_the_feed_can() -> None:
    able = Caps(modes=(("tv-search", frozenset({"q", "season", "ep"})),))
    assert questions(EPISODE, able) == [{"t": "tvsearch", "q": "The Series", "season": 1, "ep": 2}]
    assert questions(EPISODE, Caps()) == [{"t": "search", "q": "The Series S01E02"}]
    season = Wish(Kind.TV, "The Series", season=0)
    assert questions(season, Caps()) == [{"t": "search", "q": "The Series S00"}]


def test_titles_are_spelled_as_releases_spell_them() -> None:
    assert spelled("Schindler’s List: “Ünited” & more_x") == "Schindlers List United and more x"
    assert spelled("千と千尋") == "千と千尋"
    assert Wish(Kind.MOVIE, "Up", "Up", 2009).texts == ["Up 2009"]


def pages(*sizes: int, total: int | None = None, same: bool = False) -> tuple[list[int], object]:
    asked: list[int] = []

    def fetch(offset: int, seconds: float) -> Slice:
        assert seconds > 0
        asked.append(offset)
        size = sizes[min(len(asked), len(sizes)) - 1]
        first = 0 if same else offset
        return Slice([Offer("t", "i", f"{first + n}", download_url="u") for n in range(size)], size, total)

    return asked, fetch


def test_pages_are_read_to_the_end() -> None:
    asked, fetch = pages(10, 10, 3)
    batch = read_all("i", fetch, 10, 1e12)  # type: ignore[arg-type]
    assert (asked, len(batch.offers), batch.warnings) == ([0, 10, 20], 23, [])
    asked, fetch = pages(5, total=10)
    assert len(read_all("i", fetch, 100, 1e12).offers) == 10  # type: ignore[arg-type]


def test_endless_pages_end_at_fifty_with_a_warning() -> None:
    asked, fetch = pages(10)
    batch = read_all("i", fetch, 10, 1e12)  # type: ignore[arg-type]
    assert (len(asked), len(batch.offers)) == (MAX_PAGES, 500)
    assert MAX_PAGES == 50
    assert "more than 50 pages" in batch.warnings[0]


def test_pages_that_repeat_themselves_end_with_a_warning() -> None:
    asked, fetch = pages(10, same=True)
    batch = read_all("i", fetch, 10, 1e12)  # type: ignore[arg-type]
    assert (len(asked), len(batch.offers)) == (2, 10)
    assert "repeat" in batch.warnings[0]


def test_a_later_page_that_fails_leaves_the_earlier_ones() -> None:
    _, good = pages(10)

    def fetch(offset: int, seconds: float) -> Slice:
        if offset >= 20:
            raise TransientError("i answered 500.")
        return good(offset, seconds)  # type: ignore[operator, no-any-return]

    batch = read_all("i", fetch, 10, 1e12)
    assert len(batch.offers) == 20
    assert batch.warnings == ["i: only part of its results, page 3 is missing (i answered 500.)."]


def test_a_first_page_that_fails_is_an_error() -> None:
    def fetch(offset: int, seconds: float) -> Slice:
        raise TransientError("no")

    with pytest.raises(TransientError):
        read_all("i", fetch, 10, 1e12)


# --- numbers, Prowlarr's marks, what indexers can do, headers ------------------------------------------------------------


def test_a_title_is_asked_for_by_one_number_that_the_indexer_knows() -> None:
    film = Wish(Kind.MOVIE, "The Film", year=2010, imdb_id="tt0000001", tmdb_id=7)
    only_tmdb = Caps(modes=(("movie-search", frozenset({"q", "tmdbid"})),))
    assert questions(film, only_tmdb)[0] == {"t": "movie", "tmdbid": 7}
    both = Caps(modes=(("movie-search", frozenset({"imdbid", "tmdbid"})),))
    assert questions(film, both) == [{"t": "movie", "imdbid": "tt0000001"}, {"t": "search", "q": "The Film 2010"}]
    episode = Wish(Kind.TV, "The Series", season=1, episode=2, imdb_id="tt0000002", tvdb_id=9)
    able = Caps(modes=(("tv-search", frozenset({"q", "season", "ep", "tvdbid", "imdbid"})),))
    assert questions(episode, able) == [
        {"t": "tvsearch", "tvdbid": 9, "season": 1, "ep": 2}, {"t": "tvsearch", "q": "The Series", "season": 1, "ep": 2},
    ]  # fmt: skip
    without_episodes = Caps(modes=(("tv-search", frozenset({"q", "tvdbid"})),))
    assert questions(episode, without_episodes) == [{"t": "search", "q": "The Series S01E02"}]


def test_prowlarr_is_told_numbers_in_braces() -> None:
    assert as_prowlarr({"t": "movie", "imdbid": "tt1"}) == {"type": "movie", "query": "{ImdbId:tt1}"}
    asked = as_prowlarr({"t": "tvsearch", "q": "The Series", "season": 1, "ep": 2})
    assert asked == {"type": "tvsearch", "query": "The Series {Season:1}{Episode:2}"}


def test_what_an_indexer_can_do_is_kept_and_read_again() -> None:
    able = Caps(50, (("search", frozenset({"q"})), ("movie-search", frozenset({"q", "imdbid"}))), (2000, 2040))
    assert caps.read(able.to_json()) == able
    assert [caps.read(damaged) for damaged in ({}, [], {"limit": "x", "modes": {}, "categories": []}, None)] == [
        None
    ] * 4
    assert caps.made(0, [], []) == Caps()
    told = prowlarr._Capabilities.model_validate(
        {
            "limitsMax": 40, "searchParams": ["q"], "movieSearchParams": ["q", "imdbId"], "tvSearchParams": None,
            "categories": [{"id": 2000, "subCategories": [{"id": 2040}]}],
        }
    )  # fmt: skip
    assert told.caps().parameters("movie-search") == {"q", "imdbid"}
    assert (told.caps().limit, told.caps().categories, told.caps().below(5000)) == (40, (2000, 2040), [])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0), ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "60"}, 0), ({"retry-after": "5"}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "60"}, 60), ({"ratelimit-remaining": "0"}, 300),
        ({"ratelimit": '"day";r=0;t=90'}, 90), ({"ratelimit": '"day";r=4;t=90'}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"}, 86400),
        ({"x-ratelimit-remaining": "none", "x-ratelimit-reset": "soon"}, 0),
    ],
)  # fmt: skip
def test_headers_say_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    assert pauses.told(headers) == seconds


def test_a_turn_ends_where_headers_or_limits_say() -> None:
    asked = Turn("Feed", 1e12, calls=1)
    with asked.call():
        pass
    with pytest.raises(SpentError), asked.call():
        pass
    limited = Turn("Feed", 1e12)
    limited.hear({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "60"})
    with pytest.raises(LimitReachedError) as error, limited.call():
        pass
    assert error.value.retry_after == 60


def test_newznabs_own_count_of_the_day() -> None:
    def pause(most: int, now: int) -> float:
        root = xml.parse(
            f"<rss xmlns:n='u'><channel><n:apilimits apiCurrent='{now}' apiMax='{most}'/></channel></rss>".encode()
        )
        return torznab._limits_reached(root)

    assert (pause(100, 99), pause(100, 100), pause(0, 0)) == (0, 3600, 0)


def test_a_question_that_is_refused_leads_to_the_next() -> None:
    def ask(question: Question) -> Batch:
        if "imdbid" in question:
            raise QuestionRefusedError("no such function")
        return Batch([Offer("t", "i", "g", download_url="u")])

    assert len(first_answer([{"t": "movie", "imdbid": "tt1"}, {"t": "search", "q": "x"}], ask).offers) == 1
    with pytest.raises(QuestionRefusedError):
        first_answer([{"t": "movie", "imdbid": "tt1"}], ask)


def test_what_a_no_means() -> None:
    kinds = {code: type(refusals.of_document("Feed", code, "", KEY)) for code in (100, 101, 201, 500, 501, 429, 900)}
    assert kinds == {
        100: KeyRefusedError, 101: KeyRefusedError, 201: QuestionRefusedError, 500: LimitReachedError, 501: LimitReachedError,
        429: LimitReachedError, 900: TransientError,
    }  # fmt: skip
    assert isinstance(refusals.of_document("Feed", 910, "Daily request limit reached", KEY), LimitReachedError)


def test_prowlarrs_indexers_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "torznab_feeds", {"Feed": ("http://feed/api", KEY)})
    entry = prowlarr._Indexer(id=7, name="Feed")
    assert prowlarr._name(entry, set()) == "Feed (Prowlarr 7)"
    assert prowlarr._name(prowlarr._Indexer(id=8, name="Other"), {"Other"}) == "Other (Prowlarr 8)"
    assert prowlarr._name(prowlarr._Indexer(id=9, name="Other"), set()) == "Other"


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("Sat, 14 Mar 2015 17:10:42 -0400", "2015-03-14 21:10:42+00:00"),
        ("Sat, 14 Mar 2015 17:10:42 +2359", "2015-03-13 17:11:42+00:00"),  # PostgreSQL knows no such zone
        ("Fri, 31 Dec 9999 23:59:59 -1200", None),  # a year that PostgreSQL keeps and Python cannot read
        ("Fri, 31 Dec 9999 23:59:59 +0000", None),
        ("soon", None),
    ],
)
def test_a_day_of_publication_is_one_that_can_be_kept_and_read(told: str, kept: str | None) -> None:
    item = xml.parse(ITEM.replace("Sat, 14 Mar 2015 17:10:42 -0400", told).encode()).find("channel/item")
    assert item is not None
    found = torznab._offer(FEED, item)
    assert found is not None
    assert found.published_at == (datetime.fromisoformat(kept) if kept else None)
    assert found.published_at is None or found.published_at.tzinfo is UTC


def test_capabilities_without_end_are_cut() -> None:
    modes = ((f"mode{number}", ["q", "x" * 1000, *map(str, range(1000))]) for number in range(1000))
    found = caps.made(100, modes, range(200_000))
    assert len(str(found.to_json())) < 30_000
    assert found.parameters("mode0") > {"q"}
