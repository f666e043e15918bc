"""From what the caller hands in (magnet, .torrent, resume data) to what libtorrent is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libtorrent as lt

from apps.downloads.engine import remains
from apps.downloads.engine.metainfo import LOAD_LIMITS, hashes, load, parse_magnet, parse_torrent
from sokoul.errors import PermanentError

# Resume data carries the metadata, its hash trees and a bit for every block: more than a .torrent file may hold.
_RESUME_LIMITS: Any = LOAD_LIMITS | {"max_buffer_size": 20_000_000, "max_decode_tokens": 3_000_000}


@dataclass(frozen=True, slots=True)
class Addition:
    """`rejected` says why the resume data was not used; empty where it was, or where there was none."""

    source: lt.add_torrent_params
    folder: Path
    trackers: tuple[str, ...]  # every one that the caller named; which are asked is the gate's decision
    rejected: str

    @classmethod
    def make(cls, magnet: str | None, torrent: bytes | None, resume: bytes | None, folder: Path) -> "Addition":
        """Raises PermanentError for a bad magnet or .torrent, never for bad resume data."""
        fresh, urls = _fresh(magnet, torrent)
        source, rejected = fresh, ""
        if resume:
            try:
                source = _resumed(resume, fresh, folder)
            except (RuntimeError, ValueError) as error:
                rejected = str(error)
        if source is fresh:
            _offer_what_is_written(fresh, folder)
        return cls(source, folder, urls, rejected)

    def params(self, trackers: list[str], *, paused: bool, held: bool = False) -> lt.add_torrent_params:
        """Nothing but the torrent itself is taken over: no web seeds, no DHT nodes, no flags, no names of somebody else's."""
        params, flags = self.source, lt.torrent_flags
        params.save_path = str(self.folder)
        params.flags = flags.update_subscribe | flags.apply_ip_filter | flags.duplicate_is_error
        params.flags |= flags.paused if paused else 0
        params.flags |= flags.upload_mode if held else 0
        params.trackers, params.tracker_tiers = trackers, [0] * len(trackers)
        params.url_seeds, params.http_seeds, params.dht_nodes = [], [], []
        params.renamed_files = {}
        params.storage_mode = lt.storage_mode_t.storage_mode_sparse
        return params


def _fresh(magnet: str | None, torrent: bytes | None) -> tuple[lt.add_torrent_params, tuple[str, ...]]:
    """Parameters that know nothing of earlier sessions, and the trackers of magnet and .torrent together."""
    link = parse_magnet(magnet) if magnet else None
    urls = link.trackers if link else ()
    if torrent:
        meta = parse_torrent(torrent)
        return load(torrent), tuple(dict.fromkeys(meta.trackers + urls))
    if link is None:
        raise PermanentError("A download needs a magnet link or a .torrent file.", code="bad_magnet")
    return lt.parse_magnet_uri(link.canonical()), urls


def _offer_what_is_written(fresh: lt.add_torrent_params, folder: Path) -> None:
    """Without resume data libtorrent checks the files by itself, which for a v2 torrent it does badly.

    Metadata that came from peers lacks the hashes of the pieces. Where these come later than the first piece, libtorrent has
    taken the holes of a sparse file for data by then: it fetches everything again, or blames what does not fit on the peer and
    bans it, and nothing ever comes again from the one seeder. So it is told what was written, and checks that as if it had
    just come.
    """
    v1, _ = hashes(fresh.info_hashes)
    if fresh.ti is not None and not v1:
        fresh.have_pieces = [False] * fresh.ti.num_pieces()
        remains.offer(fresh, fresh.ti, folder)


def _resumed(resume: bytes, fresh: lt.add_torrent_params, folder: Path) -> lt.add_torrent_params:
    """Raises RuntimeError or ValueError where the data is damaged, another torrent's, or says more than the files hold."""
    params = lt.read_resume_data(resume, _RESUME_LIMITS)
    theirs, ours = hashes(params.info_hashes), hashes(fresh.info_hashes)
    pairs = [(a, b) for a, b in zip(theirs, ours, strict=True) if a and b]
    if not pairs or any(a != b for a, b in pairs):
        raise ValueError("the resume data belongs to another torrent")
    if params.ti is None:
        params.ti = fresh.ti
    if params.ti is not None:
        _check_files(params, params.ti, folder)
        remains.offer(params, params.ti, folder)
    return params


def _check_files(params: lt.add_torrent_params, info: lt.torrent_info, folder: Path) -> None:
    """Every file reaches as far as its last piece that counts as present; libtorrent only looks whether it exists."""
    layout, length, reaches = info.layout(), info.piece_length(), _reaches(params, info.piece_length())
    for index in range(layout.num_files()):
        start, size = layout.file_offset(index), layout.file_size(index)
        left_out = index < len(params.file_priorities) and not params.file_priorities[index]
        if size == 0 or left_out or layout.file_flags(index) & lt.file_storage.flag_pad_file:
            continue
        pieces = range((start + size - 1) // length, start // length - 1, -1)
        reach = next((reaches[piece] for piece in pieces if piece in reaches), 0)
        if _size(folder / layout.file_path(index)) < min(size, reach - start):
            raise ValueError("a file is missing or shorter than the resume data says")


def _reaches(params: lt.add_torrent_params, length: int) -> dict[int, int]:
    """Where in the torrent's bytes the last present block of each piece ends, by piece."""
    whole = {piece: (piece + 1) * length for piece, present in enumerate(params.have_pieces) if present}
    begun = {
        piece: piece * length + (len(blocks) - blocks[::-1].index(True)) * remains.BLOCK
        for piece, blocks in params.unfinished_pieces.items()
        if any(blocks)
    }
    return begun | whole


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
