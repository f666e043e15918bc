"""What a .torrent file or a magnet says, read under limits: strangers wrote it.

libtorrent repairs hostile names silently; here they are refused in words, so that nobody downloads a trap.
Sources: BEP 3 (v1), BEP 52 (v2), BEP 47 (pad files, symlinks), BEP 9 (magnets).
"""

import base64
import binascii
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import libtorrent as lt
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.downloads.engine import bencode
from apps.downloads.engine.words import spoken
from sokoul.errors import PermanentError
from sokoul.said import said

MAX_TORRENT_BYTES = 2_000_000
MAX_MAGNET_CHARS = 32_000
MAX_FILES = 10_000
MAX_TOTAL = 2 << 40  # bytes: no film, season or series is near 2 TiB
MAX_DEPTH = 20  # folders within folders
MAX_TRACKERS = 50
MAX_NAME = 255  # characters kept of a name that is shown
# Any: the stubs describe these options as an add_torrent_params dictionary.
LOAD_LIMITS: Any = {
    "max_buffer_size": MAX_TORRENT_BYTES,
    "max_pieces": 200_000,
    "max_decode_depth": bencode.MAX_DEPTH,
    "max_decode_tokens": 500_000,
}
_TRACKER_SCHEMES = frozenset({"http", "https", "udp"})
_PAD_OR_LINK = b"pl"


@dataclass(frozen=True, slots=True)
class TorrentFile:
    """`index` is libtorrent's, which also counts the pad files left out here; `path` is relative, with "/"; size in bytes."""

    index: int
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class MetaInfo:
    """A .torrent file. Hashes are lower-case hex (40 and 64 digits); at least one is there, a hybrid has both."""

    name: str
    info_hash_v1: str | None
    info_hash_v2: str | None
    files: tuple[TorrentFile, ...]
    total: int
    piece_length: int
    trackers: tuple[str, ...]
    private: bool


@dataclass(frozen=True, slots=True)
class Magnet:
    """A magnet link, as far as it is used: web seeds and addresses of .torrent files in it are ignored."""

    info_hash_v1: str | None
    info_hash_v2: str | None
    name: str
    trackers: tuple[str, ...]

    def canonical(self) -> str:
        """The same magnet in one spelling: equal magnets give equal text."""
        topics = [f"xt=urn:btih:{self.info_hash_v1}"] if self.info_hash_v1 else []
        topics += [f"xt=urn:btmh:1220{self.info_hash_v2}"] if self.info_hash_v2 else []
        names = [f"dn={quote(self.name, safe='')}"] if self.name else []
        return "magnet:?" + "&".join(topics + names + [f"tr={quote(url, safe='')}" for url in self.trackers])


def parse_torrent(data: bytes) -> MetaInfo:
    """Raises PermanentError (code bad_torrent) with a sentence for people."""
    if len(data) > MAX_TORRENT_BYTES:
        raise _refused(gettext_lazy("it is larger than 2 MB"))
    tree = bencode.decode(data)
    info = tree.get(b"info") if isinstance(tree, dict) else None
    if not isinstance(info, dict):
        raise _refused(gettext_lazy("the part that describes its content is missing"))
    _check_names(info)
    params = load(data)
    assert params.ti is not None
    files, total = _files(params.ti.layout())
    v1, v2 = hashes(params.info_hashes)
    return MetaInfo(
        name=params.ti.name()[:MAX_NAME],
        info_hash_v1=v1,
        info_hash_v2=v2,
        files=files,
        total=total,
        piece_length=params.ti.piece_length(),
        trackers=_trackers(params.trackers),
        private=params.ti.priv(),
    )


def hashes(info_hashes: lt.info_hash_t) -> tuple[str | None, str | None]:
    """(v1, v2) in hex; None for the one that the torrent lacks."""
    v1 = info_hashes.v1.to_bytes().hex() if info_hashes.has_v1() else None
    v2 = info_hashes.v2.to_bytes().hex() if info_hashes.has_v2() else None
    return v1, v2


def _refused(why: object) -> PermanentError:
    text = said(lambda: _("This torrent is refused: %(why)s. Take another release.") % {"why": spoken(str(why))})
    return PermanentError(text, code="bad_torrent")


def load(data: bytes) -> lt.add_torrent_params:
    """libtorrent's reading of a .torrent file that parse_torrent() has accepted."""
    try:
        return lt.load_torrent_buffer(data, LOAD_LIMITS)
    except (RuntimeError, ValueError) as error:
        # libtorrent's own words, without its category: "too many pieces in torrent [libtorrent:13]"
        raise _refused(str(error).partition(" [")[0]) from error


def _check_names(info: dict[bytes, Any]) -> None:
    """The names as they were written, before libtorrent makes them harmless."""
    _check_part(info.get(b"name.utf-8", info.get(b"name")))
    for parts, attributes in _written_paths(info):
        if b"l" in attributes:
            raise _refused(gettext_lazy("it holds symbolic links"))
        if len(parts) > MAX_DEPTH:
            raise _refused(gettext_lazy("its folders are nested too deeply"))
        if b"p" not in attributes:
            for part in parts:
                _check_part(part)


def _written_paths(info: dict[bytes, Any]) -> Iterator[tuple[list[Any], bytes]]:
    """(parts of the path, attributes) of every file of the v1 list and of the v2 tree."""
    files = info.get(b"files", [])
    for entry in files if isinstance(files, list) else []:
        if isinstance(entry, dict):
            parts = entry.get(b"path.utf-8", entry.get(b"path"))
            yield (parts if isinstance(parts, list) else [parts]), _attributes(entry)
    yield [], _attributes(info)
    tree = info.get(b"file tree")
    yield from _written_tree(tree, []) if isinstance(tree, dict) else ()


def _written_tree(tree: dict[bytes, Any], above: list[bytes]) -> Iterator[tuple[list[Any], bytes]]:
    """BEP 52: a name leads to a folder; the empty name in it says that it is a file, and which."""
    for name, below in tree.items():
        if isinstance(below, dict):
            leaf = below.get(b"")
            if isinstance(leaf, dict):
                yield [*above, name], _attributes(leaf)
            else:
                yield from _written_tree(below, [*above, name])


def _attributes(entry: dict[bytes, Any]) -> bytes:
    value = entry.get(b"attr", b"")
    return value if isinstance(value, bytes) else b""


def _check_part(part: Any) -> None:
    """One name: no path of its own, and not a way out of the folder."""
    if not isinstance(part, bytes) or not part:
        raise _refused(gettext_lazy("a file in it has no name"))
    if part in (b".", b"..") or b".." in part.replace(b"\\", b"/").split(b"/"):
        raise _refused(gettext_lazy("a file name in it leads out of its folder"))
    if part[:1] in (b"/", b"\\") or part[1:3] in (b":\\", b":/"):
        raise _refused(gettext_lazy("a file name in it is an absolute path"))
    if b"/" in part or b"\0" in part:
        raise _refused(gettext_lazy("a file name in it holds a character that no file name may hold"))


def _files(layout: lt.file_storage) -> tuple[tuple[TorrentFile, ...], int]:
    """The files as they will lie on disk, without padding."""
    flags = lt.file_storage
    files = tuple(
        TorrentFile(index, layout.file_path(index), layout.file_size(index))
        for index in range(layout.num_files())
        if not layout.file_flags(index) & flags.flag_pad_file
    )
    total = sum(file.size for file in files)
    if len(files) > MAX_FILES:
        raise _refused(gettext_lazy("it holds more than 10,000 files"))
    if total > MAX_TOTAL:
        raise _refused(gettext_lazy("its files are larger than 2 TB together"))
    if not total:
        raise _refused(gettext_lazy("all its files are empty"))
    _check_unique(files)
    return files, total


def _check_unique(files: tuple[TorrentFile, ...]) -> None:
    """Two files may not be one, and a file may not be another's folder."""
    paths = {unicodedata.normalize("NFC", file.path) for file in files}
    if len(paths) != len(files):
        raise _refused(gettext_lazy("two files in it have the same name"))
    folders = {parent for path in paths for parent in _parents(path)}
    if paths & folders:
        raise _refused(gettext_lazy("a file in it has the name of a folder"))


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def parse_magnet(text: str) -> Magnet:
    """Raises PermanentError (code bad_magnet) with a sentence for people."""
    text = text.strip()
    if not text[:8].lower() == "magnet:?" or len(text) > MAX_MAGNET_CHARS:
        raise _bad_magnet()
    try:
        pairs = parse_qsl(text[8:], max_num_fields=500)
    except ValueError as error:
        raise _bad_magnet() from error
    topics = [value for name, value in pairs if name.partition(".")[0] == "xt"]
    v1, v2 = _one(_btih(topic) for topic in topics), _one(_btmh(topic) for topic in topics)
    if not v1 and not v2:
        raise _bad_magnet()
    name = next((value for key, value in pairs if key == "dn"), "")
    trackers = _trackers([value for key, value in pairs if key.partition(".")[0] == "tr"])
    return Magnet(v1, v2, "".join(c for c in name if c.isprintable())[:MAX_NAME], trackers)


def _bad_magnet() -> PermanentError:
    text = said(
        lambda: _(
            "This is not a magnet link that can be used: it must begin with magnet:? and name one torrent "
            "(xt=urn:btih:… or xt=urn:btmh:…). Copy the whole link."
        )
    )
    return PermanentError(text, code="bad_magnet")


def _one(found: Iterator[str | None]) -> str | None:
    """The single hash of a kind; a magnet that names two torrents names none."""
    values = {value for value in found if value}
    if len(values) > 1:
        raise _bad_magnet()
    return values.pop() if values else None


def _btih(topic: str) -> str | None:
    """v1: 40 hex or 32 base32 digits."""
    prefix, digits = topic[:9].lower(), topic[9:]
    if prefix != "urn:btih:":
        return None
    try:
        raw = base64.b32decode(digits.upper()) if len(digits) == 32 else bytes.fromhex(digits)
    except (binascii.Error, ValueError) as error:
        raise _bad_magnet() from error
    if len(raw) != 20 or not any(raw):
        raise _bad_magnet()
    return raw.hex()


def _btmh(topic: str) -> str | None:
    """v2: a multihash in hex, 12 (SHA-256) 20 (32 bytes) and the digest."""
    prefix, digits = topic[:9].lower(), topic[9:].lower()
    if prefix != "urn:btmh:":
        return None
    try:
        raw = bytes.fromhex(digits)
    except ValueError as error:
        raise _bad_magnet() from error
    if len(raw) != 34 or raw[:2] != b"\x12\x20" or not any(raw[2:]):
        raise _bad_magnet()
    return raw[2:].hex()


def _trackers(urls: list[str]) -> tuple[str, ...]:
    """The first 50 usable ones, each once; libtorrent would ignore the others one by one and aloud."""
    usable = dict.fromkeys(url.strip() for url in urls if _is_tracker(url.strip()))
    return tuple(usable)[:MAX_TRACKERS]


def _is_tracker(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in _TRACKER_SCHEMES and bool(parts.hostname) and url.isprintable() and (parts.port or 1) > 0
    except ValueError:
        return False
