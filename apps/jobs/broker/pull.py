"""Consuming: what a worker pulls, message by message as they come."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from apps.jobs.broker.connection import BrokerDown, connected, translated
from sokoul import logs, metrics

log = logs.logger(__name__)
PULL_EXPIRES = 5.0  # seconds that the server keeps a pull request


class Delivery:
    """One delivery of a message. Its verbs never raise: what does not reach the server is delivered again."""

    def __init__(self, message: Msg) -> None:
        self._message = message
        metadata = message.metadata
        self.subject: str = message.subject
        self.data: bytes = message.data
        self.deliveries = metadata.num_delivered
        self.sequence = metadata.sequence.stream

    async def ack(self) -> None:
        await self._say("ack", self._message.ack())

    async def nak(self, delay: float) -> None:
        """Again after `delay` seconds."""
        await self._say("nak", self._message.nak(delay=delay))

    async def term(self) -> None:
        """Never again: the message leaves the work queue."""
        await self._say("term", self._message.term())

    async def in_progress(self) -> None:
        await self._say("", self._message.in_progress())

    async def _say(self, answer: str, verb: Awaitable[None]) -> None:
        try:
            await verb
            if answer:
                metrics.NATS_MESSAGES.labels(answer).inc()
        except (nats.errors.Error, TimeoutError, OSError) as error:
            log.debug("not told to NATS", error=type(error).__name__, sequence=self.sequence)


class Pull:
    """Messages of a durable consumer, never more at a time than were asked for.

    nats-py's fetch() waits until its whole batch is there or its time is over; here each message is handed on as it comes.
    """

    def __init__(self, stream: str, consumer: str) -> None:
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._client: Client | None = None
        self._subscription: Subscription | None = None
        self._reconnects = -1  # of the client, when the open requests were made: they do not survive one
        self._asked = 0
        self._asked_until = 0.0
        self._arrived: deque[Delivery] = deque()
        self._news = asyncio.Event()
        self._fault = ""

    async def take(self, seats: int, timeout: float) -> list[Delivery]:
        """Up to `seats` messages, as soon as there is one; perhaps none, after `timeout` seconds at most. Raises BrokerDown."""
        with translated():
            await self._ask(seats)
        if not self._arrived and not self._fault:
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), timeout)
        if self._fault:
            fault, self._fault, self._asked = self._fault, "", 0
            raise BrokerDown(f"NATS: {fault}")
        return [self._arrived.popleft() for _ in range(min(seats, len(self._arrived)))]

    def interrupt(self) -> None:
        """Let `take` return now."""
        self._news.set()

    async def close(self) -> list[Delivery]:
        """Take nothing more; gives what had arrived and was not taken."""
        if self._subscription is not None:
            try:
                await self._subscription.unsubscribe()
            except nats.errors.Error as error:
                log.debug("not unsubscribed", error=type(error).__name__)
        return list(self._arrived)

    async def _ask(self, seats: int) -> None:
        client = await connected()
        if client is not self._client:
            self._client, self._reconnects = client, -1
            self._subscription = await client.subscribe(client.new_inbox(), cb=self._receive)
        assert self._subscription is not None
        now = asyncio.get_running_loop().time()
        if self._reconnects != client.stats["reconnects"] or now > self._asked_until:
            self._reconnects, self._asked = client.stats["reconnects"], 0
        wanted = seats - self._asked - len(self._arrived)
        if wanted <= 0:
            return
        self._asked += wanted
        self._asked_until = now + PULL_EXPIRES + 1
        ask = {"batch": wanted, "expires": int(PULL_EXPIRES * 1e9)}
        await client.publish(self._subject, json.dumps(ask).encode(), reply=self._subscription.subject)

    async def _receive(self, message: Msg) -> None:
        if message.reply:
            self._asked -= 1
            self._arrived.append(Delivery(message))
            self._news.set()
        else:
            self._take_status(message.headers or {})

    def _take_status(self, headers: dict[str, str]) -> None:
        """A pull request ended (ADR-13): 404 and 408 say that its time is over, all others but 100 that something is wrong."""
        status = headers.get("Status", "")
        if status == "100":
            return
        self._asked -= int(headers.get("Nats-Pending-Messages", self._asked))
        if status not in {"404", "408"}:
            self._fault = f"{status} {headers.get('Description', '')}"
        self._news.set()


async def take(stream: str, consumer: str, most: int, timeout: float = 0.5) -> list[Delivery]:
    """What a consumer has to deliver now, `most` at most. Raises BrokerDown."""
    pull = Pull(stream, consumer)
    found = await pull.take(most, timeout)
    return found + await pull.close()
