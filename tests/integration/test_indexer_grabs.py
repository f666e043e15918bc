"""Fetching .torrent files: what does not come counts against its indexer, and a download says what it waits for."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from django.utils.translation import override

from apps.accounts.models import User
from apps.downloads import offered, tasks
from apps.downloads.indexers import Wish, fetch_torrent, search_all
from apps.downloads.indexers.refusals import LeftAloneError, LimitReachedError
from apps.downloads.models import Download, Indexer, IndexerUse, Phase, Torrent
from apps.downloads.services import StartPayload
from apps.feed.models import Event
from apps.jobs.registry import Running, Snooze
from apps.media.models import Kind as MediaKind
from sokoul import http
from sokoul.env import ENV
from sokoul.errors import TransientError
from sokoul.said import Said, here, texts_of
from tests.demo import Demo
from tests.integration.test_indexers_books import configure
from tests.providers import providers
from tests.wishes import make_media

__all__ = ["providers"]
NAME = "Quiet.Quay.2026.1080p.WEB-DL.H.264-QUAI"


@pytest.fixture
def torrent(providers: Demo, monkeypatch: pytest.MonkeyPatch) -> Torrent:
    """A release of the only feed, which is called Good."""
    providers.add_content(NAME, [{"path": f"{NAME}.mkv", "size": 1000}], listed=True)
    monkeypatch.setattr(ENV, "prowlarr_url", None)
    monkeypatch.setattr(ENV, "torznab_feeds", {})
    configure(providers, "Good")
    [kept] = offered.keep(search_all(Wish(MediaKind.MOVIE, "Quiet Quay", year=2026))[0])
    return kept


def row() -> Indexer:
    return Indexer.objects.get(name="Good")


def left() -> float:
    """Seconds that the indexer is left alone for."""
    until = row().backoff_until
    return (until - timezone.now()).total_seconds() if until else 0.0


def fetches(demo: Demo) -> int:
    return sum("download/" in request["path"] for request in demo.requests("torznab"))


def time_passes(seconds: float) -> None:
    """As if the indexer's failures had been earlier; what the outbound door learned is forgotten."""
    earlier = timedelta(seconds=seconds)
    for name in ("backoff_until", "failed_at"):
        value: datetime | None = getattr(row(), name)
        Indexer.objects.update(**{name: value - earlier if value else None})
    http.forget()


@pytest.mark.parametrize("fault", [{"kind": "status", "code": 503}, {"kind": "html"}, {"kind": "cut"}])
def test_what_does_not_come_counts_as_a_failure_does(
    providers: Demo, torrent: Torrent, fault: dict[str, object]
) -> None:
    providers.misbehave("torznab", path_prefix="download/", **fault)
    for failures, pause in ((1, 0), (2, 60), (3, 300)):
        with pytest.raises(TransientError) as error:
            fetch_torrent(torrent)
        assert (row().failures, row().last_error) == (failures, error.value.message)
        assert left() == pytest.approx(pause, abs=20)
        time_passes(pause + 30)
    assert fetches(providers) >= 3


@pytest.mark.parametrize("code", [429, 503])
def test_the_time_that_it_names_is_obeyed_and_it_is_not_asked_before(
    providers: Demo, torrent: Torrent, code: int
) -> None:
    providers.misbehave("torznab", "status", path_prefix="download/", code=code, retry_after=900, times=1)
    with pytest.raises(TransientError) as first:
        fetch_torrent(torrent)
    assert isinstance(first.value, LimitReachedError) == (code == 429)
    assert left() == pytest.approx(900, abs=20)
    asked = fetches(providers)
    http.forget()
    with pytest.raises(LeftAloneError, match=r"Good is left alone until \d\d:\d\d UTC\. Good answered") as error:
        fetch_torrent(torrent)
    assert error.value.retry_after == pytest.approx(900, abs=20)
    assert fetches(providers) == asked
    time_passes(1000)
    assert isinstance(fetch_torrent(torrent), bytes)


@pytest.mark.parametrize("code", [429, 503])
def test_one_that_names_years_is_left_alone_for_a_day_and_not_waited_for(
    providers: Demo, torrent: Torrent, code: int
) -> None:
    providers.misbehave("torznab", "status", path_prefix="download/", code=code, retry_after=10**9)
    with pytest.raises(TransientError) as error:
        fetch_torrent(torrent)
    assert error.value.retry_after is None, "a few quick tries, and it has failed"
    assert left() == pytest.approx(86_400, abs=20)


def test_nobody_waits_longer_than_an_hour_for_one_that_fails(torrent: Torrent) -> None:
    Indexer.objects.update(backoff_until=timezone.now() + timedelta(hours=2))
    with pytest.raises(TransientError) as error:
        fetch_torrent(torrent)
    assert (type(error.value), error.value.retry_after) == (TransientError, None), (
        "a few quick tries, and it has failed"
    )
    assert "Good est laissé au repos jusqu’à" in texts_of(error.value.message)["fr"]


def test_a_release_that_is_gone_is_no_failure_of_its_indexer(providers: Demo, torrent: Torrent) -> None:
    providers.misbehave("torznab", "status", path_prefix="download/", code=404)
    with pytest.raises(Exception, match="no longer"):
        fetch_torrent(torrent)
    assert (row().failures, left()) == (0, 0)


# --- what a download waits for


def started(user: User, torrent: Torrent) -> Download:
    Torrent.objects.update(magnet="")
    return Download.objects.create(user=user, media=make_media(), torrent=torrent, phase=Phase.QUEUED, status="Pending")


def prepare(download: Download) -> float:
    """Its job, once; gives the seconds after which it comes again."""
    job = Running(uuid.uuid4(), "start", download.user_id, "", 1)
    payload = StartPayload(download_id=download.pk, torrent_id=download.torrent_id)
    try:
        tasks.start_download(payload, job)
    except Snooze as again:
        return again.seconds
    finally:
        download.refresh_from_db()
    return 0.0


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "It waits until {}: no more releases may be fetched from Good before, by the limits that its admin has set."),
        ("fr", "Il attend jusqu’au {}\xa0: d’ici là, plus aucune version ne peut être récupérée chez Good, "
               "d’après les limites fixées par l’admin."),
    ],
)  # fmt: skip
def test_a_download_that_waits_for_a_limit_says_so_once(
    torrent: Torrent, alice: User, language: str, words: str
) -> None:
    Indexer.objects.update(grabs_day=1)
    used = IndexerUse.objects.create(
        indexer=row(), what="grabs", amount=1, at=(timezone.now() - timedelta(hours=20)).replace(second=10)
    )
    download = started(alice, torrent)
    assert prepare(download) == pytest.approx(4 * 3600, abs=120), "and that costs none of its attempts"
    with override(language):
        told_then = here(Said(download.reason, download.reason_texts))
    assert download.phase == Phase.QUEUED
    assert told_then == words.format(f"{used.at + timedelta(days=1):%Y-%m-%d %H:%M} UTC")
    told = Event.objects.filter(user=alice, type="download.updated", data__reason=download.reason)
    prepare(download)
    assert told.count() == 1
    used.delete()
    assert (prepare(download), download.reason, bool(download.swarm)) == (0.0, "", True)


def test_a_download_that_waits_for_an_indexer_that_fails_says_so(
    providers: Demo, torrent: Torrent, alice: User
) -> None:
    providers.misbehave("torznab", "status", path_prefix="download/", code=503, retry_after=900, times=1)
    download = started(alice, torrent)
    with pytest.raises(TransientError):
        prepare(download)
    assert "Good, which has it, does not answer as it should." in download.reason
    assert prepare(download) == pytest.approx(900, abs=20)
    assert "Good, which has it, does not answer as it should." in download.reason
    Download.objects.filter(pk=download.pk).update(phase=Phase.CANCELLED, status="Failed", reason="Cancelled by you.")
    assert (prepare(download), download.reason) == (0.0, "Cancelled by you.")
