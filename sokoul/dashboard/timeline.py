"""The whole path of one request by its id: rows of every kind and lines of every log, in the order of time."""

import os
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from django.db.models import Q

from apps.accounts.models import AuditEntry
from apps.downloads.models import Download, LibraryFile
from apps.feed.models import Event
from apps.jobs.models import Job
from sokoul import moments
from sokoul.env import ENV
from sokoul.masking import masked

VALID = re.compile(r"[A-Za-z0-9._-]{1,64}")
TAIL = 8_000_000  # bytes that are read from the end of each file
MOST = 500  # rows of one kind, and lines of one file
FIRST_FIELDS = {"timestamp", "level", "service", "request_id", "user_id", "message"}


class Moment(NamedTuple):
    """`source`: audit, job, download, file, event, or log and then its service. `details`: short, by name."""

    at: datetime
    source: str
    what: str
    details: dict[str, Any]
    level: str = ""


def of(request_id: str) -> list[Moment]:
    """Everything that is known of it, oldest first; empty for an id that is none. Raises database errors."""
    if not VALID.fullmatch(request_id):
        return []
    jobs = list(Job.objects.filter(request_id=request_id).order_by("created_at")[:MOST])
    downloads = list(Download.objects.filter(request_id=request_id).select_related("media").order_by("pk")[:MOST])
    moments = [
        *_audit(request_id),
        *(moment for job in jobs for moment in _job(job)),
        *(moment for download in downloads for moment in _download(download)),
        *_filed(downloads),
        *_events(request_id, jobs, downloads),
        *log_lines(request_id),
    ]
    return sorted(moments, key=lambda moment: moment.at)


def _audit(request_id: str) -> Iterator[Moment]:
    for row in AuditEntry.objects.filter(request_id=request_id).order_by("pk")[:MOST]:
        who = row.actor or "nobody"
        yield Moment(row.at, "audit", f"{row.action} {row.target}".strip(), {"by": who, "ip": row.ip, **row.details})


def _job(job: Job) -> Iterator[Moment]:
    name, about = f"{job.worker}.{job.kind}", {"job": str(job.pk)}
    yield Moment(job.created_at, "job", f"{name} accepted", about)
    if job.published_at and job.sequence:
        what = "dead letter stored" if job.status == "Failed" else "published to JetStream"
        yield Moment(job.published_at, "job", f"{name} {what}", {**about, "sequence": job.sequence})
    if job.started_at:
        yield Moment(job.started_at, "job", f"{name} started", {**about, "attempt": job.attempts})
    if job.finished_at:
        ended = {**about, **({"error": job.error} if job.error else {"result": job.result})}
        level = "ERROR" if job.status == "Failed" else ""
        yield Moment(job.finished_at, "job", f"{name} {job.status.lower()}", ended, level)


def _download(download: Download) -> Iterator[Moment]:
    about = {"download": download.pk}
    yield Moment(download.created_at, "download", f"“{download.media}” wished for", about)
    if download.started_at:
        yield Moment(download.started_at, "download", "started", {**about, "name": download.name})
    if download.completed_at:
        yield Moment(download.completed_at, "download", "complete", {**about, "bytes": download.bytes_done})
    if download.finished_at:
        level = "ERROR" if download.phase == "failed" else ""
        ended = {**about, **({"reason": download.reason} if download.reason else {})}
        yield Moment(download.finished_at, "download", download.phase, ended, level)


def _filed(downloads: list[Download]) -> Iterator[Moment]:
    for file in LibraryFile.objects.filter(download__in=downloads).order_by("pk")[:MOST]:
        yield Moment(file.created_at, "file", f"filed as {file.path}", {"bytes": file.size})


def _events(request_id: str, jobs: list[Job], downloads: list[Download]) -> Iterator[Moment]:
    """What people were told. Events carry the id in their data, not in a column: they are looked for by their readers."""
    rows: list[Job | Download] = [*jobs, *downloads]
    users = {row.user_id for row in rows if row.user_id}
    if not users:
        return
    since = min(row.created_at for row in rows) - timedelta(seconds=1)
    about = Q(data__request_id=request_id) | Q(data__download_id__in=[download.pk for download in downloads])
    about |= Q(data__job_id__in=[str(job.pk) for job in jobs])
    for event in Event.objects.filter(about, user_id__in=users, at__gte=since).order_by("pk")[:MOST]:
        what = event.data.get("text") or event.data.get("phase") or event.data.get("status") or ""
        yield Moment(event.at, "event", f"{event.type}: {what}".rstrip(": "), {"event": event.pk})


def log_lines(request_id: str, folder: Path | None = None) -> Iterator[Moment]:
    """From the end of each component's log, and of the one before it."""
    folder = folder or ENV.data_dir.absolute() / "logs"
    for path in sorted([*folder.glob("*.log"), *folder.glob("*.log.1")]):
        for number, line in enumerate(_lines(path, request_id.encode())):
            if number == MOST:
                break
            if moment := _moment(line, request_id, path.name.split(".")[0]):
                yield moment


def _lines(path: Path, wanted: bytes) -> Iterable[bytes]:
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - TAIL))
            tail = file.read(TAIL)
    except OSError:  # rotated away, or not ours to read
        return []
    return [line for line in tail.splitlines() if wanted in line] if wanted in tail else []


def _moment(line: bytes, request_id: str, file: str) -> Moment | None:
    """None for a line that only mentions a longer id, or is no line of ours."""
    try:
        fields = orjson.loads(line)
        at = moments.read(fields["timestamp"])
    except (ValueError, KeyError, TypeError):
        return None
    if fields.get("request_id") != request_id:
        return None
    more = {name: masked(value, name) for name, value in fields.items() if name not in FIRST_FIELDS}
    level, service = str(fields.get("level", "")), fields.get("service", file)
    return Moment(at, f"log {service}", str(fields.get("message", "")), more, level)
