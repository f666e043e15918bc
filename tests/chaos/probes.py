"""Is it there now? Asked of every component several times a second, past everybody else, for as long as the run lasts."""

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import psycopg
import redis.asyncio

from tests.chaos.house import House

EVERY = 0.5  # seconds
PATIENCE = 2.0
RELAY_EVERY = 1.0
BOT_PATIENCE = 15.0
STRANGERS = (
    777_000_000  # Telegram ids of nobody who is linked; a new one each time, for the bot wants nobody to ask too often
)


class Probes:
    """`successes` {component: when it answered}; `longest_silence` in seconds: of a download's hunter."""

    def __init__(self, house: House, token: Callable[[], str]) -> None:
        self.successes: dict[str, list[float]] = {}
        self.longest_silence = 0.0
        self._house, self._token = house, token
        self._strangers = itertools.count(STRANGERS)
        self._untaken: dict[int, float] = {}
        self._http = httpx.AsyncClient(base_url=house.url("web"), timeout=PATIENCE)

    async def run(self, stop: asyncio.Event) -> None:
        questions: dict[str, tuple[Callable[[], Awaitable[None]], float]] = {
            "postgres": (self._postgres, PATIENCE), "valkey": (self._valkey, PATIENCE), "nats": (self._nats, PATIENCE),
            "web": (self._web, PATIENCE), "api": (self._api, PATIENCE), "bot": (self._bot, BOT_PATIENCE),
            "leases": (self._leases, PATIENCE), "relay's work": (self._ask_relay, PATIENCE),
        }  # fmt: skip
        async with asyncio.TaskGroup() as group:
            for name, (question, patience) in questions.items():
                group.create_task(self._repeat(name, question, patience, stop))
        await self._http.aclose()

    async def _repeat(
        self, name: str, question: Callable[[], Awaitable[None]], patience: float, stop: asyncio.Event
    ) -> None:
        answered = self.successes.setdefault(name, [])
        while not stop.is_set():
            with suppress(OSError, TimeoutError, psycopg.Error, redis.RedisError, httpx.HTTPError, AssertionError):
                async with asyncio.timeout(patience):
                    await question()
                answered.append(time.time())
            await asyncio.sleep(EVERY)

    async def _postgres(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._house.url("postgres")) as link:
            await link.execute("SELECT 1")

    async def _valkey(self) -> None:
        async with redis.asyncio.Redis.from_url(self._house.url("valkey")) as link:
            await link.ping()

    async def _nats(self) -> None:
        """Greeting, CONNECT, PING, PONG."""
        url = urlsplit(self._house.url("nats"))
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        try:
            greeting = json.dumps({"auth_token": url.username, "verbose": False, "lang": "probe", "version": "1"})
            writer.write(f"CONNECT {greeting}\r\nPING\r\n".encode())
            await reader.readuntil(b"PONG")
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("NATS closed the connection") from error
        finally:
            writer.close()

    async def _web(self) -> None:
        (await self._http.get("/health/live")).raise_for_status()

    async def _api(self) -> None:
        headers = {"Authorization": f"Bearer {self._token()}"}
        (await self._http.get("/media/favorites", headers=headers)).raise_for_status()

    async def _bot(self) -> None:
        """Somebody writes, the bot answers."""
        demo, stranger = self._house.demo, next(self._strangers)
        before = await asyncio.to_thread(demo.telegram_sent)
        after = before[-1]["number"] if before else 0
        await asyncio.to_thread(demo.telegram_update, user_id=stranger, text="/help")
        answered = False
        while not answered:
            await asyncio.sleep(0.1)
            sent = await asyncio.to_thread(demo.telegram_sent, "sendMessage", after)
            answered = any(int(call["params"].get("chat_id", 0)) == stranger for call in sent)

    async def _ask_relay(self) -> None:
        """A job that only the relay can publish: nobody hands it over. When it ran, its row tells."""
        sql = """INSERT INTO jobs (id, worker, kind, payload, status, attempts, error, result, request_id, publication, created_at,
            run_at) VALUES (%s, 'scout', 'noop', '{}', 'Pending', 0, '', '{}', 'relay-probe', 0, now(), now())"""
        async with await psycopg.AsyncConnection.connect(self._house.url("postgres"), autocommit=True) as link:
            await link.execute(sql, [uuid.uuid4()])
        await asyncio.sleep(RELAY_EVERY)

    async def _leases(self) -> None:
        """How long downloads that need a hunter have had none: since the last one took or renewed its lease."""
        sql = """SELECT id, extract(epoch FROM now() - lease_until)::float8 + %s FROM downloads
            WHERE swarm <> '' AND phase IN ('queued', 'metadata', 'downloading', 'paused', 'filing', 'seeding')"""
        async with await psycopg.AsyncConnection.connect(self._house.url("postgres")) as link:
            rows = await (await link.execute(sql, [self._house.hunter_lease])).fetchall()
        now = time.time()
        self._untaken = {number: self._untaken.get(number, now) for number, silence in rows if silence is None}
        silences = [silence for _, silence in rows if silence is not None]
        self.longest_silence = max(
            [self.longest_silence, *silences, *(now - since for since in self._untaken.values())]
        )


def longest_gap(moments: list[float], began: float, ended: float) -> float:
    """The longest time without a success, in seconds."""
    times = sorted([began, *(moment for moment in moments if began < moment < ended), ended])
    return max(later - earlier for earlier, later in itertools.pairwise(times))


def recoveries(first: list[float], then: list[float], outage: float) -> list[tuple[float, float]]:
    """After each outage of one thing (a gap of `outage` seconds and more): when it was back, and how much later the other was."""
    found = []
    for earlier, later in itertools.pairwise(first):
        if later - earlier >= outage and (after := [moment for moment in then if moment >= later]):
            found.append((later, min(after) - later))
    return found
