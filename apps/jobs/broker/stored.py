"""Messages in streams: publishing them, and reading them outside of any consumer."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from apps.jobs.broker.connection import DISK_PATIENCE, BrokerDown, connected, jetstream, translated
from sokoul import logs

log = logs.logger(__name__)
BATCH = 200  # messages on their way at once: more is no faster
# A stream that is drained from its front has few holes behind its first message; a list of more is not worth its size.
MOST_HOLES = 100_000


class Outgoing(NamedTuple):
    subject: str
    data: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Stored:
    sequence: int
    subject: str
    data: bytes
    headers: dict[str, str]
    time: datetime


@dataclass(frozen=True)
class Extent:
    """Which sequences a stream holds: from `first` to `last`, but for `holes`."""

    first: int
    last: int
    messages: int
    holes: list[int] = field(default_factory=list)


async def publish(batch: Sequence[Outgoing]) -> list[int]:
    """Where in its stream each message is kept, in the order of `batch`; 0 for one that was not acknowledged."""
    context = await jetstream()
    kept: list[int] = []
    for start in range(0, len(batch), BATCH):
        part = batch[start : start + BATCH]
        answers = await asyncio.gather(
            *(context.publish(item.subject, item.data, headers=item.headers) for item in part), return_exceptions=True
        )
        faults = [answer for answer in answers if isinstance(answer, BaseException)]
        kept += [0 if isinstance(answer, BaseException) else answer.seq for answer in answers]
        if faults:
            log.warning("messages not published", count=len(faults), error=f"{type(faults[0]).__name__} {faults[0]}")
        if len(faults) == len(part):
            break
    return kept + [0] * (len(batch) - len(kept))


async def stored(stream: str, sequence: int) -> Stored | None:
    with translated():
        try:
            return _stored(await (await jetstream()).get_msg(stream, sequence))
        except NotFoundError:
            return None


async def following(stream: str, sequence: int, subject: str) -> Stored | None:
    """The first message from `sequence` on whose subject matches."""
    with translated():
        try:
            return _stored(await (await jetstream()).get_msg(stream, max(1, sequence), subject, next=True))
        except NotFoundError:
            return None


async def delete(stream: str, sequence: int) -> None:
    """Remove one message; nothing happens where it is gone already."""
    with translated():
        try:
            await (await jetstream()).delete_msg(stream, sequence)
        except NotFoundError:
            return


async def purge(stream: str) -> None:
    with translated():
        await (await jetstream(DISK_PATIENCE)).purge_stream(stream)


async def extent(stream: str) -> Extent:
    """Raises BrokerDown, also where the stream does not exist."""
    with translated():
        ask = json.dumps({"deleted_details": True}).encode()
        answer = json.loads((await (await connected()).request(f"$JS.API.STREAM.INFO.{stream}", ask, timeout=5)).data)
    if "error" in answer:
        raise BrokerDown(f"NATS: {answer['error'].get('description', 'unknown error')}")
    state = answer["state"]
    holes = state.get("deleted") or []
    return Extent(state["first_seq"], state["last_seq"], state["messages"], holes if len(holes) <= MOST_HOLES else [])


async def delivered(stream: str) -> dict[str, int]:
    """{consumer: the highest sequence that it has delivered}."""
    with translated():
        found = await (await jetstream()).consumers_info(stream)
        return {item.name: item.delivered.stream_seq if item.delivered else 0 for item in found}


def _stored(raw: RawStreamMsg) -> Stored:
    assert raw.seq is not None
    assert raw.subject is not None
    assert raw.time is not None
    return Stored(raw.seq, raw.subject, raw.data or b"", dict(raw.headers or {}), raw.time)
