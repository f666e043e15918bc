"""How an installation is from inside: servers, streams, components, stranded jobs, dead letters, disks. One row each."""

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.db import DatabaseError
from prometheus_client.core import Metric

from apps.downloads import gauges as downloads
from apps.jobs import broker
from apps.jobs import gauges as jobs
from apps.jobs.streams import STREAMS
from sokoul import health, http
from sokoul.env import ENV
from sokoul.errors import SokoulError
from sokoul.stack.processes import started_at
from sokoul.stack.state import Installation
from sokoul.templatetags.shown import size

FULL = 0.90
Row = tuple[str, str, str]  # (what, `ok`, `look` or `down`, a few words)


def rows() -> list[Row]:
    return [*_servers(), *_streams(), *_components(), *_jobs(), *_disks()]


def down(found: Sequence[Row]) -> list[str]:
    return [name for name, state, _ in found if state == "down"]


def _components() -> list[Row]:
    """What `make up` started, by its stack.json; nothing where another supervisor does that."""
    try:
        stack = Installation(ENV.data_dir).stack()
    except (OSError, json.JSONDecodeError):
        return []
    found: list[Row] = []
    for name, part in stack.items():
        if name in {"web", "scout", "hunter", "bot", "relay"}:
            pid = part["pid"]
            alive = pid is not None and started_at(pid) is not None
            found.append((name, "ok" if alive else "down", f"process {pid}" if alive else "does not run"))
            if alive and part["url"]:
                found.append(_door(part["url"]))
    return found


def _door(url: str) -> Row:
    try:
        http.get(f"{url}/health/ready", service="The web", seconds=5, trusted=[urlsplit(url).hostname or ""])
    except SokoulError as error:
        return ("web address", "down", error.message)
    return ("web address", "ok", url)


def _servers() -> list[Row]:
    return [(name, part["status"], f"{part['latency_ms']} ms") for name, part in health.look().items()]


def _streams() -> list[Row]:
    try:
        found = {stream["name"]: stream for stream in broker.call(broker.overview(), timeout=5.0)}
    except SokoulError as error:
        return [("streams", "down", error.message)]
    missing = [stream.name for stream in STREAMS if found[stream.name].get("missing")]
    if missing:
        return [("streams", "down", f"{', '.join(missing)} missing; run `manage.py streams declare`")]
    return [("streams", "ok", ", ".join(f"{name} {stream['messages']}" for name, stream in found.items()))]


def _jobs() -> list[Row]:
    found: list[Row] = []
    try:
        numbers = _numbers(jobs.rows())
        waiting = sum(value for key, value in numbers.items() if key[0] == "sokoul_queue_depth")
        stranded = numbers["sokoul_jobs_stranded", ""]
        found.append(("queue", "ok", f"{waiting:g} jobs have not ended"))
        found.append(
            (
                "stranded jobs",
                "down" if stranded else "ok",
                f"{stranded:g}{'; does the relay run?' if stranded else ''}",
            )
        )
        dead = _numbers(jobs.streams())["sokoul_dead_letters", ""]
        found.append(("dead letters", "look" if dead else "ok", f"{dead:g}{'; `manage.py dlq list`' if dead else ''}"))
    except (DatabaseError, SokoulError):
        found.append(("jobs", "down", "cannot be counted"))
    return found


def _disks() -> list[Row]:
    numbers = _numbers(downloads.disks())
    found: list[Row] = []
    for (name, folder), free in numbers.items():
        if name == "sokoul_disk_free_bytes":
            used = 1 - free / max(1.0, numbers["sokoul_disk_size_bytes", folder])
            state = "down" if used > FULL else "ok"
            found.append((f"disk of {folder}", state, f"{size(free)} free, {used:.0%} used"))
    return found


def _numbers(families: Sequence[Metric]) -> dict[tuple[str, str], float]:
    """{(metric, its labels): value}."""
    return {
        (sample.name, " ".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }
