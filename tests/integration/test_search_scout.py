"""`manage.py scout` as a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from apps.accounts.models import User
from apps.downloads import search
from apps.jobs.models import Job
from apps.media import services as media_services
from sokoul.api import Page
from tests.demo import Demo
from tests.providers import providers
from tests.waiting import until

__all__ = ["providers"]
ROOT = Path(__file__).parents[2]


def test_the_scout_searches_and_stops_in_order(child_environment: dict[str, str], providers: Demo, alice: User) -> None:
    media_id = media_services.search_titles("umbrella", "movie")["results"][0]["id"]
    environment = {**os.environ, **child_environment, **providers.env()}
    process = subprocess.Popen([sys.executable, "manage.py", "scout"], cwd=ROOT, env=environment)
    try:
        job = search.request_search(alice.pk, media_id)
        until(lambda: Job.objects.get(pk=job.pk).status == "Completed", 30, "the search")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert search.releases_of(media_id, Page(1, 20))["results"][0]["score"] > 0
