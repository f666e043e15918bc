"""How things stand: one look at everything, for the overview and for GET /admin/stats.

Answers within about 2 s whatever is frozen: what could not be found out is missing, and named in `unknown`.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Count, Max
from django.db.models.functions import TruncHour
from django.utils import timezone
from prometheus_client import REGISTRY
from prometheus_client.core import Metric

from apps.downloads.models import Download
from apps.jobs.models import Job, Status
from apps.jobs.streams import WORKERS
from sokoul import exposition, health, metrics
from sokoul.metrics import files

PROGRAMS = ("web", "scout", "hunter", "bot", "relay")
HOURS = 24
Labels = dict[str, str]


class Numbers:
    """Samples of metrics, by name."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._samples: dict[str, list[tuple[Labels, float]]] = defaultdict(list)
        for metric in found:
            for sample in metric.samples:
                self._samples[sample.name].append((sample.labels, sample.value))

    def by(self, name: str, label: str) -> dict[str, float]:
        """{label's value: sum}."""
        sums: dict[str, float] = defaultdict(float)
        for labels, value in self._samples[name]:
            sums[labels.get(label, "")] += value
        return dict(sums)

    def total(self, name: str) -> float | None:
        """None where nobody told it."""
        values = [value for _, value in self._samples[name]]
        return sum(values) if values else None

    def table(self, name: str, row: str, column: str) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for labels, value in self._samples[name]:
            found[labels[row]][labels[column]] = int(value)
        return dict(found)


def look() -> dict[str, Any]:
    """Bytes, seconds, counts; times in UTC."""
    counted = Numbers(files.read(metrics.FOLDER) if metrics.shared else REGISTRY.collect())
    state = Numbers(exposition.state())
    return {
        "at": timezone.now(),
        "components": {**health.look(), **_programs(counted)},
        "hunters": _hunters(),
        "jobs": _jobs(),
        "queues": _queues(state),
        "stranded": _whole(state.total("sokoul_jobs_stranded")),
        "dead_letters": _whole(state.total("sokoul_dead_letters")),
        "downloads": {phase: int(count) for phase, count in state.by("sokoul_downloads", "phase").items()},
        "rate": _whole(state.total("sokoul_download_rate_bytes")),
        "disks": _disks(state),
        "requests": _requests(counted),
        "sockets": int(counted.total("sokoul_websockets_open") or 0),
        "cache": {
            "hits": int(counted.total("sokoul_cache_hits_total") or 0),
            "misses": int(counted.total("sokoul_cache_misses_total") or 0),
        },
        "unknown": sorted(name for name, up in state.by("sokoul_source_up", "source").items() if not up),
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _programs(counted: Numbers) -> dict[str, dict[str, Any]]:
    """Each process holds a lock on its numbers for as long as it lives; without a shared folder only this one is seen."""
    alive = counted.by("sokoul_processes", "component")
    memory = counted.by("sokoul_process_memory_bytes", "component")
    unseen = "down" if metrics.shared else "unknown"
    return {
        name: {
            "status": "ok" if alive.get(name) else unseen,
            "processes": int(alive.get(name, 0)),
            "memory": int(memory.get(name, 0)),
        }
        for name in PROGRAMS
    }


def _hunters() -> list[dict[str, Any]]:
    """Hunters that hold downloads, by their leases."""
    held = Download.objects.filter(lease_until__gte=timezone.now()).exclude(hunter="")
    rows = held.values("hunter").annotate(downloads=Count("pk"), lease_until=Max("lease_until")).order_by("hunter")
    return [{"name": row["hunter"], "downloads": row["downloads"], "lease_until": row["lease_until"]} for row in rows]


def _jobs() -> dict[str, Any]:
    """Of the last 24 h: {hours: [{hour, <status>: count}], kinds: [{kind, <status>: count}]}."""
    now = timezone.now()
    recent = Job.objects.filter(status__in=Status.values, created_at__gte=now - timedelta(hours=HOURS))
    rows = recent.annotate(hour=TruncHour("created_at")).values("hour", "worker", "kind", "status")
    none = dict.fromkeys(Status.values, 0)
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    hours = {this_hour - timedelta(hours=back): dict(none) for back in range(HOURS, -1, -1)}
    kinds: dict[str, dict[str, int]] = {}
    for row in rows.annotate(count=Count("pk")).order_by("worker", "kind"):
        hours.setdefault(row["hour"], dict(none))[row["status"]] += row["count"]
        kinds.setdefault(f"{row['worker']}.{row['kind']}", dict(none))[row["status"]] += row["count"]
    return {
        "hours": [{"hour": hour, **counts} for hour, counts in sorted(hours.items())],
        "kinds": [{"kind": kind, **counts} for kind, counts in kinds.items()],
    }


def _queues(state: Numbers) -> dict[str, dict[str, int]]:
    """By worker: `pending` and `running` rows, and `waiting` messages that JetStream has and nobody has acknowledged."""
    rows = state.table("sokoul_queue_depth", "worker", "status")
    waiting = state.by("sokoul_nats_messages_waiting", "worker")
    names = sorted({*WORKERS, *rows})
    return {
        name: {
            "pending": rows.get(name, {}).get(Status.PENDING, 0),
            "running": rows.get(name, {}).get(Status.RUNNING, 0),
            "waiting": int(waiting.get(name, 0)),
        }
        for name in names
    }


def _disks(state: Numbers) -> dict[str, dict[str, int]]:
    size = state.by("sokoul_disk_size_bytes", "folder")
    free = state.by("sokoul_disk_free_bytes", "folder")
    return {name: {"free": int(free.get(name, 0)), "size": int(total)} for name, total in size.items()}


def _requests(counted: Numbers) -> dict[str, Any]:
    """Since the installation began: all, by the first digit of their status, and seconds in all."""
    by_status = counted.by("sokoul_api_requests_total", "status")
    classes: dict[str, int] = dict.fromkeys(("2xx", "3xx", "4xx", "5xx"), 0)
    for status, count in by_status.items():
        classes[f"{status[:1]}xx"] = classes.get(f"{status[:1]}xx", 0) + int(count)
    return {
        "total": int(sum(by_status.values())),
        **classes,
        "seconds": round(counted.total("sokoul_api_request_duration_seconds_sum") or 0.0, 3),
        "timed": int(counted.total("sokoul_api_request_duration_seconds_count") or 0),
    }
