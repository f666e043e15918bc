"""Deciding about a title's releases may take long: nobody's row is held meanwhile."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.models import User
from apps.downloads import blocklist, replacement, search, services
from apps.downloads.faults import Fault
from apps.downloads.models import Candidate, Download, Phase, Source, Torrent
from apps.downloads.profiles import services as profiles
from apps.jobs.models import Job
from apps.media.models import Media
from tests.wishes import make_media

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey", "nats")]


@pytest.fixture
def media(admin: User) -> Media:
    """A film with three releases, about which no profile of now has decided."""
    media = make_media("Lamp", year=2019, runtime=100)
    for number, group in enumerate("ABC", 1):
        torrent = Torrent.objects.create(
            key=f"btih:{number:040x}", info_hash_v1=f"{number:040x}", title=f"Lamp.2019.1080p.WEB-DL.x264-{group}",
            magnet=f"magnet:?xt=urn:btih:{number:040x}", indexer="one", seen_at=timezone.now(), seeders=9 - number, size=6 * 10**9,
        )  # fmt: skip
        Candidate.objects.create(media=media, torrent=torrent, score=number, decided_at=timezone.now())
    return media


@pytest.fixture
def held(alice: User) -> Iterator[list[bool]]:
    """Of every decision that was written: whether alice's row was held, as another connection finds."""
    other, found = connection.copy(), list[bool]()

    def look(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith('INSERT INTO "candidates"'):
            with other.cursor() as cursor:
                cursor.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED", [alice.pk])
                found.append(cursor.fetchone() is None)
        return execute(sql, *rest)

    with connection.execute_wrapper(look):
        yield found
    other.close()


def chosen(user: User, media: Media) -> Download:
    download, _ = services.start(user.pk, media.pk)
    Job.objects.filter(kind="search").delete()
    services.choose(download.pk, Torrent.objects.get(title__endswith="-A"), [])
    return Download.objects.get(pk=download.pk)


def new_profile(admin: User) -> None:
    """From now on everything that is stored was decided by other rules."""
    profiles.make_default(profiles.create({"name": "New"}, admin).pk, admin)


def test_what_is_replaced_under_new_rules_is_searched_for(
    alice: User, admin: User, media: Media, held: list[bool]
) -> None:
    download = chosen(alice, media)
    new_profile(admin)
    assert replacement.replace(alice.pk, download.pk).phase == Phase.SEARCHING
    assert Job.objects.filter(kind="search", payload__download_id=download.pk).exists(), (
        "which decides, and holds nobody"
    )
    assert not held


def test_what_is_replaced_under_the_same_rules_takes_the_next_best(alice: User, media: Media) -> None:
    download = replacement.replace(alice.pk, chosen(alice, media).pk)
    assert (download.phase, download.name[-2:]) == (Phase.QUEUED, "-C")


def test_the_next_one_is_chosen_by_new_rules_while_nobody_is_held(
    alice: User, admin: User, media: Media, held: list[bool]
) -> None:
    download, _ = services.start(alice.pk, media.pk)
    found = search.best(media.pk, None, None, user_id=alice.pk)
    assert found
    new_profile(admin)
    Torrent.objects.update(seen_at=timezone.now() - timedelta(hours=1))
    blocklist.add(Download(user=alice, media=media, torrent=found), Fault("stalled", "Because."), Source.BY_HAND)
    services.choose(download.pk, found, [])
    taken = Download.objects.get(pk=download.pk)
    assert (taken.phase, taken.name[-2:]) == (Phase.QUEUED, "-A"), "the best by its seeders of those that are left"
    assert held == [False]
