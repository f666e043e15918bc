"""Reading .torrent files and magnets that strangers wrote."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.downloads.engine import bencode, words
from apps.downloads.engine.metainfo import (
    MAX_FILES,
    MAX_TORRENT_BYTES,
    MAX_TRACKERS,
    Magnet,
    TorrentFile,
    parse_magnet,
    parse_torrent,
)
from apps.downloads.engine.video import impostors, is_sample, playable
from sokoul.errors import PermanentError
from sokoul.said import texts_of
from tests.swarm import KINDS, magnet_of, make_torrent

V1, V2 = "a1" * 20, "b2" * 32
PIECE = 16 << 10


def encode(tree: Any) -> bytes:
    return bytes(lt.bencode(tree))


def torrent_of(files: list[dict[bytes, Any]], name: bytes = b"Film") -> bytes:
    """A v1 torrent; the piece hashes are of the right number and of nothing."""
    total = sum(max(file[b"length"], 0) for file in files)
    pieces = bytes(20 * -(-total // PIECE))
    info: dict[bytes, Any] = {b"name": name, b"piece length": PIECE, b"pieces": pieces, b"files": files}
    return encode({b"info": info})


def entry(*path: bytes, length: int = 100, **more: bytes) -> dict[bytes, Any]:
    return {b"length": length, b"path": list(path)} | {name.encode(): value for name, value in more.items()}


def refusal(parse: Callable[[], object]) -> str:
    with pytest.raises(PermanentError) as refused:
        parse()
    assert refused.value.status == 400
    return refused.value.message


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_torrent_says(tmp_path: Path, kind: str) -> None:
    (tmp_path / "Film/subs").mkdir(parents=True)
    (tmp_path / "Film/film.mkv").write_bytes(b"x" * 40_000)
    (tmp_path / "Film/subs/fr.srt").write_bytes(b"y" * 10)
    data = make_torrent(
        tmp_path / "Film", kind=kind, piece=PIECE, trackers=("udp://tracker.example:80", "http://t.example/a")
    )
    meta = parse_torrent(data)
    expected = lt.torrent_info(data).info_hashes()
    assert (meta.info_hash_v1, meta.info_hash_v2) == (
        expected.v1.to_bytes().hex() if kind != "v2" else None,
        expected.v2.to_bytes().hex() if kind != "v1" else None,
    )
    assert {(file.path, file.size) for file in meta.files} == {("Film/film.mkv", 40_000), ("Film/subs/fr.srt", 10)}
    assert (meta.name, meta.total, meta.piece_length, meta.private) == ("Film", 40_010, PIECE, False)
    assert sorted(meta.trackers) == ["http://t.example/a", "udp://tracker.example:80"]


def test_pad_files_are_left_out_and_indexes_are_libtorrents() -> None:
    data = torrent_of([entry(b"a.mkv"), entry(b".pad", b"16284", length=16284, attr=b"p"), entry(b"b.mkv")])
    assert parse_torrent(data).files == (TorrentFile(0, "Film/a.mkv", 100), TorrentFile(2, "Film/b.mkv", 100))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "its end is missing"),
        (b"<html>not found</html>", "a number in it is malformed"),
        (b"le", "the part that describes its content is missing"),
        (b"d4:infod4:name4:Film", "its end is missing"),
        (b"d4:infoi1ee", "the part that describes its content is missing"),
        (b"d4:infode4:infodee", "it says the same thing twice"),
        (b"d4:infodee junk", "something follows its end"),
        (b"d1:a" + b"l" * 60 + b"e" * 60 + b"e", "it is nested too deeply"),
        (b"d1:al" + b"0:" * 600_000 + b"ee", "has too many parts"),
        (b"d1:a" + b"9" * 30 + b":e", "a number in it is malformed"),
        (b"d4:infod4:name4:Filmee", "piece length"),
        (b"0" * (MAX_TORRENT_BYTES + 1), "larger than 2 MB"),
    ],
)
def test_what_is_no_torrent_is_refused_in_words(data: bytes, why: str) -> None:
    assert why in refusal(lambda: parse_torrent(data))


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([entry(b"..", b"film.mkv")], "leads out of its folder"),
        ([entry(b"a", b"..", b"..", b"film.mkv")], "leads out of its folder"),
        ([entry(b"a\\..\\..\\film.mkv")], "leads out of its folder"),
        ([entry(b"a/../../film.mkv")], "leads out of its folder"),
        ([entry(b"/etc/passwd")], "an absolute path"),
        ([entry(b"C:\\film.mkv")], "an absolute path"),
        ([entry(b"a/film.mkv")], "no file name may hold"),
        ([entry(b"film.mkv\0.exe")], "no file name may hold"),
        ([entry(b"")], "has no name"),
        ([{b"length": 100}], "has no name"),
        ([entry(b"film.mkv"), entry(b"link", attr=b"l")], "symbolic links"),
        ([entry(b"film.mkv"), entry(b"film.mkv")], "the same name"),
        ([entry("é.mkv".encode()), entry("é.mkv".encode())], "the same name"),
        ([entry(b"a"), entry(b"a", b"film.mkv")], "the name of a folder"),
        ([entry(*[b"d"] * 30, b"film.mkv")], "nested too deeply"),
        ([entry(b"film.mkv", length=-1)], "invalid length"),
        ([entry(b"film.mkv", length=0), entry(b".pad", attr=b"p")], "all its files are empty"),
        ([entry(b"%d" % number, length=1) for number in range(MAX_FILES + 1)], "more than 10,000 files"),
    ],
)
def test_hostile_content_is_refused_in_words(files: list[dict[bytes, Any]], why: str) -> None:
    assert why in refusal(lambda: parse_torrent(torrent_of(files)))


@pytest.mark.parametrize("name", [b"..", b"/film", b"a/b"])
def test_a_hostile_name_of_the_whole_is_refused(name: bytes) -> None:
    assert "file name in it" in refusal(lambda: parse_torrent(torrent_of([entry(b"film.mkv")], name=name)))


def test_a_hostile_name_in_the_v2_tree_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.mkv").write_bytes(b"x" * 100)
    tree: Any = lt.bdecode(make_torrent(tmp_path / "film.mkv", kind="v2", piece=PIECE))
    leaf = tree[b"info"][b"file tree"].pop(b"film.mkv")
    tree[b"info"][b"file tree"] = {b"Film": {b"..": leaf}}
    assert "leads out of its folder" in refusal(lambda: parse_torrent(encode(tree)))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({b"pieces": bytes(21)}, "piece hashes"),
        ({b"pieces": b""}, "piece hashes"),
        ({b"piece length": 0}, "piece length"),
        ({b"piece length": -PIECE}, "piece length"),
        ({b"piece length": b"x"}, "piece length"),
        ({b"length": 1 << 62}, "torrent"),
        ({b"length": -1}, "length"),
        ({b"length": b"x"}, "torrent"),
        ({b"files": []}, "files"),
        ({b"files": [[]]}, "files"),
        ({b"files": [{b"length": 100, b"path": b"film.mkv"}]}, "missing name"),
        ({b"files": [{b"length": 100, b"path": [[b"film.mkv"]]}]}, "has no name"),
        ({b"name": [b"Film"]}, "has no name"),
        ({b"meta version": 3}, "version"),
        ({b"meta version": 2, b"file tree": {}}, "files"),
    ],
    ids=str,
)
def test_a_damaged_part_is_refused_in_words(changes: dict[bytes, Any], why: str) -> None:
    info = {b"name": b"Film", b"length": 100, b"piece length": PIECE, b"pieces": bytes(20)}
    parse_torrent(encode({b"info": info}))
    assert why in refusal(lambda: parse_torrent(encode({b"info": {**info, **changes}})))


@pytest.mark.parametrize("damage", [b"", b"\0" * 31, b"\0" * 32, b"\0" * 3200])
def test_wrong_hashes_of_pieces_are_refused(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "film.mkv").write_bytes(b"x" * 5 * PIECE)
    tree: Any = lt.bdecode(make_torrent(tmp_path / "film.mkv", kind="v2", piece=PIECE))
    tree[b"piece layers"] = dict.fromkeys(tree[b"piece layers"], damage)
    assert "piece layer" in refusal(lambda: parse_torrent(encode(tree)))


def test_more_than_two_terabytes_are_refused() -> None:
    info = {
        b"name": b"f",
        b"length": 3 << 40,
        b"piece length": 64 << 20,
        b"pieces": bytes(20 * (3 << 40) // (64 << 20)),
    }
    assert "larger than 2 TB" in refusal(lambda: parse_torrent(encode({b"info": info})))


def test_ten_thousand_files_are_accepted() -> None:
    assert (
        len(parse_torrent(torrent_of([entry(b"%d" % number, length=1) for number in range(MAX_FILES)])).files)
        == MAX_FILES
    )


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 300))
def test_no_bytes_crash_it(noise: bytes, at: int) -> None:
    good = torrent_of([entry(b"film.mkv"), entry(b"b", b"c.srt")])
    for data in (noise, good[:at] + noise + good[at:], good[:at]):
        with suppress(PermanentError):
            parse_torrent(data)


@given(
    st.recursive(
        st.integers(-(10**18), 10**18) | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.binary(), inner),
    )
)
def test_bencode_reads_what_libtorrent_writes(value: Any) -> None:
    assert bencode.decode(lt.bencode(value)) == value


def test_the_info_section_is_what_the_hash_is_made_from(tmp_path: Path) -> None:
    (tmp_path / "film.mkv").write_bytes(b"x" * 100)
    data = make_torrent(tmp_path / "film.mkv", trackers=("http://t.example/announce",))
    assert bencode.info_section(data) == lt.torrent_info(data).info_section()


@pytest.mark.parametrize("kind", KINDS)
def test_magnets_of_every_kind(tmp_path: Path, kind: str) -> None:
    (tmp_path / "film.mkv").write_bytes(b"x" * 100)
    torrent = make_torrent(tmp_path / "film.mkv", kind=kind)
    meta = parse_torrent(torrent)
    magnet = parse_magnet(magnet_of(torrent, "http://t.example/announce"))
    assert magnet == Magnet(meta.info_hash_v1, meta.info_hash_v2, "", ("http://t.example/announce",))


def test_equal_magnets_have_one_spelling() -> None:
    plain = parse_magnet(f"magnet:?xt=urn:btih:{V1}&dn=A+Film&tr=udp%3A%2F%2Ft.example%3A80&xt=urn:btmh:1220{V2}")
    base32 = "UGQ2DINBUGQ2DINBUGQ2DINBUGQ2DINB"
    odd = parse_magnet(
        f" MAGNET:?tr.1=udp://t.example:80&xt.1=urn:btmh:1220{V2.upper()}&xt.2=URN:BTIH:{base32}&dn=A%20Film&ws=http://x/&tr=udp://t.example:80\n"
    )
    assert plain.canonical() == odd.canonical()
    assert (
        plain.canonical() == f"magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{V2}&dn=A%20Film&tr=udp%3A%2F%2Ft.example%3A80"
    )
    assert parse_magnet(plain.canonical()) == plain


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://example.org/film.torrent",
        "magnet:?dn=film",
        "magnet:?xt=urn:btih:1234",
        f"magnet:?xt=urn:btih:{'0' * 40}",
        f"magnet:?xt=urn:btih:{'z' * 40}",
        f"magnet:?xt=urn:btmh:1220{V1}",
        f"magnet:?xt=urn:btmh:1114{V1}",
        f"magnet:?xt=urn:ed2k:{V1}",
        f"magnet:?xt=urn:btih:{V1}&xt=urn:btih:{'c3' * 20}",
        f"magnet:?xt=urn:btih:{V1}&dn=" + "x" * 40_000,
        f"magnet:?xt=urn:btih:{V1}" + "&tr=x" * 600,
    ],
)
def test_what_is_no_magnet_is_refused_in_words(text: str) -> None:
    assert "magnet" in refusal(lambda: parse_magnet(text))


def test_a_magnets_trackers_are_at_most_fifty_each_once_and_usable() -> None:
    good = [f"http://t{number}.example/announce" for number in range(MAX_TRACKERS + 10)]
    bad = [
        "",
        "file:///etc/passwd",
        "gopher://t.example/",
        "http://",
        "http://t.example:99999/a",
        "javascript:alert(1)",
    ]
    text = f"magnet:?xt=urn:btih:{V1}" + "".join(f"&tr={url}" for url in bad + good[:1] + good)
    assert parse_magnet(text).trackers == tuple(good[:MAX_TRACKERS])


def test_a_magnets_name_is_made_printable_and_short() -> None:
    assert parse_magnet(f"magnet:?xt=urn:btih:{V1}&dn=a%00b%0ac{'d' * 400}").name == "abc" + "d" * 252


def names_of(files: tuple[TorrentFile, ...]) -> list[str]:
    return [file.path for file in files]


def test_playable_is_video_without_samples_largest_first() -> None:
    files = [
        entry(b"Sample", b"film.mkv", length=9000),
        entry(b"film-sample.mkv", length=8000),
        entry(b"extra.mp4", length=10),
        entry(b"Samples of Life.MKV", length=500),
        entry(b"film.nfo"),
    ]
    assert names_of(playable(parse_torrent(torrent_of(files)))) == ["Film/Samples of Life.MKV", "Film/extra.mp4"]


def test_a_release_of_nothing_but_a_sample_named_video_is_played_as_that() -> None:
    assert names_of(playable(parse_torrent(torrent_of([entry(b"sample.mkv")])))) == ["Film/sample.mkv"]
    assert not playable(parse_torrent(torrent_of([entry(b"film.rar")])))


def test_the_torrents_own_name_makes_no_sample() -> None:
    assert not is_sample(TorrentFile(0, "The.Sample.2020/film.mkv", 1))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([entry(b"Film.2020.mkv.exe")], ["Film/Film.2020.mkv.exe"]),
        ([entry(b"film.mp4 .SCR"), entry(b"film.mp4", length=500)], ["Film/film.mp4 .SCR"]),
        ([entry(b"Film.lnk", length=900), entry(b"film.mkv", length=500)], ["Film/Film.lnk"]),
        ([entry(b"notes.exe", length=1), entry(b"film.mkv", length=500)], []),
        ([entry(b"film.com.mkv", length=500)], []),
    ],
)
def test_programs_that_pose_as_the_film(files: list[dict[bytes, Any]], expected: list[str]) -> None:
    assert names_of(impostors(parse_torrent(torrent_of(files)))) == expected


def test_what_is_put_into_words_is_what_libtorrent_or_the_system_says() -> None:
    """By its own tables of errors, so that a release of it that says something else is noticed."""
    torrent, system = lt.libtorrent_category(), lt.system_category()
    said = {lt.error_code(number, category).message() for category in (torrent, system) for number in range(1, 200)}
    assert words.TEXTS.issubset(said)


def test_why_libtorrent_refuses_a_torrent_is_told_in_every_language() -> None:
    tree = {b"info": {b"name": b"Film", b"piece length": PIECE, b"length": 100, b"pieces": bytes(40)}}
    with pytest.raises(PermanentError) as refused:
        parse_torrent(encode(tree))
    assert texts_of(refused.value.message) == {
        "en": "This torrent is refused: incorrect number of piece hashes in torrent file. Take another release.",
        "fr": "Ce torrent est refusé\xa0: le nombre de ses sommes de contrôle est faux. Prenez une autre version.",
    }
