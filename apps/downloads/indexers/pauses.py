"""How long an indexer is left alone: after failures, when it says so, and as its headers tell."""

import re
import time
from collections.abc import Mapping

DAY = 86400.0
HOUR = 3600.0
AFTER_FAILURES = (0.0, 60.0, 300.0, 900.0, 1800.0, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY)
"""By how many failures there were in a row. The first costs nothing: it is often only a connection that broke, and the job that
asked tries again two seconds later."""
AFTER_LIMIT = 300.0  # where it does not say how long
_REMAINING = ("x-ratelimit-remaining", "ratelimit-remaining", "x-rate-limit-remaining", "x-api-remaining")
_RESET = ("x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset")
_EPOCH = 1_000_000_000  # larger: a moment, not a number of seconds
_FIELD = re.compile(r";\s*([rt])=(\d{1,12})")


def after(failures: int, limit: bool = False) -> float:
    """Seconds after so many failures in a row, the last of them a limit that was reached."""
    seconds = AFTER_FAILURES[min(max(failures, 1), len(AFTER_FAILURES)) - 1]
    return max(seconds, AFTER_LIMIT) if limit else seconds


def told(headers: Mapping[str, str]) -> float:
    """Seconds until it may be asked again by its rate limit headers (in any spelling); 0 while something remains."""
    fields = dict(_FIELD.findall(headers.get("ratelimit", "")))  # draft-ietf-httpapi-ratelimit-headers: "name";r=0;t=30
    remaining = fields.get("r") or next((headers[name] for name in _REMAINING if name in headers), "")
    if not re.fullmatch(r"-?\d{1,12}", remaining.strip()) or int(remaining) > 0:
        return 0.0
    reset = fields.get("t") or next((headers[name] for name in _RESET if name in headers), "")
    if not re.fullmatch(r"\d{1,12}", reset.strip()):
        return AFTER_LIMIT
    seconds = float(reset)
    return min(max(seconds - time.time() if seconds > _EPOCH else seconds, 1.0), DAY)
