"""The one connection of a process: on an event loop in a thread of its own, made at first need and kept up for good."""

import asyncio
import atexit
import functools
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

import nats.errors
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from sokoul import logs
from sokoul.env import ENV
from sokoul.errors import TransientError
from sokoul.metrics import sampler

log = logs.logger(__name__)
T = TypeVar("T")
Answer = Callable[[bytes], Awaitable[bytes]]

CONNECT_PATIENCE = 1.0  # seconds that a call waits for a connection that is not up
LEAVING = 2.0  # seconds for the loop to end its turn
ACK_PATIENCE = 2.0  # seconds for JetStream to answer
DISK_PATIENCE = 10.0  # seconds for what makes, changes or empties streams: a busy disk takes its time


class BrokerDown(TransientError):
    """NATS does not answer, or refuses for now."""


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except (nats.errors.Error, TimeoutError, OSError) as error:
        raise BrokerDown(f"NATS: {type(error).__name__} {error}".strip()) from error


class _Connection:
    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self.client = Client()
        self.answers: dict[str, Answer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._up = asyncio.Event()
        sampler.watch(self.loop)
        self._thread = threading.Thread(target=self._serve, name="broker", daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def _end(self) -> None:
        """A thread that is within the loop while the interpreter is taken down may take the process along."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(LEAVING)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self._keep(self._stay_connected())
        self.loop.run_forever()

    def _keep(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stay_connected(self) -> None:
        """nats-py reconnects by itself; a connection that it closes for good (a refused token) is made anew."""
        while True:
            lost = asyncio.Event()
            try:
                await self._connect(lost)
                await lost.wait()
            except (nats.errors.Error, OSError, TimeoutError) as error:
                log.warning("NATS refuses the connection", error=type(error).__name__)
            await asyncio.sleep(1)

    async def _connect(self, lost: asyncio.Event) -> None:
        async def down() -> None:
            self._up.clear()
            log.warning("NATS connection lost")

        async def back() -> None:
            self._up.set()
            log.info("NATS connection restored")

        async def closed() -> None:
            self._up.clear()
            lost.set()

        async def failed(error: Exception) -> None:
            log.debug("NATS", error=type(error).__name__)

        client = Client()
        await client.connect(
            servers=ENV.nats_url.split(","),
            name="sokoul",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,  # type: ignore[arg-type]  # it only ever sleeps so long
            connect_timeout=2,
            ping_interval=5,  # a frozen server is noticed after two of them
            max_outstanding_pings=2,
            disconnected_cb=down,
            reconnected_cb=back,
            closed_cb=closed,
            error_cb=failed,
        )
        self.client = client
        for subject in self.answers:
            await self.listen(subject)
        self._up.set()

    async def connected(self) -> Client:
        if not self._up.is_set():
            try:
                await asyncio.wait_for(self._up.wait(), CONNECT_PATIENCE)
            except TimeoutError:
                raise BrokerDown("NATS is not connected.") from None
        return self.client

    async def listen(self, subject: str) -> None:
        async def take(message: Msg) -> None:
            self._keep(self._respond(subject, message))

        await self.client.subscribe(subject, cb=take)

    async def _respond(self, subject: str, message: Msg) -> None:
        try:
            await message.respond(await self.answers[subject](message.data))
        except Exception:
            log.exception("a question went unanswered", subject=subject)


@functools.cache
def _connection() -> _Connection:
    return _Connection()


async def connected() -> Client:
    """The client, once it is connected. Raises BrokerDown after CONNECT_PATIENCE."""
    return await _connection().connected()


async def jetstream(timeout: float = ACK_PATIENCE) -> JetStreamContext:
    """Its calls raise a time-out after `timeout` seconds."""
    return (await connected()).jetstream(timeout=timeout)


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Start a coroutine on the broker's loop, from any thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, _connection().loop)


def call(coroutine: Coroutine[Any, Any, T], timeout: float = 15.0) -> T:
    """Run a coroutine on the broker's loop and wait for it; never from that loop itself. Raises BrokerDown."""
    future = submit(coroutine)
    try:
        return future.result(timeout)
    except TimeoutError:
        future.cancel()
        raise BrokerDown("NATS does not answer.") from None


def is_connected() -> bool:
    return _connection().client.is_connected


async def check(timeout: float = 1.0) -> None:
    """Raises BrokerDown unless JetStream answers within `timeout` seconds (and CONNECT_PATIENCE)."""
    with translated():
        client = await connected()
        await client.jetstream(timeout=timeout).account_info()


async def flush() -> None:
    """Wait until the server has everything that was sent."""
    with translated():
        await (await connected()).flush(timeout=2)


def reply(subject: str, answer: Answer) -> None:
    """Answer requests on `subject`, each in a task of its own on the broker's loop; also after a reconnection."""

    async def begin() -> None:
        connection = _connection()
        connection.answers[subject] = answer
        if connection.client.is_connected:
            await connection.listen(subject)

    submit(begin())


async def request(subject: str, data: bytes, timeout: float) -> bytes:
    """Ask whoever answers on `subject` (core NATS: nothing is kept). Raises BrokerDown where nobody does in time."""

    async def ask() -> bytes:
        with translated():
            message = await (await connected()).request(subject, data, timeout=timeout)
            return bytes(message.data)

    return await asyncio.wrap_future(submit(ask()))
