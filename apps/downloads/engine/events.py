"""What the engine tells its owner: plain values that outlive libtorrent's recycled alerts."""

from dataclasses import dataclass

from apps.downloads.engine.metainfo import MetaInfo


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """`key` is the caller's own name of the torrent; empty where the event concerns the whole session."""

    key: str


@dataclass(frozen=True, slots=True)
class MetadataReceived(EngineEvent):
    """Once per add(): at once where the metadata was handed in, else when peers have sent it.

    `torrent` is a .torrent file without trackers, good for another add().
    """

    meta: MetaInfo
    torrent: bytes


@dataclass(frozen=True, slots=True)
class MetadataRefused(EngineEvent):
    """What the peers sent breaks a limit of parse_torrent(); the torrent is paused."""

    message: str
    code: str


@dataclass(frozen=True, slots=True)
class Finished(EngineEvent):
    """Every wanted byte is verified and in its file: hash, probe and link it now."""


@dataclass(frozen=True, slots=True)
class RangeReady(EngineEvent):
    """The range asked for by want() can be read from the file; `end` is exclusive."""

    file_index: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ResumeData(EngineEvent):
    """Keep it and hand it to the next add(): what it counts as present is never downloaded again."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ResumeFailed(EngineEvent):
    """No resume data this time; the next save tries again."""

    message: str


@dataclass(frozen=True, slots=True)
class ResumeRejected(EngineEvent):
    """The resume data was damaged or does not fit torrent or files: what is on disk is being checked instead."""

    message: str


@dataclass(frozen=True, slots=True)
class TrackerError(EngineEvent):
    """libtorrent tries again by itself. `url` has no path and no query: they carry passkeys."""

    url: str
    message: str


@dataclass(frozen=True, slots=True)
class TrackerReply(EngineEvent):
    """`peers` is how many the tracker named, ourselves included."""

    url: str
    peers: int


@dataclass(frozen=True, slots=True)
class FileError(EngineEvent):
    """Reading or writing failed; the torrent is paused. Told once until resume(). `errno` 0: not the system's error."""

    errno: int
    message: str


@dataclass(frozen=True, slots=True)
class TorrentError(EngineEvent):
    """libtorrent stopped the torrent for a reason that is no file's."""

    message: str


@dataclass(frozen=True, slots=True)
class Removed(EngineEvent):
    """The torrent left the session. `message` says why its files are still there, where they should not be."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class ListenFailed(EngineEvent):
    message: str


@dataclass(frozen=True, slots=True)
class Progress:
    """One torrent as last seen. Bytes, bytes per second, percent 0–100.

    state: checking, metadata, downloading or seeding. `downloaded` and `uploaded` count payload over all sessions,
    `received` in this session only.
    """

    state: str
    paused: bool
    bytes_done: int
    bytes_total: int
    bytes_verified: int
    percent: float
    rate: int
    upload_rate: int
    peers: int
    seeds: int
    downloaded: int
    uploaded: int
    received: int
