"""The state of downloads, indexers and disks as numbers, looked up when somebody scrapes."""

import shutil
from collections import Counter

from django.db.models import Count, Sum
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily

from apps.downloads.indexers import managing
from apps.downloads.models import ENDED, Download, Indexer, Phase
from sokoul.env import ENV


def rows() -> list[GaugeMetricFamily]:
    """Downloads that have not ended, by phase, and indexers by state. Raises database errors."""
    phases = GaugeMetricFamily("sokoul_downloads", "Downloads that have not ended.", labels=["phase"])
    rate = GaugeMetricFamily("sokoul_download_rate_bytes", "Bytes a second that all downloads receive.")
    open_phases = [phase for phase in Phase if phase not in ENDED]
    found = Download.objects.filter(phase__in=open_phases).values("phase").annotate(count=Count("id"), rate=Sum("rate"))
    known = {row["phase"]: row for row in found.order_by()}
    for phase in open_phases:
        phases.add_metric([phase.value], known[phase]["count"] if phase in known else 0)
    rate.add_metric([], sum(row["rate"] for phase, row in known.items() if phase == Phase.DOWNLOADING))
    return [phases, rate, _indexers()]


def _indexers() -> GaugeMetricFamily:
    states = GaugeMetricFamily("sokoul_indexers", "Indexers that have been asked.", labels=["state"])
    now = timezone.now()
    counted = Counter(managing.state_of(row, now) for row in Indexer.objects.all())
    for state in managing.STATES:
        states.add_metric([state], counted[state])
    return states


def disks() -> list[GaugeMetricFamily]:
    """What is left where downloads, library and everything else are kept. Raises OSError."""
    free = GaugeMetricFamily("sokoul_disk_free_bytes", "Room that is left.", labels=["folder"])
    size = GaugeMetricFamily("sokoul_disk_size_bytes", "Room that there is.", labels=["folder"])
    for name, folder in (("downloads", ENV.downloads), ("library", ENV.library), ("data", ENV.data_dir.absolute())):
        if folder.exists():
            usage = shutil.disk_usage(folder)
            free.add_metric([name], usage.free)
            size.add_metric([name], usage.free + usage.used)  # without what only root may fill
    return [free, size]
