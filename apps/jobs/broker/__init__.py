"""NATS and JetStream: the only importer of nats.

Coroutines of this package run on the broker's own loop; `submit` and `call` bring them there from any other thread. Only
`request` may be awaited on any loop. Whatever NATS does wrong surfaces as BrokerDown.
"""

from apps.jobs.broker.connection import BrokerDown, call, check, flush, is_connected, reply, request, submit
from apps.jobs.broker.declaring import declare, overview
from apps.jobs.broker.pull import Delivery, Pull, take
from apps.jobs.broker.stored import (
    BATCH,
    Extent,
    Outgoing,
    Stored,
    delete,
    delivered,
    extent,
    following,
    publish,
    purge,
    stored,
)

__all__ = [
    "BATCH",
    "BrokerDown",
    "Delivery",
    "Extent",
    "Outgoing",
    "Pull",
    "Stored",
    "call",
    "check",
    "declare",
    "delete",
    "delivered",
    "extent",
    "flush",
    "following",
    "is_connected",
    "overview",
    "publish",
    "purge",
    "reply",
    "request",
    "stored",
    "submit",
    "take",
]
