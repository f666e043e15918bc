"""The engine: one libtorrent session, owned by one thread."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import libtorrent as lt

from apps.downloads.engine import events, trackers, words
from apps.downloads.engine.add import Addition
from apps.downloads.engine.events import EngineEvent, Progress
from apps.downloads.engine.metainfo import parse_torrent
from apps.downloads.engine.settings import EngineSettings, alert_mask, session_params
from apps.downloads.engine.torrent import Torrent
from sokoul import logs
from sokoul.errors import PermanentError

log = logs.logger(__name__)
NOT_MODIFIED = 143  # libtorrent's errors::resume_data_not_modified
QUIET = 200  # milliseconds without an alert: nothing more is coming


class Engine:
    """Runs torrents under the caller's own keys. Every method but `wake` is called from the same thread.

    Methods return at once; what comes of them is told by poll(). A key that is not in the session raises KeyError.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._session = lt.session(session_params(settings))
        self._gate = trackers.TrackerGate(settings)
        self._torrents: dict[str, Torrent] = {}
        self._by_handle: dict[int, Torrent] = {}
        self._out: list[EngineEvent] = []
        self._saving: set[str] = set()  # keys whose resume data was asked for and has not come
        self._next_look = 0.0
        self._readers = False  # whether somebody waits for a range
        self._handlers = self._alert_handlers()

    def __contains__(self, key: str) -> bool:
        return key in self._torrents

    @property
    def keys(self) -> list[str]:
        return list(self._torrents)

    @property
    def port(self) -> int:
        """The TCP port that peers reach this session at; 0 while it listens nowhere."""
        return int(self._session.listen_port())

    def add(
        self,
        key: str,
        *,
        folder: Path,
        magnet: str | None = None,
        torrent: bytes | None = None,
        resume: bytes | None = None,
        paused: bool = False,
        held: bool = False,
    ) -> None:
        """Start (or hold, where `paused`) a torrent whose files go into `folder`. What is `held` fetches its metadata and
        nothing else until release().

        Magnet, .torrent, or both. Resume data that does not fit is dropped with ResumeRejected, and what is on disk is
        checked instead. Raises PermanentError: bad_magnet, bad_torrent, or duplicate where the session has it already.
        """
        if key in self._torrents:
            raise PermanentError(words.already_there(), code="duplicate", status=409)
        addition = Addition.make(magnet, torrent, resume, folder)
        try:
            admitted = self._gate.admit(key, addition.trackers)
            # What knows its files meets nobody while it is held: libtorrent would hang up on every seeder that it cannot use
            # yet, and call again half a second later.
            asleep = held and not paused and addition.source.ti is not None
            handle = self._session.add_torrent(addition.params(admitted, paused=paused or asleep, held=held))
        except RuntimeError as error:
            self._gate.forget(key)
            raise PermanentError(words.not_added(error), code="duplicate", status=409) from error
        added = Torrent(key, handle, held=held, asleep=asleep)
        self._torrents[key] = self._by_handle[hash(handle)] = added
        if addition.rejected:
            self._tell(events.ResumeRejected(key, addition.rejected))
        self._metadata_known(added)

    def pause(self, key: str) -> None:
        torrent = self._torrents[key]
        torrent.asleep = False
        torrent.handle.pause()

    def resume(self, key: str) -> None:
        """Go on, also after a FileError or TorrentError."""
        torrent = self._torrents[key]
        torrent.failed = False
        torrent.handle.clear_error()
        if torrent.held and torrent.info is not None:
            torrent.asleep = True
            return
        if not torrent.held:
            torrent.handle.unset_flags(lt.torrent_flags.upload_mode)
        torrent.handle.resume()

    def is_held(self, key: str) -> bool:
        return self._torrents[key].held

    def release(self, key: str, *, without: frozenset[int] = frozenset()) -> None:
        """The metadata is approved: fetch the files, but for those with these indexes. Nothing where it is not held."""
        torrent = self._torrents[key]
        if not torrent.held or torrent.info is None:
            return
        if without:  # once libtorrent has told that it knows them (file_prio_alert), the rest may come
            torrent.handle.prioritize_files([int(i not in without) * 4 for i in range(torrent.info.num_files())])
        else:
            self._let_come(torrent)

    def _let_come(self, torrent: Torrent) -> None:
        torrent.held = False
        torrent.handle.unset_flags(lt.torrent_flags.upload_mode)
        if torrent.asleep:
            torrent.asleep = False
            torrent.handle.resume()

    def remove(self, key: str, *, delete_files: bool) -> None:
        """Removed follows, once; after it the key is free."""
        torrent = self._torrents[key]
        if not torrent.removing:
            torrent.removing, torrent.delete_files = True, delete_files
            self._session.remove_torrent(torrent.handle, lt.session.delete_files if delete_files else 0)

    def tell_metadata(self, key: str) -> None:
        """MetadataReceived follows once more, where the torrent's metadata is known."""
        torrent = self._torrents[key]
        if torrent.info is not None:
            self._metadata_known(torrent)

    def limit(self, key: str, download_rate: int) -> None:
        """Bytes per second; 0 lifts it."""
        self._torrents[key].handle.set_download_limit(download_rate)

    def progress(self) -> dict[str, Progress]:
        """Every torrent as of the last look (progress_interval), taken by poll()."""
        return {key: torrent.progress for key, torrent in self._torrents.items()}

    def progress_of(self, key: str) -> Progress | None:
        """The same of one; None where the session does not have it."""
        torrent = self._torrents.get(key)
        return torrent.progress if torrent else None

    def save_resume(self, keys: Iterable[str] | None = None, *, only_if_modified: bool = True) -> None:
        """ResumeData follows for each of `keys` (None: all) that has something to save: how long a
        torrent has been there is nothing."""
        for key in self.keys if keys is None else keys:
            torrent = self._torrents[key]
            if not torrent.removing:
                self._saving.add(key)
                torrent.save(only_if_modified=only_if_modified)

    def have(self, key: str, file_index: int, start: int, end: int) -> bool:
        """Whether the bytes [start, end) of a file are downloaded and verified. Raises LookupError outside the file, here and
        below also for a torrent that is being removed."""
        torrent = self._living(key)
        return torrent.has(torrent.span(file_index, start, end))

    def on_disk(self, key: str, file_index: int, start: int, end: int) -> bool:
        """Whether they can be read from the file now; asking again after a poll() may turn a no into a yes."""
        torrent = self._living(key)
        return torrent.on_disk(torrent.span(file_index, start, end))

    def want(self, key: str, file_index: int, start: int, end: int) -> None:
        """A reader stands at `start` and will go on from `end`: download these bytes next. RangeReady follows, once.

        Ask for a few pieces at a time. Raises LookupError outside the file, or while the metadata is unknown.
        """
        torrent = self._living(key)
        torrent.want(torrent.span(file_index, start, end))
        if not self._readers:
            self._set_readers(True)

    def _living(self, key: str) -> Torrent:
        torrent = self._torrents[key]
        if torrent.removing:  # its handle may be gone, and throws
            raise LookupError(key)
        return torrent

    def poll(self, timeout: float) -> list[EngineEvent]:
        """What happened since the last call, waiting up to `timeout` seconds for something to happen."""
        self._look()
        if not self._out:
            self._session.wait_for_alert(max(0, round(timeout * 1000)))
        for alert in self._session.pop_alerts():
            handler = self._handlers.get(type(alert))
            if handler:
                handler(alert)
        self._tell_ready()
        for verdict in self._gate.verdicts():
            self._judge(verdict)
        told, self._out = self._out, []
        return told

    def wake(self) -> None:
        """Let a poll() that waits return now, or the next one; from any thread, also once the session is over."""
        if session := getattr(self, "_session", None):
            session.post_session_stats()  # its alert comes whatever the mask says

    def close(self, timeout: float = 20.0) -> list[EngineEvent]:
        """Stop the traffic, save all resume data, and end the session; returns the last events. The engine is done."""
        self._session.pause()
        self.save_resume(only_if_modified=True)
        deadline, told = time.monotonic() + timeout, []
        # Until it is quiet: a session that ends before its trackers were told good-bye blocks for stop_tracker_timeout.
        while (self._session.wait_for_alert(QUIET) or self._saving) and time.monotonic() < deadline:
            told += self.poll(0)
        self._gate.close()
        self._torrents.clear()
        self._by_handle.clear()
        del self._session
        return told

    def _tell(self, event: EngineEvent) -> None:
        self._out.append(event)

    def _look(self) -> None:
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + self._settings.progress_interval
            self._session.post_torrent_updates(lt.torrent_handle.query_accurate_download_counters)

    def _tell_ready(self) -> None:
        if not self._readers:
            return
        for torrent in self._torrents.values():
            for span in () if torrent.removing else torrent.ready():
                self._tell(events.RangeReady(torrent.key, span.file_index, span.start, span.end))
        if not any(torrent.waiting for torrent in self._torrents.values()):
            self._set_readers(False)

    def _set_readers(self, waiting: bool) -> None:
        self._readers = waiting
        self._session.apply_settings({"alert_mask": alert_mask(readers=waiting)})

    def _judge(self, verdict: trackers.Verdict) -> None:
        torrent = self._torrents.get(verdict.key)
        if torrent and not torrent.removing:
            if verdict.problem:
                self._tell(events.TrackerError(verdict.key, trackers.masked(verdict.url), verdict.problem))
            else:
                torrent.handle.add_tracker({"url": verdict.url, "tier": 0})

    def _metadata_known(self, torrent: Torrent) -> None:
        """Peers' metadata passes the same limits as a .torrent file that somebody hands in."""
        info = torrent.handle.torrent_file()
        if info is None:
            return
        data = b"d4:info" + info.info_section() + b"e"
        try:
            meta = parse_torrent(data)
        except PermanentError as error:
            torrent.handle.pause()
            self._tell(events.MetadataRefused(torrent.key, error.message, error.code))
            return
        torrent.info = info
        self._tell(events.MetadataReceived(torrent.key, meta, data))

    def _alert_handlers(self) -> dict[type, Callable[[Any], None]]:
        """libtorrent's alert types and what is made of each. No alert outlives its handler."""
        return {
            lt.state_update_alert: self._on_state_update,
            lt.metadata_received_alert: self._on(self._on_metadata),
            lt.torrent_finished_alert: self._on(self._on_finished),
            lt.file_prio_alert: self._on(lambda torrent, _: self._let_come(torrent) if torrent.held else None),
            lt.cache_flushed_alert: self._on(self._on_cache_flushed),
            lt.save_resume_data_alert: self._on_resume_data,
            lt.save_resume_data_failed_alert: self._on_resume_failed,
            lt.fastresume_rejected_alert: self._on(
                lambda torrent, alert: self._tell(events.ResumeRejected(torrent.key, alert.error.message()))
            ),
            lt.tracker_error_alert: self._on(self._on_tracker_error),
            lt.tracker_reply_alert: self._on(
                lambda torrent, alert: self._tell(
                    events.TrackerReply(torrent.key, trackers.masked(alert.url), alert.num_peers)
                )
            ),
            lt.file_error_alert: self._on(self._on_file_error),
            lt.torrent_error_alert: self._on(self._on_torrent_error),
            lt.torrent_conflict_alert: self._on(self._on_torrent_error),
            lt.torrent_removed_alert: self._on(self._on_removed, removal=True),
            lt.torrent_deleted_alert: self._on(lambda torrent, _: self._gone(torrent, ""), removal=True),
            lt.torrent_delete_failed_alert: self._on(
                lambda torrent, alert: self._gone(torrent, alert.error.message()), removal=True
            ),
            lt.listen_failed_alert: lambda alert: self._tell(events.ListenFailed("", alert.message())),
            lt.alerts_dropped_alert: lambda _: self._catch_up(),
        }

    def _catch_up(self) -> None:
        """libtorrent had more to tell than its queue holds: look at what may not have been told."""
        log.warning("alerts were dropped", torrents=len(self._torrents))
        for status in self._session.get_torrent_status(lambda _: True):
            torrent = self._by_handle.get(hash(status.handle))
            if torrent and not torrent.removing:
                self._catch_up_with(torrent, status)
        for torrent in list(self._torrents.values()):
            if torrent.removing and not torrent.handle.is_valid():
                self._gone(torrent, "")
        self.save_resume(list(self._saving))

    def _catch_up_with(self, torrent: Torrent, status: lt.torrent_status) -> None:
        torrent.update(status)
        if status.has_metadata:
            self._on_metadata(torrent, None)
        if status.is_finished and not torrent.complete:
            self._on_finished(torrent, None)

    def _on(self, handler: Callable[[Torrent, Any], None], *, removal: bool = False) -> Callable[[Any], None]:
        """A handler of alerts that concern one torrent; alerts of one that is gone are dropped.

        Of one that is being removed, everything but its removal is dropped too: its handle may be gone, and throws.
        """

        def handle(alert: Any) -> None:
            torrent = self._by_handle.get(hash(alert.handle))
            if torrent and (removal or not torrent.removing):
                handler(torrent, alert)

        return handle

    def _on_state_update(self, alert: lt.state_update_alert) -> None:
        for status in alert.status:
            torrent = self._by_handle.get(hash(status.handle))
            if torrent:
                torrent.update(status)

    def _on_metadata(self, torrent: Torrent, _: Any) -> None:
        if torrent.info is None:  # else it was there before add() had ended, and told
            self._metadata_known(torrent)

    def _on_finished(self, torrent: Torrent, _: Any) -> None:
        """libtorrent says so when the last piece is verified, which is before it is written."""
        torrent.finishing = True
        torrent.handle.flush_cache()

    def _on_cache_flushed(self, torrent: Torrent, _: Any) -> None:
        torrent.cache_flushed()
        if torrent.finishing and not torrent.failed:
            torrent.finishing, torrent.complete = False, True
            self._tell(events.Finished(torrent.key))

    def _on_resume_data(self, alert: lt.save_resume_data_alert) -> None:
        torrent = self._by_handle.get(hash(alert.handle))
        if torrent:
            self._saving.discard(torrent.key)
            self._tell(events.ResumeData(torrent.key, lt.write_resume_data_buf(alert.params)))

    def _on_resume_failed(self, alert: lt.save_resume_data_failed_alert) -> None:
        torrent = self._by_handle.get(hash(alert.handle))
        if torrent:
            self._saving.discard(torrent.key)
            if not torrent.removing and alert.error.value() != NOT_MODIFIED:
                self._tell(events.ResumeFailed(torrent.key, alert.error.message()))

    def _on_tracker_error(self, torrent: Torrent, alert: lt.tracker_error_alert) -> None:
        message = alert.failure_reason() or alert.error.message()
        self._tell(events.TrackerError(torrent.key, trackers.masked(alert.url), message))

    def _on_file_error(self, torrent: Torrent, alert: lt.file_error_alert) -> None:
        """libtorrent repeats it for every block that was under way (up to 64 times seen on a full disk)."""
        if not torrent.failed:
            torrent.failed = True
            torrent.handle.pause()
            is_system = alert.error.category().name() in ("system", "generic")
            errno = alert.error.value() if is_system else 0
            self._tell(events.FileError(torrent.key, errno, alert.error.message()))

    def _on_torrent_error(self, torrent: Torrent, alert: Any) -> None:
        if not torrent.failed:
            torrent.failed = True
            self._tell(events.TorrentError(torrent.key, alert.message()))

    def _on_removed(self, torrent: Torrent, _: Any) -> None:
        if not torrent.delete_files:
            self._gone(torrent, "")

    def _gone(self, torrent: Torrent, message: str) -> None:
        if self._torrents.pop(torrent.key, None):
            self._by_handle.pop(hash(torrent.handle), None)
            self._gate.forget(torrent.key)
            self._saving.discard(torrent.key)
            self._tell(events.Removed(torrent.key, message))
