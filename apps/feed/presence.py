"""At most 100 sockets of one person, counted atomically across all processes."""

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
REFRESH = 30  # seconds between two signs of life

# Removes what is stale, then takes a place if one is free. Time by the server's own clock.
_TAKE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""


def client() -> redis.asyncio.Redis:
    """Of the running event loop; short patience, for nothing here may wait on a dead Redis."""
    return redis.asyncio.Redis.from_url(
        ENV.redis_url, socket_connect_timeout=0.3, socket_timeout=0.5, retry=Retry(NoBackoff(), 0)
    )


class Presence:
    """Places of this process's sockets. Without Redis, each process counts its own."""

    def __init__(self, connection: redis.asyncio.Redis) -> None:
        self._redis = connection
        self._take = connection.register_script(_TAKE)
        self._mine: dict[int, set[str]] = {}

    async def take(self, user_id: int) -> str | None:
        """A place to give back later; None when there is none left."""
        place, mine = uuid.uuid4().hex, self._mine.setdefault(user_id, set())
        if len(mine) >= MOST:
            return None
        mine.add(place)  # before the first await: counted even while Redis is asked
        try:
            free = await self._take(keys=[_key(user_id)], args=[place, STALE, MOST])
        except (redis.RedisError, OSError) as error:
            log.warning("sockets are counted by each process alone", error=type(error).__name__)
            return place
        if not free:
            self._forget(user_id, place)
            return None
        return place

    async def give_back(self, user_id: int, place: str) -> None:
        self._forget(user_id, place)
        try:
            await self._redis.zrem(_key(user_id), place)
        except (redis.RedisError, OSError):
            return  # it goes stale by itself

    async def refresh(self) -> None:
        """Show that every socket of this process still lives."""
        now = int(time.time())
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for user_id, places in self._mine.items():
                    pipeline.zadd(_key(user_id), dict.fromkeys(places, now), xx=True)
                    pipeline.expire(_key(user_id), STALE)
                await pipeline.execute()
        except (redis.RedisError, OSError):
            return

    def _forget(self, user_id: int, place: str) -> None:
        places = self._mine.get(user_id, set())
        places.discard(place)
        if not places:
            self._mine.pop(user_id, None)


def _key(user_id: int) -> str:
    return f"sockets:{user_id}"
