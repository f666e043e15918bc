"""Whatever happens to a download in whatever order: it is never stranded, and never has a release that was blocked."""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.downloads import blocklist, claims, preparation, replacement, search, services
from apps.downloads.faults import Fault
from apps.downloads.models import Download, Phase, Torrent
from apps.downloads.tasks import start_failed
from apps.jobs import registry
from apps.jobs.models import Job
from apps.media.models import Media
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError
from tests.integration.test_replacement import release
from tests.wishes import make_media
from tests.work import work_off

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey", "nats")]
STEPS = 60
ENDS = {Phase.SEEDING, Phase.DONE, Phase.FAILED, Phase.CANCELLED}


class Walk:
    """One download of alice's, and everybody who does something to it; `dice` decides who comes next, and how it goes."""

    def __init__(self, alice: User, media: Media, dice: random.Random, patch: pytest.MonkeyPatch) -> None:
        self.me, self.dice = alice.pk, dice
        patch.setattr(preparation.indexers, "fetch_torrent", self.fetch)
        patch.setattr(search.indexers, "search_all", lambda _: ([], []))
        self.id = services.start(self.me, media.pk)[0].pk
        people: list[Callable[[int, int], Any]] = [services.pause, services.resume, services.retry, replacement.replace]
        self.steps = [lambda verb=verb: verb(self.me, self.id) for verb in people]
        self.steps += [self.retry, self.cancel]
        self.steps += [self.work, self.claim, self.clean, self.advance, self.give_up] * 3 + [self.job_dies]

    @property
    def row(self) -> Download:
        return Download.objects.select_related("torrent").get(pk=self.id)

    def retry(self) -> None:
        services.retry(self.me, self.id)

    def cancel(self) -> None:
        if self.row.phase not in ENDS:  # else it would leave the list
            services.cancel(self.me, self.id)

    def fetch(self, torrent: Any) -> str:
        fate = self.dice.random()
        if fate < 0.2:
            raise PermanentError("It is gone.", code="release_gone")
        if fate < 0.3:
            raise PermanentError("The key is wrong.", code="indexer")
        return f"magnet:?xt=urn:btih:{torrent.info_hash_v1}"

    def work(self) -> None:
        work_off()

    def job_dies(self) -> None:
        """A start that was tried four times."""
        if job := Job.objects.filter(kind="start", status="Pending").first():
            Job.objects.filter(pk=job.pk).update(status="Failed", finished_at=timezone.now())
            start_failed(services.StartPayload(**job.payload), registry.Running(job.pk, "start", None, "", 4), "Away.")

    def claim(self) -> None:
        claims.take("hunter", 9)

    def claims(self) -> list[claims.Claim]:
        return claims.read("hunter")

    def clean(self) -> None:
        for claim in self.claims():
            if claim.removal:
                replacement.cleaned(claim)

    def advance(self) -> None:
        after = {Phase.QUEUED: Phase.METADATA, Phase.METADATA: Phase.DOWNLOADING, Phase.DOWNLOADING: Phase.FILING}
        for claim in self.claims():
            if not claim.removal and (phase := after.get(Phase(claim.phase))):
                services.rows.move(claim.id, phase, fence=claim.fence)

    def give_up(self) -> None:
        for claim in self.claims():
            if not claim.removal:
                replacement.give_up(claim.id, Fault("stalled", "It stood still."), fence=claim.fence)

    def check(self) -> None:
        row = self.row
        waiting = [job.payload for job in Job.objects.filter(status="Pending", kind="start")]
        if not row.removal and row.phase == Phase.SEARCHING:
            assert Job.objects.filter(status="Pending", kind="search").exists(), "nobody looks for a release"
        if not row.removal and row.phase == Phase.QUEUED and not row.swarm:
            assert any(job["torrent_id"] == row.torrent_id for job in waiting), "nobody prepares it"
        assert row.swarm or not row.removal, "what nobody has is to be removed"
        assert row.replacements <= replacement.MOST + 1
        if row.phase not in ENDS:
            assert not blocklist.of(row.media_id, self.me).holds(row.torrent_id), "its release was given up"
        assert len(row.tried) >= row.replacements

    def home(self) -> None:
        """Everybody does their work, and nobody wants anything any more."""
        if self.row.phase == Phase.PAUSED:
            services.resume(self.me, self.id)
        for _ in range(20):
            self.claim()
            self.clean()
            self.work()
        row = self.row
        assert row.removal == ""
        assert row.phase in ENDS or row.swarm, f"stranded: {row.phase}"


@pytest.mark.parametrize("seed", range(3))
def test_a_download_is_never_stranded_and_takes_nothing_that_was_blocked(
    alice: User, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ENV, "download_dir", tmp_path)
    monkeypatch.setattr(replacement, "MOST", 1)
    dice, media = random.Random(seed), make_media(details_at=timezone.now())
    for score in range(30):
        release(media, score, download_url="http://indexer/1")
    Torrent.objects.update(magnet="")
    walk = Walk(alice, media, dice, monkeypatch)
    for _ in range(STEPS):
        with suppress(PermanentError, TransientError):
            dice.choice(walk.steps)()
        walk.check()
    walk.home()
