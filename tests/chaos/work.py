"""Jobs that are asked for behind the API: some that do nothing, of every worker, and the poison that must end in the DLQ."""

import asyncio
import itertools
import json
import subprocess
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import nats
import nats.errors

from tests.chaos.ledger import Ledger, Operation, Outcome
from tests.up import ROOT

WORKERS = ("scout", "hunter", "notifier")
BATCH = 3  # jobs of each transaction
EVERY = 0.7  # seconds between transactions
POISON_EVERY = 8.0
ATTEMPTS = 40


class Client:
    """The process behind `client.py`. One request at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.client", cwd=ROOT, env=self._environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    async def ask(self, **wanted: Any) -> str:
        """ "" once it is committed, or what went wrong."""
        async with self._turn:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
            await self._process.stdin.drain()
            answer = {}
            while not ({"done", "error"} & set(answer)):  # its log goes the same way
                line = await self._process.stdout.readline()
                with suppress(ValueError):
                    answer = json.loads(line) if line else {"error": "the client ended"}
        return str(answer.get("error", ""))

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 10)
        if self._process.returncode is None:
            self._process.kill()


class Work:
    """`do_nothing` and `poison` go on until they are told to stop; what was begun is finished first."""

    def __init__(self, client: Client, ledger: Ledger, nats_url: str, users: list[int]) -> None:
        self._client, self._ledger, self._nats = client, ledger, nats_url
        self._users = itertools.cycle([None, *users])
        self._kinds = itertools.cycle(["unreadable", "unknown kind", "bad payload"])

    async def warm_up(self) -> None:
        """One job of each worker."""
        for worker in WORKERS:
            await self._enqueue("noop", worker, "noop", {}, count=1)

    async def do_nothing(self, stop: asyncio.Event) -> None:
        for worker in itertools.cycle(WORKERS):
            if stop.is_set():
                return
            await self._enqueue("noop", worker, "noop", {})
            await asyncio.sleep(EVERY)

    async def poison(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._poison_once(next(self._kinds))
            await asyncio.sleep(POISON_EVERY)

    async def _poison_once(self, kind: str) -> None:
        if kind == "unreadable":
            await self._publish_unreadable()
        elif kind == "unknown kind":
            await self._enqueue("poison", "scout", "unheard-of", {}, count=1)
        else:
            await self._enqueue("poison", "hunter", "start", {"download_id": "none"}, count=1)

    async def _enqueue(self, kind: str, worker: str, job_kind: str, payload: Any, count: int = BATCH) -> None:
        """Ask until it is known to be committed: the ids make it the same request."""
        ids = [str(uuid.uuid4()) for _ in range(count)]
        operations = [self._ledger.begin(kind, "client", f"job:{job_id}", f"{worker}.{job_kind}") for job_id in ids]
        user_id = next(self._users)
        for _ in range(ATTEMPTS):
            fault = await self._client.ask(worker=worker, kind=job_kind, payload=payload, user_id=user_id, ids=ids)
            if not fault:
                break
            await asyncio.sleep(1)
        self._end(operations, Outcome.UNKNOWN if fault else Outcome.ACKNOWLEDGED, fault)

    def _end(self, operations: list[Operation], outcome: Outcome, fault: str) -> None:
        for operation in operations:
            self._ledger.end(operation, outcome, fault=fault)

    async def _publish_unreadable(self) -> None:
        """Straight to JetStream, until it acknowledges: the message's id makes it the same one."""
        text = f"unreadable {uuid.uuid4()}"
        operation = self._ledger.begin("poison", "client", f"message:{text}", text)
        for _ in range(ATTEMPTS):
            try:
                await self._publish(text)
            except (nats.errors.Error, OSError, TimeoutError):
                await asyncio.sleep(1)
            else:
                self._ledger.end(operation, Outcome.ACKNOWLEDGED)
                return
        self._ledger.end(operation, Outcome.UNKNOWN, fault="JetStream did not acknowledge")

    async def _publish(self, text: str) -> None:
        async with asyncio.timeout(5):
            link = await nats.connect(self._nats, allow_reconnect=False, connect_timeout=2, error_cb=_quiet)
            try:
                await link.jetstream(timeout=2).publish("jobs.scout.noop", text.encode(), headers={"Nats-Msg-Id": text})
            finally:
                await link.close()


async def _quiet(_: Exception) -> None:
    """nats-py prints what it is not told to do with."""
