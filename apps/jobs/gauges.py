"""The state of the task layer as numbers, looked up when somebody scrapes."""

import itertools

from django.db import connection
from prometheus_client.core import GaugeMetricFamily

from apps.jobs import broker
from apps.jobs.streams import DEAD, JOBS, WORKERS

STRANDED_SECONDS = 120
"""What was due so long ago and is neither published nor worked on is stranded: the relay needs seconds."""

_DEPTH = "SELECT worker, status, count(*) FROM jobs WHERE status IN ('Pending', 'Running') GROUP BY worker, status"
_STRANDED = """
SELECT count(*) FROM jobs
WHERE status = 'Pending' AND published_at IS NULL
      AND coalesce(run_at, created_at) < clock_timestamp() - %(seconds)s * interval '1 second'
   OR status = 'Running' AND lease_until < clock_timestamp() - %(seconds)s * interval '1 second'
   OR status = 'Failed' AND published_at IS NULL
      AND finished_at < clock_timestamp() - %(seconds)s * interval '1 second'
"""


def rows() -> list[GaugeMetricFamily]:
    """Raises database errors."""
    depth = GaugeMetricFamily("sokoul_queue_depth", "Jobs that have not ended.", labels=["worker", "status"])
    stranded = GaugeMetricFamily("sokoul_jobs_stranded", "Jobs that nobody publishes, nor works on, as they should.")
    with connection.cursor() as cursor:
        cursor.execute(_DEPTH)
        found = {(worker, status): count for worker, status, count in cursor.fetchall()}
        empty = dict.fromkeys(itertools.product(WORKERS, ("Pending", "Running")), 0)  # an empty queue is a number too
        for (worker, status), count in {**empty, **found}.items():
            depth.add_metric([worker, status], count)
        cursor.execute(_STRANDED, {"seconds": STRANDED_SECONDS})
        stranded.add_metric([], cursor.fetchone()[0])
    return [depth, stranded]


def streams() -> list[GaugeMetricFamily]:
    """Raises BrokerDown."""
    waiting = GaugeMetricFamily(
        "sokoul_nats_messages_waiting", "Messages that JetStream has and no worker has acknowledged.", labels=["worker"]
    )
    dead = GaugeMetricFamily("sokoul_dead_letters", "Messages in the dead-letter queue.")
    for stream in broker.call(broker.overview(), timeout=5.0):
        if stream["name"] == JOBS:
            for consumer in stream.get("consumers", []):
                waiting.add_metric([consumer["name"]], consumer["pending"] + consumer["unacknowledged"])
        elif stream["name"] == DEAD:
            dead.add_metric([], stream.get("messages", 0))
    return [waiting, dead]
