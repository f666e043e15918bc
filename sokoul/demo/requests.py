"""What was asked of each provider, for tests that count."""

import time
from collections import Counter, deque
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sokoul.demo.misbehaviour import place
from sokoul.demo.web import Request

KEPT = 5000
SECRET = {"api_key", "apikey"}


class Requests:
    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._log: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def note(self, request: Request) -> None:
        provider, path = place(request.path)
        if not provider:
            return
        query = [
            (k, v) for k, v in parse_qsl(request.raw_query.decode("latin-1"), encoding="latin-1") if k not in SECRET
        ]
        self._counts[provider] += 1
        self._log.append(
            {
                "provider": provider,
                "method": request.method,
                "path": path,
                "query": urlencode(query, encoding="latin-1"),
                "at": time.time(),
            }
        )

    def listed(self) -> dict[str, Any]:
        return {"counts": dict(self._counts), "requests": list(self._log)}

    def clear(self) -> None:
        self._counts.clear()
        self._log.clear()
