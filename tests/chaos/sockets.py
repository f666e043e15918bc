"""Readers of the feed: they come back after every loss with the id of the last event that they were told."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

PAUSE = 0.5  # seconds before another try


@dataclass
class Reader:
    """`told` are the ids of events in the order in which they came, over all connections; `start` is where the first stood, and
    `end` the newest event that there was for this reader when reading ended."""

    who: str
    address: str
    token: Callable[[], str]
    start: int = -1
    end: int = 0
    told: list[int] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)  # Unix seconds, of each one told
    faults: list[str] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)  # when each began
    progress: int = 0

    @property
    def last(self) -> int:
        return self.told[-1] if self.told else self.start

    async def read(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._one_connection()
            except (OSError, WebSocketException, TimeoutError):
                await asyncio.sleep(PAUSE)

    async def _one_connection(self) -> None:
        position = f"&last_event_id={self.last}" if self.start >= 0 else ""
        address = f"{self.address}?token={self.token()}{position}"
        async with connect(
            address, proxy=None, open_timeout=10, ping_interval=5, ping_timeout=10, max_size=None
        ) as socket:
            self.connections.append(time.time())
            async for text in socket:
                self._take(json.loads(text))

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "resync":
            self.faults.append(f"told to start anew at {time.time():.1f}, after event {self.last}")
        elif message["type"] == "snapshot" and self.start < 0:
            self.start = message["data"]["last_event_id"]
        elif message["type"] == "download.progress":
            self.progress += 1
        elif "id" in message:
            if message["id"] <= self.last:
                self.faults.append(f"event {message['id']} came after {self.last}")
            self.told.append(message["id"])
            self.moments.append(time.time())
