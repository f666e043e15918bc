"""One torrent in the session: what the engine remembers of it between two alerts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import libtorrent as lt

from apps.downloads.engine.events import Progress

# What is worth saving when it has changed. libtorrent counts the seconds of a torrent's life as a change too, with the bytes it has
# sent and received (if_counters_changed, which has no name in Python): that would be every torrent, always.
_COUNTERS = 1 << 3
_ANYTHING = lt.torrent_handle.only_if_modified
READ_AHEAD = 6  # pieces behind the range that a reader waits for: it will go on reading there
MAX_DEADLINES = 32  # deadlines are costly in libtorrent (its issue 7337); the oldest are given up first
PIECE_PACE = 100  # milliseconds between the deadlines of two neighbouring pieces

_STATES = {
    lt.torrent_status.states.downloading_metadata: "metadata",
    lt.torrent_status.states.downloading: "downloading",
    lt.torrent_status.states.finished: "seeding",
    lt.torrent_status.states.seeding: "seeding",
}


NOT_LOOKED_YET = Progress(
    state="checking",
    paused=False,
    bytes_done=0,
    bytes_total=0,
    bytes_verified=0,
    percent=0.0,
    rate=0,
    upload_rate=0,
    peers=0,
    seeds=0,
    downloaded=0,
    uploaded=0,
    received=0,
)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of one file that a reader waits for; `end` is exclusive. `first` to `last` are the pieces that hold them."""

    file_index: int
    start: int
    end: int
    first: int
    last: int


@dataclass(eq=False, slots=True)
class Torrent:
    key: str
    handle: lt.torrent_handle
    info: lt.torrent_info | None = None
    progress: Progress = NOT_LOOKED_YET
    finishing: bool = False  # every piece is verified, and the flush that Finished waits for is under way
    complete: bool = False
    held: bool = False  # nothing but metadata is fetched, until release()
    asleep: bool = False  # paused for as long as it is held, and not by the owner
    failed: bool = False  # an error was told; the next ones are its echo, until resume()
    sums: tuple[int, int] = (0, 0)  # bytes sent and received when its resume data was last asked for
    save_flags: int | None = None  # resume data is to be saved, in this way, once the flush under way is done
    removing: bool = False
    delete_files: bool = False
    flushed: set[int] = field(default_factory=set)  # pieces known to be in their files
    flushing: set[int] | None = None  # pieces that were whole when the flush under way was asked for
    waiting: dict[Span, None] = field(default_factory=dict)
    deadlines: dict[int, None] = field(default_factory=dict)  # in the order they were set
    prepared: set[int] = field(default_factory=set)  # files whose head and tail were asked for

    def span(self, file_index: int, start: int, end: int) -> Span:
        """Raises LookupError where the torrent has no such bytes, or no metadata yet."""
        if self.info is None:
            raise LookupError("the torrent's metadata is not known yet")
        layout = self.info.layout()
        if not 0 <= file_index < layout.num_files() or not 0 <= start < end <= layout.file_size(file_index):
            raise LookupError("the torrent has no such bytes")
        first, last = (self.info.map_file(file_index, at, 1).piece for at in (start, end - 1))
        return Span(file_index, start, end, first, last)

    def has(self, span: Span) -> bool:
        return self.complete or all(self.handle.have_piece(piece) for piece in _pieces(span))

    def on_disk(self, span: Span) -> bool:
        """Whether the bytes can be read from the file. A piece counts as had up to 0.1 s before it is written: where
        that is in doubt a flush is asked for, and the answer is no until it is done."""
        missing = [piece for piece in _pieces(span) if piece not in self.flushed]
        if self.complete or not missing:
            return True
        if self.flushing is None and all(self.handle.have_piece(piece) for piece in missing):
            self.flushing = set(missing)
            self.handle.flush_cache()
        return False

    def cache_flushed(self) -> None:
        self.flushed |= self.flushing or set()
        self.flushing = None
        if self.save_flags is not None and not self.removing:  # a handle that is gone throws
            self.handle.save_resume_data(self.save_flags)
        self.save_flags = None

    def save(self, *, only_if_modified: bool) -> None:
        """Flush first: verified pieces of a v2 torrent stay in memory until then, and the resume data counts them as
        missing. Without metadata there is nothing to flush, and no alert to say so."""
        flags = lt.torrent_handle.save_info_dict | (self._modified() if only_if_modified else 0)
        if self.info is None:
            self.handle.save_resume_data(flags)
        else:
            self.save_flags = flags
            self.handle.flush_cache()

    def _modified(self) -> int:
        sums, self.sums = self.sums, (self.progress.uploaded, self.progress.downloaded)
        return _ANYTHING & ~_COUNTERS if sums == self.sums else _ANYTHING

    def want(self, span: Span) -> None:
        """Have these pieces first, then those behind them, then head and tail, where a container keeps its index."""
        if span in self.waiting:
            return
        assert self.info is not None
        self.waiting[span] = None
        layout = self.info.layout()
        size = layout.file_size(span.file_index)
        head, tail = (self.info.map_file(span.file_index, at, 1).piece for at in (0, size - 1))
        wanted = list(range(span.first, min(span.last + READ_AHEAD, tail) + 1))
        if span.file_index not in self.prepared:
            self.prepared.add(span.file_index)
            wanted += [head, tail]
        for place, piece in enumerate(wanted):
            self._set_deadline(piece, place * PIECE_PACE)

    def _set_deadline(self, piece: int, milliseconds: int) -> None:
        if self.handle.have_piece(piece):
            return
        self.deadlines.pop(piece, None)
        self.deadlines[piece] = None
        self.handle.set_piece_deadline(piece, milliseconds)
        while len(self.deadlines) > MAX_DEADLINES:
            oldest = next(iter(self.deadlines))
            del self.deadlines[oldest]
            self.handle.reset_piece_deadline(oldest)

    def ready(self) -> list[Span]:
        """The spans that have come to disk since the last look; they wait no more."""
        done = [span for span in self.waiting if self.on_disk(span)]
        for span in done:
            del self.waiting[span]
        return done

    def update(self, status: lt.torrent_status) -> None:
        total = status.total_wanted if status.has_metadata else 0
        verified = status.num_pieces * self.info.piece_length() if self.info else 0
        self.progress = Progress(
            state=_STATES.get(status.state, "checking"),
            paused=bool(status.flags & lt.torrent_flags.paused),
            bytes_done=status.total_wanted_done,
            bytes_total=total,
            bytes_verified=min(verified, total),
            percent=100.0 * status.total_wanted_done / total if total else 0.0,
            rate=status.download_payload_rate,
            upload_rate=status.upload_payload_rate,
            peers=status.num_peers,
            seeds=status.num_seeds,
            downloaded=status.all_time_download,
            uploaded=status.all_time_upload,
            received=status.total_payload_download,
        )


def _pieces(span: Span) -> Iterator[int]:
    return iter(range(span.first, span.last + 1))
