"""The limit of the task layer: nats-py and JetStream with nothing around them, file storage, two acknowledgements a message."""

import asyncio
import time

import nats
from nats.js import JetStreamContext

STREAM = "BARE"
AT_ONCE = 200


async def _publish(stream: JetStreamContext, count: int) -> float:
    began = time.perf_counter()
    for _ in range(0, count, AT_ONCE):
        await asyncio.gather(*(stream.publish("bare", b"{}" * 100) for _ in range(AT_ONCE)))
    return count / (time.perf_counter() - began)


async def _work(subscription: JetStreamContext.PullSubscription, count: int) -> float:
    began, done = time.perf_counter(), 0
    while done < count:
        messages = await subscription.fetch(100, timeout=2)
        await asyncio.gather(*(message.ack_sync() for message in messages))
        done += len(messages)
    return count / (time.perf_counter() - began)


async def _paced(
    stream: JetStreamContext, taking: JetStreamContext.PullSubscription, rate: int, count: int
) -> list[float]:
    milliseconds: list[float] = []

    async def consume() -> None:
        while len(milliseconds) < count:
            [message] = await taking.fetch(1, timeout=5)
            await message.ack_sync()
            milliseconds.append((time.time() - float(message.data)) * 1000)

    consuming = asyncio.create_task(consume())
    began = time.time()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - time.time()))
        await stream.publish("bare", str(time.time()).encode())
    await consuming
    return milliseconds


async def measure(url: str, count: int, rate: int, paced: int) -> tuple[float, float, list[float]]:
    """(messages published a second, done a second, milliseconds of each of `paced` messages at `rate` a second)."""
    client = await nats.connect(url)
    stream = client.jetstream()
    await stream.add_stream(name=STREAM, subjects=["bare"], retention="workqueue")
    try:
        published = await _publish(stream, count)
        subscription = await stream.pull_subscribe("bare", durable="bare")
        return published, await _work(subscription, count), await _paced(stream, subscription, rate, paced)
    finally:
        await stream.delete_stream(STREAM)
        await client.close()
