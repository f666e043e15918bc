"""Making the server agree with the declarations of `apps.jobs.streams`."""

from collections.abc import Sequence
from typing import Any

from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from apps.jobs.broker.connection import DISK_PATIENCE, jetstream, translated
from apps.jobs.streams import STREAMS, Consumer, Stream, consumers
from sokoul.env import ENV

_COMPARED = ("subjects", "discard", "max_age", "max_bytes", "duplicate_window", "num_replicas")


async def declare(streams: Sequence[Stream] = STREAMS, durables: Sequence[Consumer] | None = None) -> dict[str, str]:
    """Make streams and consumers as declared; {name: created, updated or unchanged} of the streams. Safe to repeat."""
    done = {}
    with translated():
        context = await jetstream(DISK_PATIENCE)
        for stream in streams:
            done[stream.name] = await _declare_stream(context, _stream_config(stream))
        for consumer in consumers() if durables is None else durables:
            await context.add_consumer(consumer.stream, _consumer_config(consumer))
    return done


async def overview() -> list[dict[str, Any]]:
    """What the server holds, one entry a stream: name, messages, bytes, and its consumers with what they have to do."""
    with translated():
        context = await jetstream()
        return [await _described(context, stream.name) for stream in STREAMS]


async def _described(context: JetStreamContext, name: str) -> dict[str, Any]:
    try:
        found = await context.stream_info(name)
    except NotFoundError:
        return {"name": name, "missing": True}
    workers = [
        {
            "name": consumer.name,
            "pending": consumer.num_pending,
            "unacknowledged": consumer.num_ack_pending,
            "redelivered": consumer.num_redelivered,
        }
        for consumer in await context.consumers_info(name)
    ]
    return {"name": name, "messages": found.state.messages, "bytes": found.state.bytes, "consumers": workers}


async def _declare_stream(context: JetStreamContext, wanted: StreamConfig) -> str:
    try:
        found = await context.stream_info(str(wanted.name))
    except NotFoundError:
        await context.add_stream(wanted)
        return "created"
    if all(getattr(wanted, name) == getattr(found.config, name) for name in _COMPARED):
        return "unchanged"
    await context.update_stream(wanted)
    return "updated"


def _stream_config(stream: Stream) -> StreamConfig:
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.WORK_QUEUE if stream.work_queue else RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW if stream.work_queue else DiscardPolicy.OLD,
        max_age=stream.max_age,
        max_bytes=stream.max_bytes,
        duplicate_window=stream.duplicate_window,
        storage=StorageType.FILE,
        num_replicas=ENV.nats_replicas,
    )


def _consumer_config(consumer: Consumer) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=consumer.name,
        filter_subject=consumer.subject,
        ack_wait=consumer.ack_wait,
        max_deliver=consumer.max_deliver,
        max_ack_pending=consumer.max_ack_pending,
        max_waiting=512,
        num_replicas=ENV.nats_replicas,
    )
