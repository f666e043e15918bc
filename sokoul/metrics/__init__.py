"""What Sokoul counts and measures, by the plan's names (plan 8.3). Every component's numbers end up at the web's GET /metrics.

Labels are bounded: a route is its template, a kind one that is registered. Times in seconds, sizes in bytes.
"""

import os
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from sokoul import component
from sokoul.env import ENV
from sokoul.metrics import files

FOLDER = Path(os.environ.get(files.VARIABLE) or ENV.data_dir / "run" / "metrics").absolute()
shared = component.IS_COMPONENT and files.join(component.NAME, FOLDER)
"""Whether the numbers of this process are told by every web process, or it counts for itself alone."""
if not shared:
    files.stay_alone()

FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SLOW = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

API_REQUESTS = Counter("sokoul_api_requests", "HTTP requests answered.", ["method", "route", "status"])
API_SECONDS = Histogram(
    "sokoul_api_request_duration_seconds",
    "From a request's arrival at Django to its answer.",
    ["method", "route"],
    buckets=FAST,
)
WORKER_JOBS = Counter(
    "sokoul_worker_jobs",
    "Attempts at jobs: completed, failed (for good), again, handed back, taken over.",
    ["worker", "kind", "outcome"],
)
WORKER_SECONDS = Histogram(
    "sokoul_worker_job_duration_seconds", "How long a job's handler ran.", ["worker", "kind"], buckets=SLOW
)
NATS_MESSAGES = Counter(
    "sokoul_nats_messages_processed", "Messages taken from JetStream, by what was said to it.", ["answer"]
)
CACHE_HITS = Counter("sokoul_cache_hits", "Answers that came from a cache.", ["cache"])
CACHE_MISSES = Counter("sokoul_cache_misses", "Answers that a cache did not have, or only an old one.", ["cache"])
DAMAGED_ROWS = Counter("sokoul_damaged_rows", "Rows that could not be read, and were left out.", ["table"])
OUTBOUND_CALLS = Counter(
    "sokoul_outbound_requests", "Calls of providers: ok, refused or failed.", ["provider", "outcome"]
)
OUTBOUND_SECONDS = Histogram(
    "sokoul_outbound_request_duration_seconds", "How long calls of providers took.", ["provider"], buckets=SLOW
)

PROCESSES = Gauge("sokoul_processes", "Processes that live.", ["component"], multiprocess_mode="livesum")
MEMORY = Gauge(
    "sokoul_process_memory_bytes", "Resident memory of the component's largest process.", ["component"],
    multiprocess_mode="livemax",
)  # fmt: skip
CPU = Counter("sokoul_process_cpu_seconds", "Processor time used.", ["component"])
CONNECTIONS_ACTIVE = Gauge(
    "sokoul_db_connections_active", "Pooled database connections in use.", ["component"], multiprocess_mode="livesum"
)
CONNECTIONS_MOST = Gauge(
    "sokoul_db_connections_max", "Pooled database connections there may be.", ["component"], multiprocess_mode="livesum"
)
CONNECTIONS_WAITING = Gauge(
    "sokoul_db_connections_waiting", "Threads that wait for a database connection.", ["component"],
    multiprocess_mode="livesum",
)  # fmt: skip
TASKS = Gauge("sokoul_asyncio_tasks", "Tasks on the event loops.", ["component"], multiprocess_mode="livesum")
SOCKETS = Gauge("sokoul_websockets_open", "WebSockets that are open.", multiprocess_mode="livesum")
