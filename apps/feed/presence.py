"""At most 100 sockets of one person, counted atomically across all processes."""

import asyncio
import time
import uuid

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sokoul import logs
from sokoul.env import ENV

log = logs.logger(__name__)
MOST = 100
STALE = 90  # seconds after which the entry of a process that died no longer counts
AT_ONCE = 8  # questions to Redis under way; the other sockets that open queue for them
BLIND = 2.0  # seconds that Redis is not asked again once it did not answer

# Both by the server's own clock. The first removes what is stale, then takes a place if one is free.
_TAKE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""
_REFRESH = """
local now = tonumber(redis.call('TIME')[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now, ARGV[i]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""


def client() -> redis.asyncio.Redis:
    """Of the running event loop; short patience, for nothing here may wait on a dead Redis.

    A connection that Redis has closed is replaced once; a question that it did not answer is not put again.
    """
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.asyncio.Redis.from_url(ENV.redis_url, socket_connect_timeout=0.5, socket_timeout=1.0, retry=retry)


class Presence:
    """Places of this process's sockets. Without Redis, each process counts its own."""

    def __init__(self, connection: redis.asyncio.Redis) -> None:
        self._redis = connection
        self._take = connection.register_script(_TAKE)
        self._refresh = connection.register_script(_REFRESH)
        self._mine: dict[int, set[str]] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._blind_until = 0.0

    async def take(self, user_id: int) -> str | None:
        """A place to give back later; None when there is none left."""
        place, mine = uuid.uuid4().hex, self._mine.setdefault(user_id, set())
        if len(mine) >= MOST:
            return None
        mine.add(place)  # before the first await: counted even while Redis is asked
        try:
            if await self._is_free(user_id, place):
                return place
        except asyncio.CancelledError:
            self._forget(user_id, place)
            raise
        self._forget(user_id, place)
        return None

    async def _is_free(self, user_id: int, place: str) -> bool:
        async with self._turn:
            if time.monotonic() < self._blind_until:
                return True
            try:
                return bool(await self._take(keys=[_key(user_id)], args=[place, STALE, MOST]))
            except (redis.RedisError, OSError) as error:
                self._blind_until = time.monotonic() + BLIND
                log.warning("sockets are counted by each process alone", error=type(error).__name__)
                return True

    async def give_back(self, user_id: int, place: str) -> None:
        self._forget(user_id, place)
        await self._remove(user_id, {place})

    async def refresh(self) -> None:
        """Show that every socket of this process still lives, also to a Redis that has forgotten it."""
        shown = {user_id: set(places) for user_id, places in self._mine.items()}
        for user_id, places in shown.items():
            try:
                await self._refresh(keys=[_key(user_id)], args=[STALE, *places])
            except (redis.RedisError, OSError):
                return
            if gone := places - self._mine.get(user_id, set()):  # left while they were shown
                await self._remove(user_id, gone)

    async def _remove(self, user_id: int, places: set[str]) -> None:
        async with self._turn:
            if time.monotonic() < self._blind_until:
                return  # they go stale by themselves
            try:
                await self._redis.zrem(_key(user_id), *places)
            except (redis.RedisError, OSError):
                self._blind_until = time.monotonic() + BLIND

    def _forget(self, user_id: int, place: str) -> None:
        places = self._mine.get(user_id, set())
        places.discard(place)
        if not places:
            self._mine.pop(user_id, None)


def _key(user_id: int) -> str:
    return f"sockets:{user_id}"
