"""What lies on disk though the resume data does not know it: the pieces of a hunter that died before it could save."""

import os
from collections.abc import Iterator
from pathlib import Path

import libtorrent as lt

BLOCK = 16 << 10  # bytes: the unit of requests (BEP 3) and of unfinished pieces
Interval = tuple[int, int]  # bytes [start, end) of the torrent, all its files behind one another


def offer(params: lt.add_torrent_params, info: lt.torrent_info, folder: Path) -> None:
    """Let libtorrent check each missing piece of which every byte was written, as if all its blocks had just come.

    Files are sparse, so what was never written is a hole. Where a file system has no holes, all missing pieces are checked.
    """
    have, length = params.have_pieces, info.piece_length()
    unfinished = params.unfinished_pieces
    for start, end in written(info.layout(), folder):
        last = info.num_pieces() if end >= info.total_size() else end // length
        for piece in range(-(-start // length), last):
            if not (piece < len(have) and have[piece]):
                unfinished[piece] = [True] * -(-info.piece_size(piece) // BLOCK)
    params.unfinished_pieces = unfinished


def written(layout: lt.file_storage, folder: Path) -> list[Interval]:
    """Where there are bytes, in ascending order, adjacent ones joined; padding between files counts as written."""
    joined: list[Interval] = []
    for start, end in _parts(layout, folder):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        elif start < end:
            joined.append((start, end))
    return joined


def _parts(layout: lt.file_storage, folder: Path) -> Iterator[Interval]:
    for index in range(layout.num_files()):
        offset, size = layout.file_offset(index), layout.file_size(index)
        if layout.file_flags(index) & lt.file_storage.flag_pad_file:
            yield offset, offset + size
        else:
            for start, end in _data(folder / layout.file_path(index)):
                yield offset + start, offset + min(end, size)


def _data(file: Path) -> Iterator[Interval]:
    """The parts of a file that are no holes (lseek(2), SEEK_DATA); none where it cannot be read."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        end = 0
        while True:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
            yield start, end
    except OSError:  # ENXIO: no more data
        return
    finally:
        os.close(descriptor)
