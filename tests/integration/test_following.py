"""Following: what is wanted is found, started and filed without a hand; nothing twice, nothing lost, never too much."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from apps.accounts.models import AuditEntry, User
from apps.downloads import tasks
from apps.downloads.following.models import Seek
from apps.downloads.models import Download, LibraryFile
from apps.jobs import registry
from apps.jobs.models import Job
from apps.media import services as media_services
from apps.media.models import Episode, Media, Schedule
from tests.cast import Api
from tests.demo import Demo
from tests.providers import providers
from tests.wishes import hunting, reaches

__all__ = ["providers"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey", "nats")]
Clients = Callable[[User | None], Api]
TODAY = timezone.now().date()


def run_jobs(*kinds: str) -> int:
    """Run what is pending, as the workers do, until nothing is; how many there were."""
    registry.load()
    count = 0
    while job := Job.objects.filter(status="Pending", kind__in=kinds).order_by("created_at").first():
        found = registry.find(job.worker, job.kind)
        assert found is not None
        running = registry.Running(job.pk, job.kind, job.user_id, job.request_id, 1)
        found.handle(found.payload.model_validate(job.payload), running)
        Job.objects.filter(pk=job.pk).update(status="Completed", finished_at=timezone.now())
        count += 1
    return count


def hours_pass(hours: float) -> None:
    """Everything that was noted happened so much earlier."""
    earlier = timedelta(hours=hours)
    Schedule.objects.update(read_at=F("read_at") - earlier)
    Seek.objects.update(
        asked_at=F("asked_at") - earlier, searched_at=F("searched_at") - earlier, next_at=F("next_at") - earlier
    )
    Job.objects.filter(kind__in=["schedule", "rss", "seek"], status="Completed").delete()


def found(query: str, kind: str = "tv") -> Media:
    return Media.objects.get(pk=media_services.search_titles(query, kind)["results"][0]["id"])


def test_a_followed_series_downloads_its_new_episode_without_a_hand(providers: Demo, alice: User, api: Clients) -> None:
    """The acceptance: from the follow on nobody does anything; the relay's chore, the scout and the hunter do."""
    cats = found("harbour cats")
    assert api(alice).post("/follows", {"media_id": cats.pk, "what": "future"}).status_code == 201
    run_jobs("schedule", "details")
    assert Episode.objects.filter(media=cats).count() == 7
    tasks.follow()
    run_jobs("seek", "rss")
    assert not Download.objects.exists(), "what aired before is not wanted"

    providers.add_episode("cats", 3, 1, TODAY)
    hours_pass(7)
    for _ in range(2):  # the first turn reads that there is an episode, the second one looks for it
        tasks.follow()
        run_jobs("schedule", "seek", "rss")
    download = Download.objects.get()
    assert (download.user, download.media, download.season, download.episode) == (alice, cats, 3, 1)
    with hunting():
        run_jobs("start")
        reaches(download, "seeding")
    assert LibraryFile.objects.get().path.startswith("Series/Harbour Cats (2022)/Season 03/Harbour Cats - S03E01")
    hours_pass(30)
    tasks.follow()
    run_jobs("schedule", "seek", "rss")
    assert Download.objects.count() == 1, "what is there is not wanted"
    entry = AuditEntry.objects.get(action="download.started")
    assert (entry.actor, entry.details["how"]) == ("alice", "followed")
