"""What is there in the end: rows, streams, files, connections and processes, read past the product's own code."""

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nats
import psycopg
from nats.js.errors import NotFoundError
from prometheus_client.parser import text_string_to_metric_families
from psycopg.rows import dict_row

from tests.chaos.house import House, facts
from tests.up import ROOT

Row = dict[str, Any]
QUERIES = {
    "users": "SELECT id, username FROM users",
    "jobs": """SELECT id::text, worker, kind, user_id, status, attempts, error, lease::text, published_at IS NOT NULL AS published,
        run_at IS NOT NULL AS by_relay, extract(epoch FROM created_at)::float8 AS created_at,
        extract(epoch FROM finished_at)::float8 AS finished_at FROM jobs""",
    "downloads": """SELECT id, user_id, media_id, target, magnet, swarm, phase, status, reason, hunter, removal, fence, progress,
        peers, bytes_done, bytes_total, replacements, jsonb_array_length(tried) AS given_up,
        coalesce(lease_until < now(), false) AS lapsed, extract(epoch FROM created_at)::float8 AS created_at,
        extract(epoch FROM coalesce(finished_at, completed_at))::float8 AS finished_at FROM downloads""",
    "blocklist": """SELECT user_id, media_id, title, reason, extract(epoch FROM created_at)::float8 AS created_at
        FROM blocklist""",
    "files": "SELECT id, user_id, media_id, download_id, index, path, size FROM library_files",
    "favorites": "SELECT user_id, media_id FROM favorites",
    "watches": "SELECT user_id, media_id, position FROM watch_history",
    "events": "SELECT id, user_id, type, data FROM events ORDER BY id",
    "sendings": """SELECT s.event_id, c.user_id, s.sent_at IS NOT NULL AS sent FROM sendings s JOIN channels c ON c.id = s.channel_id
        WHERE c.kind = 'telegram'""",
    "messages": """SELECT c.user_id, (j.result->>'message_id')::bigint AS message_id FROM jobs j
        JOIN channels c ON c.id = (j.payload->>'channel_id')::bigint
        WHERE j.worker = 'notifier' AND j.kind = 'send' AND j.result ? 'message_id'""",
    "links": "SELECT user_id, chat_id, extract(epoch FROM linked_at)::float8 AS linked_at FROM telegram_links",
}
# Autovacuum and the like are PostgreSQL's own; so is this connection.
CONNECTIONS = """SELECT application_name AS name, state, count(*), max(extract(epoch FROM now() - state_change))::float8 AS longest
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() GROUP BY 1, 2"""


@dataclass
class Letter:
    """A message of the dead-letter queue."""

    sequence: int
    job_id: str
    text: str


@dataclass
class Seen:
    """`rows` by the name of a query; `library` {path: (size, SHA-256)}; `processes` {component: facts}."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    streams: dict[str, Row] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    library: dict[str, tuple[int, str]] = field(default_factory=dict)
    seeded: set[str] = field(default_factory=set)
    connections: list[Row] = field(default_factory=list)
    processes: dict[str, Mapping[str, int]] = field(default_factory=dict)
    sent: list[Row] = field(default_factory=list)
    audit: str = ""


async def look(house: House) -> Seen:
    """Everything, once nothing moves any more."""
    seen = Seen(processes=await processes(house), library=await asyncio.to_thread(library, house.library))
    async with await psycopg.AsyncConnection.connect(house.url("postgres"), row_factory=dict_row) as link:
        seen.connections = [dict(row) for row in await (await link.execute(CONNECTIONS)).fetchall()]
        for name, sql in QUERIES.items():
            seen.rows[name] = [dict(row) for row in await (await link.execute(sql)).fetchall()]
    seen.streams, seen.letters = await streams(house.url("nats"))
    seen.seeded = {digest for content in house.demo.torrents() for digest in content.sha256.values()}
    seen.sent = house.demo.telegram_sent("sendMessage")
    seen.audit = await asyncio.to_thread(verify_audit, house)
    return seen


async def processes(house: House) -> dict[str, Mapping[str, int]]:
    """What each process holds; of `tasks`, what the programs of one name hold together."""
    counted = await tasks(house)
    return {
        name: {**facts(pid), **({"tasks": counted[name]} if name in counted else {})}
        for name, pid in house.pids().items()
    }


async def tasks(house: House) -> dict[str, int]:
    """{component: tasks on the event loops of its processes}, as each of them counts every few seconds."""
    async with httpx.AsyncClient(base_url=house.url("web"), timeout=10) as client:
        page = (await client.get("/metrics")).raise_for_status().text
    families = text_string_to_metric_families(page)
    found = [sample for family in families if family.name == "sokoul_asyncio_tasks" for sample in family.samples]
    return {sample.labels["component"]: int(sample.value) for sample in found}


async def unfinished(url: str) -> dict[str, int]:
    """What is not over yet, by what it is; empty where nothing moves any more."""
    sql = """SELECT 'jobs', count(*) FROM jobs WHERE status IN ('Pending', 'Running')
        UNION ALL SELECT 'downloads', count(*) FROM downloads WHERE status IN ('Pending', 'Running')
        UNION ALL SELECT 'dead letters', count(*) FROM jobs WHERE status = 'Failed' AND published_at IS NULL
        UNION ALL SELECT 'notifications', count(*) FROM sendings WHERE sent_at IS NULL
        UNION ALL SELECT 'leases', count(*) FROM downloads WHERE phase = 'seeding' AND (lease_until IS NULL OR lease_until < now())"""
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=5) as link:
        rows = await (await link.execute(sql)).fetchall()
    return {name: count for name, count in rows if count}


async def streams(url: str) -> tuple[dict[str, Row], list[Letter]]:
    link = await nats.connect(url)
    try:
        context = link.jetstream(timeout=10)
        found: dict[str, Row] = {}
        for info in await context.streams_info():
            consumers = await context.consumers_info(str(info.config.name))
            found[str(info.config.name)] = {
                "messages": info.state.messages,
                "waiting": {c.name: (c.num_pending or 0) + (c.num_ack_pending or 0) for c in consumers},
            }
        return found, await _letters(context)
    finally:
        await link.close()


async def _letters(context: Any) -> list[Letter]:
    found: list[Letter] = []
    at = 1
    while True:
        try:
            message = await context.get_msg("DLQ", at, "dlq.>", next=True)
        except NotFoundError:
            return found
        headers = message.headers or {}
        found.append(Letter(message.seq, headers.get("Sokoul-Job", ""), (message.data or b"").decode(errors="replace")))
        at = message.seq + 1


def library(folder: Path) -> dict[str, tuple[int, str]]:
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[str(path.relative_to(folder))] = (path.stat().st_size, digest)
    return found


def verify_audit(house: House) -> str:
    """ "" where the trail is whole."""
    command = [sys.executable, str(ROOT / "manage.py"), "verify_audit"]
    done = subprocess.run(command, env=house.environment(), capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
