"""Whatever strangers write, a parser reads it or says in its own words that it cannot: never another error, never for long.

Unicode, names and limits of each parser are its own test file's; here is only what no input may do.
"""

import asyncio
import copy
import ipaddress
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import libtorrent as lt
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.channels import apprise, webhook
from apps.accounts.models import Role, User
from apps.bot import incoming
from apps.downloads.engine import bencode
from apps.downloads.engine.metainfo import MAX_MAGNET_CHARS, MAX_TORRENT_BYTES, parse_magnet, parse_torrent
from apps.downloads.indexers import prowlarr, torznab, xml
from apps.downloads.indexers.torznab import Feed
from apps.downloads.releases.parse import parse as parse_release
from apps.downloads.streaming import span
from apps.feed.consumer import FeedConsumer
from sokoul import client_ip, http, request_id
from sokoul.errors import PermanentError, SokoulError, TransientError
from tests.swarm import KINDS, make_torrent

# Of this process's processor time: what other processes do meanwhile does not count.
SECONDS = 2.0
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
)
FEED = Feed("feed", "http://feed.example/api", "a-key")
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES") or 0)  # of `make fuzz`; without, few and the same each time
WRITTEN = settings(
    deadline=None,
    max_examples=10 * EXAMPLES or 40,
    derandomize=not EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@contextmanager
def soon() -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < SECONDS


def mixed(*words: str) -> st.SearchStrategy[str]:
    """Text made of the words that a grammar knows, and of noise."""
    return st.lists(st.sampled_from(words) | st.text(max_size=8), max_size=30).map("".join)


# .torrent files: good ones with any part replaced, repeated or taken out


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("torrents") / "Film"
    (folder / "subs").mkdir(parents=True)
    (folder / "film.mkv").write_bytes(b"x" * 100_000)
    (folder / "subs" / "fr.srt").write_bytes(b"y" * 10)
    return [make_torrent(folder, kind=kind, piece=16 << 10, trackers=("udp://t.example:80",)) for kind in KINDS]


def places(tree: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything in a tree."""
    found: list[tuple[Any, Any]] = []
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else []
    for key in keys:
        found += [(tree, key), *places(tree[key])]
    return found


ODD = (
    st.integers(-(2**63), 2**63 - 1)
    | st.binary(max_size=40)
    | st.sampled_from(
        [b"", b"..", b"/", b"\\", b"\xff\xfe", b"a\0b", b"con", b" ", "\u202egpj.exe".encode(), b"x" * 5000]
    )
    | st.lists(st.binary(max_size=5), max_size=3)
    | st.dictionaries(st.binary(max_size=5), st.binary(max_size=5), max_size=3)
)


@WRITTEN
@given(data=st.data())
def test_any_part_of_a_torrent_may_be_anything(good: list[bytes], data: st.DataObject) -> None:
    tree = copy.deepcopy(bencode.decode(data.draw(st.sampled_from(good))))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(tree)))
        if data.draw(st.booleans()) or isinstance(container, list):
            container[key] = data.draw(ODD)
        else:
            del container[key]
            container[data.draw(st.sampled_from([b"", b"attr", b"symlink path", b"path", b"length"]))] = data.draw(ODD)
    written = bytes(lt.bencode(tree))
    with soon(), suppress(PermanentError):
        meta = parse_torrent(written)
        assert meta.files
        assert not any(part in ("", ".", "..") for file in meta.files for part in file.path.split("/"))


@pytest.mark.parametrize(
    "written",
    [
        b"l" * MAX_TORRENT_BYTES,
        b"d4:infod5:filesl" + b"de" * 500_000 + b"eee",
        b"d4:infod4:name" + b"1999000:" + b"/" * 1_999_000 + b"ee",
        b"d4:info" + b"d0:" * 500_000,
        b"i" + b"9" * 1_000_000 + b"e",
        b"d" + b"".join(b"6:%06di0e" % number for number in range(150_000)) + b"e",
    ],
    ids=["deep", "many", "slashes", "tree", "number", "keys"],
)
def test_no_torrent_takes_long(written: bytes) -> None:
    with soon(), pytest.raises(PermanentError):
        parse_torrent(written)


# Magnets, release names, ranges, addresses


@WRITTEN
@given(
    mixed(
        "magnet:?", "xt=", "xt.1=", "urn:btih:", "urn:btmh:1220", "a" * 40, "b" * 64, "&", "tr=", "dn=", "%", "%00", ";"
    )
)
def test_any_text_is_a_magnet_or_none(text: str) -> None:
    for link in (text, f"magnet:?xt=urn:btih:{'a' * 40}&{text}"):
        with suppress(PermanentError):
            magnet = parse_magnet(link)
            assert parse_magnet(magnet.canonical()).canonical() == magnet.canonical()


@pytest.mark.parametrize("part", ["&", "tr=udp://t.example/&", "%25", "xt=urn:btih:&", "&tr=http://[", "xt.", "=" * 7])
def test_no_magnet_takes_long(part: str) -> None:
    with soon(), suppress(PermanentError):
        parse_magnet(("magnet:?" + part * MAX_MAGNET_CHARS)[:MAX_MAGNET_CHARS])


@pytest.mark.parametrize(
    "part",
    [
        "S01E01",
        "E01-",
        "1x01 ",
        "2019.",
        "(",
        "[a]",
        "-",
        ".",
        "S01-",
        "1080p ",
        "a.b-c ",
        "01.",
        "第1季",
        "\u0301",
        "Part 1 & ",
    ],
)
def test_no_release_name_takes_long(part: str) -> None:
    with soon():
        parse_release(part * 2000)


@WRITTEN
@given(mixed("bytes", "=", "-", ",", "0", "9" * 30, "٣", " "), st.integers(0, 2**60))
def test_any_range_lies_within_the_file_or_is_none(header: str, size: int) -> None:
    with suppress(PermanentError):
        wanted = span(header, size)
        assert wanted is None or 0 <= wanted[0] < wanted[1] <= size


@WRITTEN
@given(
    st.text(), mixed("127.0.0.1", "10.0.0.1:80", "[::1]", "fe80::1%eth0", "::ffff:1.2.3.4", ",", " ", "unknown", ":")
)
def test_any_forwarded_address_is_one_or_is_not_believed(peer: str, forwarded: str) -> None:
    assert client_ip.resolve(peer, forwarded) == (str(found) if (found := client_ip.parse(peer)) else None)
    assert client_ip.resolve("127.0.0.1", forwarded) == "127.0.0.1", "loopback is no trusted proxy here"
    if address := client_ip.parse(forwarded):
        assert ipaddress.ip_address(str(address)) == address, "PostgreSQL could not keep it"
    assert request_id.accept(forwarded)


def test_no_forwarded_header_takes_long() -> None:
    with soon():
        client_ip.resolve("127.0.0.1", "1.2.3.4," * 8000)


# Indexers


@WRITTEN
@given(st.binary(), st.text())
def test_any_bytes_are_xml_or_are_not(noise: bytes, text: str) -> None:
    for data in (
        noise,
        text.encode(errors="replace"),
        b"<rss>" + noise + b"</rss>",
        b"<?xml version='1.0' encoding='" + noise + b"'?><a/>",
    ):
        with suppress(xml.BadXmlError):
            xml.parse(data)


TAGS = ("title", "guid", "link", "pubDate", "size", "comments")


@WRITTEN
@given(
    st.lists(st.tuples(st.sampled_from(TAGS), st.text())),
    st.dictionaries(st.sampled_from(["seeders", "peers", "infohash", "magneturl", "size"]), st.text()),
    st.fixed_dictionaries({"url": st.text(), "length": st.text(), "type": st.text()}),
)
def test_any_item_of_a_feed_is_an_offer_or_none(
    inside: list[tuple[str, str]], attributes: dict[str, str], enclosure: dict[str, str]
) -> None:
    item = xml.Element("item")
    for tag, text in inside:
        child = xml.Element(tag)
        child.text = text
        item.append(child)
    item.append(xml.Element("enclosure", enclosure))
    item.extend([xml.Element("{u}attr", {"name": name, "value": value}) for name, value in attributes.items()])
    checked(torznab._offer(FEED, item))
    torznab._read_caps(item)
    assert isinstance(torznab._error(FEED, xml.Element("error", {"code": enclosure["length"]})), SokoulError)


FIELDS = (
    "title",
    "guid",
    "protocol",
    "indexer",
    "size",
    "seeders",
    "leechers",
    "infoHash",
    "downloadUrl",
    "magnetUrl",
    "publishDate",
)


@WRITTEN
@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON)
def test_any_row_of_prowlarr_is_an_offer_or_none(row: Any) -> None:
    checked(prowlarr._offer(row, "one"))
    with suppress(TransientError):
        prowlarr._rows(row)


def checked(found: Any) -> None:
    """What may go into a row."""
    if found is not None:
        assert found.title
        assert 0 <= found.size < 2**63
        assert 0 <= found.seeders <= found.peers < 2**31
        assert "\0" not in f"{found.title}{found.guid}{found.download_url}{found.page_url}"
        f"{found.title}{found.guid}{found.download_url}{found.page_url}".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"<a>" * 100_000,
        b"<a " + b"b='c' " * 300_000 + b"/>",
        b"<a>" + b"&" * 1_000_000,
        b"<a>" + b"&eacute;" * 500_000 + b"</a>",
        b"<a>" * 100_000 + b"</a>" * 100_000,
        b"<" * 1_000_000,
        b"<a xmlns:" + b"a" * 1_000_000 + b"='b'/>",
    ],
    ids=["deep", "attributes", "ampersands", "entities", "nested", "open", "namespace"],
)
def test_no_xml_takes_long(data: bytes) -> None:
    with soon(), suppress(xml.BadXmlError):
        xml.parse(data)


@WRITTEN
@given(st.binary())
def test_any_answer_is_json_or_a_transient_error(body: bytes) -> None:
    with suppress(TransientError):
        http.Response("Somebody", 200, {}, body).json()


@WRITTEN
@given(st.text())
def test_any_retry_after_is_seconds_or_nothing(text: str) -> None:
    assert (http.retry_after(text) or 0.0) >= 0.0


# Telegram, sockets, webhooks


PART = st.fixed_dictionaries(
    {},
    optional={
        "message_id": st.integers() | JSON,
        "id": st.integers() | st.text(),
        "date": st.integers(),
        "chat": st.fixed_dictionaries({"id": st.integers(), "type": st.text()}) | JSON,
        "from": st.fixed_dictionaries(
            {"id": st.integers()}, optional={"first_name": st.text(), "language_code": st.text()}
        )
        | JSON,
        "text": st.text() | JSON,
        "data": st.text(),
        "new_chat_member": st.just({"status": "kicked"}),
        "message": st.fixed_dictionaries({"message_id": st.integers(), "chat": st.just({"id": 1, "type": "private"})}),
    },
)


@WRITTEN
@given(JSON | st.fixed_dictionaries({"update_id": st.integers()}, optional=dict.fromkeys(incoming.ALLOWED, PART)))
def test_any_update_of_telegram_is_read_or_left(update: Any) -> None:
    found = incoming.read(update)
    if found is not None:
        kept = orjson.dumps(found.model_dump()).decode()
        assert "\\u0000" not in kept
        assert len(found.text) <= incoming.LONGEST_TEXT


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@WRITTEN
@given(
    st.text()
    | JSON.map(json.dumps)
    | st.builds(lambda kind, data: f'{{"type": {kind}, "data": {data}, "last_event_id": {data}}}',
                st.sampled_from(['"ping"', '"pong"', '"resume"', "[]", "{}", "null", '"x"']),
                st.sampled_from(["null", "-1", "1e999", '"1"', "true", "9" * 400, nested(200), nested(600), nested(5000)]))
)  # fmt: skip
def test_any_message_of_a_client_is_answered_or_left(text: str) -> None:
    told: list[str] = []

    async def say() -> None:
        consumer = FeedConsumer(authenticate=nobody, living=nobody)
        consumer._queue = told.append  # type: ignore[method-assign]
        await consumer.receive(text_data=text)
        await consumer.receive(bytes_data=text.encode(errors="replace"))

    asyncio.run(say())
    assert all(orjson.loads(message)["type"] in ("pong", "error") for message in told)
    assert told or '"pong"' in text


def nobody(*_: Any) -> Any:
    raise AssertionError("nobody asks")


@pytest.fixture
def without_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is known to anybody."""

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)


@WRITTEN
@pytest.mark.usefixtures("without_names")
@given(
    mixed(
        "http://",
        "https://",
        "a.example",
        "127.0.0.1",
        "[::1]",
        ":",
        "@",
        "/",
        "?",
        "#",
        "%",
        "0x7f.1",
        "xn--",
        "é",
        "\\",
    )
    | st.text()
)
def test_any_address_of_a_webhook_is_good_or_refused_in_words(url: str) -> None:
    for check in checks():
        with suppress(PermanentError):
            check(url)


def checks() -> list[Callable[[str], None]]:
    users = [User(username="a", role=role) for role in Role.values]
    return [webhook.check, *((lambda url, user=user: apprise.check(url, user)) for user in users)]
