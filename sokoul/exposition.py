"""GET /metrics: what every process of the installation counted, and how things stand now. Shut to strangers (SPEC 6, 18).

It answers within 3 s whatever is frozen: what has not answered by then is left out, and `sokoul_source_up` says so.
"""

import hmac
import ipaddress
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from apps.downloads import gauges as downloads
from apps.jobs import gauges as jobs
from sokoul import client_ip, health, logs, metrics
from sokoul.env import secrets_of
from sokoul.errors import problem_response
from sokoul.metrics import files

log = logs.logger(__name__)
PATIENCE = 2.0  # seconds for all sources together
# What a reverse proxy adds: from loopback, behind any of these, it is not the one who asks.
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")
Look = Callable[[], Iterable[Metric]]


class Source:
    """One look at a time: a frozen server holds one thread and not one a scrape."""

    def __init__(self, name: str, look: Look) -> None:
        self.name, self._look = name, look
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"metrics-{name}")
        self._lock = threading.Lock()
        self._asked: Future[list[Metric]] | None = None

    def ask(self) -> "Future[list[Metric]]":
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = self._thread.submit(self._answer)
            return self._asked

    def _answer(self) -> list[Metric]:
        try:
            return list(self._look())
        except Exception as error:
            log.warning("not measured", source=self.name, error=type(error).__name__)
            return []
        finally:
            close_old_connections()


def _components() -> list[Metric]:
    up = GaugeMetricFamily("sokoul_component_up", "Whether it answers.", labels=["component"])
    for name, found in health.look().items():
        up.add_metric([name], found["status"] == "ok")
    return [up]


SOURCES = (
    Source("components", _components),
    Source("jobs", jobs.rows),
    Source("streams", jobs.streams),
    Source("downloads", downloads.rows),
    Source("disks", downloads.disks),
)


def state() -> list[Metric]:
    """How things stand now, as far as it could be found out."""
    until = time.monotonic() + PATIENCE
    asked = {source.name: source.ask() for source in SOURCES}
    wait(asked.values(), timeout=max(0.0, until - time.monotonic()))
    up = GaugeMetricFamily("sokoul_source_up", "Whether this part of the page could be found out.", labels=["source"])
    found: list[Metric] = [up]
    for name, answer in asked.items():
        known = answer.result() if answer.done() else []
        up.add_metric([name], bool(known))
        found += known
    return found


class _Page:
    """Everything there is to tell, as a collector."""

    def collect(self) -> Iterable[Metric]:
        yield from map(_by_the_plans_name, files.read(metrics.FOLDER) if metrics.shared else REGISTRY.collect())
        yield from state()


def _by_the_plans_name(metric: Metric) -> Metric:
    """The plan (8.3) gives one counter a name without `_total`, which the format only allows an untyped one."""
    if metric.name != "sokoul_nats_messages_processed":
        return metric
    plain = Metric(metric.name, metric.documentation, "unknown")
    plain.samples = [sample._replace(name=metric.name) for sample in metric.samples if sample.name.endswith("_total")]
    return plain


def may_read(request: HttpRequest) -> bool:
    """Whoever has the token, asks from a trusted address, or from this machine and for nobody else."""
    scheme, _, offered = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _is_token(offered.strip()):
        return True
    found = client_ip.current()
    if found is None or client_ip.is_trusted(found):
        return found is not None
    return ipaddress.ip_address(found).is_loopback and not any(name in request.META for name in FORWARDED)


def _is_token(offered: str) -> bool:
    same = [hmac.compare_digest(offered.encode(), token.encode()) for token in secrets_of("METRICS_TOKEN")]
    return any(same)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        return problem_response(
            403, "Send METRICS_TOKEN as a bearer token, or ask from loopback or one of TRUSTED_IPS.", code="forbidden"
        )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page())
    return HttpResponse(
        generate_latest(registry), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"}
    )


urls: list[URLPattern] = [path("metrics", page)]
