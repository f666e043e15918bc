"""How often somebody may ask: at most `quota` requests in any `window` seconds, exact over all processes (SPEC 16).

A sliding log in Redis: each log is a list of times, the oldest first. One script a request looks at all logs that concern it
and adds the request to all of them, or, where one is full, to none: what is refused is not counted. Each process also
remembers what it let through itself, which is what it goes by while Redis does not answer, and what it was refused.
docs/limits.md says what counts against what, and why this is no library.
"""

import functools
import ipaddress
import math
import threading
import time
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import redis
from django_redis import get_redis_connection
from redis.commands.core import Script

from sokoul import logs
from sokoul.errors import PermanentError

log = logs.logger(__name__)
BLIND = 5.0  # seconds that Redis is left alone once it did not answer
MOST = 10_000  # logs that one process remembers: who has not asked for longest is forgotten first

# Times are whole microseconds of the server's own clock, so that no two hosts have to agree on one. A time that lies ahead was
# written before that clock was set back. Gives whether the request was counted, then of each log how many more it has room for
# and the microseconds until its oldest request leaves it.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answer, counted = {1}, 1
for i, key in ipairs(KEYS) do
  local quota, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local oldest = tonumber(redis.call('LINDEX', key, 0))
  while oldest and (oldest <= now - window or oldest > now) do
    redis.call('LPOP', key)
    oldest = tonumber(redis.call('LINDEX', key, 0))
  end
  local room = quota - redis.call('LLEN', key)
  if room <= 0 then counted = 0 end
  answer[2 * i] = room
  answer[2 * i + 1] = (oldest or now) + window - now
end
answer[1] = counted
if counted == 1 then
  for i, key in ipairs(KEYS) do
    redis.call('RPUSH', key, now)
    redis.call('PEXPIRE', key, math.ceil(ARGV[2 * i] / 1000))
    answer[2 * i] = answer[2 * i] - 1
  end
end
return answer
"""


@dataclass(frozen=True)
class Policy:
    """`quota` requests in any `window` seconds. The name is told to clients and begins the keys in Redis."""

    name: str
    quota: int
    window: float = 60.0


class Claim(NamedTuple):
    """One request's place in the log that a policy keeps of somebody, or of an address."""

    policy: Policy
    who: str

    @property
    def key(self) -> str:
        return f"{self.policy.name}:{self.who}"


class Standing(NamedTuple):
    """How a log stands: how many more requests it has room for, and the seconds until its oldest leaves it."""

    policy: Policy
    remaining: int
    reset: float


@dataclass(frozen=True)
class Verdict:
    """`standings`: of every log that was asked for; of a refusal that was remembered, only of the full ones."""

    admitted: bool
    standings: tuple[Standing, ...]

    @property
    def full(self) -> tuple[Standing, ...]:
        return () if self.admitted else tuple(one for one in self.standings if one.remaining == 0)

    @property
    def retry_after(self) -> int:
        """Whole seconds after which the same request would be let through, if nothing else came."""
        return max((math.ceil(one.reset) for one in self.full), default=0)


class _Log:
    """`times` of what this process let through, ascending; until `shut`, Redis has said, there is no room."""

    __slots__ = ("shut", "times")

    def __init__(self) -> None:
        self.times: list[float] = []
        self.shut = 0.0

    def standing(self, policy: Policy, now: float) -> Standing:
        del self.times[: bisect_right(self.times, now - policy.window)]
        if self.shut > now:
            return Standing(policy, 0, self.shut - now)
        oldest = self.times[0] if self.times else now
        return Standing(policy, max(0, policy.quota - len(self.times)), oldest + policy.window - now)


class _Memory:
    """What one process knows by itself. Not guarded: the limiter holds its lock."""

    def __init__(self) -> None:
        self._logs: OrderedDict[str, _Log] = OrderedDict()

    def look(self, claims: Sequence[Claim], now: float) -> Verdict:
        standings = tuple(self._of(claim).standing(claim.policy, now) for claim in claims)
        full = tuple(one for one in standings if one.remaining == 0)
        return Verdict(not full, full or standings)

    def note(self, claims: Sequence[Claim], at: float) -> None:
        for claim in claims:
            insort(self._of(claim).times, at)

    def shut(self, verdict: Verdict, claims: Sequence[Claim], at: float) -> None:
        for claim, standing in zip(claims, verdict.standings, strict=True):
            if standing.remaining == 0:
                self._of(claim).shut = at + standing.reset

    def _of(self, claim: Claim) -> _Log:
        found = self._logs.pop(claim.key, None) or _Log()
        self._logs[claim.key] = found
        if len(self._logs) > MOST:
            self._logs.popitem(last=False)
        return found


@functools.cache
def _script() -> Script:
    return cast(Script, get_redis_connection("default").register_script(_SCRIPT))


def _ask_redis(claims: Sequence[Claim]) -> Verdict:
    """Raises RedisError or OSError."""
    numbers = [number for claim in claims for number in (claim.policy.quota, round(claim.policy.window * 1_000_000))]
    counted, *found = _script()(
        keys=[f"limit:{claim.key}" for claim in claims], args=numbers, client=get_redis_connection("default")
    )
    pairs = zip(claims, found[::2], found[1::2], strict=True)
    standings = (Standing(claim.policy, max(0, room), wait / 1_000_000) for claim, room, wait in pairs)
    return Verdict(counted == 1, tuple(standings))


@dataclass
class Limiter:
    """One a process. `ask_all`: asks about all processes; `clock`: seconds that never go back."""

    ask_all: Callable[[Sequence[Claim]], Verdict] = _ask_redis
    clock: Callable[[], float] = time.monotonic
    _memory: _Memory = field(default_factory=_Memory)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _alone: bool = False
    _blind_until: float = 0.0

    def ask(self, claims: Sequence[Claim]) -> Verdict:
        """Whether this request may go on; if so, it has been counted in each of the logs."""
        begun = self.clock()  # before Redis counts: this process must not remember longer than all do
        if known := self.refusal(claims):
            return known
        verdict = self._of_all(claims)
        if verdict is None:
            return self._of_this_process(claims)
        with self._lock:
            if verdict.admitted:
                self._memory.note(claims, begun)
            else:
                self._memory.shut(verdict, claims, begun)
        return verdict

    def refusal(self, claims: Sequence[Claim]) -> Verdict | None:
        """What can be refused without asking anybody: a log that was full stays so for its time, for nothing is taken back."""
        with self._lock:
            known = self._memory.look(claims, self.clock())
        return None if known.admitted else known

    def forget(self) -> None:
        """As if the process had just begun."""
        with self._lock:
            self._memory, self._alone, self._blind_until = _Memory(), False, 0.0

    def _of_this_process(self, claims: Sequence[Claim]) -> Verdict:
        with self._lock:
            now = self.clock()
            verdict = self._memory.look(claims, now)
            if not verdict.admitted:
                return verdict
            self._memory.note(claims, now)
        return Verdict(True, tuple(one._replace(remaining=one.remaining - 1) for one in verdict.standings))

    def _of_all(self, claims: Sequence[Claim]) -> Verdict | None:
        """None while Redis does not answer. Of all threads only one finds out whether it does again."""
        with self._lock:
            if self.clock() < self._blind_until:
                return None
            if self._alone:
                self._blind_until = self.clock() + BLIND
        try:
            verdict = self.ask_all(claims)
        except (redis.RedisError, OSError) as error:
            self._lost(error)
            return None
        if self._alone:
            self._found()
        return verdict

    def _lost(self, error: Exception) -> None:
        with self._lock:
            self._blind_until = self.clock() + BLIND
            first, self._alone = not self._alone, True
        if first:
            log.warning("Redis does not answer, each process limits by itself", error=type(error).__name__)

    def _found(self) -> None:
        with self._lock:
            again, self._alone, self._blind_until = self._alone, False, 0.0
        if again:
            log.info("Redis answers, limits hold over all processes again")


LIMITER = Limiter()
IP = Policy("ip", 1000)


def place(address: str | None) -> str:
    """What stands for a client's address in a log. Of IPv6 it is the /64: that is the least a customer is given (RFC 6177), and
    2^64 addresses with a log each would be no limit."""
    if address is None or ":" not in address:
        return address or "unknown"
    return str(ipaddress.ip_network(f"{address}/64", strict=False))


def count(address: str | None) -> None:
    """A request that is known by its address alone. PermanentError (429) where that has asked too often. Blocks."""
    verdict = LIMITER.ask([Claim(IP, place(address))])
    if not verdict.admitted:
        raise too_often(verdict)


def too_often(verdict: Verdict) -> PermanentError:
    seconds = verdict.retry_after
    text = f"You ask too often. Try again in {seconds} s."
    return PermanentError(text, code="rate_limited", status=429, retry_after=seconds)


def headers(claims: Sequence[Claim], verdict: Verdict) -> dict[str, str]:
    """Of draft-ietf-httpapi-ratelimit-headers-11, and of its earlier versions, which more clients read: the tightest log's."""
    tightest = min(verdict.standings, key=lambda one: (one.remaining, -one.reset))
    policies = [claim.policy for claim in claims]
    return {
        "RateLimit-Policy": ", ".join(f'"{one.name}";q={one.quota};w={math.ceil(one.window)}' for one in policies),
        "RateLimit": ", ".join(
            f'"{one.policy.name}";r={one.remaining};t={math.ceil(one.reset)}' for one in verdict.standings
        ),
        "RateLimit-Limit": str(tightest.policy.quota),
        "RateLimit-Remaining": str(tightest.remaining),
        "RateLimit-Reset": str(math.ceil(tightest.reset)),
    }
