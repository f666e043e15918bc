"""The hunter: one torrent session, kept in step with the rows that this process holds a lease on.

The rows say what people want and the engine what is; each second both are read and the difference is mended. So a command of
a person is one UPDATE, a crash costs what was not saved, and another hunter takes over where the lease lapses.
"""

import threading
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import DatabaseError, InterfaceError, close_old_connections, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext

from apps.downloads import claims, faults, library, quotas, replacement, rows
from apps.downloads.checking import check_content, left_out
from apps.downloads.claims import Claim
from apps.downloads.disk import Disk
from apps.downloads.engine import events
from apps.downloads.engine.session import Engine
from apps.downloads.engine.words import spoken
from apps.downloads.faults import Fault
from apps.downloads.models import Download, Phase, TorrentState
from apps.downloads.patience import Patience
from apps.downloads.preparation import fetched, queued
from apps.downloads.readers import Readers
from apps.feed import push
from sokoul import logs, pulse, request_id
from sokoul.env import ENV
from sokoul.errors import PermanentError, SokoulError
from sokoul.said import Said, said, texts_of

log = logs.logger(__name__)
MAX_TORRENTS = 1000  # of one hunter
TICK = 1.0  # seconds between looks at the rows, and between progress messages
ROWS_EVERY = 5.0  # seconds between progress statements (SPEC 9)
RESUME_EVERY = 60.0  # seconds between saves of resume data (SPEC 9)
SMALL_RESUME = 256 << 10  # bytes of resume data that may be saved as often as the rows, so that a crash costs less
POLL = 0.2  # seconds that the engine may wait for something to happen
STOP_SECONDS = 20.0
LATE_PROBES = 5  # times that looking at a film may take too long, as it does while this process is frozen
UNFINISHED = (Phase.QUEUED, Phase.METADATA, Phase.DOWNLOADING)


def _unreachable() -> Said:
    return said(lambda: gettext("Tracker unreachable, retrying…"))


def _disk_full() -> Said:
    return said(lambda: gettext("Disk full"))


def _not_filed(error: OSError) -> Said:
    return said(lambda: gettext("Filing failed: %(why)s.") % {"why": spoken(error.strerror or str(error))})


@dataclass(slots=True)
class Swarm:
    """What the hunter remembers of one torrent between looks."""

    downloads: dict[int, Claim] = field(default_factory=dict)
    reason: str = ""
    last_bytes: int = -1
    moved: bool = False
    finished: bool = False
    removing: bool = False
    resume_size: int = 0  # bytes of the resume data saved last


class Hunter:
    """`run()` blocks until `stop` is set; `ask()` and `wake()` may be called from any thread."""

    def __init__(self, engine: Engine, *, name: str = "") -> None:
        self.name = name or uuid.uuid4().hex
        self._engine = engine
        self._disk = Disk()
        self._swarms: dict[str, Swarm] = defaultdict(Swarm)
        self._filing = ThreadPoolExecutor(2, thread_name_prefix="filing")
        self._filed: dict[int, Future[None]] = {}
        self._late: Counter[int] = Counter()  # filings that came to no end in time, by download
        self._readers = Readers(engine)
        self._told: deque[events.EngineEvent] = deque()
        self._due: dict[str, float] = {}
        self._patience = Patience()
        self._woken = threading.Event()
        self._handlers = self._event_handlers()
        queued.connect(self._on_queued)

    def ask(self, swarm: str, index: int, start: int, end: int) -> Future[bool]:
        """True once those bytes can be read from disk; False when they will not be, here or soon."""
        answer = self._readers.ask(swarm, index, start, end)
        self._engine.wake()
        return answer

    def wake(self) -> None:
        """Look at the rows now: something has changed there."""
        self._woken.set()
        self._engine.wake()

    def _on_queued(self, **_: object) -> None:
        self.wake()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            pulse.beat("session")
            try:
                self._step()
            except (DatabaseError, InterfaceError) as error:
                # Downloads go on; what is to be written is written when the database is back.
                log.warning("database unavailable, trying again", error=type(error).__name__)
                close_old_connections()
                stop.wait(1.0)
        self._stop()

    def _step(self) -> None:
        self._told.extend(self._engine.poll(POLL))
        while self._told:  # an event that the database could not take is handled again
            self._handle(self._told[0])
            self._told.popleft()
        self._readers.answer()
        if self._woken.is_set():
            self._woken.clear()  # before looking: whoever wakes it from now on is seen by the next step
            self._due["tick"] = 0
        if self._every("tick", TICK):
            self._look(renewing=self._every("renew", ENV.hunter_lease / 3))
            self._tell()
        if self._every("rows", ROWS_EVERY):
            claims.write_progress(self._numbers())
            self._watch()
            self._save_resume(cheap=True)
        if self._every("resume", RESUME_EVERY):
            self._save_resume(cheap=False)

    def _save_resume(self, *, cheap: bool) -> None:
        """Flush to disk and save what has changed: of all torrents, or of those whose resume data is small."""
        keys = [key for key in self._engine.keys if not self._swarms[key].removing]
        self._engine.save_resume(key for key in keys if not cheap or self._swarms[key].resume_size < SMALL_RESUME)

    def _every(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, 0):
            return False
        self._due[what] = now + seconds
        return True

    # Rows → engine

    def _look(self, *, renewing: bool) -> None:
        """Read what is ours, take what is free, and bring the engine in step."""
        mine = claims.renew(self.name) if renewing else claims.read(self.name)
        if len(mine) < MAX_TORRENTS:
            mine += claims.take(self.name, MAX_TORRENTS - len(mine))
        wanted: dict[str, dict[int, Claim]] = defaultdict(dict)
        for claim in mine:
            wanted[claim.swarm][claim.id] = claim
        for key in {*self._swarms, *wanted}:
            self._swarms[key].downloads = wanted.get(key, {})
            self._reconcile(key, self._swarms[key])

    def _reconcile(self, key: str, swarm: Swarm) -> None:
        active = [claim for claim in swarm.downloads.values() if not claim.removal]
        if not active:
            self._let_go(key, swarm)
            return
        running = [claim for claim in active if claim.phase != Phase.PAUSED]
        if key not in self._engine:
            if running and any(claim.phase != Phase.FILING for claim in running):
                self._add(key, swarm, running)
        elif not swarm.removing and bool(running) == self._is_paused(key):
            (self._engine.resume if running else self._engine.pause)(key)
        for claim in [claim for claim in swarm.downloads.values() if claim.removal]:  # the others still need the files
            self._cleaned(claim)
            del swarm.downloads[claim.id]
        for claim in running:
            self._advance(claim, swarm)

    def _is_paused(self, key: str) -> bool:
        progress = self._engine.progress_of(key)
        return bool(progress and progress.paused)

    def _let_go(self, key: str, swarm: Swarm) -> None:
        """Nobody of ours wants it: out of the session, and off the disk where a removal says so."""
        delete = any(claim.removal == "delete" for claim in swarm.downloads.values())
        if key in self._engine:
            if not swarm.removing:
                swarm.removing = True
                self._engine.remove(key, delete_files=delete)
            return
        for claim in swarm.downloads.values():
            if delete:
                self._disk.clear(library.folder_of(key))
            self._cleaned(claim)
        self._swarms.pop(key, None)

    def _cleaned(self, claim: Claim) -> None:
        with request_id.bound(claim.request_id, claim.user_id):
            replacement.cleaned(claim)

    def _add(self, key: str, swarm: Swarm, running: list[Claim]) -> None:
        claim = running[0]
        state = TorrentState.objects.filter(download_id__in=[c.id for c in running]).order_by("-saved_at").first()
        metainfo = bytes(state.metainfo) if state else b""
        missing = Download.objects.filter(pk=claim.id).values_list("bytes_total", "bytes_done").get()
        if not self._disk.has_room(missing[0] - missing[1]):
            self._fail(swarm, _disk_full())
            return
        try:
            self._engine.add(
                key,
                folder=library.folder_of(key),
                magnet=claim.magnet or None,
                torrent=metainfo or None,
                resume=bytes(state.resume) or None if state else None,
                held=True,  # until _on_metadata has looked at the list of files
            )
        except PermanentError as error:
            self._fail(swarm, error.message, faults.of(error))

    def _advance(self, claim: Claim, swarm: Swarm) -> None:
        """From one phase to the next, as far as the engine has come."""
        if claim.swarm in self._engine and (not claim.has_metadata or self._engine.is_held(claim.swarm)):
            self._engine.tell_metadata(claim.swarm)  # who joins a swarm that has it is not told otherwise
        if claim.phase == Phase.FILING or (swarm.finished and claim.has_metadata and claim.phase in UNFINISHED):
            self._file(claim)
        elif claim.phase == Phase.QUEUED:
            self._move(claim, Phase.DOWNLOADING if claim.has_metadata else Phase.METADATA)
        elif claim.phase == Phase.METADATA and claim.has_metadata:
            self._move(claim, Phase.DOWNLOADING)
        elif claim.phase == Phase.SEEDING and self._has_seeded(claim):
            self._move(claim, Phase.DONE, removal="delete")

    def _move(self, claim: Claim, phase: Phase, **fields: Any) -> bool:
        with request_id.bound(claim.request_id, claim.user_id):
            moved = rows.move(claim.id, phase, fence=claim.fence, **fields)
            if moved:
                log.info("download moved", download_id=claim.id, phase=str(phase), reason=fields.get("reason", ""))
                claim.phase = str(phase)
        return moved

    def _has_seeded(self, claim: Claim) -> bool:
        progress = self._engine.progress_of(claim.swarm)
        if claim.seeded >= ENV.seed_hours * 3600:
            return True
        return bool(progress and progress.bytes_total and progress.uploaded / progress.bytes_total >= ENV.seed_ratio)

    def _fail(self, swarm: Swarm, reason: str, fault: Fault | None = None) -> None:
        for claim in swarm.downloads.values():
            if not claim.removal:
                self._fail_one(claim, reason, fault)

    def _fail_one(self, claim: Claim, reason: str, fault: Fault | None = None) -> None:
        """`fault`: the release is to blame, so that another one is taken where the choice is ours."""
        self._late.pop(claim.id, None)
        with request_id.bound(claim.request_id, claim.user_id):
            if fault and replacement.give_up(claim.id, fault, fence=claim.fence):
                claim.removal = "delete"
                log.info("release given up", download_id=claim.id, fault=fault.code, reason=fault.reason)
                return
        claim.removal = "keep" if ENV.keep_partial else "delete"
        self._move(claim, Phase.FAILED, reason=reason, removal=claim.removal)

    # Filing

    def _file(self, claim: Claim) -> None:
        """File it in a thread of its own; the phase says so first, so that a successor repeats it."""
        if claim.phase != Phase.FILING and not self._move(
            claim, Phase.FILING, progress=100, bytes_done=F("bytes_total")
        ):
            return
        if claim.id not in self._filed:
            self._filed[claim.id] = self._filing.submit(self._file_now, claim)
            self._filed[claim.id].add_done_callback(lambda _: self.wake())
            return
        if self._filed[claim.id].done():
            self._filed_with(claim, self._filed.pop(claim.id))

    def _file_now(self, claim: Claim) -> None:
        with request_id.bound(claim.request_id, claim.user_id):
            try:
                library.file_download(claim.id)
            finally:
                close_old_connections()

    def _filed_with(self, claim: Claim, result: Future[None]) -> None:
        try:
            result.result()
        except PermanentError as error:
            self._fail_one(claim, error.message, faults.of(error))
        except (DatabaseError, InterfaceError):
            return  # tried again at the next look
        except TimeoutError as error:
            self._late[claim.id] += 1
            if self._late[claim.id] == LATE_PROBES:
                self._fail_one(claim, _not_filed(error))
        except OSError as error:
            self._fail_one(claim, _disk_full() if self._disk.is_full(error) else _not_filed(error))
        else:
            self._move(claim, Phase.SEEDING, progress=100, bytes_done=F("bytes_total"))

    # Engine → rows

    def _event_handlers(self) -> dict[type, Callable[[Any, Swarm], None]]:
        return {
            events.MetadataReceived: self._on_metadata,
            events.MetadataRefused: lambda event, swarm: self._fail(
                swarm, event.message, faults.named(event.code, event.message)
            ),
            events.Finished: self._on_finished,
            events.ResumeData: self._on_resume_data,
            events.TrackerError: self._on_tracker_error,
            events.TrackerReply: self._on_tracker_reply,
            events.FileError: self._on_file_error,
            events.TorrentError: lambda event, swarm: self._fail(swarm, event.message),
            events.Removed: self._on_removed,
            events.ResumeRejected: lambda event, _: log.warning("resume data refused", error=event.message),
        }

    def _handle(self, event: events.EngineEvent) -> None:
        if handler := self._handlers.get(type(event)):
            handler(event, self._swarms[event.key])

    def _on_metadata(self, event: events.MetadataReceived, swarm: Swarm) -> None:
        if not self._may_come(event, swarm):
            return
        files = fetched(event.meta)
        fresh = TorrentState.objects.filter(download_id__in=swarm.downloads, metainfo=b"")
        if fresh.exists() and not self._disk.has_room(event.meta.total):
            self._fail(swarm, _disk_full())
            return
        fresh.update(metainfo=event.torrent, files=files)
        for claim in swarm.downloads.values():
            self._learn_size(claim, event)
        if event.key in self._engine and any(not claim.removal for claim in swarm.downloads.values()):
            self._engine.release(event.key, without=left_out(event.meta))
        self._due["tick"] = 0

    def _may_come(self, event: events.MetadataReceived, swarm: Swarm) -> bool:
        """Whether the list of files is that of a film; if not, each download of it fails with the reason."""
        for claim in swarm.downloads.values():
            try:
                with quotas.speaking_to(claim.user_id):
                    check_content(event.meta)
            except SokoulError as error:
                if not claim.removal:
                    self._fail_one(claim, error.message, faults.of(error))
        return any(not claim.removal for claim in swarm.downloads.values())

    def _learn_size(self, claim: Claim, event: events.MetadataReceived) -> None:
        """Write it, unless it is more than its person may keep: then this download ends, and others of the swarm go on."""
        total, fresh = event.meta.total, not claim.has_metadata and claim.phase in UNFINISHED
        with transaction.atomic():
            reason = quotas.too_large(claim.id, total) if fresh else ""
            if not reason:
                mine = Download.objects.filter(pk=claim.id, fence=claim.fence)
                mine.update(bytes_total=total, name=event.meta.name)
        if reason:
            self._fail_one(claim, reason)

    def _on_finished(self, event: events.Finished, swarm: Swarm) -> None:
        swarm.finished = True
        self._engine.save_resume([event.key])
        self._due["tick"] = 0  # file it now

    def _on_resume_data(self, event: events.ResumeData, swarm: Swarm) -> None:
        ours = Download.objects.filter(pk__in=swarm.downloads, hunter=self.name).values("pk")
        TorrentState.objects.filter(download_id__in=ours).update(resume=event.data, saved_at=timezone.now())
        swarm.resume_size = len(event.data)

    def _on_tracker_error(self, _: events.TrackerError, swarm: Swarm) -> None:
        swarm.reason = _unreachable()

    def _on_tracker_reply(self, _: events.TrackerReply, swarm: Swarm) -> None:
        swarm.reason = ""
        self._patience.heard()

    def _on_file_error(self, event: events.FileError, swarm: Swarm) -> None:
        full = self._disk.is_full(OSError(event.errno, event.message))
        failed = said(lambda: gettext("The disk failed: %(why)s.") % {"why": spoken(event.message)})
        self._fail(swarm, _disk_full() if full else failed)

    def _on_removed(self, event: events.Removed, swarm: Swarm) -> None:
        swarm.removing = swarm.finished = False
        self._due["tick"] = 0

    # What people see

    def _numbers(self) -> list[dict[str, Any]]:
        """One row a download that runs. Seconds, bytes, percent."""
        numbers = []
        for key, progress in self._engine.progress().items():
            if progress.state == "checking":  # it counts from nothing what is there already
                continue
            swarm = self._swarms[key]
            if progress.peers:
                self._patience.heard()
            moved, swarm.last_bytes = progress.bytes_done != swarm.last_bytes, progress.bytes_done
            for claim in swarm.downloads.values():
                if claim.phase in {Phase.METADATA, Phase.DOWNLOADING, Phase.SEEDING}:
                    numbers.append(self._row(claim, swarm, progress, moved=moved))
        return numbers

    def _row(self, claim: Claim, swarm: Swarm, progress: events.Progress, *, moved: bool) -> dict[str, Any]:
        if claim.phase == Phase.SEEDING:
            progress = replace(progress, percent=100, bytes_done=progress.bytes_total)
        rate = (
            progress.rate if progress.peers else 0
        )  # libtorrent's average sinks for half a minute after the last peer
        remaining = max(0, progress.bytes_total - progress.bytes_done)
        eta = min(remaining // rate, 10**8) if rate and remaining else None
        waiting = swarm.reason if not progress.peers and claim.phase != Phase.SEEDING else ""
        return {
            "id": claim.id, "fence": claim.fence, "media_id": claim.media_id, "user_id": claim.user_id,
            "phase": claim.phase, "progress": round(min(progress.percent, 100.0), 2), "bytes_done": progress.bytes_done,
            "bytes_total": progress.bytes_total, "rate": rate, "upload_rate": progress.upload_rate,
            "uploaded": progress.uploaded, "eta": eta, "peers": progress.peers, "received": progress.downloaded,
            "reason": waiting, "reason_texts": texts_of(waiting), "moved": moved,
        }  # fmt: skip

    def _tell(self) -> None:
        hidden = {"fence", "user_id", "moved", "received", "uploaded"}
        push.progress(
            (row["user_id"], {key: value for key, value in row.items() if key not in hidden} | {"status": "Running"})
            for row in self._numbers_for_sockets()
        )

    def _numbers_for_sockets(self) -> list[dict[str, Any]]:
        return [
            self._row(claim, self._swarms[key], progress, moved=False)
            for key, progress in self._engine.progress().items()
            for claim in self._swarms[key].downloads.values()
            if claim.phase in {Phase.METADATA, Phase.DOWNLOADING}
        ]

    def _watch(self) -> None:
        """Nothing waits for ever. That the release is to blame is only said where others are heard of."""
        waits = {Phase.METADATA, Phase.DOWNLOADING}
        waiting = {
            claim.swarm for swarm in self._swarms.values() for claim in swarm.downloads.values() if claim.phase in waits
        }
        for key, swarm in self._swarms.items():
            progress = self._engine.progress_of(key)
            for claim in [claim for claim in swarm.downloads.values() if not claim.removal]:
                if over := self._patience.over(claim, progress, unreachable=bool(swarm.reason)):
                    self._fail_one(claim, over.reason, None if self._patience.cut_off(claim, waiting) else over)

    def _stop(self) -> None:
        """Save every torrent's resume data, write the numbers, give the leases back."""
        self._filing.shutdown(wait=True, cancel_futures=True)
        numbers = self._numbers()
        try:
            for event in self._engine.close(STOP_SECONDS):
                self._handle_last(event)
            claims.write_progress(numbers)
            claims.release(self.name)
        except (DatabaseError, InterfaceError) as error:
            log.warning("stopped without the database, the lease will lapse", error=type(error).__name__)

    def _handle_last(self, event: events.EngineEvent) -> None:
        if isinstance(event, events.ResumeData):
            self._on_resume_data(event, self._swarms[event.key])
