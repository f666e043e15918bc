"""The demo providers for tests: one process for the whole session, put back to its start before each test that asks for it.

The fixture is `demo`, known to every test; `from tests.demo import Demo` is its type. `Demo(folder, rate=…)` starts another.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Content:
    """A torrent that the demo swarm seeds. `sha256` by path within the torrent; hashes in hex, "" where it has none."""

    key: str
    name: str
    info_hash_v1: str
    info_hash_v2: str
    magnet: str
    torrent_url: str
    size: int
    sha256: dict[str, str]
    uploaded: int
    peers: int

    @classmethod
    def read(cls, row: dict[str, Any]) -> "Content":
        known = {name: row[name] for name in cls.__dataclass_fields__ if name != "sha256"}
        return cls(**known, sha256={file["path"]: file["sha256"] for file in row["files"]})


class Demo:
    """A running demo program, and the calls that steer it."""

    def __init__(self, data_dir: Path, rate: int = 0, port: int = 0) -> None:
        self.data_dir = data_dir
        command = [sys.executable, "-m", "sokoul.demo", "--lazy", "--port", str(port), "--data-dir", str(data_dir)]
        self.process = subprocess.Popen(
            [*command, "--rate", str(rate), "--parent", str(os.getpid())], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("Demo providers: "), f"the demo did not start: {line!r}"
        self.url = line.removeprefix("Demo providers: ").strip()
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self.call("GET", "health")

    def close(self) -> None:
        self.http.close()
        self.process.terminate()
        assert self.process.stdout is not None
        self.process.stdout.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self.http.request(method, f"/control/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def env(self) -> dict[str, str]:
        """Variables that point Sokoul here (TMDB_URL, PROWLARR_API_KEY, TORZNAB_FEEDS and so on)."""
        found: dict[str, str] = self.call("GET", "health")["env"]
        return found

    def reset(self) -> None:
        self.call("POST", "reset")

    def misbehave(self, provider: str, kind: str, **options: Any) -> None:
        """Add a fault; options: path_prefix, times, skip, code, retry_after, seconds, size."""
        self.call("POST", "misbehave", {"provider": provider, "kind": kind, **options})

    def behave(self) -> None:
        """Clear all faults."""
        self.call("DELETE", "misbehave")

    def requests(self, provider: str) -> list[dict[str, Any]]:
        """What was asked of a provider since the start of the test: method, path, query, at."""
        rows: list[dict[str, Any]] = self.call("GET", "requests")["requests"]
        return [row for row in rows if row["provider"] == provider]

    def add_content(self, name: str, files: list[dict[str, Any]], kind: str = "v1", **options: Any) -> Content:
        """Seed files ({path, size, video?}); options: piece_size, listed, seeders, leechers, magnet_only."""
        return Content.read(self.call("POST", "swarm/content", {"name": name, "files": files, "kind": kind, **options}))

    def add_episode(self, series: str, season: int, number: int, air_date: date, **options: Any) -> list[str]:
        """One more episode of a series (its key); the names of its releases. Options: name, released."""
        body = {"series": series, "season": season, "number": number, "air_date": str(air_date), "name": "Landfall"}
        found: list[str] = self.call("POST", "episode", {**body, **options})["releases"]
        return found

    def torrents(self) -> list[Content]:
        """Everything that was made so far, also what nobody seeds."""
        return [Content.read(row) for row in self.call("GET", "swarm")["torrents"]]

    def torrent(self, name: str) -> Content:
        """By release name; search for it at an indexer first, so that it is made."""
        return next(row for row in self.torrents() if row.name == name)

    def set_rate(self, rate_bytes: int) -> None:
        """What each torrent may upload, in bytes a second; 0 for no limit."""
        self.call("POST", "swarm", {"rate_bytes": rate_bytes})

    def swarm(self, action: str, torrent: str) -> None:
        """pause, resume or stop a torrent, by key, name or info-hash."""
        self.call("POST", f"swarm/{action}", {"torrent": torrent})

    def telegram_update(self, **body: Any) -> dict[str, Any]:
        """Somebody writes (user_id, text) or presses a button (user_id, callback_data, message_id); answers the update."""
        update: dict[str, Any] = self.call("POST", "telegram/update", body)
        return update

    def telegram_block(self, user_id: int, blocked: bool = True) -> None:
        self.call("POST", "telegram/block", {"user_id": user_id, "blocked": blocked})

    def telegram_sent(self, method: str | None = None, after: int = 0) -> list[dict[str, Any]]:
        """What the bot sent: number, method, params, result, at."""
        sent = self.call("GET", f"telegram/sent?after={after}")["sent"]
        return [call for call in sent if method in (None, call["method"])]

    def wait_sent(
        self, wanted: Callable[[dict[str, Any]], bool], after: int = 0, timeout: float = 30
    ) -> dict[str, Any]:
        """The first call of the bot's that fits, once it was made; fails after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for call in self.telegram_sent(after=after):
                if wanted(call):
                    return call
            time.sleep(0.05)
        raise AssertionError(f"the bot did not send it; it sent {self.telegram_sent(after=after)}")


@pytest.fixture(scope="session")
def demo_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"))
    yield running
    running.close()


@pytest.fixture
def demo(demo_process: Demo) -> Iterator[Demo]:
    """The demo providers as they are at their start: no faults, no chats, no rate limit, only the catalogue."""
    demo_process.reset()
    yield demo_process
    demo_process.behave()
